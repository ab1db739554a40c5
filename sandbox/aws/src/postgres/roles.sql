-- The roles of every RDS server (AuroraUserGuide, Appendix.PostgreSQL.CommonDBATasks.Roles). Those that a version does not have yet are
-- granted when it does: this runs after a major upgrade too.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['rds_superuser', 'rds_replication', 'rds_password', 'rds_iam'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
    END LOOP;
    FOR role IN
        SELECT rolname FROM pg_roles
        WHERE rolname IN ('rds_replication', 'rds_password', 'pg_monitor', 'pg_signal_backend', 'pg_read_all_settings', 'pg_checkpoint',
                          'pg_maintain', 'pg_create_subscription')
    LOOP
        EXECUTE format('GRANT %I TO rds_superuser WITH ADMIN OPTION', role);
    END LOOP;
END
$$;
-- rds_superuser may set it (https://repost.aws/knowledge-center/rds-aurora-postgresql-dump-import-triggers).
GRANT SET ON PARAMETER session_replication_role TO rds_superuser;
