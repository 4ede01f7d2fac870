-- name: passwords_tried
-- Notes what the password files of this host looked like when a document was tried with them.
-- $1 document, $2 lease owner, $3 host, $4 what they looked like
UPDATE foliod.documents SET passwords_tried = passwords_tried || jsonb_build_object($3::text, $4::text)
WHERE id = $1 AND lease_owner = $2;

-- name: locked_documents
-- The documents that need a password and have files on this host: what was tried on them here, empty when nothing
-- was, and the files.
-- $1 host
SELECT d.id, coalesce(d.passwords_tried ->> $1, '') AS tried, array_agg(f.path ORDER BY f.id) AS paths
FROM foliod.documents d JOIN foliod.files f ON f.document_id = d.id
WHERE d.state = 'needs_password' AND f.host = $1 AND f.gone_at IS NULL
GROUP BY d.id;

-- name: unlock_documents
-- The password files are not those that these documents were tried with: they are tried again, once on behalf of
-- this host, whichever host does it.
-- $1 host, $2 documents, $3 what the password files of each look like
UPDATE foliod.documents d
SET state = 'queued', next_attempt_at = now(), attempts = 0,
    passwords_tried = d.passwords_tried || jsonb_build_object($1::text, s.looks)
FROM unnest($2::bigint[], $3::text[]) AS s (id, looks)
WHERE d.id = s.id AND d.state = 'needs_password'
RETURNING d.id;
