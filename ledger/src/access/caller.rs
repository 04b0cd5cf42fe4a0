//! Who calls, and why a call is refused.

use std::sync::Arc;

use schemas::id::{IdentityName, Time};
use verifier::access::{Act, Denied, Reach, Scope, may, may_bring, needed};
use verifier::event::Event;
use verifier::trust::Trust;

use super::{Openness, TokenId};
use crate::error::LedgerError;
use crate::ledger::Submission;
use crate::store::{Purpose, Token};

/// Whoever makes a call, as far as it is known.
#[derive(Debug, Clone)]
pub struct Caller {
    who: Who,
    open: Openness,
}

#[derive(Debug, Clone)]
enum Who {
    /// No token was sent.
    Anonymous,
    /// Whoever started the first server read its token: it makes and revokes others, nothing else.
    Bootstrap(TokenId),
    Identity {
        name: IdentityName,
        token: TokenId,
        scope: Scope,
        trust: Arc<Trust>,
    },
}

/// Why a call is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// With what the call needs, where that is known by then.
    #[error("{}send a token in the header: Authorization: Bearer attestry_…", needs(.0))]
    Missing(Option<String>),
    #[error("{0}")]
    Malformed(&'static str),
    #[error("this server has no token {0} with that secret")]
    Unknown(TokenId),
    #[error("token {id} expired at {at}")]
    Expired { id: TokenId, at: Time },
    #[error("token {0} was revoked")]
    Revoked(TokenId),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(
        "the first token of a ledger makes and revokes tokens, and nothing else; this needs {0}"
    )]
    Bootstrap(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Caller {
    pub(super) fn anonymous(open: Openness) -> Caller {
        Caller { who: Who::Anonymous, open }
    }

    pub(super) fn of(token: Token, trust: Arc<Trust>, open: Openness) -> Caller {
        let who = match (token.purpose, token.identity) {
            (Purpose::Bootstrap, _) | (_, None) => Who::Bootstrap(token.id),
            (Purpose::Call | Purpose::Exchange | Purpose::Session, Some(name)) => {
                Who::Identity { name, token: token.id, scope: token.scope, trust }
            }
        };
        Caller { who, open }
    }

    /// The identity that calls, where a token says so.
    pub fn identity(&self) -> Option<&IdentityName> {
        match &self.who {
            Who::Identity { name, .. } => Some(name),
            Who::Anonymous | Who::Bootstrap(_) => None,
        }
    }

    /// The token that was sent.
    pub fn token(&self) -> Option<&TokenId> {
        match &self.who {
            Who::Identity { token, .. } | Who::Bootstrap(token) => Some(token),
            Who::Anonymous => None,
        }
    }

    /// Refuses what the caller may not do.
    pub fn check(&self, act: Act, reach: Reach<'_>) -> Result<(), Refusal> {
        let open = match act {
            Act::Enter => self.open.reading || self.open.submitting,
            Act::Read => self.open.reading,
            Act::Submit => self.open.submitting,
            Act::Administer => false,
        };
        match &self.who {
            _ if open => Ok(()),
            Who::Anonymous => Err(Refusal::Missing(Some(needed(act, reach)))),
            Who::Bootstrap(_) if act == Act::Administer => Ok(()),
            Who::Bootstrap(_) => Err(Refusal::Bootstrap(needed(act, reach))),
            Who::Identity { name, scope, trust, .. } => Ok(may(trust, name, scope, act, reach)?),
        }
    }

    /// Refuses to file something for a project that the caller has nothing to do with, and what its
    /// token leaves no role for.
    ///
    /// A caller may bring what others have signed: the log's rules judge the signature. Only where
    /// a token is narrowed is the event looked at here.
    pub fn check_submission(&self, it: &Submission) -> Result<(), Refusal> {
        if let Some(project) = &it.project {
            self.check(Act::Submit, Reach::Project(project))?;
        }
        let Who::Identity { name, scope, trust, .. } = &self.who else { return Ok(()) };
        if *scope == Scope::default() {
            return Ok(());
        }
        match Event::read(&it.envelope) {
            Ok(event) => Ok(may_bring(trust, name, scope, &event, it.project.as_ref())?),
            // The log says what is wrong with it.
            Err(_) => Ok(()),
        }
    }
}

fn needs(needed: &Option<String>) -> String {
    needed.as_ref().map_or(String::new(), |needed| format!("the call needs a {needed}: "))
}
