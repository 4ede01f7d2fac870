-- Hosts that share the store.

-- name: host_started
-- A daemon of this host begins its work.
-- $1 host, $2 version
INSERT INTO foliod.hosts (host, version, started_at, seen_at) VALUES ($1, $2, now(), now())
ON CONFLICT (host) DO UPDATE SET version = excluded.version, started_at = now(), seen_at = now(), left_at = NULL;

-- name: host_seen
-- A sign of life of this host. Returns how many migrations were applied, since a newer foliod may have come meanwhile,
-- and whether the host was not known: it was forgotten then.
-- $1 host, $2 version
INSERT INTO foliod.hosts (host, version, started_at, seen_at) VALUES ($1, $2, now(), now())
ON CONFLICT (host) DO UPDATE SET seen_at = now(), left_at = NULL
RETURNING (SELECT count(*) FROM foliod.migrations) AS schema, xmax = 0 AS forgotten;

-- name: host_left
-- The daemon of this host stopped: no sign of life follows.
-- $1 host
UPDATE foliod.hosts SET seen_at = now(), left_at = now() WHERE host = $1;

-- name: listed_hosts
-- All hosts with what they hold, the one that was seen last first: files that are there, documents that lie on no other
-- host, and seconds since the last sign of life.
SELECT h.host, h.version, h.started_at, h.seen_at, h.left_at,
       extract(epoch FROM now() - h.seen_at)::float8 AS seconds,
       (SELECT count(*) FROM foliod.files f WHERE f.host = h.host) AS files,
       (SELECT count(DISTINCT f.document_id) FROM foliod.files f
        WHERE f.host = h.host AND NOT EXISTS (SELECT 1 FROM foliod.files o
                                              WHERE o.document_id = f.document_id AND o.host <> h.host)) AS only_here
FROM foliod.hosts h ORDER BY h.seen_at DESC, h.host;

-- name: lock_host
-- Keeps a host from giving signs of life until the transaction ends; no row when it is not known.
-- $1 host
SELECT seen_at, extract(epoch FROM now() - seen_at)::float8 AS seconds, left_at FROM foliod.hosts WHERE host = $1 FOR UPDATE;

-- name: forget_files_of
-- All files of a host are not coming back: no grace for them. Returns how many these are.
-- $1 host
WITH forgotten AS (UPDATE foliod.files SET gone_at = '-infinity' WHERE host = $1 RETURNING 1)
SELECT count(*) FROM forgotten;

-- name: count_files_of
-- How many files of a host are in the store.
-- $1 host
SELECT count(*) FROM foliod.files WHERE host = $1;

-- name: drop_host
-- Removes what else is known of a host whose files are forgotten, unless it came back. Returns how many hosts went: 0 or 1.
-- $1 host, $2 when it was seen last
WITH gone AS (DELETE FROM foliod.hosts WHERE host = $1 AND seen_at = $2 RETURNING host),
     configuration AS (DELETE FROM foliod.host_configurations WHERE host IN (SELECT host FROM gone)),
     builds AS (DELETE FROM foliod.host_builds WHERE host IN (SELECT host FROM gone)),
     folders AS (DELETE FROM foliod.roots WHERE host IN (SELECT host FROM gone))
SELECT count(*) FROM gone;
