-- Settings of the database and of the master user, which hold in every session of ours until they are cut. The worst comes last, for it holds
-- for whoever plants the next.

-- place: a database that lets nobody in
-- page: sql-alterdatabase
-- database: retired
-- as: rdsadmin
-- named: retired
-- refused: CONNECTION LIMIT of 0
ALTER DATABASE retired CONNECTION LIMIT 0;
-- undo: ALTER DATABASE retired CONNECTION LIMIT -1

-- place: a database that lets in too few
-- page: sql-alterdatabase
-- database: quiet
-- as: rdsadmin
-- named: quiet
-- refused: CONNECTION LIMIT of 2
ALTER DATABASE quiet CONNECTION LIMIT 2;
-- undo: ALTER DATABASE quiet CONNECTION LIMIT -1

-- place: settings named like ours
-- page: catalog-pg-db-role-setting
-- as: rdsadmin
-- named: role-setting postgres
SET SESSION AUTHORIZATION postgres;
CREATE ROLE here_login LOGIN PASSWORD 'known';
RESET SESSION AUTHORIZATION;
ALTER DATABASE shop SET runbook.system_roles = '{here_login,rds_superuser}';
ALTER DATABASE shop SET mask.key = 'a key that they know';
ALTER ROLE postgres SET mask.key = 'a key that they know';
-- undo: ALTER ROLE postgres RESET mask.key
-- undo: ALTER DATABASE shop RESET mask.key
-- undo: ALTER DATABASE shop RESET runbook.system_roles

-- place: settings of the master user that change what is read
-- page: catalog-pg-db-role-setting
CREATE SCHEMA here_first;
CREATE VIEW here_first.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE relname <> 'people';
ALTER ROLE postgres SET search_path = here_first, pg_catalog, public;
ALTER ROLE postgres SET default_transaction_read_only = on;
ALTER ROLE postgres IN DATABASE shop SET statement_timeout = '50ms';
ALTER ROLE postgres SET session_replication_role = replica;
ALTER ROLE postgres SET role = 'rds_superuser';

-- place: settings of the database that change what is read
-- page: catalog-pg-db-role-setting
CREATE SCHEMA here_first;
CREATE FUNCTION here_first.lie() RETURNS oid LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN 0; END $$;
CREATE VIEW here_first.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE oid <> here_first.lie() AND relname <> 'people';
CREATE VIEW here_first.pg_trigger AS SELECT * FROM pg_catalog.pg_trigger WHERE oid <> here_first.lie() AND false;
CREATE VIEW here_first.pg_proc AS SELECT * FROM pg_catalog.pg_proc WHERE oid <> here_first.lie();
CREATE VIEW here_first.pg_roles AS SELECT * FROM pg_catalog.pg_roles WHERE here_first.lie() = 0 AND false;
CREATE VIEW here_first.pg_database AS SELECT * FROM pg_catalog.pg_database WHERE here_first.lie() = 0 AND false;
CREATE VIEW here_first.pg_namespace AS SELECT * FROM pg_catalog.pg_namespace WHERE oid <> here_first.lie();
CREATE VIEW here_first.pg_attribute AS SELECT attrelid, attname, atttypid, attnum, attisdropped, attgenerated FROM pg_catalog.pg_attribute WHERE attname <> 'email';
ALTER DATABASE shop SET search_path = here_first, pg_catalog, public;
ALTER DATABASE shop SET row_security = on;
ALTER DATABASE shop SET default_transaction_read_only = on;
ALTER DATABASE shop SET statement_timeout = '50ms';
ALTER DATABASE shop SET lock_timeout = '1ms';
ALTER DATABASE shop SET idle_in_transaction_session_timeout = '50ms';
ALTER DATABASE shop SET bytea_output = 'escape';
ALTER DATABASE shop SET datestyle = 'SQL, DMY';
ALTER DATABASE shop SET intervalstyle = 'sql_standard';
ALTER DATABASE shop SET timezone = 'Asia/Kathmandu';
ALTER DATABASE shop SET extra_float_digits = -15;
ALTER DATABASE shop SET client_encoding = 'LATIN1';
ALTER DATABASE shop SET standard_conforming_strings = off;
ALTER DATABASE shop SET array_nulls = off;
ALTER DATABASE shop SET transform_null_equals = on;
ALTER DATABASE shop SET quote_all_identifiers = on;
ALTER DATABASE shop SET check_function_bodies = off;
ALTER DATABASE shop SET default_transaction_isolation = 'serializable';
ALTER DATABASE shop SET xmloption = 'document';
ALTER DATABASE shop SET default_toast_compression = 'pglz';
ALTER DATABASE shop SET escape_string_warning = off;
ALTER DATABASE shop SET backslash_quote = on;
