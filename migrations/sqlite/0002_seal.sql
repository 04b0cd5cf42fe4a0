-- Why nobody may append to this log, if so: it moves, or has moved, to another database.
ALTER TABLE head ADD COLUMN seal TEXT;

PRAGMA user_version = 2;
