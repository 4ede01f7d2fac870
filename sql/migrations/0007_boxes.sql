-- Where the text of a page stands on it, for highlights; and which documents an older extractor read.

ALTER TABLE foliod.pages
    ADD COLUMN boxes bytea, -- runs of text with their boxes, as base/boxes.py packs them; NULL: read before they were kept
    ADD COLUMN chars integer GENERATED ALWAYS AS (char_length(text)) STORED; -- so that no text is unpacked to count

ALTER TABLE foliod.documents ADD COLUMN renewed_at timestamptz; -- when a newer extractor began to read it again
-- Those that an earlier revision of the extractor read ('2+pymupdf-2.0') are looked for often, and are seldom there.
CREATE INDEX documents_revision ON foliod.documents ((substring(extractor FROM '^[0-9]{1,6}')::integer))
    WHERE state IN ('stored', 'ready');
