-- The tables that an export of this database is about, one row a column: neither unlogged, temporary and foreign ones nor the
-- partitions of another. A column without a Parquet type comes too, and is left out by who reads this.
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       NOT has_table_privilege($1::text, c.oid, 'SELECT') AS denied,
       a.attname::text AS column_name,
       i.data_type::text,
       CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname::text ELSE '' END AS internal,
       t.typtype = 'd' AS is_domain,
       coalesce(i.character_maximum_length, 0)::bigint AS char_length,
       coalesce(i.numeric_precision, 0)::bigint AS num_precision,
       coalesce(i.datetime_precision, 0)::bigint AS datetime_precision
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN information_schema.columns i
       ON i.table_schema = n.nspname AND i.table_name = c.relname AND i.ordinal_position = a.attnum
WHERE c.relkind IN ('r', 'p')
  AND NOT c.relispartition
  AND c.relpersistence = 'p'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY n.nspname, c.relname, a.attnum
