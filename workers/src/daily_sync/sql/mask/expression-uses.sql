-- What the view of an expression runs or reads that production may have written: neither PostgreSQL's own, nor in C, nor the table itself; and domains
-- anywhere below the types whose values it makes.
WITH RECURSIVE used AS (
    SELECT d.refclassid, d.refobjid AS oid
    FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE r.ev_class = to_regclass('pg_temp.the_expression') AND d.refobjid <> r.ev_class AND d.refobjid >= 16384
), types AS (
    SELECT oid FROM used WHERE refclassid = 'pg_type'::regclass
    UNION
    SELECT below.oid
    FROM types JOIN pg_type AS t ON t.oid = types.oid
    CROSS JOIN LATERAL (
        SELECT t.typelem UNION ALL SELECT t.typbasetype
        UNION ALL SELECT rngsubtype FROM pg_range WHERE t.oid IN (rngtypid, rngmultitypid)
        UNION ALL SELECT atttypid FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped
    ) AS below (oid)
    WHERE below.oid >= 16384
), in_c AS (
    SELECT p.oid FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang WHERE p.prokind = 'f' AND l.lanname IN ('c', 'internal')
)
SELECT pg_describe_object(refclassid, oid, 0) FROM used
WHERE refclassid = 'pg_class'::regclass AND oid <> $1
   OR refclassid = 'pg_proc'::regclass AND oid NOT IN (SELECT oid FROM in_c)
   OR refclassid = 'pg_operator'::regclass AND NOT EXISTS (SELECT FROM pg_operator AS o WHERE o.oid = used.oid AND o.oprcode IN (SELECT oid FROM in_c))
UNION
SELECT pg_describe_object('pg_type'::regclass, t.oid, 0) FROM types JOIN pg_type AS t ON t.oid = types.oid WHERE t.typtype = 'd'
