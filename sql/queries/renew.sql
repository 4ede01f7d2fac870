-- name: claim_for_renewal
-- Claims the next searchable document that an earlier revision of the extractor read and that has a file on this
-- host, under a lease. None while a document of this host waits to be read. The attempt is noted before it starts.
-- $1 host, $2 lease owner, $3 lease in seconds, $4 documents that we hold, $5 revision, $6 seconds between two attempts
UPDATE foliod.documents d
SET lease_owner = $2, lease_until = now() + make_interval(secs => $3), renewed_at = now()
WHERE d.id = (
    SELECT w.id FROM foliod.documents w
    WHERE substring(w.extractor FROM '^[0-9]{1,6}')::integer < $5 AND w.state IN ('stored', 'ready')
      AND (w.renewed_at IS NULL OR w.renewed_at < now() - make_interval(secs => $6))
      AND (w.lease_until IS NULL OR w.lease_until < now())
      AND w.id <> ALL ($4::bigint[])
      AND EXISTS (SELECT 1 FROM foliod.files f WHERE f.document_id = w.id AND f.host = $1
                  AND f.gone_at IS NULL AND f.reason IS NULL)
      AND NOT EXISTS (
          SELECT 1 FROM foliod.documents q JOIN foliod.files f ON f.document_id = q.id
          WHERE q.state = 'queued' AND q.next_attempt_at <= now() AND f.host = $1
            AND f.gone_at IS NULL AND f.reason IS NULL)
    ORDER BY w.renewed_at NULLS FIRST, w.id
    LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING d.id, d.sha256, d.attempts, d.deaths, d.set_aside, d.reason;

-- name: document_language
-- The language that a document's terms were stemmed in; NULL before there was more than one.
-- $1 document
SELECT language FROM foliod.documents WHERE id = $1;

-- name: count_pages_without_text
-- Pages that the reader gave no text of: pictures, recognised or not, empty and failed ones.
-- $1 document
SELECT count(*) FROM foliod.pages WHERE document_id = $1 AND verdict <> 'text';

-- name: pages_without_text
-- Some of them, in order.
-- $1 document, $2 after this page, $3 most pages
SELECT number, verdict, width, height, rotation, text, headings
FROM foliod.pages WHERE document_id = $1 AND number > $2 AND verdict <> 'text' ORDER BY number LIMIT $3;

-- name: page_is_same
-- Whether a page that was read again says what is stored.
-- $1 document, $2 page, $3 verdict, $4 text, $5 headings
SELECT EXISTS (SELECT 1 FROM foliod.pages WHERE document_id = $1 AND number = $2 AND verdict = $3 AND text = $4
               AND headings = $5::jsonb);

-- name: put_boxes
-- Where the text of pages stands, which is the same as before.
-- $1 document, $2 pages, $3 the boxes of each
UPDATE foliod.pages p SET boxes = n.boxes
FROM unnest($2::integer[], $3::bytea[]) n(number, boxes) WHERE p.document_id = $1 AND p.number = n.number;

-- name: drop_some_pages
-- Forgets pages that are written anew.
-- $1 document, $2 pages
DELETE FROM foliod.pages WHERE document_id = $1 AND number = ANY($2::integer[]);

-- name: renewed
-- A document was read again. What it says of itself stays where the file says nothing: scans have their title by OCR.
-- $1 document, $2 extractor, $3 page count, $4 title, $5 author, $6 created, $7 modified
UPDATE foliod.documents
SET extractor = $2, page_count = $3, title = coalesce($4, title), author = coalesce($5, author),
    created_at = coalesce($6, created_at), modified_at = coalesce($7, modified_at), renewed_at = NULL
WHERE id = $1;

-- name: let_go
-- A document of which nothing has to be written any more is free again.
-- $1 document
UPDATE foliod.documents SET lease_owner = NULL, lease_until = NULL WHERE id = $1;

-- name: take_renewal_back
-- An attempt that was broken off by us does not count.
-- $1 document, $2 lease owner
UPDATE foliod.documents SET renewed_at = NULL WHERE id = $1 AND lease_owner = $2;
