SELECT NULL::text AS database,
       name AS object,
       CASE WHEN d.oid IS NULL THEN 'is missing' ELSE 'is not marked as a template' END AS detail,
       CASE WHEN d.oid IS NULL THEN format('CREATE DATABASE %I TEMPLATE %I IS_TEMPLATE true;', name, CASE name WHEN 'template0' THEN 'template1' ELSE 'template0' END)
            ELSE format('ALTER DATABASE %I WITH IS_TEMPLATE true;', name) END AS remedy
FROM unnest(ARRAY['template0', 'template1']) AS name
LEFT JOIN pg_database d ON d.datname = name
WHERE d.datistemplate IS NOT TRUE
