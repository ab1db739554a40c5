-- Tables and views of people's own.
SELECT table_schema || '.' || table_name FROM information_schema.tables
WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND left(table_schema, 8) <> 'pg_temp_'
LIMIT 1
