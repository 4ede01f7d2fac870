-- Cleaning up after a crash, on a server that is foliod's own.

-- name: counts_lost_at
-- When the server that runs lost its counts of dead rows by a crash, of itself or of one of its processes; null when it
-- did not.
SELECT stats_reset FROM pg_stat_wal WHERE stats_reset > pg_postmaster_start_time();

-- name: count_dead_rows
-- Counts dead rows by samples of all tables, so that autovacuum knows them. What others hold is left out.
ANALYZE (SKIP_LOCKED);

-- name: remove_dead_rows
-- Removes dead rows, also those of long texts (TOAST), which nobody else counts, and sorts in what waits for the GIN
-- index. Tables are not made shorter, which would lock them.
VACUUM (SKIP_LOCKED, TRUNCATE false);
