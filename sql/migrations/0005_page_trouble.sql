-- Why text of a page may be missing that its verdict does not tell of, so that it is said also when the document is
-- read on by another process than the one that met it.

ALTER TABLE foliod.pages ADD COLUMN trouble text;
