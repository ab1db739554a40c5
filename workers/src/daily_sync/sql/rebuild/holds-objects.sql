-- Whether people made anything in this database: a schema, relation, function or type that no extension brought, an extension, a large
-- object, a setting.
-- 16384 is the first object identifier that is not PostgreSQL's own (src/include/access/transam.h, FirstNormalObjectId).
SELECT EXISTS (SELECT FROM pg_extension WHERE oid >= 16384)
    OR EXISTS (SELECT FROM pg_largeobject_metadata)
    OR EXISTS (SELECT FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase WHERE d.datname = current_database())
    OR EXISTS (
        SELECT FROM (
            SELECT 'pg_class'::regclass AS classid, oid FROM pg_class UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc
            UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type UNION ALL SELECT 'pg_namespace'::regclass, oid FROM pg_namespace
        ) AS o WHERE o.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_namespace AS n WHERE n.oid = o.oid AND n.nspname ~ '^pg_(toast_)?temp_')
    )
