-- Tables that the planner knows nothing of, or whose extended statistics are empty: an upgrade to 18 loses these
-- (https://www.postgresql.org/docs/18/pgupgrade.html, "Statistics").
SELECT c.oid
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' AND c.oid >= 16384
  AND (NOT EXISTS (SELECT FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname)
       OR EXISTS (SELECT FROM pg_statistic_ext x JOIN pg_namespace m ON m.oid = x.stxnamespace
                  WHERE x.stxrelid = c.oid
                    AND NOT EXISTS (SELECT FROM pg_stats_ext e
                                    WHERE e.statistics_schemaname = m.nspname AND e.statistics_name = x.stxname)))
