-- name: missing_privileges
-- What foliod's role lacks in this database, a sentence a row; no row when it has all that it needs. Tables are read
-- and written, the ledger of migrations is read; building an index takes the owner of the table that it is on.
SELECT 'it may not use the schema foliod' AS lacks
FROM pg_namespace n WHERE n.nspname = 'foliod' AND NOT has_schema_privilege(n.oid, 'USAGE')
UNION ALL
SELECT 'it may not make indexes in the schema foliod'
FROM pg_namespace n WHERE n.nspname = 'foliod' AND NOT has_schema_privilege(n.oid, 'CREATE')
UNION ALL
SELECT format('it may not %s foliod.%I', lower(p.privilege), c.relname)
FROM pg_class c CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (privilege)
WHERE c.relnamespace = to_regnamespace('foliod') AND c.relkind IN ('r', 'p')
  AND (p.privilege = 'SELECT' OR c.relname <> 'migrations') AND NOT has_table_privilege(c.oid, p.privilege)
UNION ALL
SELECT format('it may not use the sequence foliod.%I', c.relname)
FROM pg_class c
WHERE c.relnamespace = to_regnamespace('foliod') 
  AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') END
UNION ALL
SELECT 'it does not own foliod.embeddings, whose indexes it makes'
FROM pg_class c
WHERE c.relnamespace = to_regnamespace('foliod') AND c.relname = 'embeddings' AND c.relkind = 'r'
  AND NOT pg_has_role(c.relowner, 'USAGE');

-- name: missing_set_up
-- What keeps this role from setting the database up where that is not done yet, a sentence a row.
SELECT 'the extension vector is missing, and it may not make it' AS lacks
WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')
  AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
  AND NOT (has_database_privilege(current_database(), 'CREATE')
           AND EXISTS (SELECT FROM pg_available_extension_versions WHERE name = 'vector' AND trusted))
UNION ALL
SELECT 'there is no schema foliod, and it may not make it'
WHERE to_regnamespace('foliod') IS NULL AND NOT has_database_privilege(current_database(), 'CREATE')
UNION ALL
SELECT 'there are no tables in the schema foliod, and it may not make them'
FROM pg_namespace n WHERE n.nspname = 'foliod' AND NOT has_schema_privilege(n.oid, 'CREATE')
  AND NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'migrations');
