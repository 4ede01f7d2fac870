-- Backups, and what is to be done after one was restored.

-- name: store_totals
-- How much is stored: told with a backup, and compared after it was restored.
SELECT (SELECT count(*) FROM foliod.documents) AS documents, (SELECT count(*) FROM foliod.files) AS files,
       (SELECT count(*) FROM foliod.pages) AS pages, (SELECT count(*) FROM foliod.chunks) AS chunks,
       (SELECT count(*) FROM foliod.embeddings) AS vectors;

-- name: without_limits
-- Lifts limits until the transaction ends; those that this server does not know are left out.
-- $1 names of settings
SELECT set_config(name, '0', true) FROM pg_settings WHERE name = ANY($1::text[]);

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

-- name: restorable
-- Whether this role may empty foliod's schema, or make it where there is none (owner is NULL then); and where pgvector lies.
SELECT current_user::text AS role, pg_get_userbyid(n.nspowner)::text AS owner,
       CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
            ELSE pg_has_role(n.nspowner, 'USAGE') END AS allowed,
       (SELECT quote_ident(v.nspname) FROM pg_extension e JOIN pg_namespace v ON v.oid = e.extnamespace
        WHERE e.extname = 'vector') AS vector_schema
FROM (VALUES (1)) AS one LEFT JOIN pg_namespace n ON n.nspname = 'foliod';

-- name: drop_contents
-- Empties foliod's schema, which stays: its owner may do that, whoever owns what lies in it.
DO $$
DECLARE
    statement text;
BEGIN
    -- Tables first: what is made of them and for them goes with them.
    FOR statement IN
        SELECT format('DROP %s IF EXISTS %s CASCADE', kind, name) FROM (
            SELECT CASE WHEN relkind IN ('r', 'p') THEN 1 ELSE 2 END AS place, format('foliod.%I', relname) AS name,
                   CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                                ELSE 'TABLE' END AS kind
            FROM pg_class WHERE relnamespace = to_regnamespace('foliod') AND relkind IN ('r', 'p', 'v', 'm', 'S')
            UNION ALL
            SELECT 3, oid::regprocedure::text, 'ROUTINE' FROM pg_proc WHERE pronamespace = to_regnamespace('foliod')
            UNION ALL
            SELECT 4, format('foliod.%I', typname), 'TYPE' FROM pg_type
            WHERE typnamespace = to_regnamespace('foliod') AND typtype IN ('e', 'd')) found
        ORDER BY place
    LOOP
        EXECUTE statement;
    END LOOP;
END $$;
