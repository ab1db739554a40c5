SELECT c.oid::regclass::text AS object, '' AS detail, format('ALTER TABLE %s SET WITHOUT OIDS;', c.oid::regclass) AS remedy
FROM pg_class c
WHERE c.relhasoids AND c.oid >= 16384 AND c.relkind IN ('r', 'm')
ORDER BY 1
