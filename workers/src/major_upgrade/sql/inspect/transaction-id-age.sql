SELECT NULL::text AS database,
       datname::text AS object,
       format('transaction ids %s, multixacts %s', age(datfrozenxid), mxid_age(datminmxid)) AS detail,
       format('VACUUM (FREEZE); -- in database %I', datname) AS remedy
FROM pg_database
WHERE datname <> 'rdsadmin' AND greatest(age(datfrozenxid), mxid_age(datminmxid)) > 1000000000
ORDER BY datname
