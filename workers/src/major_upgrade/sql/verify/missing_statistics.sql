-- Tables with rows and with columns that should have statistics, but have none. pg_stats hides what this role may not read or what row
-- security covers: there the time of the last analysis has to do.
SELECT n.nspname::text AS schema, c.relname::text AS "table",
       format('ANALYZE %I.%I;', n.nspname, c.relname) AS remedy,
       c.reltuples < 0 AS never
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' AND c.reltuples <> 0
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'aurora_runbooks_statistics')
  AND CASE
          WHEN has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid) THEN EXISTS (
              SELECT
              FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND coalesce(a.attstattarget, -1) <> 0
                -- Virtual columns (from 18 on) hold nothing to be analysed.
                AND a.attgenerated <> 'v'
                AND NOT EXISTS (SELECT FROM pg_stats p WHERE p.schemaname = n.nspname AND p.tablename = c.relname AND p.attname = a.attname)
          )
          ELSE coalesce(s.last_analyze, s.last_autoanalyze) IS NULL
      END
ORDER BY 1, 2
