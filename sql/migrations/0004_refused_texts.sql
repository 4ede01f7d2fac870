-- Texts that the embedding model refuses are counted for the status: few, among very many that have a vector.
CREATE INDEX embeddings_refused ON foliod.embeddings (space_id) WHERE reason IS NOT NULL;
