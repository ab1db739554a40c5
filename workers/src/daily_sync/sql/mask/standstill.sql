-- What would act, or hide rows, while the rows of a table and its partitions are written again: how it is stopped, and how put back.
WITH tree AS (SELECT $1::oid AS oid UNION SELECT relid FROM pg_partition_tree($1::oid))
SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname) AS stop,
       format('ALTER TABLE %s ENABLE %sTRIGGER %I', tgrelid::regclass, CASE tgenabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END, tgname) AS resume
FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgrelid IN (SELECT oid FROM tree)
UNION ALL
SELECT format('ALTER TABLE %s DISABLE RULE %I', ev_class::regclass, rulename),
       format('ALTER TABLE %s ENABLE %sRULE %I', ev_class::regclass, CASE ev_enabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END, rulename)
FROM pg_rewrite WHERE ev_type = '3' AND ev_enabled <> 'D' AND ev_class IN (SELECT oid FROM tree)
UNION ALL
SELECT format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', oid::regclass), format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', oid::regclass)
FROM pg_class WHERE relforcerowsecurity AND oid IN (SELECT oid FROM tree)
