//! Whether a ledger can do its work: it continues what was published, and publishes what it logs.

use schemas::id::{EntryIndex, Time, TreeSize};
use verifier::entry::Entry;

use crate::error::{LedgerError, malformed};
use crate::ledger::Ledger;
use crate::store::{Read, Store};

/// How long an entry may be without a published checkpoint over it, in ms.
///
/// Publishing follows the commit within milliseconds. What stands longer than this was committed by
/// a process that has died or cannot sign, or waits for a disk that is full.
pub const UNPUBLISHED_MS_MAX: i64 = 60_000;

/// The log and its published checkpoint, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub now: Time,
    pub size: TreeSize,
    /// The size of the published checkpoint.
    pub published: Option<TreeSize>,
    /// The time of the newest entry that is covered by it.
    pub covered: Option<Time>,
    /// The time of the oldest entry that is not.
    pub uncovered: Option<Time>,
}

/// Why a ledger that answers should get no work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    #[error("no checkpoint was published")]
    Unpublished,
    #[error("the log has {size} entries, the published checkpoint covers {published} of them")]
    Behind { size: TreeSize, published: TreeSize },
}

impl Health {
    /// Since the newest entry that the published checkpoint covers, in ms.
    pub fn age_ms(&self) -> Option<i64> {
        self.covered.map(|time| self.now.since(time).max(0))
    }

    pub fn trouble(&self) -> Option<Trouble> {
        let Some(published) = self.published else {
            return Some(Trouble::Unpublished);
        };
        let late = self.uncovered.is_some_and(|time| self.now.since(time) > UNPUBLISHED_MS_MAX);
        late.then_some(Trouble::Behind { size: self.size, published })
    }
}

impl<S: Store> Ledger<S> {
    /// Looks whether the database answers and continues every checkpoint known here, and how far
    /// the published one is. A database that does not is an error, `Forked`, and so is a
    /// stop of the signing.
    pub async fn health(&self) -> Result<Health, LedgerError> {
        self.check_signing()?;
        // Before the view: what others publish meanwhile is no longer than what the view shows.
        let kept = self.publisher.kept()?;
        let mut read = self.store.snapshot().await?;
        let published = self.publisher.check(&mut read, &kept).await?.map(|it| it.size());
        let (now, size, newest) = (self.clock.now(), read.head().size, read.head().time);
        let (covered, uncovered) = match published {
            Some(published) if published == size => (newest, None),
            published => {
                let published = published.unwrap_or(0);
                let covered = match published.checked_sub(1) {
                    Some(last) => time_of(&mut read, last).await?,
                    None => None,
                };
                (covered, time_of(&mut read, published).await?)
            }
        };
        Ok(Health { now, size, published, covered, uncovered })
    }
}

async fn time_of<R: Read>(read: &mut R, index: EntryIndex) -> Result<Option<Time>, LedgerError> {
    let found = read.entries_alone(index, index + 1).await?;
    let Some((_, bytes)) = found.first() else { return Ok(None) };
    let entry = Entry::parse(bytes).map_err(|cause| malformed(format!("entry {index}"), cause))?;
    Ok(Some(entry.time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(published: Option<TreeSize>, uncovered_ms: Option<i64>, expected: Option<Trouble>) {
        let uncovered = uncovered_ms.map(|ms| Time(1_000_000 - ms));
        let covered = published.map(|_| Time(990_000));
        let now = Time(1_000_000);
        let health = Health { now, size: 9, published, covered, uncovered };
        assert_eq!(health.trouble(), expected);
        assert_eq!(health.age_ms(), published.map(|_| 10_000));
    }

    #[test]
    fn a_checkpoint_may_be_behind_for_a_minute() {
        check(Some(9), None, None);
        check(Some(7), Some(UNPUBLISHED_MS_MAX), None);
        let behind = Trouble::Behind { size: 9, published: 7 };
        check(Some(7), Some(UNPUBLISHED_MS_MAX + 1), Some(behind));
        check(None, Some(0), Some(Trouble::Unpublished));
    }
}
