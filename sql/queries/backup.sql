-- Backups, and what is to be done after one was restored.

-- name: store_totals
-- How much is stored: told with a backup, and compared after it was restored.
SELECT (SELECT count(*) FROM foliod.documents) AS documents, (SELECT count(*) FROM foliod.files) AS files,
       (SELECT count(*) FROM foliod.pages) AS pages, (SELECT count(*) FROM foliod.chunks) AS chunks,
       (SELECT count(*) FROM foliod.embeddings) AS vectors;

-- name: other_daemons
-- How many connections other daemons hold to this database.
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'foliod' AND pid <> pg_backend_pid();

-- name: free_all_claims
-- What was claimed when the backup was made is free: who had claimed it knows nothing of this store.
WITH spaces AS (UPDATE foliod.spaces SET builder = NULL, builder_until = NULL WHERE builder IS NOT NULL)
UPDATE foliod.documents
SET lease_owner = NULL, lease_until = NULL, attempts = CASE WHEN state = 'reading' THEN greatest(attempts - 1, 0) ELSE attempts END,
    state = CASE WHEN state = 'reading' THEN 'queued' ELSE state END
WHERE lease_owner IS NOT NULL OR state = 'reading';

-- name: analyze_tables
-- What PostgreSQL has to run so that it knows how much there is, before the first questions come.
SELECT format('ANALYZE foliod.%I', relname) AS statement FROM pg_class
WHERE relnamespace = to_regnamespace('foliod') AND relkind = 'r' ORDER BY relname;
