//! Issuers of ID tokens: their keys, fetched and kept, and which identity their tokens mean.

use std::fs::File;
use std::io::Read as _;

use schemas::id::Time;
use tokio::sync::Mutex;

use super::id_token::{self, Claims, IdTokenError, IssuerKey, Unverified};
use super::rules::{Issuer, Rule, Rules};
use crate::outgoing::Outgoing;

/// How long keys are believed without asking again.
const KEPT_MS: i64 = 3_600_000;

/// An issuer is asked for its keys at most this often, whatever key ids strangers make up.
const AGAIN_MS: i64 = 60_000;

/// Largest key set, in bytes.
const KEYS_BYTES_MAX: usize = 256 << 10;

/// The issuers whose ID tokens are accepted.
#[derive(Debug)]
pub struct Issuers {
    issuers: Vec<(Issuer, Mutex<Keys>)>,
    outgoing: Outgoing,
}

/// The keys of one issuer, as they were last read.
#[derive(Debug, Default)]
struct Keys {
    keys: Vec<IssuerKey>,
    read: Option<Time>,
    tried: Option<Time>,
}

/// Why somebody with an ID token is not let in.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
    /// The cause names the issuer's address, which is the operator's business.
    #[error("the keys of {issuer} cannot be read")]
    Keys { issuer: String, cause: String },
    #[error("no rule of {0} fits its claims")]
    NoRule(String),
}

impl Issuers {
    pub fn new(rules: Rules, outgoing: Outgoing) -> Issuers {
        let issuers = rules.issuers.into_iter().map(|issuer| (issuer, Mutex::default()));
        Issuers { issuers: issuers.collect(), outgoing }
    }

    /// Checks an ID token, and finds the first rule that fits its claims.
    pub async fn admit(&self, text: &str, now: Time) -> Result<(Claims, &Rule), IssuerError> {
        let token = id_token::parse(text)?;
        let (issuer, kept) = self
            .issuers
            .iter()
            .find(|(issuer, _)| issuer.issuer == token.issuer)
            .ok_or_else(|| IdTokenError::Issuer(token.issuer.chars().take(200).collect()))?;
        let keys = self.keys(issuer, kept, &token, now).await?;
        let claims = token.verify(&keys, &issuer.audience, now)?;
        let rule = issuer.rules.iter().find(|rule| rule.fits(&claims));
        let rule = rule.ok_or_else(|| IssuerError::NoRule(issuer.issuer.clone()))?;
        Ok((claims, rule))
    }

    /// The keys of an issuer; asked for where they are old, or lack the one that is named.
    async fn keys(
        &self,
        issuer: &Issuer,
        kept: &Mutex<Keys>,
        token: &Unverified<'_>,
        now: Time,
    ) -> Result<Vec<IssuerKey>, IssuerError> {
        let mut kept = kept.lock().await;
        let fresh = kept.read.is_some_and(|at| now.since(at) < KEPT_MS);
        let known = id_token::find(&kept.keys, &token.key_id, token.algorithm).is_some();
        let again = kept.tried.is_none_or(|at| now.since(at) >= AGAIN_MS);
        let failed = |cause| IssuerError::Keys { issuer: issuer.issuer.clone(), cause };
        if (!fresh || !known) && again {
            kept.tried = Some(now);
            match self.fetch(&issuer.keys).await {
                Ok(keys) => (kept.keys, kept.read) = (keys, Some(now)),
                Err(cause) if fresh => {
                    tracing::warn!(issuer = issuer.issuer, cause, "its keys were not read again");
                }
                Err(cause) => return Err(failed(cause)),
            }
        } else if !fresh {
            return Err(failed("they could not be read a moment ago".to_owned()));
        }
        Ok(kept.keys.clone())
    }

    async fn fetch(&self, from: &str) -> Result<Vec<IssuerKey>, String> {
        let bytes = match from.contains("://") {
            true => {
                let request = self.outgoing.get(from).map_err(|cause| cause.to_string())?;
                let answer = self.outgoing.send(request, KEYS_BYTES_MAX).await;
                let answer = answer.map_err(|cause| cause.to_string())?;
                if !answer.status.is_success() {
                    return Err(format!("it answers {}", answer.status));
                }
                answer.body
            }
            false => read_file(from).map_err(|cause| format!("{from}: {cause}"))?,
        };
        id_token::parse_keys(&bytes).map_err(str::to_owned)
    }
}

fn read_file(path: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(KEYS_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
