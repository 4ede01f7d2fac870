-- Who may read what: which folders are open to everybody that a daemon lets in, for all daemons of this store.

-- The folders that hosts watch or watched. A file in none of them is seen by those only who may see everything.
CREATE TABLE foliod.roots (
    host            text NOT NULL,
    path            bytea NOT NULL,            -- as the file system has it
    restricted      boolean NOT NULL,          -- only some clients of its own host may read it, nobody elsewhere
    watched         boolean NOT NULL,
    PRIMARY KEY (host, path)
);
-- Before now there was no way to restrict a folder.
INSERT INTO foliod.roots (host, path, restricted, watched)
SELECT DISTINCT host, convert_to(root, 'UTF8'), false, false FROM foliod.files;

-- The files in some ranges of paths, which do not overlap; all files when there are no ranges.
CREATE FUNCTION foliod.places(hosts text[], lows bytea[], highs bytea[]) RETURNS SETOF foliod.files
LANGUAGE sql STABLE AS $$
    SELECT f.* FROM foliod.files f
    WHERE hosts IS NULL OR EXISTS (
        SELECT 1 FROM unnest(hosts, lows, highs) AS span (host, low, high)
        WHERE span.host = f.host AND f.path >= span.low AND f.path < span.high)
$$;
