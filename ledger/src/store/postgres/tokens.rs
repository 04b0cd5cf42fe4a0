//! Tokens: each verb is one statement.

use schemas::id::Time;
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgRow};
use verifier::access::Scope;

use super::rows::Columns;
use super::{PgStore, failed, transaction};
use crate::access::TokenId;
use crate::store::StoreError;
use crate::store::forms::number;
use crate::store::tokens::{
    Purpose, Standing, TOKENS_PAGE, Token, Tokens, Viewing, format_words, parse_words,
};

const KEEP: &str = "INSERT INTO token \
     (id, secret, purpose, identity, roles, projects, created, expires) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// Of several that find no token at once, the index on the purpose lets one through.
const KEEP_FIRST: &str = "INSERT INTO token \
     (id, secret, purpose, identity, roles, projects, created, expires) \
     SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (SELECT FROM token) \
     ON CONFLICT DO NOTHING";

/// One row always, whose columns are all NULL but `control` where there is no such token.
const STANDING: &str = "SELECT token.*, thread.leaf AS control \
     FROM (SELECT) AS one LEFT JOIN token ON token.id = $1 \
         LEFT JOIN thread ON thread.kind = 'control' AND thread.id = 'ledger'";

const LIST: &str = "SELECT * FROM token WHERE id > $1 ORDER BY id LIMIT $2";
const REVOKE: &str = "UPDATE token SET revoked = coalesce(revoked, $2) WHERE id = $1";
const MARK: &str = "UPDATE token SET used = $2 WHERE id = $1";
const FORGET: &str = "DELETE FROM token WHERE expires < $1 AND purpose IN ('exchange', 'session')";

const NOTE: &str = "INSERT INTO viewing (identity, token, what, at) VALUES ($1, $2, $3, $4)";
const VIEWINGS: &str = "SELECT * FROM viewing WHERE sequence > $1 ORDER BY sequence LIMIT $2";

type Query = sqlx::query::Query<'static, sqlx::Postgres, PgArguments>;

fn bind(text: &'static str, token: &Token) -> Query {
    sqlx::query(text)
        .bind(token.id.as_str().to_owned())
        .bind(token.secret.0.to_vec())
        .bind(token.purpose.name())
        .bind(token.identity.as_ref().map(ToString::to_string))
        .bind(format_words(&token.scope.roles))
        .bind(format_words(&token.scope.projects))
        .bind(token.created.0)
        .bind(token.expires.0)
}

fn parse(row: &PgRow) -> Result<Token, StoreError> {
    let columns = Columns { table: "token", row };
    let corrupt = |what| columns.corrupt(what);
    let id: &str = columns.get("id")?;
    let purpose: &str = columns.get("purpose")?;
    let identity: Option<&str> = columns.get("identity")?;
    Ok(Token {
        id: id.parse().map_err(|_| corrupt("id"))?,
        secret: columns.hash("secret")?,
        purpose: Purpose::from_name(purpose).ok_or_else(|| corrupt("purpose"))?,
        identity: identity.map(str::parse).transpose().map_err(|_| corrupt("identity"))?,
        scope: Scope {
            roles: parse_words(columns.get("roles")?).ok_or_else(|| corrupt("roles"))?,
            projects: parse_words(columns.get("projects")?).ok_or_else(|| corrupt("projects"))?,
        },
        created: Time(columns.get("created")?),
        expires: Time(columns.get("expires")?),
        revoked: columns.get::<Option<i64>>("revoked")?.map(Time),
        used: columns.get("used")?,
    })
}

fn parse_viewing(row: &PgRow) -> Result<Viewing, StoreError> {
    let columns = Columns { table: "viewing", row };
    let identity: Option<&str> = columns.get("identity")?;
    let token: Option<&str> = columns.get("token")?;
    Ok(Viewing {
        sequence: columns.number("sequence")?,
        identity: identity.map(str::parse).transpose().map_err(|_| columns.corrupt("identity"))?,
        token: token.map(str::parse).transpose().map_err(|_| columns.corrupt("token"))?,
        what: columns.get("what")?,
        at: Time(columns.get("at")?),
    })
}

impl PgStore {
    async fn change(&self, query: Query) -> Result<u64, StoreError> {
        let mut transaction = transaction::begin(&self.shared, self.limits.begin_append()).await?;
        let changed = query.execute(&mut *transaction).await.map_err(failed)?.rows_affected();
        transaction::commit(transaction).await?;
        Ok(changed)
    }
}

impl Tokens for PgStore {
    async fn keep_token(&self, token: &Token) -> Result<(), StoreError> {
        self.change(bind(KEEP, token)).await.map(drop)
    }

    async fn keep_first_token(&self, token: &Token) -> Result<bool, StoreError> {
        Ok(self.change(bind(KEEP_FIRST, token)).await? == 1)
    }

    async fn standing(&self, id: &TokenId) -> Result<Standing, StoreError> {
        let mut transaction = transaction::begin(&self.shared, self.limits.begin_view()).await?;
        let query = sqlx::query(STANDING).bind(id.as_str());
        let row = query.fetch_one(&mut *transaction).await.map_err(failed)?;
        let columns = Columns { table: "thread", row: &row };
        let control = match columns.get::<Option<&[u8]>>("control")? {
            None => None,
            Some(_) => Some(columns.hash("control")?),
        };
        let known = row.try_get::<Option<&str>, _>("id").map_err(failed)?.is_some();
        let token = known.then(|| parse(&row)).transpose()?;
        Ok(Standing { token, control })
    }

    async fn tokens(&self, after: Option<&TokenId>) -> Result<Vec<Token>, StoreError> {
        let mut transaction = transaction::begin(&self.shared, self.limits.begin_view()).await?;
        let after = after.map_or("", TokenId::as_str);
        let query = sqlx::query(LIST).bind(after).bind(i64::from(TOKENS_PAGE));
        let rows = query.fetch_all(&mut *transaction).await.map_err(failed)?;
        rows.iter().map(parse).collect()
    }

    async fn revoke_token(&self, id: &TokenId, at: Time) -> Result<bool, StoreError> {
        let query = sqlx::query(REVOKE).bind(id.as_str().to_owned()).bind(at.0);
        Ok(self.change(query).await? == 1)
    }

    async fn mark_used(&self, id: &TokenId, day: i64) -> Result<(), StoreError> {
        let query = sqlx::query(MARK).bind(id.as_str().to_owned()).bind(day);
        self.change(query).await.map(drop)
    }

    async fn note_viewing(&self, viewing: &Viewing) -> Result<(), StoreError> {
        let query = sqlx::query(NOTE)
            .bind(viewing.identity.as_ref().map(ToString::to_string))
            .bind(viewing.token.as_ref().map(ToString::to_string))
            .bind(viewing.what.clone())
            .bind(viewing.at.0);
        self.change(query).await.map(drop)
    }

    async fn viewings(&self, after: u64) -> Result<Vec<Viewing>, StoreError> {
        let mut transaction = transaction::begin(&self.shared, self.limits.begin_view()).await?;
        let query = sqlx::query(VIEWINGS).bind(number(after)).bind(i64::from(TOKENS_PAGE));
        let rows = query.fetch_all(&mut *transaction).await.map_err(failed)?;
        rows.iter().map(parse_viewing).collect()
    }

    async fn forget_expired(&self, before: Time) -> Result<u64, StoreError> {
        self.change(sqlx::query(FORGET).bind(before.0)).await
    }
}
