//! Tokens: each verb is one statement.

use schemas::id::Time;
use verifier::access::Scope;

use super::SqliteStore;
use super::rows::{Columns, Sql};
use crate::access::TokenId;
use crate::store::StoreError;
use crate::store::forms::number;
use crate::store::tokens::{
    Purpose, Standing, TOKENS_PAGE, Token, Tokens, Viewing, format_words, parse_words,
};

const KEEP: &str = "INSERT INTO token \
     (id, secret, purpose, identity, roles, projects, created, expires) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const KEEP_FIRST: &str = "INSERT INTO token \
     (id, secret, purpose, identity, roles, projects, created, expires) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE NOT EXISTS (SELECT 1 FROM token)";

/// One row always, whose columns are all NULL but `control` where there is no such token.
const STANDING: &str = "SELECT token.*, thread.leaf AS control \
     FROM (SELECT 1) LEFT JOIN token ON token.id = ?1 \
         LEFT JOIN thread ON thread.kind = 'control' AND thread.id = 'ledger'";

const LIST: &str = "SELECT * FROM token WHERE id > ?1 ORDER BY id LIMIT ?2";
const REVOKE: &str = "UPDATE token SET revoked = coalesce(revoked, ?2) WHERE id = ?1";
const MARK: &str = "UPDATE token SET used = ?2 WHERE id = ?1";
const FORGET: &str = "DELETE FROM token WHERE expires < ?1 AND purpose IN ('exchange', 'session')";

const NOTE: &str = "INSERT INTO viewing (identity, token, what, at) VALUES (?1, ?2, ?3, ?4)";
const VIEWINGS: &str = "SELECT * FROM viewing WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";

fn parse(columns: &Columns<'_>) -> Result<Token, StoreError> {
    let corrupt = |what| columns.corrupt(what);
    let (id, purpose) = (columns.text("id")?, columns.text("purpose")?);
    let identity = columns.text_if_any("identity")?;
    Ok(Token {
        id: id.parse().map_err(|_| corrupt("id"))?,
        secret: columns.hash("secret")?,
        purpose: Purpose::from_name(purpose).ok_or_else(|| corrupt("purpose"))?,
        identity: identity.map(str::parse).transpose().map_err(|_| corrupt("identity"))?,
        scope: Scope {
            roles: parse_words(columns.text("roles")?).ok_or_else(|| corrupt("roles"))?,
            projects: parse_words(columns.text("projects")?).ok_or_else(|| corrupt("projects"))?,
        },
        created: Time(columns.get("created")?),
        expires: Time(columns.get("expires")?),
        revoked: columns.get::<Option<i64>>("revoked")?.map(Time),
        used: columns.get("used")?,
    })
}

fn parse_viewing(columns: &Columns<'_>) -> Result<Viewing, StoreError> {
    let identity = columns.text_if_any("identity")?;
    let token = columns.text_if_any("token")?;
    Ok(Viewing {
        sequence: columns.number("sequence")?,
        identity: identity.map(str::parse).transpose().map_err(|_| columns.corrupt("identity"))?,
        token: token.map(str::parse).transpose().map_err(|_| columns.corrupt("token"))?,
        what: columns.get("what")?,
        at: Time(columns.get("at")?),
    })
}

impl SqliteStore {
    async fn keep(&self, text: &'static str, token: &Token) -> Result<usize, StoreError> {
        let identity = token.identity.as_ref().map(ToString::to_string);
        let scope = (format_words(&token.scope.roles), format_words(&token.scope.projects));
        let values = (
            token.id.as_str(),
            token.secret.0.as_slice(),
            token.purpose.name(),
            identity,
            scope.0,
            scope.1,
            token.created.0,
            token.expires.0,
        );
        self.change(text, values).await
    }
}

impl Tokens for SqliteStore {
    async fn keep_token(&self, token: &Token) -> Result<(), StoreError> {
        self.keep(KEEP, token).await.map(drop)
    }

    async fn keep_first_token(&self, token: &Token) -> Result<bool, StoreError> {
        Ok(self.keep(KEEP_FIRST, token).await? == 1)
    }

    async fn standing(&self, id: &TokenId) -> Result<Standing, StoreError> {
        let connection = self.readers.lend().await?;
        let standing = Sql::new(&connection, "token", STANDING)?.first((id.as_str(),), |columns| {
            let control = columns.get::<Option<Vec<u8>>>("control")?.is_some();
            let known = columns.text_if_any("id")?.is_some();
            Ok(Standing {
                token: known.then(|| parse(columns)).transpose()?,
                control: control.then(|| columns.hash("control")).transpose()?,
            })
        });
        standing?.ok_or(StoreError::Corrupt { table: "token", what: "row" })
    }

    async fn tokens(&self, after: Option<&TokenId>) -> Result<Vec<Token>, StoreError> {
        let connection = self.readers.lend().await?;
        let after = after.map_or("", TokenId::as_str);
        Sql::new(&connection, "token", LIST)?.all((after, TOKENS_PAGE), parse)
    }

    async fn revoke_token(&self, id: &TokenId, at: Time) -> Result<bool, StoreError> {
        Ok(self.change(REVOKE, (id.as_str(), at.0)).await? == 1)
    }

    async fn mark_used(&self, id: &TokenId, day: i64) -> Result<(), StoreError> {
        self.change(MARK, (id.as_str(), day)).await.map(drop)
    }

    async fn note_viewing(&self, viewing: &Viewing) -> Result<(), StoreError> {
        let identity = viewing.identity.as_ref().map(ToString::to_string);
        let token = viewing.token.as_ref().map(ToString::to_string);
        let values = (identity, token, viewing.what.as_str(), viewing.at.0);
        self.change(NOTE, values).await.map(drop)
    }

    async fn viewings(&self, after: u64) -> Result<Vec<Viewing>, StoreError> {
        let connection = self.readers.lend().await?;
        Sql::new(&connection, "viewing", VIEWINGS)?.all((number(after), TOKENS_PAGE), parse_viewing)
    }

    async fn forget_expired(&self, before: Time) -> Result<u64, StoreError> {
        Ok(self.change(FORGET, (before.0,)).await? as u64)
    }
}
