-- The ledger itself opens no thread, so statements whose first digest names it lie under 0. The first
-- statement of every log is one of them.
UPDATE statement SET about = 0
WHERE about = (SELECT about FROM statement WHERE entry_index = 0 LIMIT 1);

INSERT INTO attestry (version) VALUES (4);
