SELECT i.indexrelid::regclass::text AS object, format('operator class %s', o.opcname) AS detail,
       format('DROP INDEX %s; -- and create it again with inet_ops', i.indexrelid::regclass) AS remedy
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indclass::oid[]) AS class (oid)
JOIN pg_opclass o ON o.oid = class.oid AND o.opcname IN ('gist_inet_ops', 'gist_cidr_ops')
ORDER BY 1
