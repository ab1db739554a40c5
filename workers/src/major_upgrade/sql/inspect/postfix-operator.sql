SELECT o.oid::regoperator::text AS object, '' AS detail,
       format('DROP OPERATOR %s; -- use its function %s instead', o.oid::regoperator, o.oprcode) AS remedy
FROM pg_operator o
WHERE o.oprright = 0 AND o.oid >= 16384
ORDER BY 1
