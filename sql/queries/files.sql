-- name: known_files
-- The files that a host knows below a folder, in the order of paths, with what tells whether they changed:
-- size, mtime, ctime, inode, device, the folder's device (8 bytes each) and 1 byte, 2 for a file that was missed,
-- 1 for one with a reason against it, 0 for one that is as it should be.
-- $1 host, $2 after this path, $3 before this path, $4 how many
SELECT path, int8send(size) || int8send(mtime_ns) || int8send(ctime_ns) || int8send(inode) || int8send(device)
             || int8send(folder_device)
             || CASE WHEN gone_at IS NOT NULL THEN '\x02'::bytea WHEN reason IS NOT NULL THEN '\x01' ELSE '\x00' END
             AS known
FROM foliod.files WHERE host = $1 AND path > $2 AND path < $3 ORDER BY path LIMIT $4;

-- name: known_places
-- The same for some paths.
-- $1 host, $2 paths
SELECT path, int8send(size) || int8send(mtime_ns) || int8send(ctime_ns) || int8send(inode) || int8send(device)
             || int8send(folder_device)
             || CASE WHEN gone_at IS NOT NULL THEN '\x02'::bytea WHEN reason IS NOT NULL THEN '\x01' ELSE '\x00' END
             AS known
FROM foliod.files WHERE host = $1 AND path = ANY($2::bytea[]);

-- name: count_files
-- How many files a host knows below a folder, without those that were missed, and how many of them can't be read.
-- $1 host, $2 after this path, $3 before this path
SELECT count(*) AS files, count(*) FILTER (WHERE reason IS NOT NULL) AS unread
FROM foliod.files WHERE host = $1 AND path > $2 AND path < $3 AND gone_at IS NULL;

-- name: add_document
-- Writes down new content, which waits to be read; no row when it is known already.
-- $1 SHA-256, $2 size
INSERT INTO foliod.documents (sha256, size) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING RETURNING id, state;

-- name: hold_document
-- Finds known content and keeps it from being removed until the transaction ends.
-- $1 SHA-256
SELECT id, state FROM foliod.documents WHERE sha256 = $1 FOR KEY SHARE;

-- name: other_places
-- Where else on this host a document lies, the longest known first.
-- $1 document, $2 host, $3 not this path, $4 how many
SELECT path, device, inode
FROM foliod.files WHERE document_id = $1 AND host = $2 AND path <> $3 ORDER BY gone_at NULLS FIRST, id LIMIT $4;

-- name: put_file
-- Writes down what a file holds and looks like. Returns the document it held before, NULL when it is new.
-- $1 host, $2 path, $3 path for people, $4 root for people, $5 size, $6 mtime, $7 ctime, $8 inode, $9 device,
-- $10 device of its folder, $11 document
WITH before AS (SELECT document_id FROM foliod.files WHERE host = $1 AND path = $2)
INSERT INTO foliod.files AS f (host, path, display, root, size, mtime_ns, ctime_ns, inode, device, folder_device,
                               document_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (host, path) DO UPDATE
SET display = excluded.display, root = excluded.root, size = excluded.size, mtime_ns = excluded.mtime_ns,
    ctime_ns = excluded.ctime_ns, inode = excluded.inode, device = excluded.device,
    folder_device = excluded.folder_device, document_id = excluded.document_id, reason = NULL, gone_at = NULL
RETURNING (SELECT document_id FROM before);

-- name: refuse_file
-- Writes down why a file can't be read; no row when that was known. What it held before is kept while only
-- its permissions are known to differ; else it holds nothing.
-- $1 host, $2 path, $3 path for people, $4 root for people, $5 size, $6 mtime, $7 ctime, $8 inode, $9 device,
-- $10 device of its folder, $11 reason
INSERT INTO foliod.files AS f (host, path, display, root, size, mtime_ns, ctime_ns, inode, device, folder_device,
                               reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (host, path) DO UPDATE
SET display = excluded.display, root = excluded.root, size = excluded.size, mtime_ns = excluded.mtime_ns,
    ctime_ns = excluded.ctime_ns, inode = excluded.inode, device = excluded.device,
    folder_device = excluded.folder_device, reason = excluded.reason, gone_at = NULL,
    document_id = CASE WHEN (f.size, f.mtime_ns, f.inode) = (excluded.size, excluded.mtime_ns, excluded.inode)
                       THEN f.document_id END
WHERE (f.size, f.mtime_ns, f.ctime_ns, f.inode, f.reason) IS DISTINCT FROM
      (excluded.size, excluded.mtime_ns, excluded.ctime_ns, excluded.inode, excluded.reason)
   OR f.gone_at IS NOT NULL
RETURNING id;

-- name: refresh_files
-- Files that are the same as before: there again after they had been missed, or on a device with a new number.
-- $1 host, $2 paths, $3 devices, $4 devices of their folders
UPDATE foliod.files f SET gone_at = NULL, device = s.device, folder_device = s.folder_device
FROM unnest($2::bytea[], $3::bigint[], $4::bigint[]) AS s (path, device, folder_device)
WHERE f.host = $1 AND f.path = s.path;

-- name: miss_files
-- Files that are not there: they leave the answers when they stay away for the grace period.
-- $1 host, $2 paths
UPDATE foliod.files SET gone_at = now() WHERE host = $1 AND path = ANY($2::bytea[]) AND gone_at IS NULL;

-- name: move_file
-- Forgets where a file lay before it was moved.
-- $1 host, $2 path, $3 document
DELETE FROM foliod.files WHERE host = $1 AND path = $2 AND document_id = $3;

-- name: document_at
-- The document that a file on this host holds.
-- $1 host, $2 path
SELECT document_id FROM foliod.files WHERE host = $1 AND path = $2 AND gone_at IS NULL;

-- name: left_behind
-- How many files that lie in no watched folder each root left behind. The root alone does not tell: an unchanged
-- file keeps the one it was found in, when a folder above or below that is watched instead.
-- $1 host, $2 and $3 what the paths of watched folders lie between
SELECT f.root, count(*) AS files FROM foliod.files f
WHERE f.host = $1 AND NOT EXISTS (SELECT 1 FROM unnest($2::bytea[], $3::bytea[]) AS watched (low, high)
                                  WHERE f.path > watched.low AND f.path < watched.high)
GROUP BY 1 ORDER BY 1;

-- name: forget_paths
-- The user says that these files are not coming back: no grace for them.
-- $1 host, $2 paths
UPDATE foliod.files SET gone_at = '-infinity' WHERE host = $1 AND path = ANY($2::bytea[]);

-- name: forget_below
-- The user says that what a folder held is not coming back: no grace for its files. Returns how many these are.
-- Watched folders inside it, or around it, are left out.
-- $1 host, $2 after this path, $3 before this path, $4 and $5 what the paths of watched folders lie between
WITH forgotten AS (
    UPDATE foliod.files f SET gone_at = '-infinity'
    WHERE f.host = $1 AND f.path > $2 AND f.path < $3
      AND NOT EXISTS (SELECT 1 FROM unnest($4::bytea[], $5::bytea[]) AS watched (low, high)
                      WHERE f.path > watched.low AND f.path < watched.high)
    RETURNING 1)
SELECT count(*) FROM forgotten;

-- name: mark_unplaced
-- Documents that lost their last place because other content took it: they stay for the grace period.
UPDATE foliod.documents SET unplaced_at = now()
WHERE id IN (SELECT d.id FROM foliod.documents d
             WHERE d.unplaced_at IS NULL AND NOT EXISTS (SELECT 1 FROM foliod.files f WHERE f.document_id = d.id)
             FOR UPDATE SKIP LOCKED);

-- name: unmark_placed
-- Documents that have a place again.
UPDATE foliod.documents d SET unplaced_at = NULL
WHERE d.unplaced_at IS NOT NULL AND EXISTS (SELECT 1 FROM foliod.files f WHERE f.document_id = d.id);

-- name: forget_unread
-- Forgets gone files that held nothing. Roots that must not lose anything now are left out.
-- $1 host, $2 grace in seconds, $3 and $4 what the paths of these roots lie between
DELETE FROM foliod.files f
WHERE f.host = $1 AND f.gone_at <= now() - make_interval(secs => $2) AND f.document_id IS NULL
  AND NOT EXISTS (SELECT 1 FROM unnest($3::bytea[], $4::bytea[]) AS held (low, high)
                  WHERE f.path > held.low AND f.path < held.high);

-- name: documents_to_forget
-- Documents of which a place has been gone for the grace period, or that have had none for so long.
-- $1 host, $2 grace in seconds, $3 and $4 what the paths of roots that must not lose anything now lie between,
-- $5 how many, $6 after this document
SELECT d.id, d.size FROM (
    SELECT f.document_id AS id FROM foliod.files f
    WHERE f.host = $1 AND f.gone_at <= now() - make_interval(secs => $2) AND f.document_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM unnest($3::bytea[], $4::bytea[]) AS held (low, high)
                      WHERE f.path > held.low AND f.path < held.high)
    UNION
    SELECT d.id FROM foliod.documents d WHERE d.unplaced_at <= now() - make_interval(secs => $2)) due
JOIN foliod.documents d ON d.id = due.id
WHERE d.id > $6 ORDER BY d.id LIMIT $5;

-- name: lock_document
-- Locks a document before its last places are forgotten; no row when somebody is writing it, or has removed it.
-- $1 document
SELECT id FROM foliod.documents WHERE id = $1 FOR UPDATE SKIP LOCKED;

-- name: forget_places
-- Forgets the gone places of a document. Roots that must not lose anything now are left out.
-- $1 document, $2 host, $3 grace in seconds, $4 and $5 what the paths of these roots lie between
DELETE FROM foliod.files f
WHERE f.document_id = $1 AND f.host = $2 AND f.gone_at <= now() - make_interval(secs => $3)
  AND NOT EXISTS (SELECT 1 FROM unnest($4::bytea[], $5::bytea[]) AS held (low, high)
                  WHERE f.path > held.low AND f.path < held.high)
RETURNING f.display;

-- name: document_has_place
-- Whether a document has a place on any host. Asked after its row is locked, so that none can be added meanwhile.
-- $1 document
SELECT EXISTS (SELECT 1 FROM foliod.files WHERE document_id = $1);

-- name: own_vectors
-- Keeps chunks from being written while vectors that no chunk uses are removed: a new chunk must not
-- rely on a vector that is on its way out. Writers of chunks take share_vectors.
SELECT pg_advisory_xact_lock(7234017283807667300);

-- name: share_vectors
-- Taken by those who wrote chunks, at the end of their transaction; they don't hinder each other.
SELECT pg_advisory_xact_lock_shared(7234017283807667300);

-- name: drop_vectors_of
-- Removes the vectors that only this document's chunks use, in all spaces.
-- $1 document
DELETE FROM foliod.embeddings WHERE (space_id, text_hash) IN (
    SELECT s.id, c.text_hash FROM foliod.spaces s CROSS JOIN (
        SELECT DISTINCT mine.text_hash FROM foliod.chunks mine
        WHERE mine.document_id = $1 AND NOT EXISTS (
            SELECT 1 FROM foliod.chunks others
            WHERE others.text_hash = mine.text_hash AND others.document_id <> $1)) c);

-- name: lexicon_drop_unused
-- Removes terms of this document that stand in no chunk any more, after they were counted out.
-- $1 document
DELETE FROM foliod.lexicon l
USING (SELECT DISTINCT unnest(terms) AS term FROM foliod.chunk_terms WHERE document_id = $1) s
WHERE l.term = s.term AND l.chunks <= 0;

-- name: drop_document
-- Removes a document with its pages, chunks and terms.
-- $1 document
DELETE FROM foliod.documents WHERE id = $1;

-- name: unused_vectors
-- Texts that have a vector but stand in no chunk: a model answered after the document was removed.
-- $1 how many
SELECT e.text_hash FROM foliod.embeddings e
WHERE NOT EXISTS (SELECT 1 FROM foliod.chunks c WHERE c.text_hash = e.text_hash) LIMIT $1;

-- name: drop_unused_vectors
-- Removes the vectors of texts that stand in no chunk.
-- $1 text hashes
DELETE FROM foliod.embeddings WHERE (space_id, text_hash) IN (
    SELECT s.id, h.text_hash FROM foliod.spaces s CROSS JOIN unnest($1::bytea[]) AS h (text_hash)
    WHERE NOT EXISTS (SELECT 1 FROM foliod.chunks c WHERE c.text_hash = h.text_hash));
