-- What the downtime of pg_upgrade follows: objects, not bytes.
SELECT 'objects' AS object,
       format('%s tables, %s indexes, %s views, %s sequences, %s routines',
              count(*) FILTER (WHERE relkind IN ('r', 'p', 'm', 'f') AND oid >= 16384), count(*) FILTER (WHERE relkind IN ('i', 'I') AND oid >= 16384),
              count(*) FILTER (WHERE relkind = 'v' AND oid >= 16384), count(*) FILTER (WHERE relkind = 'S'),
              (SELECT count(*) FROM pg_proc WHERE oid >= 16384)) AS detail,
       'nothing: the downtime grows with them, so measure it on a clone when there are more than 100,000' AS remedy
FROM pg_class
HAVING count(*) FILTER (WHERE oid >= 16384) > 0
