-- name: document_places
-- The files on this host that hold a document, the longest known first.
-- $1 document, $2 host
SELECT path, display, root, size, mtime_ns, ctime_ns, inode, device
FROM foliod.files WHERE document_id = $1 AND host = $2 AND gone_at IS NULL ORDER BY id;

-- name: lock_claimed
-- Locks a document's row while its text is written; no row when the lease was lost.
-- $1 document, $2 lease owner
SELECT id FROM foliod.documents WHERE id = $1 AND lease_owner = $2 FOR NO KEY UPDATE;

-- name: set_facts
-- What the PDF says about itself, written with its first pages. A new attempt keeps the pages read before.
-- $1 document, $2 page count, $3 title, $4 author, $5 created, $6 modified, $7 extractor
UPDATE foliod.documents
SET page_count = $2, title = $3, author = $4, created_at = $5, modified_at = $6, extractor = $7
WHERE id = $1;

-- name: progress_made
-- Pages were stored: earlier attempts, and ends at earlier pages, no longer count against the document.
-- $1 document, $2 lease in seconds
UPDATE foliod.documents SET attempts = 1, deaths = 0, lease_until = now() + make_interval(secs => $2) WHERE id = $1;

-- name: count_stored_pages
-- How many pages, without a gap from page 1, were read so far by this extractor.
-- $1 document, $2 extractor
SELECT count(*) FROM (
    SELECT p.number, row_number() OVER (ORDER BY p.number) AS place
    FROM foliod.pages p JOIN foliod.documents d ON d.id = p.document_id
    WHERE p.document_id = $1 AND d.extractor = $2
) pages WHERE number = place;

-- name: stored_pages
-- Some of the pages read so far, in order.
-- $1 document, $2 after this page, $3 most pages
SELECT number, verdict, width, height, rotation, text, headings
FROM foliod.pages WHERE document_id = $1 AND number > $2 ORDER BY number LIMIT $3;

-- name: page_troubles
-- Why text of stored pages may be missing, where their verdicts do not tell.
-- $1 document, $2 whether to leave out the pages with text of their own
SELECT number, trouble FROM foliod.pages
WHERE document_id = $1 AND trouble IS NOT NULL AND NOT ($2 AND verdict = 'text') ORDER BY number;

-- name: drop_pages
-- Forgets a document's pages: another extractor read them, or the file changed meanwhile.
-- $1 document
DELETE FROM foliod.pages WHERE document_id = $1;

-- name: drop_pages_of
-- The same for several documents.
-- $1 document ids
DELETE FROM foliod.pages WHERE document_id = ANY($1::bigint[]);

-- name: drop_chunks
-- Forgets a document's chunks before they are written anew.
-- $1 document
DELETE FROM foliod.chunks WHERE document_id = $1;

-- name: reserve_chunk_ids
-- Takes $1 ids for chunks, so that chunks and their terms can be copied side by side.
SELECT nextval(pg_get_serial_sequence('foliod.chunks', 'id')) AS id FROM generate_series(1, $1);

-- name: terms_of
-- In how many chunks of a document each of its terms stands; NULL when it has none.
-- $1 document
SELECT array_agg(t) AS terms, array_agg(n) AS counts
FROM (SELECT t, count(*)::integer AS n FROM foliod.chunk_terms ct CROSS JOIN LATERAL unnest(ct.terms) t
      WHERE ct.document_id = $1 GROUP BY t) counted;

-- name: lexicon_replace
-- Counts a document's terms into the lexicon, and those that it had before out of it: in one go and in the order of
-- terms, so that two writers never wait in a circle. Terms that stand in as many chunks as before are left alone.
-- $1 document, $2 terms that it had before, $3 in how many of its chunks
INSERT INTO foliod.lexicon AS l (term, chunks)
SELECT t, sum(n) FROM (
    SELECT t, 1 FROM foliod.chunk_terms ct CROSS JOIN LATERAL unnest(ct.terms) t WHERE ct.document_id = $1
    UNION ALL
    SELECT t, -n FROM unnest($2::integer[], $3::integer[]) before (t, n)
) changes (t, n)
GROUP BY t HAVING sum(n) <> 0 ORDER BY t
ON CONFLICT (term) DO UPDATE SET chunks = l.chunks + excluded.chunks;

-- name: lexicon_lock
-- Locks the terms of documents in the lexicon in the order of terms, before they are counted out.
-- $1 document ids
SELECT l.term FROM foliod.lexicon l
WHERE l.term IN (SELECT DISTINCT unnest(terms) FROM foliod.chunk_terms WHERE document_id = ANY($1::bigint[]))
ORDER BY l.term FOR UPDATE;

-- name: lexicon_subtract
-- Counts a document's terms out of the lexicon.
-- $1 document
UPDATE foliod.lexicon l SET chunks = l.chunks - s.n
FROM (SELECT t, count(*) AS n FROM foliod.chunk_terms ct CROSS JOIN LATERAL unnest(ct.terms) t
      WHERE ct.document_id = $1 GROUP BY t) s
WHERE l.term = s.t;

-- name: page_verdicts
-- How many pages of a document have which verdict.
-- $1 document
SELECT verdict, count(*) AS pages FROM foliod.pages WHERE document_id = $1 GROUP BY verdict;

-- name: text_finished
-- The text of a document is stored as a whole: it can be found from now on. OCR is due when pages need it.
-- $1 document, $2 state, $3 partial, $4 reason, $5 chunks, $6 sum of their lengths in terms, $7 trouble of the reader,
-- $8 language
UPDATE foliod.documents
SET state = $2, partial = $3, reason = $4, chunk_count = $5, term_count = $6,
    attempts = 0, deaths = 0, lease_owner = NULL, lease_until = NULL, stored_at = now(), next_attempt_at = now(),
    trouble = $7, language = $8,
    ocr_at = CASE WHEN EXISTS (SELECT 1 FROM foliod.pages p WHERE p.document_id = $1
                               AND p.verdict IN ('needs_ocr', 'garbage')) THEN now() END
WHERE id = $1;

-- name: missing_texts
-- Chunk texts of these documents that have no vector in a space yet, each text once.
-- $1 space, $2 document ids, $3 how many
SELECT DISTINCT ON (c.text_hash) c.text_hash, c.text
FROM foliod.chunks c
WHERE c.document_id = ANY($2::bigint[])
  AND NOT EXISTS (SELECT 1 FROM foliod.embeddings e WHERE e.space_id = $1 AND e.text_hash = c.text_hash)
LIMIT $3;

-- name: existing_vectors
-- Which of these texts have a row in a space already.
-- $1 space, $2 text hashes
SELECT text_hash FROM foliod.embeddings WHERE space_id = $1 AND text_hash = ANY($2::bytea[]);

-- name: vectors_finished
-- Documents of which every chunk has its vector become ready, as long as the space serves: the lock keeps another
-- one from taking over meanwhile.
-- $1 space, $2 document ids
WITH serving AS (SELECT id FROM foliod.spaces WHERE id = $1 AND state = 'active' FOR SHARE)
UPDATE foliod.documents d
SET state = 'ready', ready_at = now(), lease_owner = NULL, lease_until = NULL
WHERE d.id = ANY($2::bigint[]) AND d.state = 'stored' AND EXISTS (SELECT 1 FROM serving)
  AND NOT EXISTS (
      SELECT 1 FROM foliod.chunks c
      WHERE c.document_id = d.id
        AND NOT EXISTS (SELECT 1 FROM foliod.embeddings e WHERE e.space_id = $1 AND e.text_hash = c.text_hash))
RETURNING d.id;
