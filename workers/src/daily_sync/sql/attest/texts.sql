-- Every text of people's own in the catalog: what kind, whose, the text.
SELECT 'default', format('%s.%s.%s', table_schema, table_name, column_name), column_default
FROM information_schema.columns
WHERE column_default IS NOT NULL AND table_schema NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT 'view', format('%s.%s', schemaname, viewname), definition FROM pg_views WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT 'view', format('%s.%s', schemaname, matviewname), definition FROM pg_matviews
UNION ALL
SELECT 'policy', format('%s on %s.%s', policyname, schemaname, tablename), concat_ws(' ', qual, with_check) FROM pg_policies
UNION ALL
SELECT 'comment', pg_describe_object(classoid, objoid, objsubid), description FROM pg_description WHERE objoid >= 16384
UNION ALL
SELECT 'comment', objoid::text, description FROM pg_shdescription WHERE objoid >= 16384
UNION ALL
SELECT 'rule', format('%s on %s.%s', rulename, schemaname, tablename), definition FROM pg_rules WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
