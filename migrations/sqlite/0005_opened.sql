-- Statements lie under the time at which what they are about came up, not under its digest.
--
-- About a hundred artifacts are built at one time, and a batch has a statement about every other of
-- them. Under their digests each of these changed a page of its own, half of all that a batch wrote.

-- The newest entry when the row was first written; it stays, since statements are found by it.
ALTER TABLE thread ADD COLUMN opened INTEGER NOT NULL DEFAULT 0;

-- That of the first artifact that it names, or 0; of what is older, 0. Under its new name an older program
-- that still has the file open fails, instead of writing what is not found again.
ALTER TABLE statement RENAME COLUMN about TO opened;
UPDATE statement SET opened = 0;

PRAGMA user_version = 5;
