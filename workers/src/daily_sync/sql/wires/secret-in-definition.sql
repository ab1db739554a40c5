-- Every other text of the catalog in which an expression or a word of people's own stands (PostgreSQL, "System Catalogs": columns of type
-- pg_node_tree and text). What holds it goes as a whole; where there is no such statement, the run stops and names it.
WITH relation AS (
    SELECT c.oid, c.relkind, c.relispartition, c.relpartbound FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
)
SELECT format('constraint %I on %s', conname, conrelid::regclass) AS object, pg_get_constraintdef(k.oid) AS code,
       ARRAY[format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname)] AS cut
FROM pg_constraint AS k JOIN relation AS r ON r.oid = conrelid
WHERE contype IN ('c', 'x') AND coninhcount = 0
UNION ALL
SELECT format('constraint %I on domain %s', conname, contypid::regtype), pg_get_constraintdef(k.oid),
       ARRAY[format('ALTER DOMAIN %s DROP CONSTRAINT %I CASCADE', contypid::regtype, conname)]
FROM pg_constraint AS k JOIN pg_type AS t ON t.oid = contypid JOIN pg_namespace AS n ON n.oid = t.typnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT format('index %s', indexrelid::regclass), pg_get_indexdef(indexrelid), ARRAY[format('DROP INDEX %s CASCADE', indexrelid::regclass)]
FROM pg_index AS i JOIN relation AS r ON r.oid = indexrelid
WHERE (indexprs IS NOT NULL OR indpred IS NOT NULL) AND NOT r.relispartition
  AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = indexrelid AND k.contype = 'x')
UNION ALL
SELECT format('statistics %I.%I', n.nspname, stxname), pg_get_statisticsobjdef(s.oid), ARRAY[format('DROP STATISTICS %I.%I', n.nspname, stxname)]
FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace
WHERE stxexprs IS NOT NULL
UNION ALL
SELECT format('rule %I on %s', rulename, ev_class::regclass), pg_get_ruledef(w.oid), ARRAY[format('DROP RULE %I ON %s', rulename, ev_class::regclass)]
FROM pg_rewrite AS w JOIN relation AS r ON r.oid = ev_class
WHERE ev_type <> '1'
UNION ALL
SELECT format('trigger %I on %s', tgname, tgrelid::regclass), pg_get_triggerdef(t.oid), ARRAY[format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass)]
FROM pg_trigger AS t JOIN relation AS r ON r.oid = tgrelid
WHERE NOT tgisinternal AND tgparentid = 0
UNION ALL
-- From 17 on the expression can be another one; before that only a person can decide what becomes of the column.
SELECT format('generated column %s.%I', adrelid::regclass, attname), pg_get_expr(adbin, adrelid),
       CASE WHEN current_setting('server_version_num')::int >= 170000
           THEN ARRAY[format('ALTER TABLE %s ALTER COLUMN %I SET EXPRESSION AS (NULL)', adrelid::regclass, attname)] ELSE ARRAY[]::text[] END
FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum JOIN relation AS r ON r.oid = d.adrelid
WHERE a.attgenerated <> '' AND NOT r.relispartition
UNION ALL
SELECT format('partition %s', r.oid::regclass), pg_get_expr(relpartbound, r.oid), ARRAY[]::text[]
FROM relation AS r
WHERE relpartbound IS NOT NULL
UNION ALL
SELECT format('partition key of %s', partrelid::regclass), pg_get_partkeydef(partrelid), ARRAY[]::text[]
FROM pg_partitioned_table AS p JOIN relation AS r ON r.oid = partrelid
UNION ALL
SELECT format('aggregate %s', a.aggfnoid::regprocedure), concat_ws(' ', quote_nullable(agginitval), quote_nullable(aggminitval)),
       ARRAY[format('DROP AGGREGATE %s CASCADE', a.aggfnoid::regprocedure)]
FROM pg_aggregate AS a JOIN pg_proc AS p ON p.oid = a.aggfnoid JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT format('label %s of type %s', row_number() OVER (PARTITION BY enumtypid ORDER BY enumsortorder), enumtypid::regtype), quote_literal(enumlabel),
       ARRAY[format('ALTER TYPE %s RENAME VALUE %L TO %L', enumtypid::regtype, enumlabel, 'redacted ' || e.oid)]
FROM pg_enum AS e
