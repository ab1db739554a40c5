-- What an interrupted REINDEX CONCURRENTLY has left of the indexes $1 on their tables, unless somebody rebuilds there now
-- (https://www.postgresql.org/docs/current/sql-reindex.html, "Rebuilding Indexes Concurrently").
SELECT format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, c.relname) AS statement
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'
  AND i.indrelid IN (SELECT indrelid FROM pg_index WHERE indexrelid = ANY ($1))
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.relid = i.indrelid AND p.datname = current_database())
