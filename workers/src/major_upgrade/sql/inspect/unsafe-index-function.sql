-- From 17 on ANALYZE, REINDEX, REFRESH and CLUSTER run with search_path = pg_catalog, pg_temp (release notes of 17).
-- A BEGIN ATOMIC body (prosqlbody, from 14) is bound already.
SELECT owner.oid::regclass::text AS object,
       format('calls %s', string_agg(DISTINCT p.oid::regprocedure::text, ', ')) AS detail,
       string_agg(DISTINCT format('ALTER FUNCTION %s SET search_path = %I, pg_temp;', p.oid::regprocedure, n.nspname), ' ') AS remedy
FROM (
    SELECT d.objid AS owner, d.refobjid AS function
    FROM pg_depend d
    JOIN pg_index i ON i.indexrelid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_proc'::regclass
    UNION
    SELECT r.ev_class, d.refobjid
    FROM pg_depend d
    JOIN pg_rewrite r ON r.oid = d.objid
    JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = 'm'
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_proc'::regclass
) called
JOIN pg_class owner ON owner.oid = called.owner
JOIN pg_proc p ON p.oid = called.function AND p.oid >= 16384
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('internal', 'c')
WHERE to_jsonb(p) ->> 'prosqlbody' IS NULL
  AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%')
GROUP BY owner.oid
ORDER BY 1
