-- database: postgres
-- as: rdsadmin
-- Only a superuser may, unless it is granted; that rds_superuser may is an assumption (docs/masking.md).
GRANT EXECUTE ON FUNCTION pg_replication_origin_drop(text) TO rds_superuser

SELECT pg_replication_origin_create('dms_task_7')
