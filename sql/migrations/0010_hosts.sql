-- The hosts that share this store, so that one which is gone for good is told from one that works, and can be forgotten.

CREATE TABLE foliod.hosts (
    host            text PRIMARY KEY,
    version         text,                      -- of its foliod; NULL: not seen since there is this table
    started_at      timestamptz,
    seen_at         timestamptz NOT NULL DEFAULT now() -- its daemon gave a sign of life
);
INSERT INTO foliod.hosts (host, seen_at) SELECT host, max(seen_at) FROM foliod.files GROUP BY host;
