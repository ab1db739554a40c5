SELECT NULL::text AS database,
       datname::text AS object,
       '' AS detail,
       format('ALTER DATABASE %I RENAME TO %I;', datname, regexp_replace(datname, '["''$`\\[:cntrl:]]', '_', 'g')) AS remedy
FROM pg_database
WHERE datname ~ '["''$`\\[:cntrl:]]'
ORDER BY datname
