-- What must not be there at all: the kind, and a name.
SELECT 'prepared-transaction', gid FROM pg_prepared_xacts
UNION ALL SELECT 'subscription', subname::text FROM pg_subscription
UNION ALL SELECT 'publication', pubname::text FROM pg_publication
UNION ALL SELECT 'replication-slot', slot_name::text FROM pg_get_replication_slots() WHERE NOT temporary
UNION ALL SELECT 'replication-origin', roname FROM pg_replication_origin
UNION ALL SELECT 'foreign-server', foreign_server_name::text FROM information_schema.foreign_servers
UNION ALL SELECT 'foreign-server', srvname::text FROM pg_foreign_server
UNION ALL SELECT 'user-mapping', srvname::text FROM pg_user_mappings
UNION ALL SELECT 'foreign-data-wrapper', fdwname::text FROM pg_foreign_data_wrapper
UNION ALL SELECT 'foreign-table', foreign_table_name::text FROM information_schema.foreign_tables
UNION ALL SELECT 'event-trigger', evtname::text FROM pg_event_trigger AS e JOIN pg_roles AS r ON r.oid = e.evtowner
    WHERE r.rolname <> 'rdsadmin' AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = e.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')
UNION ALL SELECT 'security-label', concat_ws(' ', objtype, objname) FROM pg_seclabels
UNION ALL SELECT 'public-grant', 'schema ' || quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)' AND has_schema_privilege('public', oid, 'CREATE')
UNION ALL SELECT 'public-grant', format('%I.%I', g.table_schema, g.table_name) FROM information_schema.role_table_grants AS g
    JOIN pg_class AS c ON c.relname = g.table_name JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = g.table_schema
    WHERE g.grantee = 'PUBLIC' AND g.table_schema NOT IN ('pg_catalog', 'information_schema') AND pg_get_userbyid(c.relowner) <> 'rdsadmin'
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')
