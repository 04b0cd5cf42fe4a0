-- Who is told of events over webhooks, and what they were told.
--
-- The log itself is the outbox: an endpoint's place in it moves in the transaction that adds the
-- deliveries up to there. Whoever can write these rows can send to any address what the webhook key
-- signs, or keep silent; nothing here is evidence, and no verdict rests on it.

CREATE TABLE webhook_endpoint (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice
    url         TEXT    NOT NULL,                   -- may hold a secret of the receiver's
    projects    TEXT    NOT NULL,                   -- names with a space between; '' for all
    kinds       TEXT    NOT NULL,                   -- likewise
    key         BLOB    NOT NULL CHECK (length(key) = 32), -- id of the key that signs for it
    next_index  INTEGER NOT NULL CHECK (next_index >= 0),  -- the first entry not looked at yet
    disabled    TEXT,                               -- why nothing is sent any more, if so
    lease       TEXT    NOT NULL DEFAULT '',        -- whoever sends at present, and until when
    lease_until INTEGER NOT NULL DEFAULT 0          -- ms since 1970
) STRICT;

CREATE TABLE webhook_delivery (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint    INTEGER NOT NULL REFERENCES webhook_endpoint (id) ON DELETE CASCADE,
    suppression TEXT    NOT NULL,                   -- what is told once, as 'promotion:P-118:granted'
    webhook     TEXT    NOT NULL,                   -- the webhook-id, the same for every attempt
    type        TEXT    NOT NULL,
    entry_index INTEGER NOT NULL,
    body        TEXT    NOT NULL,
    since       INTEGER NOT NULL,                   -- ms since 1970: when it was first due
    due         INTEGER,                            -- of the next attempt; NULL when there is none
    attempts    INTEGER NOT NULL DEFAULT 0,
    delivered   INTEGER,                            -- when it was accepted
    answer      TEXT,                               -- what the last attempt came to
    UNIQUE (endpoint, suppression)
) STRICT;
CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint, due) WHERE due IS NOT NULL;

PRAGMA user_version = 4;
