-- What became of each document, for people who ask why: written by a trigger, so that no query can forget it.

ALTER TABLE foliod.documents
    ADD COLUMN set_aside integer NOT NULL DEFAULT 0; -- pages given up because reading them ended abnormally

CREATE TABLE foliod.history (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id     bigint NOT NULL REFERENCES foliod.documents ON DELETE CASCADE,
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    state           text NOT NULL,
    reason          text,
    owner           text                       -- the daemon that did it; NULL when nobody held the document
);
CREATE INDEX history_document ON foliod.history (document_id, id);

CREATE FUNCTION foliod.note_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO foliod.history (document_id, state, reason, owner)
    -- While it is read, what was said of it before is being found out anew.
    VALUES (new.id, new.state, CASE WHEN new.state <> 'reading' THEN new.reason END,
            coalesce(new.lease_owner, old.lease_owner));
    -- The last fifty tell enough of a document that is tried for ever.
    DELETE FROM foliod.history WHERE document_id = new.id AND id <= (
        SELECT id FROM foliod.history WHERE document_id = new.id ORDER BY id DESC OFFSET 50 LIMIT 1);
    RETURN NULL;
END $$;

CREATE TRIGGER documents_begun AFTER INSERT ON foliod.documents
    FOR EACH ROW EXECUTE FUNCTION foliod.note_history();
CREATE TRIGGER documents_changed AFTER UPDATE OF state, reason ON foliod.documents
    FOR EACH ROW WHEN ((old.state, old.reason) IS DISTINCT FROM (new.state, new.reason))
    EXECUTE FUNCTION foliod.note_history();
