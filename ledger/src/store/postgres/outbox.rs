//! Webhooks: short transactions on rows of their own. Of several servers that claim at once each
//! passes over what another has locked.

use schemas::id::{EntryIndex, Hash, KeyId, Time, TreeSize};
use sqlx::postgres::{PgConnection, PgRow};

use super::rows::Columns;
use super::transaction::{begin, commit};
use super::{PgStore, commit_failed, failed};
use crate::store::StoreError;
use crate::store::forms::number;
use crate::store::outbox::{
    Attempt, Delivery, Endpoint, KEPT_MAX, Lease, Message, NOTICE, NOTICE_MS_KEPT, Outbox,
    REVIEW_NOTICE, Subscription, WAITING_MAX, format_names, parse_names,
};

const ENDPOINTS: &str = "SELECT id, url, projects, kinds, key, next_index, disabled, \
     (SELECT count(*) FROM webhook_delivery d WHERE d.endpoint = e.id AND d.due IS NOT NULL) \
     AS waiting FROM webhook_endpoint e ORDER BY id";

/// Whoever was served longest ago comes first.
const CLAIM: &str = "UPDATE webhook_endpoint SET lease = $5, lease_until = $6 WHERE id = (\
     SELECT id FROM webhook_endpoint e \
     WHERE key = $1 AND disabled IS NULL AND lease_until <= $3 AND (\
         EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.endpoint = e.id AND d.due <= $3) \
         OR next_index < $2 AND $4 > (\
             SELECT count(*) FROM webhook_delivery d WHERE d.endpoint = e.id AND d.due IS NOT NULL)) \
     ORDER BY lease_until, id LIMIT 1 FOR UPDATE OF e SKIP LOCKED) RETURNING id";

/// Only where the endpoint is still there, wants to hear, and has room.
const NOTIFY: &str = "INSERT INTO webhook_delivery \
     (endpoint, suppression, webhook, type, entry_index, body, since, due) \
     SELECT e.id, $2::text, $3::text, $4::text, $5::bigint, $6::text, $7::bigint, $7::bigint \
     FROM webhook_endpoint e \
     WHERE e.id = $1 AND e.disabled IS NULL AND $8::bigint > (\
         SELECT count(*) FROM webhook_delivery d WHERE d.endpoint = e.id AND d.due IS NOT NULL) \
     ON CONFLICT (endpoint, suppression) DO NOTHING";

const DELIVERY: &str = "id, endpoint, suppression, webhook, type, entry_index, body, since, due, \
     attempts, delivered, answer";

/// Keeps a lease until a time; false where it was lost.
async fn hold(
    connection: &mut PgConnection,
    lease: &Lease,
    until: Option<Time>,
) -> Result<bool, StoreError> {
    let held = sqlx::query(
        "UPDATE webhook_endpoint SET lease_until = coalesce($3::bigint, lease_until) \
         WHERE id = $1 AND lease = $2",
    )
    .bind(number(lease.endpoint))
    .bind(&lease.holder)
    .bind(until.map(|until| until.0))
    .execute(connection)
    .await;
    Ok(held.map_err(failed)?.rows_affected() == 1)
}

impl Outbox for PgStore {
    async fn add_endpoint(&self, it: &Subscription, next: EntryIndex) -> Result<u64, StoreError> {
        let added = sqlx::query_scalar::<_, i64>(
            "INSERT INTO webhook_endpoint (url, projects, kinds, key, next_index) \
             VALUES ($1, $2, $3, $4, $5) RETURNING id",
        )
        .bind(&it.url)
        .bind(format_names(&it.projects))
        .bind(format_names(&it.kinds))
        .bind(it.key.0.as_slice())
        .bind(number(next))
        .fetch_one(&self.shared)
        .await;
        Ok(added.map_err(commit_failed)?.unsigned_abs())
    }

    async fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        let rows = sqlx::query(ENDPOINTS).fetch_all(&self.shared).await.map_err(failed)?;
        rows.iter().map(endpoint).collect()
    }

    async fn remove_endpoint(&self, id: u64) -> Result<bool, StoreError> {
        // Its deliveries go with it.
        let removed = sqlx::query("DELETE FROM webhook_endpoint WHERE id = $1")
            .bind(number(id))
            .execute(&self.shared)
            .await;
        Ok(removed.map_err(commit_failed)?.rows_affected() == 1)
    }

    async fn claim(
        &self,
        key: &KeyId,
        published: TreeSize,
        holder: &str,
        now: Time,
        until: Time,
    ) -> Result<Option<Endpoint>, StoreError> {
        let claimed = sqlx::query_scalar::<_, i64>(CLAIM)
            .bind(key.0.as_slice())
            .bind(number(published))
            .bind(now.0)
            .bind(number(WAITING_MAX))
            .bind(holder)
            .bind(until.0)
            .fetch_optional(&self.shared)
            .await;
        let Some(id) = claimed.map_err(commit_failed)? else { return Ok(None) };
        Ok(self.endpoints().await?.into_iter().find(|it| number(it.id) == id))
    }

    async fn fill(
        &self,
        lease: &Lease,
        from: EntryIndex,
        to: EntryIndex,
        messages: &[Message],
        now: Time,
    ) -> Result<bool, StoreError> {
        let mut transaction = begin(&self.shared, self.limits.begin_append()).await?;
        let moved = sqlx::query(
            "UPDATE webhook_endpoint SET next_index = $4 \
             WHERE id = $1 AND lease = $2 AND next_index = $3",
        )
        .bind(number(lease.endpoint))
        .bind(&lease.holder)
        .bind(number(from))
        .bind(number(to))
        .execute(&mut *transaction)
        .await;
        if moved.map_err(failed)?.rows_affected() != 1 {
            return Ok(false);
        }
        for it in messages {
            sqlx::query(
                "INSERT INTO webhook_delivery \
                 (endpoint, suppression, webhook, type, entry_index, body, since, due) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
                 ON CONFLICT (endpoint, suppression) DO NOTHING",
            )
            .bind(number(lease.endpoint))
            .bind(&it.suppression)
            .bind(&it.webhook)
            .bind(&it.kind)
            .bind(number(it.index))
            .bind(&it.body)
            .bind(now.0)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        commit(transaction).await?;
        Ok(true)
    }

    async fn notify(&self, notices: &[(u64, Message)], now: Time) -> Result<u64, StoreError> {
        let mut unknown = Vec::new();
        for (endpoint, it) in notices {
            let known = sqlx::query_scalar::<_, i64>(
                "SELECT id FROM webhook_delivery WHERE endpoint = $1 AND suppression = $2",
            )
            .bind(number(*endpoint))
            .bind(&it.suppression)
            .fetch_optional(&self.shared);
            if known.await.map_err(failed)?.is_none() {
                unknown.push((endpoint, it));
            }
        }
        // Whoever has nothing new to say has not asked for the lock.
        if unknown.is_empty() {
            return Ok(0);
        }
        let mut transaction = begin(&self.shared, self.limits.begin_append()).await?;
        let mut added = 0;
        for (endpoint, it) in unknown {
            let inserted = sqlx::query(NOTIFY)
                .bind(number(*endpoint))
                .bind(&it.suppression)
                .bind(&it.webhook)
                .bind(&it.kind)
                .bind(number(it.index))
                .bind(&it.body)
                .bind(now.0)
                .bind(number(WAITING_MAX))
                .execute(&mut *transaction)
                .await;
            added += inserted.map_err(failed)?.rows_affected();
        }
        commit(transaction).await?;
        Ok(added)
    }

    async fn next_due(
        &self,
        lease: &Lease,
        now: Time,
        until: Time,
    ) -> Result<Option<Delivery>, StoreError> {
        let mut transaction = begin(&self.shared, self.limits.begin_append()).await?;
        if !hold(&mut transaction, lease, Some(until)).await? {
            return Ok(None);
        }
        let text = format!(
            "SELECT {DELIVERY} FROM webhook_delivery WHERE endpoint = $1 AND due <= $2 \
             ORDER BY due, id LIMIT 1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(number(lease.endpoint))
            .bind(now.0)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        commit(transaction).await?;
        row.as_ref().map(delivery).transpose()
    }

    async fn settle(
        &self,
        lease: &Lease,
        delivery: u64,
        attempt: &Attempt,
        answer: &str,
        now: Time,
    ) -> Result<bool, StoreError> {
        let mut transaction = begin(&self.shared, self.limits.begin_append()).await?;
        if !hold(&mut transaction, lease, None).await? {
            return Ok(false);
        }
        let (due, delivered) = match attempt {
            Attempt::Delivered => (None, Some(now.0)),
            Attempt::Retry(due) => (Some(due.0), None),
            Attempt::GivenUp | Attempt::Gone => (None, None),
        };
        sqlx::query(
            "UPDATE webhook_delivery \
             SET attempts = attempts + 1, due = $3, delivered = $4, answer = $5 \
             WHERE id = $2 AND endpoint = $1",
        )
        .bind(number(lease.endpoint))
        .bind(number(delivery))
        .bind(due)
        .bind(delivered)
        .bind(answer)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if *attempt == Attempt::Gone {
            sqlx::query("UPDATE webhook_endpoint SET disabled = $2 WHERE id = $1")
                .bind(number(lease.endpoint))
                .bind(answer)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        commit(transaction).await?;
        Ok(true)
    }

    async fn release(&self, lease: &Lease, now: Time) -> Result<(), StoreError> {
        let mut transaction = begin(&self.shared, self.limits.begin_append()).await?;
        sqlx::query(
            "UPDATE webhook_endpoint SET lease = '', lease_until = $3 WHERE id = $1 AND lease = $2",
        )
        .bind(number(lease.endpoint))
        .bind(&lease.holder)
        .bind(now.0)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        sqlx::query(
            "DELETE FROM webhook_delivery WHERE endpoint = $1 AND due IS NULL AND id <= (\
                 SELECT id FROM webhook_delivery WHERE endpoint = $1 AND due IS NULL \
                 ORDER BY id DESC LIMIT 1 OFFSET $2) \
                 AND type <> $5 AND (type <> $3 OR since <= $4)",
        )
        .bind(number(lease.endpoint))
        .bind(number(KEPT_MAX))
        .bind(NOTICE)
        .bind(now.plus_ms(-NOTICE_MS_KEPT).0)
        .bind(REVIEW_NOTICE)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        commit(transaction).await
    }

    async fn deliveries(&self, given_up: bool, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let text = format!(
            "SELECT {DELIVERY} FROM webhook_delivery \
             WHERE NOT $1 OR due IS NULL AND delivered IS NULL ORDER BY id DESC LIMIT $2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(given_up)
            .bind(i64::from(limit))
            .fetch_all(&self.shared)
            .await
            .map_err(failed)?;
        rows.iter().map(delivery).collect()
    }

    async fn replay(&self, delivery: u64, now: Time) -> Result<bool, StoreError> {
        let replayed = sqlx::query(
            "UPDATE webhook_delivery SET since = $2, due = $2, attempts = 0, delivered = NULL, \
             answer = NULL WHERE id = $1",
        )
        .bind(number(delivery))
        .bind(now.0)
        .execute(&self.shared)
        .await;
        Ok(replayed.map_err(commit_failed)?.rows_affected() == 1)
    }
}

fn endpoint(row: &PgRow) -> Result<Endpoint, StoreError> {
    let columns = Columns { table: "webhook_endpoint", row };
    let key: Hash = columns.hash("key")?;
    Ok(Endpoint {
        id: columns.number("id")?,
        subscription: Subscription {
            url: columns.get("url")?,
            projects: parse_names(columns.get("projects")?),
            kinds: parse_names(columns.get("kinds")?),
            key,
        },
        next: columns.number("next_index")?,
        disabled: columns.get("disabled")?,
        waiting: columns.number("waiting")?,
    })
}

fn delivery(row: &PgRow) -> Result<Delivery, StoreError> {
    let columns = Columns { table: "webhook_delivery", row };
    Ok(Delivery {
        id: columns.number("id")?,
        endpoint: columns.number("endpoint")?,
        message: Message {
            suppression: columns.get("suppression")?,
            webhook: columns.get("webhook")?,
            kind: columns.get("type")?,
            index: columns.number("entry_index")?,
            body: columns.get("body")?,
        },
        since: Time(columns.get("since")?),
        due: columns.get::<Option<i64>>("due")?.map(Time),
        attempts: columns.number("attempts")?,
        delivered: columns.get::<Option<i64>>("delivered")?.map(Time),
        answer: columns.get("answer")?,
    })
}
