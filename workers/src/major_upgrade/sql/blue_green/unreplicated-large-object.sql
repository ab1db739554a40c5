SELECT 'pg_largeobject' AS object,
       format('%s of them', count(*)) AS detail,
       'move them to a bytea column; or skip this when nobody writes one until the switchover' AS remedy
FROM pg_largeobject_metadata
HAVING count(*) > 0
