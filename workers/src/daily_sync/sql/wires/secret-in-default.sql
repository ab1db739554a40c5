-- Defaults of columns (of tables, partitions and views) and of domains.
SELECT format('%s.%I', adrelid::regclass, attname) AS object, pg_get_expr(adbin, adrelid) AS code,
       ARRAY[format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', adrelid::regclass, attname)] AS cut,
       format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', adrelid::regclass, attname, pg_get_expr(adbin, adrelid)) AS rewrite
FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
JOIN pg_class AS c ON c.oid = d.adrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE a.attgenerated = '' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT format('domain %s', t.oid::regtype), quote_nullable(typdefault) || ' ' || coalesce(pg_get_expr(typdefaultbin, 0), ''),
       ARRAY[format('ALTER DOMAIN %s DROP DEFAULT', t.oid::regtype)],
       format('ALTER DOMAIN %s SET DEFAULT %s', t.oid::regtype, pg_get_expr(typdefaultbin, 0))
FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
WHERE typtype = 'd' AND typdefaultbin IS NOT NULL AND n.nspname NOT IN ('pg_catalog', 'information_schema')
