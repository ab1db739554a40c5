-- A login at another server, with its password in clear.
SELECT format('%s at %s', usename, srvname) AS object,
       ARRAY[format('DROP USER MAPPING FOR %s SERVER %I', CASE WHEN umuser = 0 THEN 'PUBLIC' ELSE quote_ident(usename) END, srvname)] AS cut
FROM pg_user_mappings
