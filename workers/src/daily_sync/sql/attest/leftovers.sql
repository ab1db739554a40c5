-- What a table that was made by this run cannot have: columns that were dropped, values that stand in the catalog for rows that lack them
-- (https://www.postgresql.org/docs/current/catalog-pg-attribute.html, attmissingval), rows that are gone and not yet removed.
SELECT format('%I.%I has a dropped column', n.nspname, c.relname)
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND a.attisdropped AND c.relkind IN ('r', 'p', 'm') AND c.oid >= 16384
UNION
SELECT format('%I.%I.%I has a value in the catalog for rows without it', n.nspname, c.relname, a.attname)
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE a.atthasmissing AND c.oid >= 16384
UNION
SELECT format('%I.%I has %s dead rows', schemaname, relname, n_dead_tup) FROM pg_stat_user_tables WHERE n_dead_tup > 0
