-- Embedding spaces: which one serves, which one is built beside it, and who asked for that.

-- name: active_space
-- The embedding space that serves.
SELECT id, model, digest, dimensions, query_prompt, document_prompt, equal_digests
FROM foliod.spaces WHERE state = 'active';

-- name: activate_space
-- Puts the first space into service, made anew unless it is there.
-- $1 model, $2 digest, $3 dimensions, $4 query prompt, $5 document prompt
INSERT INTO foliod.spaces (model, digest, dimensions, query_prompt, document_prompt, state)
VALUES ($1, $2, $3, $4, $5, 'active')
ON CONFLICT (model, digest, dimensions, query_prompt, document_prompt) DO UPDATE SET state = 'active', state_at = now()
RETURNING id;

-- name: index_space
-- The HNSW index of the first space, which is empty yet. m and ef_construction are pgvector's defaults.
CREATE INDEX IF NOT EXISTS embeddings_hnsw_{space} ON foliod.embeddings
USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops) WHERE space_id = {space};

-- name: own_spaces
-- Taken for a transaction by those who change which spaces there are, so that they do it one after the other.
SELECT pg_advisory_xact_lock(7234017283807667301);

-- name: all_spaces
-- All embedding spaces, the oldest first.
SELECT id, model, digest, dimensions, query_prompt, document_prompt, equal_digests, state
FROM foliod.spaces ORDER BY id;

-- name: listed_spaces
-- All embedding spaces as people see them: how many texts have a vector, or are refused, and the bytes they take
-- (a vector is 2 bytes a number and about 100 more with its key and its row; the index as it is).
SELECT s.id, s.model, s.digest, s.dimensions, s.state, s.state_at, v.vectors, v.refused,
       (v.vectors * (2 * s.dimensions + 100)
        + coalesce(pg_relation_size(to_regclass('foliod.embeddings_hnsw_' || s.id)), 0))::bigint AS bytes
FROM foliod.spaces s CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE e.reason IS NULL) AS vectors, count(*) FILTER (WHERE e.reason IS NOT NULL) AS refused
    FROM foliod.embeddings e WHERE e.space_id = s.id) v
ORDER BY s.id;

-- name: newest_request
-- The newest request for a model: it holds, whoever made it.
SELECT model, digest, dimensions, how, host, asked_at FROM foliod.model_requests ORDER BY id DESC LIMIT 1;

-- name: add_request
-- Asks for a model.
-- $1 model, $2 digest of its build or NULL, $3 dimensions or NULL, $4 how it was asked for, $5 host
INSERT INTO foliod.model_requests (model, digest, dimensions, how, host) VALUES ($1, $2, $3, $4, $5);

-- name: host_configuration
-- Which model the configuration of a host named when its daemon started last. In a store that an older foliod has left
-- without files no host is known: the first that comes is taken for the one that made it.
-- $1 host
SELECT coalesce((SELECT model FROM foliod.host_configurations WHERE host = $1),
                (SELECT model FROM foliod.model_requests
                 WHERE how = 'migration' AND NOT EXISTS (SELECT 1 FROM foliod.host_configurations)));

-- name: set_host_configuration
-- Notes which model it names now.
-- $1 host, $2 model
INSERT INTO foliod.host_configurations (host, model) VALUES ($1, $2) ON CONFLICT (host) DO UPDATE SET model = $2;

-- name: host_build
-- Which build of a model a host saw last.
-- $1 host, $2 model
SELECT digest, dimensions FROM foliod.host_builds WHERE host = $1 AND model = $2;

-- name: set_host_build
-- Notes which build of a model a host sees.
-- $1 host, $2 model, $3 digest, $4 dimensions
INSERT INTO foliod.host_builds (host, model, digest, dimensions) VALUES ($1, $2, $3, $4)
ON CONFLICT (host, model) DO UPDATE SET digest = $3, dimensions = $4;

-- name: make_space
-- Makes a space for a build of a model, to be filled beside the one that serves.
-- $1 model, $2 digest, $3 dimensions, $4 query prompt, $5 document prompt
INSERT INTO foliod.spaces (model, digest, dimensions, query_prompt, document_prompt, state)
VALUES ($1, $2, $3, $4, $5, 'building') RETURNING id;

-- name: set_space_state
-- Gives a space another state; nobody builds it any more.
-- $1 space, $2 state
UPDATE foliod.spaces SET state = $2, state_at = now(), builder = NULL, builder_until = NULL WHERE id = $1;

-- name: claim_space
-- Claims a space that is being built, or keeps the claim: one daemon at a time embeds for it. No row when another has it.
-- $1 space, $2 who claims, $3 seconds
UPDATE foliod.spaces SET builder = $2, builder_until = now() + make_interval(secs => $3)
WHERE id = $1 AND state = 'building' AND (builder IS NULL OR builder = $2 OR builder_until < now())
RETURNING id;

-- name: release_space
-- Gives the claims of a daemon back, or at its start those that an earlier one of this host left.
-- $1 what the claimant's name begins with
UPDATE foliod.spaces SET builder = NULL, builder_until = NULL WHERE starts_with(builder, $1);

-- name: missing_anywhere
-- Texts of any chunk that have no vector in a space yet, each once, in the order of their hashes.
-- $1 space, $2 after this hash, $3 how many
SELECT DISTINCT ON (c.text_hash) c.text_hash, c.text
FROM foliod.chunks c
WHERE c.text_hash > $2
  AND NOT EXISTS (SELECT 1 FROM foliod.embeddings e WHERE e.space_id = $1 AND e.text_hash = c.text_hash)
ORDER BY c.text_hash LIMIT $3;

-- name: waiting_for_vectors
-- Whether stored documents could be claimed for embedding now: they go before a space that is being built.
-- $1 lease owner
SELECT EXISTS (SELECT 1 FROM foliod.documents
               WHERE state = 'stored' AND (lease_until IS NULL OR lease_until < now() OR lease_owner = $1));

-- name: space_progress
-- How many texts stand in chunks, and how many of them have a vector, or a refusal, in a space.
-- $1 space, NULL when it is not made yet
SELECT count(*) AS want, count(e.text_hash) AS have, count(e.reason) AS refused
FROM (SELECT DISTINCT text_hash FROM foliod.chunks) c
LEFT JOIN foliod.embeddings e ON e.space_id = $1 AND e.text_hash = c.text_hash;

-- name: space_index
-- Whether the index of a space can be used, and whether it is being built this moment; no row when there is none.
-- $1 the index's name
SELECT i.indisvalid AND i.indisready AS usable,
       EXISTS (SELECT 1 FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid) AS under_way
FROM pg_index i WHERE i.indexrelid = to_regclass($1);

-- name: index_space_beside
-- The HNSW index of a space that is full already. CONCURRENTLY: nobody waits for it who stores vectors.
CREATE INDEX CONCURRENTLY IF NOT EXISTS embeddings_hnsw_{space} ON foliod.embeddings
USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops) WHERE space_id = {space};

-- name: drop_space_index
-- Removes the index of a space, without making anybody wait.
DROP INDEX CONCURRENTLY IF EXISTS foliod.embeddings_hnsw_{space};

-- name: lock_spaces
-- Locks the spaces that serve and are built; no document becomes ready until the transaction ends.
SELECT id, state FROM foliod.spaces WHERE state IN ('active', 'building') ORDER BY id FOR NO KEY UPDATE;

-- name: space_lacks
-- Whether a chunk of a ready document has neither a vector nor a refusal in a space.
-- $1 space
SELECT EXISTS (SELECT 1 FROM foliod.documents d JOIN foliod.chunks c ON c.document_id = d.id
WHERE d.state = 'ready'
  AND NOT EXISTS (SELECT 1 FROM foliod.embeddings e WHERE e.space_id = $1 AND e.text_hash = c.text_hash));

-- name: sample_vectors
-- A few texts with the vectors that they have in a space.
-- $1 space, $2 how many
SELECT c.text, e.embedding
FROM foliod.embeddings e
CROSS JOIN LATERAL (SELECT text FROM foliod.chunks WHERE text_hash = e.text_hash LIMIT 1) c
WHERE e.space_id = $1 AND e.embedding IS NOT NULL ORDER BY e.text_hash LIMIT $2;

-- name: adopt_digest
-- Notes that another build of a space's model makes the same vectors.
-- $1 space, $2 digest
UPDATE foliod.spaces SET equal_digests = array_append(equal_digests, $2)
WHERE id = $1 AND digest <> $2 AND $2 <> ALL (equal_digests);

-- name: space_state
-- The state of a space; no row when it is gone.
-- $1 space
SELECT state FROM foliod.spaces WHERE id = $1;

-- name: drop_some_vectors
-- Removes some of the vectors of a space that is to be dropped; returns how many.
-- $1 space, $2 how many
WITH doomed AS (
    SELECT e.text_hash FROM foliod.embeddings e JOIN foliod.spaces s ON s.id = e.space_id
    WHERE e.space_id = $1 AND s.state = 'dropping' LIMIT $2
), gone AS (
    DELETE FROM foliod.embeddings WHERE space_id = $1 AND text_hash IN (SELECT text_hash FROM doomed) RETURNING 1
)
SELECT count(*) FROM gone;

-- name: drop_space
-- Removes a space that was emptied to be dropped.
-- $1 space
DELETE FROM foliod.spaces s WHERE s.id = $1 AND s.state = 'dropping'
  AND NOT EXISTS (SELECT 1 FROM foliod.embeddings e WHERE e.space_id = s.id);
