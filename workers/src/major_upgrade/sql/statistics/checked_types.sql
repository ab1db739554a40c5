-- Types whose values are read through a domain with a CHECK constraint, at whatever depth: reading them back would run functions of
-- the database's own with the rights of this session.
WITH RECURSIVE made_of (type, part) AS (
    SELECT oid, typelem FROM pg_type WHERE typelem <> 0
    UNION ALL SELECT oid, typbasetype FROM pg_type WHERE typtype = 'd'
    UNION ALL SELECT rngtypid, rngsubtype FROM pg_range
    UNION ALL SELECT rngmultitypid, rngtypid FROM pg_range
    UNION ALL SELECT t.oid, a.atttypid FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
              WHERE t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped
),
checked (type) AS (
    SELECT contypid FROM pg_constraint WHERE contypid <> 0 AND contype = 'c'
    UNION
    SELECT m.type FROM made_of m JOIN checked c ON c.type = m.part
)
SELECT array_agg(type) AS types FROM checked
