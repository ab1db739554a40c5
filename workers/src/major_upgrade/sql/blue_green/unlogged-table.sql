SELECT c.oid::regclass::text AS object,
       '' AS detail,
       format('ALTER TABLE %s SET LOGGED;', c.oid::regclass) AS remedy
FROM pg_class c
WHERE c.relkind = 'r' AND c.relpersistence = 'u'
ORDER BY 1
