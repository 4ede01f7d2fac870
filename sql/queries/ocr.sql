-- name: claim_for_ocr
-- Claims the next document with pages that wait for OCR and a file on this host, under a lease. None while a
-- document of this host waits to be read: reading goes first.
-- $1 host, $2 lease owner, $3 lease in seconds, $4 documents that we hold
UPDATE foliod.documents d
SET lease_owner = $2, lease_until = now() + make_interval(secs => $3)
WHERE d.id = (
    SELECT w.id FROM foliod.documents w
    WHERE w.ocr_at <= now() AND w.state IN ('needs_ocr', 'stored', 'ready')
      AND (w.lease_until IS NULL OR w.lease_until < now())
      AND w.id <> ALL ($4::bigint[])
      AND EXISTS (SELECT 1 FROM foliod.files f WHERE f.document_id = w.id AND f.host = $1
                  AND f.gone_at IS NULL AND f.reason IS NULL)
      AND NOT EXISTS (
          SELECT 1 FROM foliod.documents q JOIN foliod.files f ON f.document_id = q.id
          WHERE q.state = 'queued' AND q.next_attempt_at <= now() AND f.host = $1
            AND f.gone_at IS NULL AND f.reason IS NULL)
    ORDER BY w.ocr_at, w.id
    LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING d.id, d.sha256, d.attempts, d.deaths, d.set_aside, d.reason;

-- name: reading_waits
-- Whether a document with a file on this host could be read now.
-- $1 host
SELECT EXISTS (
    SELECT 1 FROM foliod.documents q JOIN foliod.files f ON f.document_id = q.id
    WHERE q.state = 'queued' AND q.next_attempt_at <= now() AND f.host = $1
            AND f.gone_at IS NULL AND f.reason IS NULL);

-- name: begin_ocr_page
-- Takes the next page of a document that waits for OCR. The attempt is counted here, before it starts, so that a
-- page that kills everything is noticed. No row when none waits, or when the lease was lost.
-- $1 document, $2 lease owner
UPDATE foliod.pages p SET ocr_attempts = p.ocr_attempts + 1
WHERE p.document_id = $1 AND p.number = (
    SELECT w.number FROM foliod.pages w
    WHERE w.document_id = $1 AND w.verdict IN ('needs_ocr', 'garbage') ORDER BY w.number LIMIT 1)
  AND EXISTS (SELECT 1 FROM foliod.documents d WHERE d.id = $1 AND d.lease_owner = $2)
RETURNING p.number, p.verdict, p.ocr_attempts, p.ocr_deaths;

-- name: give_up_ocr_page
-- The attempt was broken off by us, and does not count.
-- $1 document, $2 page
UPDATE foliod.pages SET ocr_attempts = greatest(ocr_attempts - 1, 0) WHERE document_id = $1 AND number = $2;

-- name: put_ocr_page
-- What became of a page by OCR; what was said against it before stays said.
-- $1 document, $2 page, $3 verdict, $4 text, $5 headings, $6 why text of it may be missing, or NULL, $7 boxes
UPDATE foliod.pages
SET verdict = $3, text = $4, headings = $5, boxes = $7, ocr_attempts = 0,
    trouble = CASE WHEN strpos(trouble, $6::text) > 0 THEN trouble
                   ELSE nullif(concat_ws('; ', trouble, $6::text), '') END
WHERE document_id = $1 AND number = $2;

-- name: ocr_page_failed
-- OCR of a page ended badly: it is tried once more, or the page has failed. Returns its verdict.
-- $1 document, $2 page, $3 bad ends allowed
UPDATE foliod.pages
SET ocr_deaths = ocr_deaths + 1, verdict = CASE WHEN ocr_deaths + 1 >= $3 THEN 'failed' ELSE verdict END
WHERE document_id = $1 AND number = $2
RETURNING verdict;

-- name: postpone_ocr
-- Nothing can be done for a document's pages now; what stands in the way is said in the place of what they wait for.
-- $1 document, $2 lease owner, $3 seconds until OCR is due again, $4 why
UPDATE foliod.documents
SET ocr_at = now() + make_interval(secs => $3), lease_owner = NULL, lease_until = NULL,
    reason = concat_ws(' — ', nullif(split_part(reason, ' — ', 1), ''), $4::text)
WHERE id = $1 AND lease_owner = $2;

-- name: recognised_not_written
-- Writing the text of recognised pages ended badly: it is tried again, or OCR of the document has ended. What can be
-- found of it stays; its pages are ahead of its chunks then, which a time that never comes says. Tells whether it ended.
-- $1 document, $2 lease owner, $3 bad ends allowed, $4 seconds until OCR is due again, $5 why
WITH ended AS (
    UPDATE foliod.documents d
    SET deaths = d.deaths + 1, lease_owner = NULL, lease_until = NULL,
        state = CASE WHEN d.deaths + 1 >= $3 AND d.state = 'needs_ocr' THEN 'failed' ELSE d.state END,
        partial = d.partial OR (d.deaths + 1 >= $3 AND d.state <> 'needs_ocr'),
        ocr_at = CASE WHEN d.deaths + 1 < $3 THEN now() + make_interval(secs => $4)
                      WHEN d.state <> 'needs_ocr' THEN 'infinity' END,
        reason = CASE WHEN d.deaths + 1 < $3 OR d.state <> 'needs_ocr'
                      THEN concat_ws(CASE WHEN d.deaths + 1 < $3 THEN ' — ' ELSE '; ' END,
                                     nullif(split_part(d.reason, ' — ', 1), ''), $5::text)
                      ELSE $5::text END
    WHERE d.id = $1 AND d.lease_owner = $2
    RETURNING d.id, d.deaths >= $3 AS ended
), given_up AS (
    UPDATE foliod.pages p SET verdict = 'failed', ocr_deaths = p.ocr_deaths + 1
    FROM ended WHERE ended.ended AND p.document_id = ended.id AND p.verdict IN ('needs_ocr', 'garbage')
)
SELECT ended FROM ended;

-- name: set_title
-- A scan has a title only when its first page has been recognised.
-- $1 document, $2 title
UPDATE foliod.documents SET title = $2 WHERE id = $1 AND title IS NULL;

-- name: document_trouble
-- Why text may be missing from a document, as its reader said.
-- $1 document
SELECT trouble FROM foliod.documents WHERE id = $1;

-- name: note_ocr
-- Says of every document whose pages wait for OCR on this host what they wait for, behind what is missing.
-- $1 host, $2 what they wait for
UPDATE foliod.documents d SET reason = split_part(d.reason, ' — ', 1) || ' — ' || $2
WHERE isfinite(d.ocr_at) AND d.state IN ('needs_ocr', 'stored', 'ready')
  AND d.reason IS DISTINCT FROM split_part(d.reason, ' — ', 1) || ' — ' || $2
  AND EXISTS (SELECT 1 FROM foliod.files f WHERE f.document_id = d.id AND f.host = $1 AND f.gone_at IS NULL);

-- name: ocr_due
-- OCR can be tried now: Tesseract or a language is there that was not before.
-- $1 host
UPDATE foliod.documents d SET ocr_at = now()
WHERE d.ocr_at > now() AND isfinite(d.ocr_at)
  AND EXISTS (SELECT 1 FROM foliod.files f WHERE f.document_id = d.id AND f.host = $1 AND f.gone_at IS NULL);

-- name: pages_for_ocr
-- How many pages wait for OCR.
SELECT count(*) FROM foliod.pages WHERE verdict IN ('needs_ocr', 'garbage');
