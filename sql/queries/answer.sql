-- name: page_texts
-- The stored text of pages, to look quotes up in.
-- $1 documents, $2 numbers of their pages: a pair each
SELECT p.document_id, p.number, p.text
FROM unnest($1::bigint[], $2::integer[]) AS wanted (document_id, number)
JOIN foliod.pages p USING (document_id, number);

-- name: unread_of
-- What could not be read of some documents: pages without text, and pages of which text is missing, with the reason.
-- $1 documents
SELECT p.document_id, p.number, p.verdict, p.trouble
FROM foliod.pages p
WHERE p.document_id = ANY($1::bigint[])
  AND (p.verdict IN ('needs_ocr', 'failed', 'garbage') OR p.trouble IS NOT NULL)
ORDER BY p.document_id, p.number;

-- name: partial_of
-- Those of some documents that gave only part of their text, and why.
-- $1 documents
SELECT id, reason FROM foliod.documents WHERE id = ANY($1::bigint[]) AND partial ORDER BY id;
