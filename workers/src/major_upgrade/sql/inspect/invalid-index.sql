SELECT i.indexrelid::regclass::text AS object, format('on %s', i.indrelid::regclass) AS detail,
       format('DROP INDEX %1$s; -- or REINDEX INDEX CONCURRENTLY %1$s;', i.indexrelid::regclass) AS remedy
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
WHERE NOT i.indisvalid
ORDER BY 1
