-- name: known_roots
-- The folders that hosts watch or watched, and whether only some may read them.
SELECT host, path, restricted, watched FROM foliod.roots;

-- name: put_roots
-- Writes down the folders that a host watches now; those that are as they were are left alone. Returns what changed.
-- $1 host, $2 paths, $3 whether each is restricted
INSERT INTO foliod.roots (host, path, restricted, watched)
SELECT $1, r.path, r.restricted, true FROM unnest($2::bytea[], $3::boolean[]) AS r (path, restricted)
ON CONFLICT (host, path) DO UPDATE SET restricted = excluded.restricted, watched = true
WHERE (roots.restricted, roots.watched) IS DISTINCT FROM (excluded.restricted, true)
RETURNING path, restricted;

-- name: unwatch_roots
-- The other folders of a host are watched no more; who might read them stays as it was.
-- $1 host, $2 paths that are watched
UPDATE foliod.roots SET watched = false WHERE host = $1 AND watched AND path <> ALL($2::bytea[]);

-- name: drop_roots
-- Forgets folders that are watched no more: those that lie in one that is, and those of which no file is left. Returns
-- the restricted ones, and whether they lie in one that is watched.
-- $1 host, $2 first paths and $3 ends of what is watched
WITH gone AS (
    SELECT r.path, EXISTS (SELECT 1 FROM unnest($2::bytea[], $3::bytea[]) AS span (low, high)
                           WHERE r.path >= span.low AND r.path < span.high) AS covered
    FROM foliod.roots r WHERE r.host = $1 AND NOT r.watched
), dropped AS (
    DELETE FROM foliod.roots r USING gone WHERE r.host = $1 AND r.path = gone.path AND (
        gone.covered
        OR NOT EXISTS (SELECT 1 FROM foliod.files f
                       WHERE f.host = r.host AND f.path >= r.path || '/'::bytea AND f.path < r.path || '0'::bytea))
    RETURNING r.path, r.restricted, gone.covered
)
SELECT path, covered FROM dropped WHERE restricted;
