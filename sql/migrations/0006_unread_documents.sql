-- What waits to be read is looked for often, and must not be searched for among all that waits for its vectors.
CREATE INDEX documents_unread ON foliod.documents (next_attempt_at, id) WHERE state IN ('queued', 'reading');
