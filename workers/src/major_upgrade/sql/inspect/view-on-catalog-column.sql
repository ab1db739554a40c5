-- $1: columns that the target's catalogs lack, as schema.table.column. $2: functions, as schema.name.
-- Read from the stored query itself: since 14 pg_depend does not record what hangs on the pinned catalogs (pg_database, …).
-- selectedCols holds the attribute numbers, moved by 7 (FirstLowInvalidHeapAttributeNumber).
WITH query AS (
    SELECT c.oid::regclass::text AS object,
           CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS kind,
           r.ev_action::text AS tree
    FROM pg_rewrite r
    JOIN pg_class c ON c.oid = r.ev_class
    WHERE c.oid >= 16384 AND c.relkind IN ('v', 'm')
    UNION ALL
    SELECT p.oid::regprocedure::text, 'ROUTINE', to_jsonb(p) ->> 'prosqlbody'
    FROM pg_proc p
    WHERE p.oid >= 16384 AND to_jsonb(p) ->> 'prosqlbody' IS NOT NULL
),
used AS (
    SELECT object, kind, format('%s.%s.%s', n.nspname, c.relname, a.attname) AS name, 'column' AS what
    FROM query
    CROSS JOIN LATERAL regexp_matches(tree, ':relid (\d+) [^}]*?:selectedCols \(b([ 0-9]*)\)', 'g') AS match
    CROSS JOIN LATERAL regexp_split_to_table(btrim(match[2]), ' ') AS bit
    JOIN pg_class c ON c.oid = match[1]::oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = nullif(bit, '')::int - 7
    UNION
    SELECT object, kind, format('%s.%s', n.nspname, p.proname), 'function'
    FROM query
    CROSS JOIN LATERAL regexp_matches(tree, ':funcid (\d+)', 'g') AS match
    JOIN pg_proc p ON p.oid = match[1]::oid
    JOIN pg_namespace n ON n.oid = p.pronamespace
)
SELECT object,
       format('uses %s', string_agg(DISTINCT name, ', ')) AS detail,
       format('DROP %s %s; -- and create it again, without what is gone, after the upgrade', kind, object) AS remedy
FROM used
WHERE name = ANY (CASE what WHEN 'column' THEN $1::text[] ELSE $2::text[] END)
GROUP BY object, kind
ORDER BY object
