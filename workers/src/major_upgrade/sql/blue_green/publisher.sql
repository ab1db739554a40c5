SELECT pubname::text AS object,
       '' AS detail,
       format('DROP PUBLICATION %I; -- and make it again after the upgrade', pubname) AS remedy
FROM pg_publication
WHERE NOT starts_with(pubname::text, 'rds')
ORDER BY pubname
