SELECT NULL::text AS database, quote_literal(name) AS object, kind AS detail,
       format('ALTER %s %I RENAME TO %I;', kind, name, regexp_replace(name, '[\r\n]', '_', 'g')) AS remedy
FROM (SELECT 'DATABASE' AS kind, datname::text AS name FROM pg_database UNION ALL SELECT 'ROLE', rolname::text FROM pg_roles) names
WHERE name ~ '[\r\n]'
