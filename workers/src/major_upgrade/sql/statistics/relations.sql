-- Pages and rows of every table, materialized view and index. Of a hop before this one stays what nobody knows any more.
INSERT INTO aurora_runbooks_statistics.relations AS kept (schema, relation, pages, rows, visible, scans)
SELECT n.nspname, c.relname, c.relpages, c.reltuples, c.relallvisible, coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm', 'p', 'i') AND c.relpersistence <> 't' AND (c.relpages > 0 OR c.reltuples > 0 OR c.relkind = 'p')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'aurora_runbooks_statistics')
ON CONFLICT (schema, relation) DO UPDATE
SET (pages, rows, visible) = (excluded.pages, excluded.rows, excluded.visible), scans = greatest(kept.scans, excluded.scans)
