-- Columns that hold values of their own: of which table, whether each value is an array.
WITH RECURSIVE below (type, base) AS (
    SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
    UNION ALL
    SELECT t.oid, b.base FROM pg_type AS t JOIN below AS b ON b.type = t.typbasetype WHERE t.typtype = 'd'
)
SELECT n.nspname::text AS schema, c.relname::text AS "table", a.attname::text AS "column", t.typcategory = 'A' AS "array"
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN below AS b ON b.type = a.atttypid JOIN pg_type AS t ON t.oid = b.base
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
