-- The log, what was published of it, and the rows that appending needs to find fast.
--
-- Whoever can write this file can change any row in it. Nothing here is evidence by itself: entries
-- are held by the Merkle tree that checkpoints sign, threads and slices can be folded again from
-- the entries, and envelopes are named by digest in their entry. The triggers below stop our own
-- mistakes, not an attacker.

-- 'ATST'. Tells our databases from everybody else's before a single row is read.
PRAGMA application_id = 1096045396;

-- The newest state of the log: one row, and the row that an append locks and moves.
CREATE TABLE head (
    id    INTEGER PRIMARY KEY CHECK (id = 0),
    size  INTEGER NOT NULL CHECK (size >= 0),
    leaf  BLOB    NOT NULL CHECK (length(leaf) = 32),      -- of the newest entry; zeros at size 0
    time  INTEGER,                                         -- of the newest entry, ms since 1970
    peaks BLOB    NOT NULL CHECK (length(peaks) % 32 = 0)  -- left to right, 32 bytes each
) STRICT;
INSERT INTO head (id, size, leaf, time, peaks) VALUES (0, 0, zeroblob(32), NULL, x'');

-- The entries, as they were hashed. Dense from 0, so the newest is always appended at the end.
CREATE TABLE entry (
    entry_index INTEGER PRIMARY KEY CHECK (entry_index >= 0),
    entry       BLOB NOT NULL
) STRICT;

-- The envelopes, as they were received, beside their entry: the only bytes that erasure takes
-- away. A table of its own, so that reading entries alone does not read past envelopes.
CREATE TABLE envelope (
    entry_index INTEGER PRIMARY KEY,
    envelope    BLOB NOT NULL
) STRICT;

CREATE TRIGGER entry_is_final BEFORE UPDATE ON entry
BEGIN SELECT raise(ABORT, 'an entry is final'); END;
CREATE TRIGGER entry_stays BEFORE DELETE ON entry
BEGIN SELECT raise(ABORT, 'an entry stays'); END;
CREATE TRIGGER envelope_is_final BEFORE UPDATE ON envelope
BEGIN SELECT raise(ABORT, 'an envelope is final'); END;

-- The newest entry of every thread, and the slice of state folded up to it (disposable).
--
-- An ordinary table with an index, although the key is natural: slices of some kilobytes would
-- fill the tree that every lookup walks. So the index stays narrow and the rows are appended.
CREATE TABLE thread (
    kind        TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    position    INTEGER NOT NULL,
    entry_index INTEGER NOT NULL,
    leaf        BLOB    NOT NULL CHECK (length(leaf) = 32),
    slice       BLOB,                                      -- canonical JSON; NULL for projects
    PRIMARY KEY (kind, id)
) STRICT;

-- Which (statement, project) is logged, where, and by which verified signers. Rows about one
-- artifact lie together: they are written within a short time, and a statement's hash is random.
CREATE TABLE statement (
    about       INTEGER NOT NULL,                          -- start of its first digest, or 0
    statement   BLOB    NOT NULL CHECK (length(statement) = 32),
    project     TEXT    NOT NULL,                          -- '' where it was filed under none
    entry_index INTEGER NOT NULL,                          -- first part of its first entry
    parts       INTEGER NOT NULL,
    signers     BLOB    NOT NULL CHECK (length(signers) % 32 = 0),
    PRIMARY KEY (about, statement, project)
) STRICT, WITHOUT ROWID;

-- Merkle tiles of height 8 (c2sp.org/tlog-tiles), the last of each level still growing.
-- An ordinary table for the same reason as threads: a full tile is 8 KiB.
CREATE TABLE tile (
    level  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB    NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, number)
) STRICT;

-- Every checkpoint that was ever published, in the order of publishing; the last is in force.
-- They are what a fork would be proven with, so none is ever replaced.
CREATE TABLE checkpoint (
    sequence INTEGER PRIMARY KEY,
    size     INTEGER NOT NULL,
    note     TEXT    NOT NULL
) STRICT;
CREATE INDEX checkpoint_by_size ON checkpoint (size, sequence);

CREATE TRIGGER checkpoint_is_final BEFORE UPDATE ON checkpoint
BEGIN SELECT raise(ABORT, 'a published checkpoint is final'); END;
CREATE TRIGGER checkpoint_stays BEFORE DELETE ON checkpoint
BEGIN SELECT raise(ABORT, 'a published checkpoint stays'); END;

PRAGMA user_version = 1;
