-- Where the text of a page stands on it, for highlights; and which documents an older extractor read.

ALTER TABLE foliod.pages
    ADD COLUMN boxes bytea, -- runs of text with their boxes, as base/boxes.py packs them; NULL: read before they were kept
    ADD COLUMN chars integer GENERATED ALWAYS AS (char_length(text)) STORED; -- so that no text is unpacked to count
