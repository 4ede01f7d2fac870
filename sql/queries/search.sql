-- name: term_frequencies
-- In how many chunks each of these terms stands.
-- $1 term ids
SELECT term, chunks FROM foliod.lexicon WHERE term = ANY($1::integer[]) AND chunks > 0;

-- name: term_frequencies_among
-- The same in some documents only, of terms that stand in some chunk of them.
-- $1 term ids, $2 the documents as bits, $3 at how many chunks it is counted no further
SELECT q.term, count(*) AS chunks FROM unnest($1::integer[]) AS q (term) CROSS JOIN LATERAL (
    SELECT FROM foliod.chunk_terms t WHERE t.terms @> ARRAY[q.term]
    AND CASE WHEN t.document_id < 8 * octet_length($2::bytea) THEN get_bit($2, t.document_id) = 1 ELSE false END
    LIMIT $3) found
GROUP BY 1;

-- name: term_frequencies_within
-- The same in a few documents.
-- $1 term ids, $2 document ids, $3 at how many chunks it is counted no further
SELECT q.term, count(*) AS chunks FROM unnest($1::integer[]) AS q (term) CROSS JOIN LATERAL (
    SELECT FROM foliod.chunk_terms t WHERE t.terms @> ARRAY[q.term] AND t.document_id = ANY($2::bigint[]) LIMIT $3) found
GROUP BY 1;

-- name: filter_documents
-- Documents that a filter leaves: below a folder, one document, a span of dates (the PDF's own, else when it was seen).
-- $1 folder, $2 document, $3 after, $4 before; NULL is no restriction
SELECT d.id, d.chunk_count AS chunks FROM foliod.documents d
WHERE d.chunk_count > 0
  AND ($2::bigint IS NULL OR d.id = $2)
  AND ($3::timestamptz IS NULL OR coalesce(d.created_at, d.seen_at) >= $3)
  AND ($4::timestamptz IS NULL OR coalesce(d.created_at, d.seen_at) < $4)
  AND ($1::text IS NULL OR EXISTS (
      SELECT 1 FROM foliod.files f WHERE f.document_id = d.id
      AND (f.display = $1 OR starts_with(f.display, rtrim($1, '/') || '/'))));

-- name: filter_readable
-- The same of what a client may see, and whether that is all places of a document.
-- $1 folder, $2 document, $3 after, $4 before; NULL is no restriction; $5 hosts, $6 first paths and $7 ends of what it may see
SELECT d.id, d.chunk_count AS chunks,
       seen.places = (SELECT count(*) FROM foliod.files f WHERE f.document_id = d.id) AS whole
FROM (SELECT f.document_id, count(*) AS places,
             bool_or($1::text IS NULL OR f.display = $1 OR starts_with(f.display, rtrim($1, '/') || '/')) AS inside
      FROM unnest($5::text[], $6::bytea[], $7::bytea[]) AS span (host, low, high)
      JOIN foliod.files f ON f.host = span.host AND f.path >= span.low AND f.path < span.high
      WHERE f.document_id IS NOT NULL AND ($2::bigint IS NULL OR f.document_id = $2) GROUP BY 1) seen
JOIN foliod.documents d ON d.id = seen.document_id
WHERE d.chunk_count > 0 AND seen.inside
  AND ($3::timestamptz IS NULL OR coalesce(d.created_at, d.seen_at) >= $3)
  AND ($4::timestamptz IS NULL OR coalesce(d.created_at, d.seen_at) < $4);

-- name: keyword_search
-- The best chunks by BM25 among those that hold one of the rare terms, or both of a pair of common ones.
-- $1 rare term ids, $2 the question's idf weights, $3 documents as bits or NULL, $4 how many, $5 and $6 pairs of term ids,
-- $7 how many of a pair
SELECT chunk_id FROM (
    SELECT chunk_id, weights FROM foliod.chunk_terms
    WHERE terms && $1::integer[]
      AND ($3::bytea IS NULL OR CASE WHEN document_id < 8 * octet_length($3) THEN get_bit($3, document_id) = 1 ELSE false END)
    UNION ALL
    SELECT t.chunk_id, t.weights FROM unnest($5::integer[], $6::integer[]) AS pair (one, other)
    CROSS JOIN LATERAL (
        SELECT chunk_id, weights FROM foliod.chunk_terms
        WHERE terms @> ARRAY[pair.one, pair.other] AND NOT terms && $1::integer[]
          AND ($3::bytea IS NULL OR CASE WHEN document_id < 8 * octet_length($3) THEN get_bit($3, document_id) = 1 ELSE false END)
        LIMIT $7) t) found
ORDER BY weights <#> $2 LIMIT $4;

-- name: keyword_within
-- The best chunks of a few documents by BM25, of those that hold some word of the question unless all may be taken.
-- $1 the question's idf weights, $2 document ids, $3 how many, $4 whether also those that hold none
SELECT chunk_id FROM foliod.chunk_terms WHERE document_id = ANY($2::bigint[]) AND ($4::boolean OR weights <#> $1 < 0)
ORDER BY weights <#> $1 LIMIT $3;

-- name: vector_search
-- The chunks nearest to a vector by cosine, through the space's HNSW index; of equal chunks the first ones only.
-- $1 the question's vector, $2 how many texts, $3 how many equal chunks
SELECT c.id AS chunk_id
FROM (SELECT text_hash, embedding::halfvec({dimensions}) <=> $1 AS distance
      FROM foliod.embeddings
      WHERE space_id = {space} AND embedding IS NOT NULL
      ORDER BY embedding::halfvec({dimensions}) <=> $1 LIMIT $2) e
CROSS JOIN LATERAL (SELECT id FROM foliod.chunks WHERE text_hash = e.text_hash ORDER BY id LIMIT $3) c
ORDER BY e.distance;

-- name: vector_search_filtered
-- The same among some documents only; the index is scanned on until enough are found (hnsw.iterative_scan).
-- $1 the question's vector, $2 how many, $3 documents as bits
SELECT c.id AS chunk_id
FROM foliod.embeddings e JOIN foliod.chunks c USING (text_hash)
WHERE e.space_id = {space} AND e.embedding IS NOT NULL
  AND CASE WHEN c.document_id < 8 * octet_length($3::bytea) THEN get_bit($3, c.document_id) = 1 ELSE false END
ORDER BY e.embedding::halfvec({dimensions}) <=> $1 LIMIT $2;

-- name: vector_within
-- The nearest chunks of a few documents, every one of them compared: an index would have to be scanned for long.
-- $1 the question's vector, $2 document ids, $3 how many
SELECT c.id AS chunk_id
FROM foliod.chunks c JOIN foliod.embeddings e ON e.space_id = {space} AND e.text_hash = c.text_hash
WHERE c.document_id = ANY($2::bigint[]) AND e.embedding IS NOT NULL
ORDER BY (e.embedding::halfvec({dimensions}) <=> $1) + 0 LIMIT $3;

-- name: candidates
-- What chunks are scored by: their terms, as sparsevec sends them.
-- $1 chunk ids
SELECT c.id, c.document_id, c.ordinal, c.first_page, c.heading, sparsevec_send(t.weights) AS weights, NULL::float8 AS cosine
FROM foliod.chunks c JOIN foliod.chunk_terms t ON t.chunk_id = c.id
WHERE c.id = ANY($1::bigint[]) ORDER BY c.id;

-- name: candidates_in_space
-- The same with their cosine to the question's vector, NULL where a chunk has no vector.
-- $1 chunk ids, $2 the question's vector
SELECT c.id, c.document_id, c.ordinal, c.first_page, c.heading, sparsevec_send(t.weights) AS weights,
       1 - (e.embedding::halfvec({dimensions}) <=> $2) AS cosine
FROM foliod.chunks c JOIN foliod.chunk_terms t ON t.chunk_id = c.id
LEFT JOIN foliod.embeddings e ON e.space_id = {space} AND e.text_hash = c.text_hash
WHERE c.id = ANY($1::bigint[]) ORDER BY c.id;

-- name: hit_details
-- What a hit shows: the passage, its document, the first of its places (those in the folder that was asked for first, and
-- of these those that are there), the host of the very first, and how many they are.
-- $1 chunk ids, $2 how many places at most, $3 folder or NULL, $4, $5, $6 what the client may see (NULL is everything)
WITH document AS MATERIALIZED (
    SELECT d.id, d.sha256, d.title, coalesce(named.paths, '{}') AS paths, named.host,
           (SELECT count(*) FROM foliod.places($4, $5, $6) f WHERE f.document_id = d.id) AS places
    FROM foliod.documents d
    CROSS JOIN LATERAL (
        SELECT array_agg(display ORDER BY place) AS paths, (array_agg(host ORDER BY place))[1] AS host
        FROM (SELECT f.display, f.host, row_number() OVER (
                  ORDER BY f.display = $3::text OR starts_with(f.display, rtrim($3, '/') || '/') DESC,
                           f.gone_at NULLS FIRST, f.id) AS place
              FROM foliod.places($4, $5, $6) f WHERE f.document_id = d.id ORDER BY place LIMIT $2::integer) first) named
    WHERE d.id IN (SELECT document_id FROM foliod.chunks WHERE id = ANY($1::bigint[]))
)
SELECT c.id, c.document_id, c.first_page, c.last_page, c.start_offset, c.end_offset, c.heading, c.text,
       encode(d.sha256, 'hex') AS sha256, d.title, d.paths, d.host, d.places
FROM foliod.chunks c JOIN document d ON d.id = c.document_id
WHERE c.id = ANY($1::bigint[]);

-- name: passage_texts
-- Slices of documents' texts, whose pages are joined by a line end.
-- $1 documents, $2 starts, $3 ends, code points from 0
SELECT substr(t.text, s.first - t.start + 1, s.last - s.first) AS text
FROM unnest($1::bigint[], $2::integer[], $3::integer[]) WITH ORDINALITY AS s (document, first, last, place)
CROSS JOIN LATERAL (
    SELECT min(p.start)::integer AS start, string_agg(p.text, E'\n' ORDER BY p.number) AS text
    FROM (SELECT number, text, chars, sum(chars + 1) OVER (ORDER BY number) - chars - 1 AS start
          FROM foliod.pages WHERE document_id = s.document) p
    WHERE p.start < s.last AND p.start + p.chars >= s.first) t
ORDER BY s.place;

-- name: coverage
-- What a search can see: searchable documents and their pages, pages of them without text, documents still to be read.
-- $1 document ids or NULL for all, $2, $3, $4 what the client may see of those to be read (NULL is everything)
SELECT count(*) FILTER (WHERE state IN ('stored', 'ready')) AS documents,
       coalesce(sum(page_count) FILTER (WHERE state IN ('stored', 'ready')), 0)::bigint AS pages,
       (SELECT count(*) FROM foliod.pages p
        WHERE p.verdict IN ('needs_ocr', 'failed', 'garbage')
          AND ($1::bigint[] IS NULL OR p.document_id = ANY($1))) AS unread_pages,
       (SELECT count(*) FROM foliod.documents WHERE state IN ('queued', 'reading')
        AND ($2::text[] IS NULL OR id IN (SELECT f.document_id FROM foliod.places($2, $3, $4) f))) AS pending
FROM foliod.documents WHERE $1::bigint[] IS NULL OR id = ANY($1);

-- name: span_boxes
-- Where spans of documents' texts stand: their pages that have text, each with its offset in the text of the document,
-- the boxes of its runs, and the text around the span, which begins at text_start of the page.
-- $1 documents, $2 starts, $3 ends, one of each for a span; $4 characters around it; $5 the one page wanted, NULL for all
WITH span AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY s(document, low, high, place)
), page AS MATERIALIZED (
    SELECT document_id, number, chars,
           sum(chars + 1) OVER (PARTITION BY document_id ORDER BY number) - chars - 1 AS start
    FROM foliod.pages WHERE document_id IN (SELECT document FROM span)
)
SELECT s.place AS span, p.document_id, p.number, p.width, p.height, p.boxes, p.chars, page.start, t.text_start,
       substr(p.text, t.text_start + 1, (least(s.high - page.start, page.chars) - t.text_start)::integer + $4::integer) AS text
FROM span s
JOIN page ON page.document_id = s.document AND page.start < s.high AND page.start + page.chars > s.low AND page.chars > 0
         AND ($5::integer IS NULL OR page.number = $5)
JOIN foliod.pages p ON p.document_id = page.document_id AND p.number = page.number
CROSS JOIN LATERAL (SELECT greatest(s.low - page.start - $4::integer, 0)::integer) t(text_start)
ORDER BY s.place, p.number;
