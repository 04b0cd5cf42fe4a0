-- Who may call the server. Rows that an operator makes and takes away; nothing of this is in the log.
--
-- Whoever can write here can call the server as any identity. Whoever can only read here cannot: a
-- secret is 32 random bytes, and only its SHA-256 is kept.
CREATE TABLE token (
    id       TEXT    NOT NULL PRIMARY KEY,                    -- 16 hex digits, the public part
    secret   BLOB    NOT NULL CHECK (length(secret) = 32),    -- SHA-256 of the secret
    purpose  TEXT    NOT NULL,                                -- call, exchange, session, bootstrap
    identity TEXT,                                            -- NULL only with bootstrap
    roles    TEXT    NOT NULL,                                -- what it is narrowed to, with spaces
    projects TEXT    NOT NULL,                                -- between; '' narrows nothing
    created  INTEGER NOT NULL,                                -- ms since 1970
    expires  INTEGER NOT NULL,                                -- ms since 1970
    revoked  INTEGER,                                         -- ms since 1970
    used     INTEGER,                                         -- day of the last call, since 1970
    CHECK ((identity IS NULL) = (purpose = 'bootstrap'))
) STRICT, WITHOUT ROWID;

-- Who has read what is on the record to be read (packs). No evidence: whoever can write here can take
-- rows away. That a pack was made, for whom and why, is in the log.
CREATE TABLE viewing (
    sequence INTEGER PRIMARY KEY,
    identity TEXT,                                            -- NULL: read without a token
    token    TEXT,                                            -- its id
    what     TEXT    NOT NULL,
    at       INTEGER NOT NULL                                 -- ms since 1970
) STRICT;

PRAGMA user_version = 3;
