//! Who calls the server: tokens made, listed and revoked, and what the holder of one may do now.
//!
//! A token stands for an identity of the log. What it allows is asked of the trust document in
//! force at the time of the call ([`verifier::access`]); a token only ever narrows that.

mod caller;
pub mod id_token;
pub mod issuers;
pub mod login;
pub mod rules;
mod token;

use std::sync::{Arc, Mutex};

use schemas::id::{Hash, IdentityName, Time};
use schemas::thread::ThreadId;
use verifier::access::{Reach, Scope, roles};
use verifier::trust::Trust;
use zeroize::Zeroizing;

pub use caller::{Caller, Refusal};
pub use token::{NotAnId, PREFIX, Secret, TokenId};

use crate::error::{LedgerError, malformed};
use crate::ledger::Ledger;
use crate::store::{Purpose, Standing, Store, Token, Viewing};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The longest that a token may last.
pub const LIFETIME_MS_MAX: i64 = 366 * DAY_MS;

/// How long the first token of a ledger lasts.
const BOOTSTRAP_MS: i64 = HOUR_MS;

/// How long a token lasts that is given in exchange for an ID token.
pub const EXCHANGE_MS: i64 = HOUR_MS;

/// How long somebody stays logged in.
pub const SESSION_MS: i64 = 12 * HOUR_MS;

/// How long exchanged tokens and sessions are still listed after they have expired.
const LISTED_MS: i64 = 7 * DAY_MS;

/// A token that somebody asks for.
#[derive(Debug, Clone)]
pub struct TokenAsk {
    pub identity: IdentityName,
    pub scope: Scope,
    pub purpose: Purpose,
    /// How long it is to last, in milliseconds.
    pub lifetime_ms: i64,
}

/// Why a token was not made or taken away.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("a token lasts for at least a second and at most 366 days")]
    Lifetime,
    #[error("the ledger knows no identity {0}")]
    NoIdentity(IdentityName),
    /// A narrower token than the identity's grants would be one thing, a wider one is a mistake.
    #[error("{0}")]
    Wider(String),
    #[error("there is no token {0}")]
    NoToken(TokenId),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl<S: Store> Ledger<S> {
    /// Makes a token. Its text is in the answer, and nowhere else from then on.
    pub async fn create_token(
        &self,
        ask: &TokenAsk,
    ) -> Result<(Zeroizing<String>, Token), TokenError> {
        if !(1000..=LIFETIME_MS_MAX).contains(&ask.lifetime_ms) {
            return Err(TokenError::Lifetime);
        }
        let trust = self.trust_now().await?.1;
        if !trust.document.identities.iter().any(|it| it.name == ask.identity) {
            return Err(TokenError::NoIdentity(ask.identity.clone()));
        }
        check_scope(&trust, ask)?;
        let identity = Some(ask.identity.clone());
        let (text, token) = self.new_token(ask.purpose, identity, &ask.scope, ask.lifetime_ms)?;
        self.store.keep_token(&token).await.map_err(LedgerError::from)?;
        if token.purpose != Purpose::Call {
            let before = token.created.plus_ms(-LISTED_MS);
            self.store.forget_expired(before).await.map_err(LedgerError::from)?;
        }
        Ok((text, token))
    }

    /// Makes a token that only makes and revokes others, where there has never been any.
    pub async fn first_token(&self) -> Result<Option<Zeroizing<String>>, LedgerError> {
        let scope = Scope::default();
        let (text, token) = self.new_token(Purpose::Bootstrap, None, &scope, BOOTSTRAP_MS)?;
        Ok(self.store.keep_first_token(&token).await?.then_some(text))
    }

    fn new_token(
        &self,
        purpose: Purpose,
        identity: Option<IdentityName>,
        scope: &Scope,
        lifetime_ms: i64,
    ) -> Result<(Zeroizing<String>, Token), LedgerError> {
        let (secret, created) = (Secret::new()?, self.now());
        let token = Token {
            id: secret.id.clone(),
            secret: secret.hash(),
            purpose,
            identity,
            scope: scope.clone(),
            created,
            expires: created.plus_ms(lifetime_ms),
            revoked: None,
            used: None,
        };
        Ok((secret.text(), token))
    }

    /// The tokens behind one, in the order of their ids: a page of them.
    pub async fn tokens(&self, after: Option<&TokenId>) -> Result<Vec<Token>, LedgerError> {
        Ok(self.store.tokens(after).await?)
    }

    /// Takes a token's power away from now on.
    pub async fn revoke_token(&self, id: &TokenId) -> Result<(), TokenError> {
        match self.store.revoke_token(id, self.now()).await.map_err(LedgerError::from)? {
            true => Ok(()),
            false => Err(TokenError::NoToken(id.clone())),
        }
    }

    /// Notes that a caller reads something that is on the record to be read, such as a pack, before
    /// it is given out: where this fails, nothing is.
    pub async fn note_viewing(&self, caller: &Caller, what: String) -> Result<(), LedgerError> {
        let (identity, token) = (caller.identity().cloned(), caller.token().cloned());
        let viewing = Viewing { sequence: 0, identity, token, what, at: self.now() };
        Ok(self.store.note_viewing(&viewing).await?)
    }

    /// Who has read what, behind one: a page of them.
    pub async fn viewings(&self, after: u64) -> Result<Vec<Viewing>, LedgerError> {
        Ok(self.store.viewings(after).await?)
    }

    /// The trust document in force, and the leaf hash of the entry that its control thread ends in.
    async fn trust_now(&self) -> Result<(Option<Hash>, Arc<Trust>), LedgerError> {
        let state = self.loader().await?.state;
        let head = state.head(&ThreadId::Control).ok().flatten().map(|head| head.leaf);
        let trust = state.trust().cloned();
        Ok((head, trust.ok_or_else(|| malformed("the ledger", "it has no trust document"))?))
    }
}

/// Refuses to narrow a token to what its identity has not.
fn check_scope(trust: &Trust, ask: &TokenAsk) -> Result<(), TokenError> {
    let (identity, scope) = (&ask.identity, &ask.scope);
    let held = roles(trust, identity, &Scope::default(), Reach::Any);
    if let Some(role) = scope.roles.iter().find(|role| !held.contains(role.as_str())) {
        return Err(TokenError::Wider(format!("{identity} has no role {role}")));
    }
    for project in &scope.projects {
        let scope = Scope { projects: [project.clone()].into(), roles: scope.roles.clone() };
        if roles(trust, identity, &scope, Reach::Any).is_empty() {
            let what = format!("{identity} has no such role for project {project}");
            return Err(TokenError::Wider(what));
        }
    }
    Ok(())
}

/// What is open to callers without a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Openness {
    pub reading: bool,
    pub submitting: bool,
}

/// What a token came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// The header `Authorization`.
    Header,
    Cookie,
}

/// Tells who calls, and keeps the trust document at hand that was in force last.
pub struct Access<S: Store> {
    ledger: Arc<Ledger<S>>,
    open: Openness,
    trust: Mutex<Option<(Hash, Arc<Trust>)>>,
}

impl<S: Store> Access<S> {
    pub fn new(ledger: Arc<Ledger<S>>, open: Openness) -> Access<S> {
        Access { ledger, open, trust: Mutex::default() }
    }

    /// A caller without a token.
    pub fn anonymous(&self) -> Caller {
        Caller::anonymous(self.open)
    }

    /// Who sends this text as a token, with what trust says of them now.
    ///
    /// A session is what a cookie carries, and any other token what a header does: neither does as
    /// the other, so that no page can be made to send what a machine was given.
    pub async fn caller(&self, text: &str, by: Carrier) -> Result<Caller, Refusal> {
        let secret = Secret::parse(text).ok_or(Refusal::Malformed("it is no token of Attestry"))?;
        let standing = self.ledger.store.standing(&secret.id).await.map_err(LedgerError::from)?;
        let Standing { token, control } = standing;
        let token = token.filter(|token| secret.is(&token.secret));
        let fits = |token: &Token| (token.purpose == Purpose::Session) == (by == Carrier::Cookie);
        let token = token.filter(fits).ok_or(Refusal::Unknown(secret.id))?;
        self.admit(token, control).await
    }

    /// The same caller, asked anew: for calls that last.
    pub async fn again(&self, caller: &Caller) -> Result<Caller, Refusal> {
        let Some(id) = caller.token() else { return Ok(caller.clone()) };
        let standing = self.ledger.store.standing(id).await.map_err(LedgerError::from)?;
        let token = standing.token.ok_or_else(|| Refusal::Unknown(id.clone()))?;
        self.admit(token, standing.control).await
    }

    async fn admit(&self, token: Token, control: Option<Hash>) -> Result<Caller, Refusal> {
        let now = self.ledger.now();
        if token.revoked.is_some() {
            return Err(Refusal::Revoked(token.id));
        }
        if token.expires <= now {
            return Err(Refusal::Expired { id: token.id, at: token.expires });
        }
        self.mark_used(&token, now);
        let trust = self.trust_at(control).await?;
        Ok(Caller::of(token, trust, self.open))
    }

    /// Notes the day of the call, beside the call.
    fn mark_used(&self, token: &Token, now: Time) {
        let day = now.0.div_euclid(DAY_MS);
        if token.used == Some(day) {
            return;
        }
        let (ledger, id) = (Arc::clone(&self.ledger), token.id.clone());
        tokio::spawn(async move {
            if let Err(cause) = ledger.store.mark_used(&id, day).await {
                tracing::warn!(%id, %cause, "the day of a call was not noted");
            }
        });
    }

    /// The trust document in force where the control thread ends so.
    async fn trust_at(&self, control: Option<Hash>) -> Result<Arc<Trust>, LedgerError> {
        let kept = self.trust.lock().ok().and_then(|kept| kept.clone());
        if let Some((leaf, trust)) = kept
            && Some(leaf) == control
        {
            return Ok(trust);
        }
        let (leaf, trust) = self.ledger.trust_now().await?;
        if let (Some(leaf), Ok(mut kept)) = (leaf, self.trust.lock()) {
            *kept = Some((leaf, Arc::clone(&trust)));
        }
        Ok(trust)
    }
}
