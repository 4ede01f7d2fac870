-- name: claim_for_reading
-- Claims the next document that waits to be read and has a file on this host that can be opened, under a lease.
-- The attempt is counted here, before it starts, so that a document that kills everything is noticed.
-- $1 host, $2 lease owner, $3 lease in seconds, $4 documents that we hold: their lease may have run out while
-- the machine slept, but they are still being read. A claim of ours that we do not know of is one whose answer was
-- lost with its connection.
UPDATE foliod.documents d
SET state = 'reading', attempts = d.attempts + 1,
    lease_owner = $2, lease_until = now() + make_interval(secs => $3)
WHERE d.id = (
    SELECT w.id FROM foliod.documents w
    WHERE ((w.state = 'queued' AND w.next_attempt_at <= now())
           OR (w.state = 'reading' AND (w.lease_until IS NULL OR w.lease_until < now() OR w.lease_owner = $2)))
      AND w.id <> ALL ($4::bigint[])
      AND EXISTS (SELECT 1 FROM foliod.files f
                  WHERE f.document_id = w.id AND f.host = $1 AND f.gone_at IS NULL AND f.reason IS NULL)
    ORDER BY w.next_attempt_at, w.id
    LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING d.id, d.sha256, d.attempts, d.deaths, d.set_aside, d.reason;

-- name: claim_for_embedding
-- Claims up to $3 documents whose text is stored and whose vectors are missing, oldest first.
-- $1 lease owner, $2 lease in seconds, $3 how many, $4 documents that we hold
UPDATE foliod.documents d
SET lease_owner = $1, lease_until = now() + make_interval(secs => $2)
WHERE d.id IN (
    SELECT w.id FROM foliod.documents w
    WHERE w.state = 'stored' AND w.id <> ALL ($4::bigint[])
      AND (w.lease_until IS NULL OR w.lease_until < now() OR w.lease_owner = $1)
    ORDER BY w.next_attempt_at, w.id
    LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING d.id;

-- name: extend_lease
-- Keeps documents claimed; returns which of those that there are still are ours. A row that is locked is being written
-- by us this moment: it is passed over, since nobody else can claim a locked row.
-- $1 document ids, $2 lease owner, $3 lease in seconds
WITH free AS (
    SELECT id FROM foliod.documents WHERE id = ANY($1::bigint[]) AND lease_owner = $2 FOR UPDATE SKIP LOCKED
), extended AS (
    UPDATE foliod.documents SET lease_until = now() + make_interval(secs => $3) WHERE id IN (SELECT id FROM free)
)
SELECT id, lease_owner IS NOT DISTINCT FROM $2 AS ours FROM foliod.documents WHERE id = ANY($1::bigint[]);

-- name: release_lease
-- Gives documents back untouched: a reading one waits again, and the attempt does not count.
-- $1 document ids, $2 lease owner, $3 seconds until the next attempt
UPDATE foliod.documents
SET lease_owner = NULL, lease_until = NULL,
    attempts = CASE WHEN state = 'reading' THEN greatest(attempts - 1, 0) ELSE attempts END,
    next_attempt_at = now() + make_interval(secs => $3),
    state = CASE WHEN state = 'reading' THEN 'queued' ELSE state END
WHERE id = ANY($1::bigint[]) AND lease_owner = $2;

-- name: release_dead_leases
-- At start: what an earlier daemon of this host had claimed is free again. The state folder's lock
-- makes sure that it is dead. Reading attempts stay counted, and the document goes behind all others: one at which
-- the daemon itself ended again and again, without one more page stored, is set aside.
-- $1 host, $2 attempts without progress that are allowed
UPDATE foliod.documents
SET lease_owner = NULL, lease_until = NULL,
    reason = CASE WHEN state = 'reading' AND attempts >= $2
                  THEN 'foliod itself was ended ' || attempts || ' times while it read this document' ELSE reason END,
    next_attempt_at = CASE WHEN state = 'reading' THEN now() ELSE next_attempt_at END,
    state = CASE WHEN state <> 'reading' THEN state WHEN attempts >= $2 THEN 'failed' ELSE 'queued' END
WHERE starts_with(lease_owner, $1 || ':');

-- name: claimed_attempt
-- Locks a document whose attempt ended badly; no row when the lease was lost. Tells how often it happened before,
-- how often pages were given up, how many there are, and how many are in the ledger.
-- $1 document, $2 lease owner
SELECT d.deaths, d.set_aside, d.page_count,
       (SELECT count(*) FROM foliod.pages p WHERE p.document_id = d.id) AS known_pages
FROM foliod.documents d WHERE d.id = $1 AND d.lease_owner = $2 FOR NO KEY UPDATE;

-- name: attempt_failed
-- An attempt ended badly: the document waits for the next one, or is quarantined.
-- $1 document, $2 reason, $3 state, $4 seconds until the next attempt
UPDATE foliod.documents
SET deaths = deaths + 1, reason = $2, lease_owner = NULL, lease_until = NULL,
    state = $3, next_attempt_at = now() + make_interval(secs => $4)
WHERE id = $1;

-- name: give_up_pages
-- Pages that can't be read without the reader's abnormal end are failed, so that the others can be read.
-- $1 document, $2 first page, $3 last page
INSERT INTO foliod.pages (document_id, number, verdict, width, height, rotation, text)
SELECT $1, n, 'failed', 0, 0, 0, '' FROM generate_series($2::integer, $3::integer) n
ON CONFLICT (document_id, number) DO NOTHING;

-- name: go_on_without_pages
-- A document of which pages were given up is read on at once; what was read by this extractor stays.
-- $1 document, $2 reason, $3 extractor
UPDATE foliod.documents
SET deaths = 0, attempts = 0, set_aside = set_aside + 1, reason = $2, lease_owner = NULL, lease_until = NULL,
    state = 'queued', next_attempt_at = now(), extractor = $3
WHERE id = $1;

-- name: document_refused
-- The document can't be read as it is: it takes an end state with its reason. OCR is due when pages need it.
-- $1 document, $2 lease owner, $3 state, $4 reason
UPDATE foliod.documents
SET state = $3, reason = $4, lease_owner = NULL, lease_until = NULL, attempts = 0,
    deaths = CASE WHEN $3 = 'needs_ocr' THEN 0 ELSE deaths END,
    ocr_at = CASE WHEN EXISTS (SELECT 1 FROM foliod.pages p WHERE p.document_id = $1
                               AND p.verdict IN ('needs_ocr', 'garbage')) THEN now() END
WHERE id = $1 AND lease_owner = $2;

-- name: waiting_documents
-- Whether documents with a file on this host that can be opened still wait for their text.
-- $1 host, $2 document or NULL for all
SELECT EXISTS (SELECT 1 FROM foliod.documents d
WHERE d.state IN ('queued', 'reading') AND ($2::bigint IS NULL OR d.id = $2)
  AND EXISTS (SELECT 1 FROM foliod.files f
              WHERE f.document_id = d.id AND f.host = $1 AND f.gone_at IS NULL AND f.reason IS NULL));

-- name: ended_badly
-- Documents that can't be found as they are, and those that wait for their next attempt, below a folder or anywhere.
-- $1 host, $2 and $3 what the paths lie between, NULL for all documents; $4 after this document, $5 how many
SELECT d.id FROM foliod.documents d
WHERE d.id > $4 AND (d.state IN ('needs_password', 'needs_ocr', 'not_pdf', 'unsupported', 'damaged', 'empty', 'failed')
                     OR (d.state = 'queued' AND d.next_attempt_at > now()))
  AND ($2::bytea IS NULL OR EXISTS (SELECT 1 FROM foliod.files f WHERE f.document_id = d.id AND f.host = $1
                                    AND f.path > $2 AND f.path < $3))
ORDER BY d.id LIMIT $5;

-- name: lock_free
-- Locks documents that nobody reads or writes and that have a file, in the order of ids. Who embeds one finds it
-- changed, and lets go.
-- $1 document ids
SELECT id, chunk_count > 0 AS searchable FROM foliod.documents d
WHERE id = ANY($1::bigint[]) AND (state <> 'reading' OR lease_until < now())
  AND EXISTS (SELECT 1 FROM foliod.files f WHERE f.document_id = d.id AND f.gone_at IS NULL AND f.reason IS NULL)
ORDER BY id FOR UPDATE SKIP LOCKED;

-- name: drop_refusals
-- The embedding model is asked again for texts of these documents that it refused.
-- $1 document ids
DELETE FROM foliod.embeddings e USING foliod.chunks c
WHERE c.document_id = ANY($1::bigint[]) AND e.text_hash = c.text_hash AND e.reason IS NOT NULL;

-- name: unready_refused
-- Other documents that share such a text, refused in the space that serves, want its vector again.
-- $1 document ids
UPDATE foliod.documents SET state = 'stored', ready_at = NULL
WHERE state = 'ready' AND id <> ALL ($1::bigint[]) AND id IN (
    SELECT theirs.document_id FROM foliod.chunks mine
    JOIN foliod.spaces s ON s.state = 'active'
    JOIN foliod.embeddings e ON e.space_id = s.id AND e.text_hash = mine.text_hash AND e.reason IS NOT NULL
    JOIN foliod.chunks theirs ON theirs.text_hash = mine.text_hash
    WHERE mine.document_id = ANY($1));

-- name: begin_again
-- Documents become as if they had never been read; their pages and chunks are gone already.
-- $1 document ids
UPDATE foliod.documents
SET state = 'queued', partial = false, chunk_count = 0, term_count = 0, extractor = NULL, stored_at = NULL,
    ready_at = NULL, attempts = 0, deaths = 0, set_aside = 0, next_attempt_at = now(), lease_owner = NULL,
    lease_until = NULL, reason = NULL, trouble = NULL, ocr_at = NULL, passwords_tried = '{}'
WHERE id = ANY($1::bigint[]);
