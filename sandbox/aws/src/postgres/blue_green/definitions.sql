-- One digest of a database's definitions, of its roles and of its large objects.
SELECT md5(concat(
    (SELECT string_agg(concat_ws(' ', c.oid, c.relname, c.relnamespace, c.relkind, c.relowner, c.relpersistence,
                                 c.relreplident, c.relispopulated, c.relrowsecurity, c.reloptions,
                                 CASE c.relkind WHEN 'm' THEN c.relfilenode END), ',' ORDER BY c.oid)
     FROM pg_class c
     WHERE c.relpersistence <> 't' AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)),
    (SELECT string_agg(concat_ws(' ', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull,
                                 a.attidentity, a.attgenerated, a.attisdropped), ',' ORDER BY a.attrelid, a.attnum)
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relpersistence <> 't' AND c.oid >= 16384),
    (SELECT string_agg(concat_ws(' ', oid, conname, conrelid, contype, convalidated), ',' ORDER BY oid)
     FROM pg_constraint WHERE oid >= 16384),
    (SELECT string_agg(concat_ws(' ', oid, proname, md5(prosrc)), ',' ORDER BY oid) FROM pg_proc WHERE oid >= 16384),
    (SELECT string_agg(concat_ws(' ', oid, tgname, tgenabled), ',' ORDER BY oid) FROM pg_trigger
     WHERE NOT tgisinternal),
    (SELECT string_agg(concat_ws(' ', oid, typname, typtype), ',' ORDER BY oid) FROM pg_type
     WHERE oid >= 16384 AND typtype IN ('d', 'e', 'r')),
    (SELECT string_agg(concat_ws(' ', enumtypid, enumlabel), ',' ORDER BY oid) FROM pg_enum WHERE oid >= 16384),
    (SELECT string_agg(concat_ws(' ', oid, nspname), ',' ORDER BY oid) FROM pg_namespace
     WHERE oid >= 16384 AND nspname !~ '^pg_(toast_)?temp_'),
    (SELECT string_agg(concat_ws(' ', extname, extversion), ',' ORDER BY oid) FROM pg_extension),
    (SELECT string_agg(concat_ws(' ', oid, rolname, rolcanlogin), ',' ORDER BY oid) FROM pg_roles),
    (SELECT string_agg(concat_ws(' ', oid, datname), ',' ORDER BY oid) FROM pg_database),
    (SELECT count(*) FROM pg_largeobject_metadata),
    (SELECT sum(hashtextextended(concat_ws(' ', loid, pageno, xmin), 0)) FROM pg_largeobject)
))
