-- The log, what was published of it, and the rows that appending needs to find fast.
--
-- Whoever owns these tables can change any row in them. Nothing here is evidence by itself: entries
-- are held by the Merkle tree that checkpoints sign, threads and slices can be folded again from
-- the entries, and envelopes are named by digest in their entry. The triggers below stop our own
-- mistakes, not an attacker.

-- Tells a schema of ours from everybody else's, and which of our versions it has.
CREATE TABLE attestry (
    version INTEGER NOT NULL
);

-- The newest state of the log: one row, and the row that an append locks and moves. It changes with
-- every commit, so its page keeps room for the versions of it that vacuum has not taken yet.
CREATE TABLE head (
    id    INTEGER PRIMARY KEY CHECK (id = 0),
    size  BIGINT NOT NULL CHECK (size >= 0),
    leaf  BYTEA  NOT NULL CHECK (octet_length(leaf) = 32),     -- of the newest entry; zeros at size 0
    time  BIGINT,                                              -- of the newest entry, ms since 1970
    peaks BYTEA  NOT NULL CHECK (octet_length(peaks) % 32 = 0),-- left to right, 32 bytes each
    seal  TEXT                                                 -- why nobody may append, if so
) WITH (fillfactor = 10);
INSERT INTO head (id, size, leaf, peaks) VALUES (0, 0, decode(repeat('00', 32), 'hex'), '');

-- The entries, as they were hashed. Dense from 0, so the newest is always appended at the end.
CREATE TABLE entry (
    entry_index BIGINT PRIMARY KEY CHECK (entry_index >= 0),
    entry       BYTEA NOT NULL
) WITH (toast_tuple_target = 8160);

-- The envelopes, as they were received, beside their entry: the only bytes that erasure takes
-- away. A table of its own, so that reading entries alone does not read past envelopes.
CREATE TABLE envelope (
    entry_index BIGINT PRIMARY KEY,
    envelope    BYTEA NOT NULL
) WITH (toast_tuple_target = 8160);

-- Hashes and base64 do not get smaller, so they are not compressed; and rows stay whole in their
-- page where they fit, instead of in a second table with a second index.
ALTER TABLE entry ALTER COLUMN entry SET STORAGE EXTERNAL;
ALTER TABLE envelope ALTER COLUMN envelope SET STORAGE EXTERNAL;

CREATE FUNCTION attestry_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% of table % is refused: it is final', TG_OP, TG_TABLE_NAME; END $$;

CREATE TRIGGER entry_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
    FOR EACH STATEMENT EXECUTE FUNCTION attestry_is_final();
CREATE TRIGGER envelope_is_final BEFORE UPDATE OR TRUNCATE ON envelope
    FOR EACH STATEMENT EXECUTE FUNCTION attestry_is_final();

-- The newest entry of every thread, and the slice of state folded up to it (disposable). Ordered by
-- bytes whatever the language of the database, since that is the order that heads commit to. Rows
-- are replaced with every event on their thread, mostly beside their older version.
CREATE TABLE thread (
    kind        TEXT COLLATE "C" NOT NULL,
    id          TEXT COLLATE "C" NOT NULL,
    position    BIGINT NOT NULL,
    entry_index BIGINT NOT NULL,
    leaf        BYTEA  NOT NULL CHECK (octet_length(leaf) = 32),
    slice       BYTEA,                                         -- canonical JSON; NULL for projects
    PRIMARY KEY (kind, id)
) WITH (fillfactor = 70);

-- Which (statement, project) is logged, where, and by which verified signers. Rows about one
-- artifact lie together in the key: they are written within a short time, and a statement's hash is
-- random.
CREATE TABLE statement (
    about       BIGINT  NOT NULL,                              -- start of its first digest, or 0
    statement   BYTEA   NOT NULL CHECK (octet_length(statement) = 32),
    project     TEXT COLLATE "C" NOT NULL,                     -- '' where it was filed under none
    entry_index BIGINT  NOT NULL,                              -- first part of its first entry
    parts       INTEGER NOT NULL,
    signers     BYTEA   NOT NULL CHECK (octet_length(signers) % 32 = 0),
    PRIMARY KEY (about, statement, project)
);

-- Merkle tiles of height 8 (c2sp.org/tlog-tiles), the last of each level still growing.
CREATE TABLE tile (
    level  INTEGER NOT NULL,
    number BIGINT  NOT NULL,
    hashes BYTEA   NOT NULL
        CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0),
    PRIMARY KEY (level, number)
);
ALTER TABLE tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- Every checkpoint that was ever published, in the order of publishing; the last is in force.
-- They are what a fork would be proven with, so none is ever replaced. The sequence is counted from
-- the row before: of two that publish at once, the key refuses one.
CREATE TABLE checkpoint (
    sequence BIGINT PRIMARY KEY,
    size     BIGINT NOT NULL,
    note     TEXT   NOT NULL
);
CREATE INDEX checkpoint_by_size ON checkpoint (size, sequence);

CREATE TRIGGER checkpoint_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION attestry_is_final();

INSERT INTO attestry (version) VALUES (1);
