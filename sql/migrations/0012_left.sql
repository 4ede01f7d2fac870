-- When a host's daemon stopped as it was told to; NULL: it runs, or ended without a word.
ALTER TABLE foliod.hosts ADD COLUMN left_at timestamptz;
