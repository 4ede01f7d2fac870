-- What documents are called, and the language that they are in: what passages do not say themselves.

ALTER TABLE foliod.documents
    ADD COLUMN language text,                  -- by the name of its stemmer; NULL: stemmed as English
    ADD COLUMN titled boolean NOT NULL DEFAULT false; -- whether its rows in titles are those of its title and places

CREATE INDEX documents_untitled ON foliod.documents (id) WHERE NOT titled AND chunk_count > 0;

-- The terms of documents' titles and of the names of their files and folders.
CREATE TABLE foliod.titles (
    document_id     bigint NOT NULL REFERENCES foliod.documents ON DELETE CASCADE,
    term            integer NOT NULL,          -- hashed, as in chunk_terms
    weight          real NOT NULL,             -- of a term of a short name 1, of long ones less
    PRIMARY KEY (document_id, term)
);
CREATE INDEX titles_term ON foliod.titles (term) INCLUDE (document_id, weight);

-- A document gets another place, or loses one: what it is called must be looked at again.
CREATE FUNCTION foliod.note_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE foliod.documents SET titled = false
    WHERE titled AND id IN (SELECT unnest(CASE tg_op WHEN 'INSERT' THEN ARRAY[new.document_id]
                                                     WHEN 'DELETE' THEN ARRAY[old.document_id]
                                                     ELSE ARRAY[old.document_id, new.document_id] END));
    RETURN NULL;
END $$;

CREATE TRIGGER files_named AFTER INSERT OR DELETE ON foliod.files
    FOR EACH ROW EXECUTE FUNCTION foliod.note_names();
CREATE TRIGGER files_renamed AFTER UPDATE OF document_id ON foliod.files
    FOR EACH ROW WHEN (old.document_id IS DISTINCT FROM new.document_id) EXECUTE FUNCTION foliod.note_names();
CREATE FUNCTION foliod.note_title() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.titled := false;
    RETURN new;
END $$;
CREATE TRIGGER documents_retitled BEFORE UPDATE OF title ON foliod.documents
    FOR EACH ROW WHEN (old.title IS DISTINCT FROM new.title) EXECUTE FUNCTION foliod.note_title();
