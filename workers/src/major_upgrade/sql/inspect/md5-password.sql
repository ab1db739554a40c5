-- The stored passwords are not readable on RDS (pg_authid); the parameter tells how new ones are stored.
SELECT NULL::text AS database, 'password_encryption' AS object, 'md5' AS detail,
       'set password_encryption to scram-sha-256 in the cluster parameter group, then set each password again' AS remedy
FROM pg_settings
WHERE name = 'password_encryption' AND setting = 'md5'
