//! Webhooks: short transactions beside those that append, only where an endpoint is configured.

use rusqlite::Connection;
use schemas::id::{EntryIndex, KeyId, Time, TreeSize};

use super::SqliteStore;
use super::rows::{Columns, Sql};
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
const CLAIMABLE: &str = "SELECT id FROM webhook_endpoint e \
     WHERE key = ?1 AND disabled IS NULL AND lease_until <= ?3 AND (\
         EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.endpoint = e.id AND d.due <= ?3) \
         OR next_index < ?2 AND ?4 > (\
             SELECT count(*) FROM webhook_delivery d WHERE d.endpoint = e.id AND d.due IS NOT NULL)) \
     ORDER BY lease_until, id LIMIT 1";

/// Only where the endpoint is still there, wants to hear, and has room.
const NOTIFY: &str = "INSERT INTO webhook_delivery \
     (endpoint, suppression, webhook, type, entry_index, body, since, due) \
     SELECT e.id, ?2, ?3, ?4, ?5, ?6, ?7, ?7 FROM webhook_endpoint e \
     WHERE e.id = ?1 AND e.disabled IS NULL AND ?8 > (\
         SELECT count(*) FROM webhook_delivery d WHERE d.endpoint = e.id AND d.due IS NOT NULL) \
     ON CONFLICT (endpoint, suppression) DO NOTHING";

const DELIVERY: &str = "id, endpoint, suppression, webhook, type, entry_index, body, since, due, \
     attempts, delivered, answer";

const ADD: &str = "INSERT INTO webhook_endpoint (url, projects, kinds, key, next_index) \
     VALUES (?1, ?2, ?3, ?4, ?5)";

const LEASE: &str = "UPDATE webhook_endpoint SET lease = ?2, lease_until = ?3 WHERE id = ?1";

const MOVE: &str = "UPDATE webhook_endpoint SET next_index = ?4 \
     WHERE id = ?1 AND lease = ?2 AND next_index = ?3";

const DELIVER: &str = "INSERT INTO webhook_delivery \
     (endpoint, suppression, webhook, type, entry_index, body, since, due) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) \
     ON CONFLICT (endpoint, suppression) DO NOTHING";

const KNOWN: &str = "SELECT id FROM webhook_delivery WHERE endpoint = ?1 AND suppression = ?2";

const SETTLE: &str = "UPDATE webhook_delivery \
     SET attempts = attempts + 1, due = ?3, delivered = ?4, answer = ?5 \
     WHERE id = ?2 AND endpoint = ?1";

const FORGET: &str = "DELETE FROM webhook_delivery WHERE endpoint = ?1 AND due IS NULL AND id <= (\
         SELECT id FROM webhook_delivery WHERE endpoint = ?1 AND due IS NULL \
         ORDER BY id DESC LIMIT 1 OFFSET ?2) \
     AND type <> ?5 AND (type <> ?3 OR since <= ?4)";

const REPLAY: &str = "UPDATE webhook_delivery SET since = ?2, due = ?2, attempts = 0, \
     delivered = NULL, answer = NULL WHERE id = ?1";

fn of_endpoints<'c>(connection: &'c Connection, text: &str) -> Result<Sql<'c>, StoreError> {
    Sql::new(connection, "webhook_endpoint", text)
}

fn of_deliveries<'c>(connection: &'c Connection, text: &str) -> Result<Sql<'c>, StoreError> {
    Sql::new(connection, "webhook_delivery", text)
}

/// Keeps a lease until a time; false where it was lost.
fn hold(connection: &Connection, lease: &Lease, until: Option<Time>) -> Result<bool, StoreError> {
    let text = "UPDATE webhook_endpoint SET lease_until = coalesce(?3, lease_until) \
         WHERE id = ?1 AND lease = ?2";
    let values = (number(lease.endpoint), &lease.holder, until.map(|until| until.0));
    Ok(of_endpoints(connection, text)?.run(values)? == 1)
}

impl Outbox for SqliteStore {
    async fn add_endpoint(&self, it: &Subscription, next: EntryIndex) -> Result<u64, StoreError> {
        let (projects, kinds) = (format_names(&it.projects), format_names(&it.kinds));
        let values = (&it.url, projects, kinds, it.key.0.as_slice(), number(next));
        self.act(|it| {
            it.prepare_cached(ADD)?.execute(values.clone())?;
            Ok(it.last_insert_rowid().unsigned_abs())
        })
        .await
    }

    async fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        let connection = self.readers.lend().await?;
        of_endpoints(&connection, ENDPOINTS)?.all((), endpoint)
    }

    async fn remove_endpoint(&self, id: u64) -> Result<bool, StoreError> {
        // Its deliveries go with it.
        let text = "DELETE FROM webhook_endpoint WHERE id = ?1";
        Ok(self.change(text, (number(id),)).await? == 1)
    }

    async fn claim(
        &self,
        key: &KeyId,
        published: TreeSize,
        holder: &str,
        now: Time,
        until: Time,
    ) -> Result<Option<Endpoint>, StoreError> {
        let claimable = |it: &Connection| -> Result<Option<u64>, StoreError> {
            let values = (key.0.as_slice(), number(published), now.0, number(WAITING_MAX));
            of_endpoints(it, CLAIMABLE)?.first(values, |columns| columns.number("id"))
        };
        // Whoever finds nothing to do has not asked for the lock.
        if claimable(&*self.readers.lend().await?)?.is_none() {
            return Ok(None);
        }
        let connection = self.begin().await?;
        let Some(id) = claimable(&connection)? else { return Ok(None) };
        of_endpoints(&connection, LEASE)?.run((number(id), holder, until.0))?;
        let all = of_endpoints(&connection, ENDPOINTS)?.all((), endpoint)?;
        self.commit(connection).await?;
        Ok(all.into_iter().find(|it| it.id == id))
    }

    async fn fill(
        &self,
        lease: &Lease,
        from: EntryIndex,
        to: EntryIndex,
        messages: &[Message],
        now: Time,
    ) -> Result<bool, StoreError> {
        let connection = self.begin().await?;
        let endpoint = number(lease.endpoint);
        let values = (endpoint, &lease.holder, number(from), number(to));
        if of_endpoints(&connection, MOVE)?.run(values)? != 1 {
            return Ok(false);
        }
        for it in messages {
            let about = (&it.suppression, &it.webhook, &it.kind, number(it.index), &it.body);
            let values = (endpoint, about.0, about.1, about.2, about.3, about.4, now.0);
            of_deliveries(&connection, DELIVER)?.run(values)?;
        }
        self.commit(connection).await?;
        Ok(true)
    }

    async fn notify(&self, notices: &[(u64, Message)], now: Time) -> Result<u64, StoreError> {
        let mut unknown = Vec::new();
        let reader = self.readers.lend().await?;
        for (endpoint, it) in notices {
            let values = (number(*endpoint), &it.suppression);
            let known =
                of_deliveries(&reader, KNOWN)?.first(values, |it| it.number::<u64>("id"))?;
            if known.is_none() {
                unknown.push((endpoint, it));
            }
        }
        drop(reader);
        // Whoever has nothing new to say has not asked for the lock.
        if unknown.is_empty() {
            return Ok(0);
        }
        let connection = self.begin().await?;
        let mut added = 0;
        for (endpoint, it) in unknown {
            added += of_deliveries(&connection, NOTIFY)?.run((
                number(*endpoint),
                &it.suppression,
                &it.webhook,
                &it.kind,
                number(it.index),
                &it.body,
                now.0,
                number(WAITING_MAX),
            ))?;
        }
        self.commit(connection).await?;
        Ok(added as u64)
    }

    async fn next_due(
        &self,
        lease: &Lease,
        now: Time,
        until: Time,
    ) -> Result<Option<Delivery>, StoreError> {
        let connection = self.begin().await?;
        if !hold(&connection, lease, Some(until))? {
            return Ok(None);
        }
        let text = format!(
            "SELECT {DELIVERY} FROM webhook_delivery WHERE endpoint = ?1 AND due <= ?2 \
             ORDER BY due, id LIMIT 1"
        );
        let values = (number(lease.endpoint), now.0);
        let due = of_deliveries(&connection, &text)?.first(values, delivery)?;
        self.commit(connection).await?;
        Ok(due)
    }

    async fn settle(
        &self,
        lease: &Lease,
        delivery: u64,
        attempt: &Attempt,
        answer: &str,
        now: Time,
    ) -> Result<bool, StoreError> {
        let connection = self.begin().await?;
        if !hold(&connection, lease, None)? {
            return Ok(false);
        }
        let (due, delivered) = match attempt {
            Attempt::Delivered => (None, Some(now.0)),
            Attempt::Retry(due) => (Some(due.0), None),
            Attempt::GivenUp | Attempt::Gone => (None, None),
        };
        let endpoint = number(lease.endpoint);
        let values = (endpoint, number(delivery), due, delivered, answer);
        of_deliveries(&connection, SETTLE)?.run(values)?;
        if *attempt == Attempt::Gone {
            let disable = "UPDATE webhook_endpoint SET disabled = ?2 WHERE id = ?1";
            of_endpoints(&connection, disable)?.run((endpoint, answer))?;
        }
        self.commit(connection).await?;
        Ok(true)
    }

    async fn release(&self, lease: &Lease, now: Time) -> Result<(), StoreError> {
        let connection = self.begin().await?;
        let endpoint = number(lease.endpoint);
        let release = "UPDATE webhook_endpoint SET lease = '', lease_until = ?3 \
             WHERE id = ?1 AND lease = ?2";
        of_endpoints(&connection, release)?.run((endpoint, &lease.holder, now.0))?;
        let since = now.plus_ms(-NOTICE_MS_KEPT).0;
        let values = (endpoint, number(KEPT_MAX), NOTICE, since, REVIEW_NOTICE);
        of_deliveries(&connection, FORGET)?.run(values)?;
        self.commit(connection).await
    }

    async fn deliveries(&self, given_up: bool, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let text = format!(
            "SELECT {DELIVERY} FROM webhook_delivery \
             WHERE NOT ?1 OR due IS NULL AND delivered IS NULL ORDER BY id DESC LIMIT ?2"
        );
        let connection = self.readers.lend().await?;
        of_deliveries(&connection, &text)?.all((given_up, limit), delivery)
    }

    async fn replay(&self, delivery: u64, now: Time) -> Result<bool, StoreError> {
        Ok(self.change(REPLAY, (number(delivery), now.0)).await? == 1)
    }
}

fn endpoint(columns: &Columns<'_>) -> Result<Endpoint, StoreError> {
    Ok(Endpoint {
        id: columns.number("id")?,
        subscription: Subscription {
            url: columns.get("url")?,
            projects: parse_names(columns.text("projects")?),
            kinds: parse_names(columns.text("kinds")?),
            key: columns.hash("key")?,
        },
        next: columns.number("next_index")?,
        disabled: columns.get("disabled")?,
        waiting: columns.number("waiting")?,
    })
}

fn delivery(columns: &Columns<'_>) -> Result<Delivery, StoreError> {
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
