-- Whether there is a record in this database and whose it is; and who else would read what is written into a table: a publication of
-- all tables and the plug-in of a logical slot pass it on.
SELECT (SELECT n.nspowner = current_user::regrole FROM pg_namespace n WHERE n.nspname = 'aurora_runbooks_statistics') AS ours,
       EXISTS (SELECT FROM pg_publication WHERE puballtables) AS published,
       EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm', 'p')
               AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'aurora_runbooks_statistics')) AS tables,
       EXISTS (SELECT FROM pg_replication_slots WHERE database = current_database()) AS decoded
