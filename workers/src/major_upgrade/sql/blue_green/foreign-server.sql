SELECT s.srvname::text AS object,
       format('it leads to %s', option_value) AS detail,
       'if that is this cluster: name its endpoint, no address and no instance' AS remedy
FROM pg_foreign_server s
CROSS JOIN LATERAL pg_options_to_table(s.srvoptions)
WHERE option_name IN ('host', 'hostaddr')
ORDER BY 1
