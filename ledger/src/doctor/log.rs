//! The log: that it continues what was published, the clock against its newest entry, and whether the
//! service's key may sign.

use schemas::id::Time;
use schemas::trust::role;

use super::Check;
use crate::clock::{AHEAD_MS_MAX, BEHIND_MS_MAX};
use crate::error::LedgerError;
use crate::health::{Health, Trouble};
use crate::ledger::Ledger;
use crate::store::{Purpose, Store, Token};

/// The rest of a token's life at which it is named, in ms.
const SOON_MS: i64 = 7 * 86_400_000;

pub async fn examine<S: Store>(ledger: &Ledger<S>) -> Vec<Check> {
    let (mut checks, health) = match ledger.health().await {
        Ok(health) => (vec![checkpoint(&health), clock(&health)], true),
        Err(LedgerError::Forked(found)) => {
            let next = "sign nothing: docs/operating.md, \"When a ledger says forked\"";
            (vec![Check::broken("checkpoint", found, next)], false)
        }
        Err(cause) => (vec![super::database::unusable(&cause)], false),
    };
    if health && !ledger.high_water().exists() {
        checks.push(Check::warning(
            "high-water",
            format!("there is no {}", ledger.high_water().display()),
            "an old copy put back here would not be noticed: is ATTESTRY_STATE the folder that it was?",
        ));
    }
    checks.push(service_key(ledger).await);
    checks.push(tokens(ledger).await);
    checks
}

fn checkpoint(health: &Health) -> Check {
    let found = format!("{} entries, {} published", health.size, health.published.unwrap_or(0));
    match health.trouble() {
        None => Check::ok("checkpoint", found),
        Some(Trouble::Unpublished | Trouble::Behind { .. }) => Check::failed(
            "checkpoint",
            found,
            "open the ledger with its log key: any command publishes what was committed",
        ),
    }
}

fn clock(health: &Health) -> Check {
    let newest = health.uncovered.or(health.covered);
    newest
        .map_or_else(|| Check::ok("clock", "nothing to compare it with"), |it| span(health.now, it))
}

fn span(now: Time, newest: Time) -> Check {
    let since = now.since(newest);
    let found = format!("{now}, the newest entry {newest}");
    if since < -BEHIND_MS_MAX {
        Check::failed("clock", found, "set this machine's clock right: times never go back")
    } else if since > AHEAD_MS_MAX {
        let next = "where the clock is right, say --accept-clock once";
        Check::warning("clock", found, next)
    } else {
        Check::ok("clock", found)
    }
}

async fn service_key<S: Store>(ledger: &Ledger<S>) -> Check {
    const NAME: &str = "service-key";
    let key = match ledger.service_key() {
        Ok(key) => key.public().key_id(),
        Err(cause) => {
            let next = "restore keys/service.pem: nothing is decided without it";
            return Check::failed(NAME, cause.to_string(), next);
        }
    };
    let state = match ledger.loader().await {
        Ok(loader) => loader.state,
        Err(cause) => return super::database::unusable(&cause),
    };
    let known = state.trust().and_then(|trust| {
        let identity = trust.identity(&key, u64::MAX)?;
        let mut grants = trust.document.grants.iter();
        grants.find(|grant| grant.identity == *identity && grant.role == role::SERVICE)
    });
    match known {
        Some(grant) => Check::ok(NAME, format!("granted to {}", grant.identity)),
        None => Check::failed(
            NAME,
            "the trust document grants it nothing",
            "grant its identity the role service, or restore the key that has it",
        ),
    }
}

/// Names the tokens that end soon: whoever uses one is not told before it fails.
async fn tokens<S: Store>(ledger: &Ledger<S>) -> Check {
    const NAME: &str = "tokens";
    let (now, mut ending, mut after) = (ledger.now(), Vec::new(), None);
    loop {
        let page = match ledger.tokens(after.as_ref()).await {
            Ok(page) => page,
            Err(cause) => return super::database::unusable(&cause),
        };
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        ending.extend(page.into_iter().filter(|token| ends_soon(token, now)));
    }
    match ending.iter().min_by_key(|token| token.expires) {
        None => Check::ok(NAME, "none ends within a week"),
        Some(first) => {
            let (count, id, at) = (ending.len(), &first.id, first.expires);
            let found = format!("{count} within a week, {id} the first of them at {at}");
            Check::warning(NAME, found, "attestry token create, and hand the new ones out")
        }
    }
}

fn ends_soon(token: &Token, now: Time) -> bool {
    let left = token.expires.since(now);
    token.purpose == Purpose::Call && token.revoked.is_none() && (1..=SOON_MS).contains(&left)
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn a_clock_is_compared_with_the_newest_entry() {
        let newest = Time(100 * 86_400_000);
        for (ms, expected) in [
            (0, Grade::Ok),
            (-BEHIND_MS_MAX, Grade::Ok),
            (-BEHIND_MS_MAX - 1, Grade::Failed),
            (AHEAD_MS_MAX, Grade::Ok),
            (AHEAD_MS_MAX + 1, Grade::Warning),
        ] {
            assert_eq!(span(Time(newest.0 + ms), newest).grade, expected, "{ms}");
        }
    }

    #[test]
    fn a_checkpoint_far_behind_fails() {
        let (now, covered) = (Time(1_000_000), Some(Time(0)));
        let health = Health { now, size: 9, published: Some(7), covered, uncovered: Some(Time(0)) };
        assert_eq!(checkpoint(&health).grade, Grade::Failed);
        let health = Health { published: Some(9), uncovered: None, ..health };
        assert_eq!(checkpoint(&health).grade, Grade::Ok);
    }
}
