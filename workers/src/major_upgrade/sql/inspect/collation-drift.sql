SELECT c.oid::regcollation::text AS object,
       format('made with %s, now %s', c.collversion, pg_collation_actual_version(c.oid)) AS detail,
       format('%s ALTER COLLATION %s REFRESH VERSION;', string_agg(DISTINCT format('REINDEX INDEX %s;', i.indexrelid::regclass), ' '), c.oid::regcollation) AS remedy
FROM pg_collation c
JOIN pg_index i ON c.oid = ANY (i.indcollation::oid[])
WHERE c.collversion IS NOT NULL AND c.collversion IS DISTINCT FROM pg_collation_actual_version(c.oid)
GROUP BY c.oid, c.collversion
ORDER BY 1
