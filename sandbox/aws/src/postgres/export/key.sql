-- The one integer column of a table's primary key, quoted, and its type.
SELECT quote_ident(a.attname), upper(format_type(a.atttypid, NULL))
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE n.nspname = $1
  AND c.relname = $2
  AND i.indisprimary
  AND i.indnkeyatts = 1
  AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
