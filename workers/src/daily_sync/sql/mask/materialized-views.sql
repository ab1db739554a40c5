-- Populated materialised views, what others are built on first.
WITH RECURSIVE uses AS (
    SELECT DISTINCT r.ev_class AS view, d.refobjid AS base
    FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    WHERE d.refobjid <> r.ev_class
), below AS (
    SELECT oid AS rel, 0 AS depth FROM pg_class WHERE relkind = 'm'
    UNION ALL
    SELECT u.base, b.depth + 1 FROM below AS b JOIN uses AS u ON u.view = b.rel JOIN pg_class AS c ON c.oid = u.base AND c.relkind IN ('v', 'm')
)
SELECT format('%I.%I', n.nspname, c.relname) AS view
FROM below JOIN pg_class AS c ON c.oid = rel JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND c.relispopulated
GROUP BY n.nspname, c.relname
ORDER BY max(depth) DESC, 1
