-- What documents are called, and the language that they are in: what passages do not say themselves.

ALTER TABLE foliod.documents ADD COLUMN language text; -- by the name of its stemmer; NULL: stemmed as English

-- The terms of documents' titles and of the names of their files and folders.
CREATE TABLE foliod.titles (
    document_id     bigint NOT NULL REFERENCES foliod.documents ON DELETE CASCADE,
    term            integer NOT NULL,          -- hashed, as in chunk_terms
    weight          real NOT NULL,             -- of a term of a short name 1, of long ones less
    PRIMARY KEY (document_id, term)
);
CREATE INDEX titles_term ON foliod.titles (term) INCLUDE (document_id, weight);

-- Documents whose title or places changed: what they are called must be looked at again. Rows are only added here, and
-- there is no foreign key: who records a file never waits for who writes its document.
CREATE TABLE foliod.renamed (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id     bigint NOT NULL
);
CREATE INDEX renamed_document ON foliod.renamed (document_id);
INSERT INTO foliod.renamed (document_id) SELECT id FROM foliod.documents;

CREATE FUNCTION foliod.note_places() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO foliod.renamed (document_id)
    SELECT DISTINCT id FROM unnest(CASE tg_op WHEN 'INSERT' THEN ARRAY[new.document_id]
                                              WHEN 'DELETE' THEN ARRAY[old.document_id]
                                              ELSE ARRAY[old.document_id, new.document_id] END) id
    WHERE id IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER files_named AFTER INSERT OR DELETE ON foliod.files
    FOR EACH ROW EXECUTE FUNCTION foliod.note_places();
CREATE TRIGGER files_renamed AFTER UPDATE OF document_id, gone_at ON foliod.files
    FOR EACH ROW WHEN (old.document_id IS DISTINCT FROM new.document_id
                       OR (old.gone_at IS NULL) <> (new.gone_at IS NULL))
    EXECUTE FUNCTION foliod.note_places();

CREATE FUNCTION foliod.note_title() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO foliod.renamed (document_id) VALUES (new.id);
    RETURN NULL;
END $$;
CREATE TRIGGER documents_retitled AFTER UPDATE OF title ON foliod.documents
    FOR EACH ROW WHEN (old.title IS DISTINCT FROM new.title) EXECUTE FUNCTION foliod.note_title();
