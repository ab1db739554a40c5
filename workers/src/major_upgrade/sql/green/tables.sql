-- Tables and their columns, without what extensions, RDS or a run of ours brings.
SELECT format('%I.%I', n.nspname, c.relname) AS name,
       coalesce((SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', '
                                   ORDER BY a.attname)
                 FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '') AS columns
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'aurora_runbooks_statistics')
  AND NOT starts_with(n.nspname::text, 'pg_')
  AND NOT starts_with(n.nspname::text, 'rds')
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1;
