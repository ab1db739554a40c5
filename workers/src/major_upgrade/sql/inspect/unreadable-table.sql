SELECT format('%s tables', count(*)) AS object,
       'their rows cannot be counted, first: ' || min(format('%I.%I', n.nspname, c.relname)) AS detail,
       CASE WHEN current_setting('server_version_num')::int >= 140000 THEN format('GRANT pg_read_all_data TO %I;', current_user)
            ELSE format('GRANT SELECT ON ALL TABLES IN SCHEMA … TO %I; -- for each schema, as the owner', current_user) END AS remedy
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.oid >= 16384 AND c.relpersistence <> 't' AND n.nspname <> 'pg_toast'
  AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))
HAVING count(*) > 0
