-- Two roles for foliod on a PostgreSQL of yours: one that owns the schema and brings it up to date, and one that the
-- daemon runs as, which reads and writes rows, builds indexes of vectors, and can neither alter nor drop anything else.
--
-- Both roles and the database must exist; an administrator (a superuser, or on managed services the user that made
-- them) makes them once, with passwords of their own:
--
--     CREATE ROLE foliod_owner LOGIN PASSWORD '…';
--     CREATE ROLE foliod LOGIN PASSWORD '…';
--     CREATE DATABASE foliod ENCODING 'UTF8' TEMPLATE template0;
--
-- Then, in that database:
--
--     psql ADMIN_URL -v owner=foliod_owner -v runtime=foliod -f sql/grants.sql      # the schema and the extension
--     FOLIOD_DATABASE__URL=OWNER_URL foliod migrate                                 # the tables
--     psql ADMIN_URL -v owner=foliod_owner -v runtime=foliod -f sql/grants.sql      # the rights on them
--
-- It can be run again at any time. After that only `foliod migrate` is needed, before a newer foliod starts; tables
-- that it adds get their rights by themselves. `foliod doctor` says which rights the daemon's role lacks.
--
-- What stays open: the daemon's role owns foliod.embeddings, since PostgreSQL lets only the owner of a table build its
-- indexes. It could put a trigger on it that runs with the owner's rights at the next migration. Let the owner be
-- owner of nothing else.

\set ON_ERROR_STOP on
\set SHOW_CONTEXT never
\if :{?owner}
\else
DO $$ BEGIN RAISE EXCEPTION 'name the role that owns the schema: psql -v owner=foliod_owner -v runtime=foliod -f grants.sql'; END $$;
\endif
\if :{?runtime}
\else
DO $$ BEGIN RAISE EXCEPTION 'name the role of the daemon: psql -v owner=foliod_owner -v runtime=foliod -f grants.sql'; END $$;
\endif

-- One that exists is left where it is, in whichever schema. Trusted since pgvector 0.5: the database's owner may do it.
CREATE EXTENSION IF NOT EXISTS vector;

-- Managed services keep extensions in a schema of their own.
SELECT format('GRANT USAGE ON SCHEMA %s TO %I, %I', e.extnamespace::regnamespace, :'owner', :'runtime')
FROM pg_extension e WHERE e.extname = 'vector' AND e.extnamespace::regnamespace::text <> 'public' \gexec

SELECT format('GRANT CONNECT ON DATABASE %I TO %I, %I', current_database(), :'owner', :'runtime') \gexec

-- The owner is a member of the daemon's role, and not the other way round: it may alter what that one owns. A superuser
-- needs no membership; others must be one of the owner to make things for it, and have the right to say so (PostgreSQL 16).
SELECT format('GRANT %I TO %I', :'runtime', :'owner')
WHERE NOT pg_has_role(:'owner', :'runtime', 'MEMBER') \gexec

SELECT format('CREATE SCHEMA foliod AUTHORIZATION %I', :'owner') WHERE to_regnamespace('foliod') IS NULL \gexec

GRANT USAGE ON SCHEMA foliod TO :"runtime";
-- For indexes; not before there are tables, or the daemon would make them, and own them.
SELECT format('GRANT CREATE ON SCHEMA foliod TO %I', :'runtime')
WHERE to_regclass('foliod.embeddings') IS NOT NULL \gexec
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA foliod TO :"runtime";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA foliod TO :"runtime";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA foliod
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"runtime";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA foliod GRANT USAGE, SELECT ON SEQUENCES TO :"runtime";

-- Which migrations were applied is the owner's to say.
SELECT format('REVOKE INSERT, UPDATE, DELETE ON foliod.migrations FROM %I', :'runtime')
WHERE to_regclass('foliod.migrations') IS NOT NULL \gexec

SELECT format('ALTER TABLE foliod.embeddings OWNER TO %I', :'runtime')
WHERE to_regclass('foliod.embeddings') IS NOT NULL \gexec

SELECT CASE WHEN to_regclass('foliod.embeddings') IS NULL
       THEN 'now run `foliod migrate` as ' || :'owner' || ', then this script once more'
       ELSE 'foliod can run as ' || :'runtime' END AS next \gset
\echo :next
