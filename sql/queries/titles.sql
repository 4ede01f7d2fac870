-- name: forget_renamed
-- Forgets changes of names of documents that have no text and that nobody reads: whoever writes their text takes their
-- names in. What is claimed stays, since its writer may have looked at the names already.
DELETE FROM foliod.renamed WHERE id IN (
    SELECT r.id FROM foliod.renamed r
    WHERE NOT EXISTS (SELECT 1 FROM foliod.documents d
                      WHERE d.id = r.document_id AND (d.chunk_count > 0 OR d.lease_owner IS NOT NULL))
    FOR UPDATE SKIP LOCKED);

-- name: renamed_documents
-- Searchable documents whose names changed since they were taken in, locked until that is done; those that somebody
-- writes are left for later.
-- $1 how many
SELECT d.id FROM foliod.documents d
WHERE d.chunk_count > 0 AND d.id IN (SELECT r.document_id FROM foliod.renamed r)
LIMIT $1 FOR NO KEY UPDATE OF d SKIP LOCKED;

-- name: names_of
-- What documents are called, and the changes of it that are seen here. Places that are gone count while there is no
-- other: they may come back, and the document is found until they are forgotten.
-- $1 document ids, $2 most names of one, $3, $4, $5 what the client may see (NULL is everything)
SELECT d.id, d.title, d.language, d.stored_at, places.names,
       ARRAY(SELECT r.id FROM foliod.renamed r WHERE r.document_id = d.id) AS seen
FROM foliod.documents d CROSS JOIN LATERAL (
    SELECT ARRAY(SELECT substr(f.display, length(f.root) + 1) FROM foliod.places($3, $4, $5) f
                 WHERE f.document_id = d.id
                   AND (f.gone_at IS NULL OR NOT EXISTS (SELECT 1 FROM foliod.places($3, $4, $5) p
                                                         WHERE p.document_id = d.id AND p.gone_at IS NULL))
                 ORDER BY f.id LIMIT $2) AS names) places
WHERE d.id = ANY($1::bigint[]);

-- name: terms_within
-- Which of these terms stand in a document.
-- $1 document, $2 term ids
SELECT DISTINCT t AS term FROM foliod.chunk_terms CROSS JOIN LATERAL unnest(terms) t
WHERE document_id = $1 AND t = ANY($2::integer[]);

-- name: drop_titles
-- Forgets what documents are called.
-- $1 document ids
DELETE FROM foliod.titles WHERE document_id = ANY($1::bigint[]);

-- name: names_taken
-- These changes of names are taken in; what changed meanwhile stays to be seen.
-- $1 changes
DELETE FROM foliod.renamed WHERE id = ANY($1::bigint[]);

-- name: title_frequencies
-- In how many titles each of these terms stands.
-- $1 term ids, $2 documents as bits or NULL for all
SELECT term, count(*) AS documents FROM foliod.titles
WHERE term = ANY($1::integer[])
  AND ($2::bytea IS NULL OR CASE WHEN document_id < 8 * octet_length($2) THEN get_bit($2, document_id) = 1 ELSE false END)
GROUP BY term;

-- name: title_search
-- The documents whose names hold most of a question: by the sum over its words of the best of each word's terms.
-- $1 candidate term ids, $2 all term ids, $3 the word that each belongs to, $4 their idf, $5 documents as bits or NULL,
-- $6 how many
SELECT w.document_id AS document, sum(w.best)::real AS score, d.chunk_count AS chunks
FROM (SELECT t.document_id, q.word, max(t.weight * q.idf) AS best
      FROM foliod.titles t JOIN unnest($2::integer[], $3::integer[], $4::real[]) AS q (term, word, idf) USING (term)
      WHERE t.document_id IN (SELECT document_id FROM foliod.titles WHERE term = ANY($1::integer[]))
        AND ($5::bytea IS NULL OR CASE WHEN t.document_id < 8 * octet_length($5) THEN get_bit($5, t.document_id) = 1 ELSE false END)
      GROUP BY 1, 2) w
JOIN foliod.documents d ON d.id = w.document_id
WHERE d.chunk_count > 0
GROUP BY 1, 3 ORDER BY 2 DESC, 1 LIMIT $6;

-- name: titles_of
-- Which of a question's terms stand in the names of some documents, with their weights.
-- $1 document ids, $2 term ids
SELECT document_id AS document, array_agg(term) AS terms, array_agg(weight) AS weights
FROM foliod.titles WHERE document_id = ANY($1::bigint[]) AND term = ANY($2::integer[]) GROUP BY 1;

-- name: corpus
-- How many documents can be found, how many chunks they have (BM25's N), and the languages that they are in.
SELECT count(*) AS documents, coalesce(sum(chunk_count), 0)::bigint AS chunks,
       coalesce(array_agg(DISTINCT coalesce(language, 'english')), ARRAY[]::text[]) AS languages
FROM foliod.documents WHERE chunk_count > 0;
