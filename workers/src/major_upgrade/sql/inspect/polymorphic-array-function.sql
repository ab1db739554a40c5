WITH changed AS (
    SELECT to_regprocedure(signature)::oid AS oid
    FROM unnest(ARRAY['array_append(anyarray,anyelement)', 'array_cat(anyarray,anyarray)', 'array_prepend(anyelement,anyarray)',
                      'array_remove(anyarray,anyelement)', 'array_replace(anyarray,anyelement,anyelement)', 'array_position(anyarray,anyelement)',
                      'array_position(anyarray,anyelement,integer)', 'array_positions(anyarray,anyelement)', 'width_bucket(anyelement,anyarray)']) AS signature
)
SELECT p.oid::regprocedure::text AS object, 'aggregate' AS detail,
       format('DROP AGGREGATE %s; -- create it again after the upgrade with anycompatible and anycompatiblearray', p.oid::regprocedure) AS remedy
FROM pg_proc p
JOIN pg_aggregate a ON a.aggfnoid = p.oid
WHERE p.oid >= 16384
  AND (a.aggtransfn IN (SELECT oid FROM changed) OR a.aggfinalfn IN (SELECT oid FROM changed))
  AND a.aggtranstype IN ('anyarray'::regtype, 'anyelement'::regtype)
UNION ALL
SELECT o.oid::regoperator::text, 'operator',
       format('DROP OPERATOR %s; -- create it again after the upgrade with anycompatible and anycompatiblearray', o.oid::regoperator)
FROM pg_operator o
WHERE o.oid >= 16384 AND o.oprcode IN (SELECT oid FROM changed) AND o.oprleft IN ('anyarray'::regtype, 'anyelement'::regtype)
