-- Every text of people's own in the catalog: what kind, whose, the text.
SELECT 'default', format('%I.%I.%I', table_schema, table_name, column_name), column_default
FROM information_schema.columns
WHERE column_default IS NOT NULL AND table_schema NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT 'default', format('domain %I.%I', domain_schema, domain_name), domain_default FROM information_schema.domains
WHERE domain_schema NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT 'view', format('%I.%I', schemaname, viewname), definition FROM pg_views WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT 'view', format('%I.%I', schemaname, matviewname), definition FROM pg_matviews
UNION ALL
SELECT 'policy', format('%I on %I.%I', policyname, schemaname, tablename), concat_ws(' ', qual, with_check) FROM pg_policies
UNION ALL
SELECT 'comment', concat_ws(' ', i.type, i.identity), description
FROM (SELECT classoid, objoid, objsubid, description FROM pg_description UNION ALL SELECT classoid, objoid, 0, description FROM pg_shdescription) AS d,
     pg_identify_object(classoid, objoid, objsubid) AS i
WHERE i.schema IS DISTINCT FROM 'pg_catalog' AND i.schema IS DISTINCT FROM 'information_schema'
UNION ALL
SELECT 'rule', format('rule %I on %I.%I', rulename, schemaname, tablename), definition FROM pg_rules WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT 'definition', format('constraint %I on %s', conname, conrelid::regclass), coalesce(pg_get_expr(conbin, conrelid), pg_get_constraintdef(oid))
FROM pg_constraint WHERE contype IN ('c', 'x') AND conrelid <> 0 AND coninhcount = 0
UNION ALL
SELECT 'definition', format('constraint %I on domain %s', conname, contypid::regtype), pg_get_expr(conbin, 0) FROM pg_constraint WHERE contypid <> 0
UNION ALL
SELECT 'definition', format('index %I.%I', schemaname, indexname), indexdef FROM pg_indexes
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(format('%I.%I', schemaname, indexname)) AND relispartition)
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE contype = 'x' AND conindid = to_regclass(format('%I.%I', schemaname, indexname)))
UNION ALL
SELECT 'definition', format('statistics %s.%I', stxnamespace::regnamespace, stxname), array_to_string(pg_get_statisticsobjdef_expressions(oid), ' ') FROM pg_statistic_ext
UNION ALL
SELECT 'definition', format('trigger %I on %s', tgname, tgrelid::regclass), pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0
UNION ALL
SELECT 'definition', format('generated column %s.%I', c.oid::regclass, column_name), generation_expression
FROM information_schema.columns JOIN pg_class AS c ON c.oid = to_regclass(format('%I.%I', table_schema, table_name))
WHERE is_generated = 'ALWAYS' AND NOT c.relispartition
UNION ALL
SELECT 'definition', format('partition %s', oid::regclass), pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relpartbound IS NOT NULL
UNION ALL
SELECT 'definition', format('partition key of %s', partrelid::regclass), pg_get_partkeydef(partrelid) FROM pg_partitioned_table
UNION ALL
SELECT 'definition', format('aggregate %s', aggfnoid::regprocedure), concat_ws(' ', quote_nullable(agginitval), quote_nullable(aggminitval))
FROM pg_aggregate WHERE aggfnoid >= 16384
UNION ALL
SELECT 'definition', format('label %s of type %s', number, type), quote_literal(label)
FROM (SELECT oid::regtype AS type, enum_range FROM pg_type, LATERAL (SELECT ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = pg_type.oid ORDER BY enumsortorder)) AS r (enum_range)
      WHERE typtype = 'e') AS e, unnest(enum_range) WITH ORDINALITY AS l (label, number)
