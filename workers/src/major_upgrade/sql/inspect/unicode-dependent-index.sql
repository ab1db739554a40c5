-- 18 has newer Unicode tables than 17 (pg_upgrade 18: check_for_unicode_update); only the builtin provider uses them.
SELECT i.indexrelid::regclass::text AS object, format('database locale %s', d.datlocale) AS detail,
       format('REINDEX INDEX %s; -- after the upgrade', i.indexrelid::regclass) AS remedy
FROM pg_index i
JOIN pg_database d ON d.datname = current_database() AND d.datlocprovider = 'b' AND d.datlocale <> 'C'
WHERE i.indexrelid >= 16384 AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
ORDER BY 1
