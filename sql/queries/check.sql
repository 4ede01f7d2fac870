-- Everything that must hold in the store. The findings' queries return document, file, what (what was found, for
-- people) and total (how many there are in all).

-- name: check_set_up
-- Whether foliod ever set this database up.
SELECT to_regclass('foliod.migrations') IS NOT NULL;

-- name: check_schema
-- How many migrations were applied.
SELECT count(*) FROM foliod.migrations;

-- name: check_totals
-- How much is stored of everything.
SELECT (SELECT count(*) FROM foliod.documents) AS documents, (SELECT count(*) FROM foliod.files) AS files,
       (SELECT count(*) FROM foliod.pages) AS pages, (SELECT count(*) FROM foliod.chunks) AS chunks,
       (SELECT count(*) FROM foliod.embeddings) AS vectors;

-- name: check_places
-- One place of each of these documents, for people.
-- $1 documents
SELECT DISTINCT ON (document_id) document_id, display
FROM foliod.files WHERE document_id = ANY($1::bigint[]) ORDER BY document_id, gone_at NULLS FIRST, id;

-- name: check_pages_in_a_row
-- Documents whose pages are not numbered 1, 2, 3 and so on up to the number that the PDF says at most. That is not
-- known yet when the opening of the file is what ends the reader.
-- $1 how many to return
SELECT d.id AS document, NULL::text AS file, count(*) OVER () AS total,
       format('%s pages are stored, the last has number %s, and the PDF has %s', p.pages, p.last,
              coalesce(d.page_count::text, 'no known number')) AS what
FROM (SELECT document_id, count(*) AS pages, max(number) AS last FROM foliod.pages GROUP BY document_id) p
JOIN foliod.documents d ON d.id = p.document_id
WHERE p.pages <> p.last OR p.last > d.page_count OR d.extractor IS NULL
ORDER BY d.id LIMIT $1;

-- name: check_pages_complete
-- Searchable documents that lack pages, though nothing says that they are read in part only.
-- $1 how many to return
SELECT d.id AS document, NULL::text AS file, count(*) OVER () AS total,
       format('%s of %s pages are stored', coalesce(p.pages, 0), coalesce(d.page_count::text, 'an unknown number of'))
       AS what
FROM foliod.documents d
LEFT JOIN (SELECT document_id, count(*) AS pages FROM foliod.pages GROUP BY document_id) p ON p.document_id = d.id
WHERE d.state IN ('stored', 'ready')
  AND (d.page_count IS NULL OR coalesce(p.pages, 0) = 0 OR (p.pages < d.page_count AND NOT d.partial))
ORDER BY d.id LIMIT $1;

-- name: check_verdicts
-- Pages whose verdict contradicts their text. A page that needs OCR may have a few letters, as of a stamp; it keeps
-- them when OCR fails on it.
-- $1 how many to return
SELECT document_id AS document, NULL::text AS file, count(*) OVER () AS total,
       format('page %s has the verdict %s and %s characters of text', number, verdict, length(text)) AS what
FROM foliod.pages
WHERE CASE WHEN verdict = 'text' THEN text = '' WHEN verdict IN ('empty', 'garbage') THEN text <> ''
           WHEN verdict = 'failed' THEN text <> '' AND ocr_deaths = 0 END
ORDER BY document_id, number LIMIT $1;

-- name: check_states
-- Documents whose columns contradict their state.
-- $1 how many to return
SELECT id AS document, NULL::text AS file, count(*) OVER () AS total, format('it is %s and %s', state, why) AS what
FROM foliod.documents CROSS JOIN LATERAL (SELECT CASE
    WHEN state IN ('stored', 'ready') AND (stored_at IS NULL OR extractor IS NULL) THEN 'was never stored'
    WHEN state IN ('stored', 'ready') AND chunk_count < 1 THEN 'has no text'
    WHEN state = 'ready' AND ready_at IS NULL THEN 'was never made ready'
    WHEN state <> 'ready' AND ready_at IS NOT NULL AND state IN ('stored', 'ready') THEN 'is said to be ready'
    WHEN state NOT IN ('queued', 'reading', 'stored', 'ready') AND coalesce(reason, '') = '' THEN 'nobody says why'
    WHEN partial AND coalesce(reason, '') = '' THEN 'nobody says what is missing'
    WHEN least(attempts, deaths, set_aside, chunk_count, term_count) < 0 THEN 'a count is negative'
    END AS why) judged
WHERE why IS NOT NULL
ORDER BY id LIMIT $1;

-- name: check_history
-- Documents of which the history ends with another state or reason than they have. Older ones may have none.
-- $1 how many to return
SELECT d.id AS document, NULL::text AS file, count(*) OVER () AS total,
       format('it is %s, and its history ends with %s', d.state, h.state) AS what
FROM foliod.documents d
JOIN (SELECT DISTINCT ON (document_id) document_id, state, reason FROM foliod.history ORDER BY document_id, id DESC) h
     ON h.document_id = d.id
WHERE (h.state, h.reason) IS DISTINCT FROM (d.state, d.reason)
ORDER BY d.id LIMIT $1;

-- name: check_claims
-- Claims that contradict the state: reading without one, half a claim, or a claim on what nobody works at.
-- $1 how many to return
SELECT id AS document, NULL::text AS file, count(*) OVER () AS total, format('it is %s and %s', state, why) AS what
FROM foliod.documents CROSS JOIN LATERAL (SELECT CASE
    WHEN (lease_owner IS NULL) <> (lease_until IS NULL) THEN 'half of its claim is missing'
    WHEN state = 'reading' AND lease_owner IS NULL THEN 'nobody has claimed it'
    WHEN state NOT IN ('reading', 'stored') AND lease_owner IS NOT NULL
         AND NOT (state IN ('needs_ocr', 'ready') AND ocr_at IS NOT NULL) THEN 'claimed by ' || lease_owner
    END AS why) judged
WHERE why IS NOT NULL
ORDER BY id LIMIT $1;

-- name: check_ocr
-- Documents with pages that wait for OCR, which nobody will ever do.
-- $1 how many to return
SELECT d.id AS document, NULL::text AS file, count(*) OVER () AS total,
       format('it is %s, and %s pages wait', d.state, p.pages) AS what
FROM foliod.documents d
JOIN (SELECT document_id, count(*) AS pages FROM foliod.pages WHERE verdict IN ('needs_ocr', 'garbage')
      GROUP BY document_id) p ON p.document_id = d.id
WHERE d.state IN ('stored', 'ready', 'needs_ocr') AND d.ocr_at IS NULL
ORDER BY d.id LIMIT $1;

-- name: check_stuck_claims
-- Claims that nobody extends and nobody takes over, though a daemon runs; of this host only that daemon may hold one.
-- $1 how many to return, $2 for so many seconds, $3 host, $4 process id of its daemon
SELECT id AS document, NULL::text AS file, count(*) OVER () AS total,
       format('%s claimed it until %s', lease_owner, to_char(lease_until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
       AS what
FROM foliod.documents
WHERE lease_until < now() - make_interval(secs => $2)
   OR (starts_with(lease_owner, $3 || ':') AND NOT starts_with(lease_owner, $3 || ':' || $4::integer || '-'))
ORDER BY id LIMIT $1;

-- name: check_chunk_counts
-- Documents that have another number of chunks than they say; those that are not searchable have none.
-- $1 how many to return
SELECT d.id AS document, NULL::text AS file, count(*) OVER () AS total,
       format('it is %s, has %s chunks and says %s', d.state, coalesce(c.chunks, 0), d.chunk_count) AS what
FROM foliod.documents d
LEFT JOIN (SELECT document_id, count(*) AS chunks FROM foliod.chunks GROUP BY document_id) c ON c.document_id = d.id
WHERE coalesce(c.chunks, 0) <> d.chunk_count OR (c.chunks > 0 AND d.state NOT IN ('stored', 'ready'))
ORDER BY d.id LIMIT $1;

-- name: check_terms
-- Chunks without their terms, terms without their chunk, or terms that are filed under another document.
-- $1 how many to return
SELECT coalesce(c.document_id, t.document_id) AS document, NULL::text AS file, count(*) OVER () AS total,
       CASE WHEN t.chunk_id IS NULL THEN format('chunk %s has no terms', c.ordinal)
            WHEN c.id IS NULL THEN format('terms without a chunk (%s)', t.chunk_id)
            ELSE format('the terms of chunk %s are those of document %s', c.ordinal, t.document_id) END AS what
FROM foliod.chunks c FULL JOIN foliod.chunk_terms t ON t.chunk_id = c.id
WHERE c.id IS NULL OR t.chunk_id IS NULL OR c.document_id <> t.document_id
ORDER BY 1, c.ordinal LIMIT $1;

-- name: check_lexicon
-- Terms that stand in another number of chunks than the lexicon says.
-- $1 how many to return
SELECT NULL::bigint AS document, NULL::text AS file, count(*) OVER () AS total,
       format('the term %s stands in %s chunks, and the lexicon says %s', coalesce(l.term, t.term),
              coalesce(t.chunks, 0), coalesce(l.chunks, 0)) AS what
FROM foliod.lexicon l
FULL JOIN (SELECT term, count(*) AS chunks FROM foliod.chunk_terms CROSS JOIN LATERAL unnest(terms) term GROUP BY term) t
     ON t.term = l.term
WHERE coalesce(l.chunks, 0) <> coalesce(t.chunks, 0)
ORDER BY coalesce(l.term, t.term) LIMIT $1;

-- name: check_vectors
-- Ready documents of which a chunk has neither a vector in the space that serves nor a reason for having none.
-- $1 how many to return
SELECT c.document_id AS document, NULL::text AS file, count(*) OVER () AS total,
       format('%s chunks have no vector, the first is chunk %s', count(*), min(c.ordinal)) AS what
FROM foliod.documents d JOIN foliod.chunks c ON c.document_id = d.id
WHERE d.state = 'ready' AND NOT EXISTS (
    SELECT 1 FROM foliod.embeddings e JOIN foliod.spaces s ON s.id = e.space_id
    WHERE s.state = 'active' AND e.text_hash = c.text_hash)
GROUP BY c.document_id ORDER BY c.document_id LIMIT $1;

-- name: check_dimensions
-- Vectors of another length than their space has.
-- $1 how many to return
SELECT c.document_id AS document, NULL::text AS file, count(*) OVER () AS total,
       format('a vector of %s numbers in the space %s (%s), which has %s', vector_dims(e.embedding), s.id, s.model,
              s.dimensions) AS what
FROM foliod.embeddings e JOIN foliod.spaces s ON s.id = e.space_id
LEFT JOIN LATERAL (SELECT document_id FROM foliod.chunks WHERE text_hash = e.text_hash LIMIT 1) c ON true
WHERE vector_dims(e.embedding) <> s.dimensions
ORDER BY c.document_id LIMIT $1;

-- name: check_unused_vectors
-- Vectors of texts that stand in no chunk: a model answered after the document was removed.
-- $1 how many to return
SELECT NULL::bigint AS document, NULL::text AS file, count(*) OVER () AS total,
       format('space %s, text %s', e.space_id, encode(e.text_hash, 'hex')) AS what
FROM foliod.embeddings e WHERE NOT EXISTS (SELECT 1 FROM foliod.chunks c WHERE c.text_hash = e.text_hash)
ORDER BY e.space_id, e.text_hash LIMIT $1;

-- name: check_spaces
-- A space that serves without a usable index, or more than one that serves. One that is built gets its index last.
-- $1 how many to return
SELECT NULL::bigint AS document, NULL::text AS file, count(*) OVER () AS total, why AS what
FROM (
    SELECT format('%s spaces serve at once', count(*)) AS why FROM foliod.spaces WHERE state = 'active'
    HAVING count(*) > 1
    UNION ALL
    SELECT format('the space %s (%s) has no index embeddings_hnsw_%s that can be used', s.id, s.model, s.id)
    FROM foliod.spaces s WHERE s.state = 'active' AND NOT EXISTS (
        SELECT 1 FROM pg_index i WHERE i.indexrelid = to_regclass('foliod.embeddings_hnsw_' || s.id)
        AND i.indrelid = 'foliod.embeddings'::regclass AND i.indisvalid AND i.indisready)
) found
LIMIT $1;

-- name: check_indexes
-- Indexes and constraints of foliod's tables that PostgreSQL does not vouch for; those of spaces have their own check.
-- $1 how many to return
SELECT NULL::bigint AS document, NULL::text AS file, count(*) OVER () AS total, why AS what
FROM (
    SELECT i.indexrelid::regclass::text AS why FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
    WHERE t.relnamespace = 'foliod'::regnamespace AND NOT (i.indisvalid AND i.indisready)
      AND NOT starts_with(i.indexrelid::regclass::text, 'foliod.embeddings_hnsw_')
    UNION ALL
    SELECT format('%s of %s', c.conname, c.conrelid::regclass) FROM pg_constraint c
    WHERE c.connamespace = 'foliod'::regnamespace AND NOT c.convalidated
) found
LIMIT $1;

-- name: check_duplicates
-- Rows that a unique index should not have let in; asked of the tables themselves (see check_without_indexes).
-- $1 how many to return
SELECT document, file, count(*) OVER () AS total, why AS what
FROM (
    SELECT NULL::bigint AS document, min(display) AS file, format('%s rows for one path', count(*)) AS why
    FROM foliod.files GROUP BY host, path HAVING count(*) > 1
    UNION ALL
    SELECT min(id), NULL, format('%s documents of one content', count(*))
    FROM foliod.documents GROUP BY sha256 HAVING count(*) > 1
    UNION ALL
    SELECT document_id, NULL, format('%s pages with the number %s', count(*), number)
    FROM foliod.pages GROUP BY document_id, number HAVING count(*) > 1
    UNION ALL
    SELECT document_id, NULL, format('%s chunks with the ordinal %s', count(*), ordinal)
    FROM foliod.chunks GROUP BY document_id, ordinal HAVING count(*) > 1
    UNION ALL
    SELECT min(document_id), NULL, format('%s rows of terms for one chunk', count(*))
    FROM foliod.chunk_terms GROUP BY chunk_id HAVING count(*) > 1
    UNION ALL
    SELECT NULL, NULL, format('%s vectors of one text in the space %s', count(*), space_id)
    FROM foliod.embeddings GROUP BY space_id, text_hash HAVING count(*) > 1
) found
LIMIT $1;

-- name: check_orphans
-- Rows that hang on a row which is not there; foreign keys should not let that be.
-- $1 how many to return
SELECT document, file, count(*) OVER () AS total, why AS what
FROM (
    SELECT f.document_id AS document, f.display AS file, 'a file of a document that is not there' AS why
    FROM foliod.files f LEFT JOIN foliod.documents d ON d.id = f.document_id
    WHERE f.document_id IS NOT NULL AND d.id IS NULL
    UNION ALL
    SELECT p.document_id, NULL, format('page %s of a document that is not there', p.number)
    FROM foliod.pages p LEFT JOIN foliod.documents d ON d.id = p.document_id WHERE d.id IS NULL
    UNION ALL
    SELECT c.document_id, NULL, format('chunk %s of a document that is not there', c.ordinal)
    FROM foliod.chunks c LEFT JOIN foliod.documents d ON d.id = c.document_id WHERE d.id IS NULL
    UNION ALL
    SELECT h.document_id, NULL, 'the history of a document that is not there'
    FROM foliod.history h LEFT JOIN foliod.documents d ON d.id = h.document_id WHERE d.id IS NULL
    UNION ALL
    SELECT NULL, NULL, format('a vector in a space that is not there (%s)', e.space_id)
    FROM foliod.embeddings e LEFT JOIN foliod.spaces s ON s.id = e.space_id WHERE s.id IS NULL
) found
LIMIT $1;

-- name: check_files
-- Files whose columns contradict each other or their document's.
-- $1 how many to return
SELECT f.document_id AS document, f.display AS file, count(*) OVER () AS total, why AS what
FROM foliod.files f LEFT JOIN foliod.documents d ON d.id = f.document_id CROSS JOIN LATERAL (SELECT CASE
    WHEN f.document_id IS NULL AND coalesce(f.reason, '') = '' THEN 'it holds no document, and nobody says why'
    WHEN f.size <> d.size THEN format('it has %s bytes, and its document %s', f.size, d.size)
    WHEN f.path = '' OR get_byte(f.path, 0) <> 47 THEN 'its path is not absolute'
    END AS why) judged
WHERE why IS NOT NULL
ORDER BY f.id LIMIT $1;

-- name: check_unplaced
-- Documents that no file holds and that nobody noted as such: the next look at what to forget does.
-- $1 how many to return
SELECT d.id AS document, NULL::text AS file, count(*) OVER () AS total, 'it is ' || d.state AS what
FROM foliod.documents d
WHERE d.unplaced_at IS NULL AND NOT EXISTS (SELECT 1 FROM foliod.files f WHERE f.document_id = d.id)
ORDER BY d.id LIMIT $1;

-- name: check_overdue
-- Files and documents that should have been forgotten. Roots that must not lose anything now are left out.
-- $1 how many to return, $2 grace in seconds, $3 host, $4 and $5 what the paths of these roots lie between
SELECT document, file, count(*) OVER () AS total, 'since ' || to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') AS what
FROM (
    SELECT f.document_id AS document, f.display AS file, f.gone_at AS since FROM foliod.files f
    WHERE f.host = $3 AND f.gone_at < now() - make_interval(secs => $2)
      AND NOT EXISTS (SELECT 1 FROM unnest($4::bytea[], $5::bytea[]) AS held (low, high)
                      WHERE f.path > held.low AND f.path < held.high)
    UNION ALL
    SELECT d.id, NULL, d.unplaced_at FROM foliod.documents d
    WHERE d.unplaced_at < now() - make_interval(secs => $2)
      AND NOT EXISTS (SELECT 1 FROM foliod.files f WHERE f.document_id = d.id)
) found
ORDER BY since LIMIT $1;

-- name: check_without_indexes
-- For the rest of the transaction: a damaged index must not hide what is in the table.
SELECT set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true);

-- name: check_with_indexes
-- Lets indexes be used again.
SELECT set_config('enable_indexscan', 'on', true), set_config('enable_indexonlyscan', 'on', true),
       set_config('enable_bitmapscan', 'on', true);

-- name: check_page_texts
-- The texts of all pages of searchable documents, in order. While pages wait for OCR, those that have been recognised
-- are ahead of the chunks.
SELECT p.document_id, p.number, p.text
FROM foliod.pages p JOIN foliod.documents d ON d.id = p.document_id
WHERE d.state IN ('stored', 'ready') AND d.ocr_at IS NULL ORDER BY p.document_id, p.number;

-- name: check_chunk_texts
-- All chunks of the same documents with their terms, in order, and what their documents say.
SELECT c.document_id, c.ordinal, c.first_page, c.last_page, c.start_offset, c.end_offset, c.tokens, c.text, c.text_hash,
       t.terms, t.weights, d.term_count, d.extractor, coalesce(d.language, 'english') AS language
FROM foliod.chunks c JOIN foliod.documents d ON d.id = c.document_id
LEFT JOIN foliod.chunk_terms t ON t.chunk_id = c.id
WHERE d.state IN ('stored', 'ready') AND d.ocr_at IS NULL ORDER BY c.document_id, c.ordinal;

-- name: check_known_files
-- What a host knows of the files below a folder, in the order of paths.
-- $1 host, $2 after this path, $3 before this path
SELECT f.path, f.display, f.size, f.reason, f.gone_at IS NOT NULL AS gone, d.id AS document, d.sha256
FROM foliod.files f LEFT JOIN foliod.documents d ON d.id = f.document_id
WHERE f.host = $1 AND f.path > $2 AND f.path < $3 ORDER BY f.path;
