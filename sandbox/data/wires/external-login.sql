-- database: postgres
-- as: rdsadmin
-- On RDS the master user grants it (AuroraUserGuide, UsingWithRDS.IAMDBAuth.DBAccounts).
GRANT rds_iam TO rds_superuser WITH ADMIN TRUE, INHERIT FALSE, SET FALSE

-- as: master
GRANT rds_iam TO analyst
