-- name: page_texts
-- The stored text of pages, to look quotes up in.
-- $1 documents, $2 numbers of their pages: a pair each
SELECT p.document_id, p.number, p.text
FROM unnest($1::bigint[], $2::integer[]) AS wanted (document_id, number)
JOIN foliod.pages p USING (document_id, number);

-- name: unread_of
-- What could not be read of some documents: pages without text, and pages of which text is missing, with the reason.
-- Only a partial document has the latter, and only its pages are looked through.
-- $1 documents
SELECT document_id, number, verdict, trouble FROM foliod.pages
WHERE document_id = ANY($1::bigint[]) AND verdict IN ('needs_ocr', 'failed', 'garbage')
UNION ALL
SELECT p.document_id, p.number, p.verdict, p.trouble
FROM foliod.documents d JOIN foliod.pages p ON p.document_id = d.id
WHERE d.id = ANY($1::bigint[]) AND d.partial AND p.trouble IS NOT NULL
  AND p.verdict NOT IN ('needs_ocr', 'failed', 'garbage')
ORDER BY document_id, number;

-- name: partial_of
-- Those of some documents that gave only part of their text, and why.
-- $1 documents
SELECT id, reason FROM foliod.documents WHERE id = ANY($1::bigint[]) AND partial ORDER BY id;
