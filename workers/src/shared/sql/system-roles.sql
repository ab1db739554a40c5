-- Roles that are RDS's, or that RDS's extensions made, and that the master user may not change. Who is not in this list is a person's or a
-- program's: in a copy it must not log in. So a name alone makes nobody RDS's unless RDS keeps the name to itself or it cannot log in.
SELECT coalesce(array_agg(rolname ORDER BY rolname), '{}')::text[]
FROM pg_catalog.pg_roles
WHERE rolsuper
   -- AuroraUserGuide, Appendix.PostgreSQL.CommonDBATasks.Roles; the last four log in, of which rdsproxyadmin is RDS Proxy's protected user
   -- (rds-proxy-managing); the others as pg_roles of a cluster shows them.
   OR rolname IN ('rdsadmin', 'rds_superuser', 'rds_replication', 'rds_password', 'rds_iam', 'rds_ad', 'rds_pgaudit', 'rds_extension',
                  'rds_reserved', 'rdstopmgr', 'rdsrepladmin', 'rdswriteforwarduser', 'rdsproxyadmin')
   OR NOT rolcanlogin AND (
       rolname LIKE 'rds%'
       -- pg_tle's, and Babelfish's (babelfish_extensions, contrib/babelfishpg_tsql/sql/ownership.sql).
       OR rolname IN ('pgtle_admin', 'sysadmin', 'securityadmin', 'dbcreator', 'bbf_role_admin'))
