-- name: document_counts
-- Documents by state, with their pages and chunks.
-- $1, $2, $3 what the client may see (NULL is everything)
SELECT state, count(*) AS documents, coalesce(sum(page_count), 0)::bigint AS pages,
       coalesce(sum(chunk_count), 0)::bigint AS chunks
FROM foliod.documents
WHERE $1::text[] IS NULL OR id IN (SELECT f.document_id FROM foliod.places($1, $2, $3) f)
GROUP BY state;

-- name: file_count
-- Files that are there, whatever they hold.
-- $1, $2, $3 what the client may see (NULL is everything)
SELECT count(*) FROM foliod.places($1, $2, $3) f WHERE f.gone_at IS NULL;

-- name: missing_vectors
-- Chunks without a vector in a space. Only stored documents can have some: a ready one has them all.
-- $1 space, NULL when there is none yet, $2, $3, $4 what the client may see (NULL is everything)
SELECT count(*) FROM foliod.documents d JOIN foliod.chunks c ON c.document_id = d.id
WHERE d.state = 'stored'
  AND ($2::text[] IS NULL OR d.id IN (SELECT f.document_id FROM foliod.places($2, $3, $4) f))
  AND NOT EXISTS (SELECT 1 FROM foliod.embeddings e WHERE e.space_id = $1 AND e.text_hash = c.text_hash);

-- name: refused_texts
-- Texts for which the model of a space gives no vector: found by keyword only.
-- $1 space, NULL when there is none yet
SELECT count(*) FROM foliod.embeddings WHERE space_id = $1 AND reason IS NOT NULL;

-- name: list_documents
-- Documents in the order in which they were first seen, with all their places, those in the folder that is asked for first.
-- $1 state, $2 folder, $3 words in the title or a path (NULL is no restriction), $4 the last id seen, $5 how many,
-- $6, $7, $8 what the client may see (NULL is everything)
SELECT d.id, encode(d.sha256, 'hex') AS sha256, d.title, d.author, d.state, d.partial, d.reason,
       d.page_count, d.chunk_count, d.size, d.created_at, d.modified_at, d.seen_at, d.stored_at, d.ready_at,
       CASE WHEN d.state = 'queued' AND d.next_attempt_at > now() THEN d.next_attempt_at END AS next_attempt_at,
       p.paths
FROM foliod.documents d
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(f.display ORDER BY f.display = $2 OR starts_with(f.display, rtrim($2, '/') || '/') DESC,
                                                 f.gone_at NULLS FIRST, f.id), ARRAY[]::text[]) AS paths
    FROM foliod.places($6, $7, $8) f WHERE f.document_id = d.id) p
WHERE d.id > $4
  AND ($6::text[] IS NULL OR cardinality(p.paths) > 0)
  AND ($1::text IS NULL OR d.state = $1)
  AND ($2::text IS NULL OR EXISTS (
      SELECT 1 FROM foliod.places($6, $7, $8) f WHERE f.document_id = d.id
      AND (f.display = $2 OR starts_with(f.display, rtrim($2, '/') || '/'))))
  AND ($3::text IS NULL OR strpos(lower(coalesce(d.title, '')), lower($3)) > 0
       OR EXISTS (SELECT 1 FROM unnest(p.paths) path WHERE strpos(lower(path), lower($3)) > 0))
ORDER BY d.id LIMIT $5;

-- name: document_files
-- The places of a document, on every host.
-- $1 document, $2, $3, $4 what the client may see (NULL is everything)
SELECT host, root, display AS path, size, reason, seen_at, gone_at
FROM foliod.places($2, $3, $4) WHERE document_id = $1 ORDER BY gone_at NULLS FIRST, id;

-- name: verdict_runs
-- What became of a document's pages: runs of pages with one verdict, in order.
-- $1 document
SELECT min(number) AS first, max(number) AS last, verdict
FROM (SELECT number, verdict, number - row_number() OVER (PARTITION BY verdict ORDER BY number) AS run
      FROM foliod.pages WHERE document_id = $1) p
GROUP BY verdict, run ORDER BY 1;

-- name: file_at
-- What is known of one place, by its path, or by the path as people see it.
-- $1 host, $2 path, $3 path for people
SELECT path, display, root, size, mtime_ns, document_id, reason, seen_at, gone_at
FROM foliod.files WHERE host = $1 AND (path = $2 OR display = $3) ORDER BY path = $2 DESC, id LIMIT 1;

-- name: states_below
-- How many files below a folder are in which state: their document's, else "unread"; "gone" for missed ones.
-- $1 host, $2 and $3 what the paths lie between, $4, $5, $6 what the client may see (NULL is everything)
SELECT CASE WHEN f.gone_at IS NOT NULL THEN 'gone' WHEN d.id IS NULL THEN 'unread' ELSE d.state END AS state,
       count(*) AS files
FROM foliod.places($4, $5, $6) f LEFT JOIN foliod.documents d ON d.id = f.document_id
WHERE f.host = $1 AND f.path > $2 AND f.path < $3 GROUP BY 1 ORDER BY 1;

-- name: document_progress
-- How far a document is: attempts, who holds it, what is stored of it, what is missing, how many are read before it.
-- $1 document
SELECT d.attempts, d.deaths, d.set_aside, d.next_attempt_at, d.lease_owner, d.lease_until, d.extractor,
       (SELECT count(*) FROM foliod.pages p WHERE p.document_id = d.id) AS pages_stored,
       (SELECT count(*) FROM foliod.chunks c WHERE c.document_id = d.id AND NOT EXISTS (
            SELECT 1 FROM foliod.embeddings e JOIN foliod.spaces s ON s.id = e.space_id
            WHERE s.state = 'active' AND e.text_hash = c.text_hash)) AS vectors_missing,
       (SELECT count(*) FROM foliod.documents w
        WHERE d.state = 'queued' AND w.state = 'queued'
          AND (w.next_attempt_at, w.id) < (d.next_attempt_at, d.id)) AS ahead
FROM foliod.documents d WHERE d.id = $1;

-- name: document_history
-- What became of a document, in order.
-- $1 document
SELECT at, state, reason, owner FROM foliod.history WHERE document_id = $1 ORDER BY id;

-- name: seen_documents
-- Those of some documents that are there for a client.
-- $1 documents, $2, $3, $4 what the client may see (NULL is everything)
SELECT d.id FROM foliod.documents d
WHERE d.id = ANY($1::bigint[])
  AND ($2::text[] IS NULL OR EXISTS (SELECT 1 FROM foliod.places($2, $3, $4) f WHERE f.document_id = d.id))
ORDER BY d.id;

-- name: document_content
-- What a document's file must hold, and how many pages it has.
-- $1 document
SELECT encode(sha256, 'hex') AS sha256, page_count, state, reason FROM foliod.documents WHERE id = $1;

-- name: chunk_span
-- Where a passage stands in its document.
-- $1 chunk
SELECT document_id, first_page, last_page, start_offset, end_offset, text FROM foliod.chunks WHERE id = $1;
