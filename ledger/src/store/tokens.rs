//! Who may call the server: rows that an operator makes and takes away, and that are in no log.
//!
//! Whoever can write them can call the server as any identity, and so read the whole log. They can
//! log nothing by that: what is logged, some key has signed. Reading these rows is of no use: of a
//! secret only its SHA-256 is here, and secrets are 32 random bytes.

use std::future::Future;

use schemas::id::{Hash, IdentityName, Time};
use verifier::access::Scope;

use super::StoreError;
use crate::access::TokenId;

/// Most rows that one list returns.
pub const TOKENS_PAGE: u32 = 256;

/// What a token was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Made by an operator or admin, for a machine or a person.
    Call,
    /// Given in exchange for the ID token of a CI job.
    Exchange,
    /// A browser's, after somebody has logged in.
    Session,
    /// Printed when a server first ran without any token: it only makes and revokes others.
    Bootstrap,
}

impl Purpose {
    pub const ALL: [Purpose; 4] =
        [Purpose::Call, Purpose::Exchange, Purpose::Session, Purpose::Bootstrap];

    /// As it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Call => "call",
            Purpose::Exchange => "exchange",
            Purpose::Session => "session",
            Purpose::Bootstrap => "bootstrap",
        }
    }

    pub fn from_name(name: &str) -> Option<Purpose> {
        Purpose::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    /// SHA-256 of the secret.
    pub secret: Hash,
    pub purpose: Purpose,
    /// Whose it is; nobody's only for [`Purpose::Bootstrap`].
    pub identity: Option<IdentityName>,
    pub scope: Scope,
    pub created: Time,
    /// From this time on it is refused.
    pub expires: Time,
    pub revoked: Option<Time>,
    /// The day of the last call, in days since 1970.
    pub used: Option<i64>,
}

impl Token {
    /// The day of the last call, as `2026-11-20`.
    pub fn used_on(&self) -> Option<String> {
        let at = |day: i64| Time(day.saturating_mul(86_400_000)).to_string();
        self.used.map(|day| at(day).chars().take(10).collect())
    }
}

/// Somebody who has read something that is on the record to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewing {
    /// Given by the store, from 1.
    pub sequence: u64,
    pub identity: Option<IdentityName>,
    pub token: Option<TokenId>,
    /// What was read: a few words.
    pub what: String,
    pub at: Time,
}

/// A token, and which trust document is in force, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub token: Option<Token>,
    /// The leaf hash of the newest entry that changes the rules for everybody.
    pub control: Option<Hash>,
}

/// The tokens of one ledger, kept beside its log.
pub trait Tokens: Send + Sync {
    /// Keeps a new token; one with an id that is there is refused by the database.
    fn keep_token(&self, token: &Token) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps a token where there has never been one; returns false where there has.
    fn keep_first_token(
        &self,
        token: &Token,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    fn standing(&self, id: &TokenId) -> impl Future<Output = Result<Standing, StoreError>> + Send;

    /// The tokens behind one, in the order of their ids; [`TOKENS_PAGE`] of them at most.
    fn tokens(
        &self,
        after: Option<&TokenId>,
    ) -> impl Future<Output = Result<Vec<Token>, StoreError>> + Send;

    /// Takes a token's power away from now on; returns false where there is no such token. The time
    /// of an earlier revocation stays.
    fn revoke_token(
        &self,
        id: &TokenId,
        at: Time,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Notes the day of a call, in days since 1970.
    fn mark_used(
        &self,
        id: &TokenId,
        day: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes that somebody has read something; its `sequence` is not looked at.
    fn note_viewing(
        &self,
        viewing: &Viewing,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Those noted behind one, in their order; [`TOKENS_PAGE`] of them at most.
    fn viewings(&self, after: u64)
    -> impl Future<Output = Result<Vec<Viewing>, StoreError>> + Send;

    /// Deletes exchanged tokens and sessions that expired before a time.
    fn forget_expired(&self, before: Time) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// The words of a scope, as they are stored: neither roles nor projects have spaces.
pub fn format_words<T: ToString>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|word| word.to_string()).collect::<Vec<_>>().join(" ")
}

pub fn parse_words<T: std::str::FromStr + Ord>(
    text: &str,
) -> Option<std::collections::BTreeSet<T>> {
    text.split(' ').filter(|word| !word.is_empty()).map(|word| word.parse().ok()).collect()
}
