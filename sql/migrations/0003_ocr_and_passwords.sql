-- What OCR and password files need to know of a document: what is due, and what was tried.

ALTER TABLE foliod.documents
    ADD COLUMN ocr_at timestamptz,             -- when OCR of its pages is due next; NULL: no page waits for it
    ADD COLUMN trouble text,                   -- why text may be missing from what was read, as the reader said
    ADD COLUMN passwords_tried jsonb NOT NULL DEFAULT '{}'; -- host: what its password files looked like when tried
CREATE INDEX documents_ocr ON foliod.documents (ocr_at, id) WHERE ocr_at IS NOT NULL;
CREATE INDEX documents_locked ON foliod.documents (id) WHERE state = 'needs_password';

ALTER TABLE foliod.pages
    ADD COLUMN ocr_attempts smallint NOT NULL DEFAULT 0, -- OCR was started so often; committed before it starts
    ADD COLUMN ocr_deaths smallint NOT NULL DEFAULT 0;   -- attempts that ended abnormally
CREATE INDEX pages_ocr ON foliod.pages (document_id, number) WHERE verdict IN ('needs_ocr', 'garbage');

-- Scans that were read before there was OCR.
UPDATE foliod.documents d SET ocr_at = now()
WHERE d.state IN ('stored', 'ready', 'needs_ocr')
  AND EXISTS (SELECT 1 FROM foliod.pages p WHERE p.document_id = d.id AND p.verdict IN ('needs_ocr', 'garbage'));
