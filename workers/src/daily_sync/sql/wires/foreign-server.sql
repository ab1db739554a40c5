-- The address of another server. Its foreign tables go with it: what they show is not in this cluster.
SELECT srvname::text AS object, ARRAY[format('DROP SERVER %I CASCADE', srvname)] AS cut
FROM pg_foreign_server
