-- What a run would cut, empty or refuse, and the policy decides otherwise about, with a reason: kept, it is as it was; dropped, it is gone; and
-- rewritten, it is there without its credential. All are attested.

-- place: a queue whose rows are kept
-- page: ddl-basics
-- exception: queue-table keep: here.outbox_settings
CREATE TABLE here.outbox_settings (id int PRIMARY KEY, colour text);
INSERT INTO here.outbox_settings VALUES (1, 'red'), (2, 'blue');
-- after: SELECT count(*) = 2 FROM here.outbox_settings

-- place: a queue that is emptied because the policy says so
-- page: ddl-basics
-- table: delayed_jobs: truncate
CREATE TABLE here.delayed_jobs (id int PRIMARY KEY, handler text);
INSERT INTO here.delayed_jobs SELECT id, email FROM here.people;
-- after: SELECT count(*) = 0 FROM here.delayed_jobs

-- place: a column that is called like a credential and is none
-- page: ddl-basics
-- exception: kept-secret keep: here.colours.token
CREATE TABLE here.colours (token text);
INSERT INTO here.colours VALUES ('red'), ('blue');
-- after: SELECT count(*) = 2 FROM here.colours WHERE token IN ('red', 'blue')

-- place: a function that is kept
-- page: catalog-pg-proc
-- exception: secret-in-function keep: here.body()
CREATE FUNCTION here.body() RETURNS text LANGUAGE sql AS $$ SELECT 'token=8f14e45fceea' $$;
-- after: SELECT here.body() = 'token=8f14e45fceea'

-- place: a function that is dropped
-- page: catalog-pg-proc
-- exception: secret-in-function drop: here.dropped()
-- cut: here.dropped()
-- cut: dropped(); Type: FUNCTION
-- cut: LANGUAGE plpgsql
-- cut: token=
CREATE FUNCTION here.dropped() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'token=rawMARK8f14e45fceea'; END $$;
-- after: SELECT to_regproc('here.dropped') IS NULL

-- place: a function that is rewritten
-- page: catalog-pg-proc
-- exception: secret-in-function rewrite: here.body()
-- cut: token=
CREATE FUNCTION here.body() RETURNS text LANGUAGE sql AS $$ SELECT 'token=rawMARK8f14e45fceea' $$;
-- after: SELECT here.body() = 'token=redacted'

-- place: a default that is kept, and one that is rewritten
-- page: catalog-pg-attrdef
-- exception: secret-in-default keep: here.t.a
-- exception: secret-in-default rewrite: here.t.b
-- cut: token=
CREATE TABLE here.t (id int, a text DEFAULT 'token=8f14e45fceea', b text DEFAULT 'token=rawMARK8f14e45fceea');
-- after: SELECT column_default LIKE '''token=8f14e45fceea''%' FROM information_schema.columns WHERE table_schema = 'here' AND column_name = 'a'
-- after: SELECT column_default LIKE '''token=redacted''%' FROM information_schema.columns WHERE table_schema = 'here' AND column_name = 'b'

-- place: views that are kept, dropped and rewritten
-- page: catalog-pg-rewrite
-- exception: secret-in-view keep: here.kept
-- exception: secret-in-view drop: here.dropped
-- exception: secret-in-view rewrite: here.rewritten
-- cut: token=
-- cut: here.dropped
-- cut: dropped; Type: VIEW
CREATE VIEW here.kept AS SELECT 'token=8f14e45fceea'::text AS a;
CREATE VIEW here.dropped AS SELECT 'token=rawMARK8f14e45fceea'::text AS a;
CREATE VIEW here.rewritten AS SELECT 'token=rawMARK8f14e45fceea'::text AS a;
-- after: SELECT a = 'token=8f14e45fceea' FROM here.kept
-- after: SELECT to_regclass('here.dropped') IS NULL
-- after: SELECT a = 'token=redacted' FROM here.rewritten

-- place: row security that is kept, and rewritten
-- page: catalog-pg-policy
-- exception: secret-in-policy keep: kept on here.people
-- exception: secret-in-policy rewrite: rewritten on here.people
-- cut: token=
CREATE POLICY kept ON here.people USING (email = 'token=8f14e45fceea');
CREATE POLICY rewritten ON here.people USING (email = 'token=rawMARK8f14e45fceea');
-- after: SELECT count(*) = 2 FROM pg_policies WHERE schemaname = 'here' AND (qual LIKE '%token=8f14e45fceea%' OR qual LIKE '%token=redacted%')

-- place: comments that are kept, and rewritten
-- page: catalog-pg-description
-- exception: secret-in-comment keep: table here.people
-- exception: secret-in-comment rewrite: table here.loot
-- cut: token=
COMMENT ON TABLE here.people IS 'as in token=8f14e45fceea';
COMMENT ON TABLE here.loot IS 'ask, token=rawMARK8f14e45fceea';
-- after: SELECT obj_description('here.people'::regclass) = 'as in token=8f14e45fceea'
-- after: SELECT obj_description('here.loot'::regclass) = 'ask, token=redacted'

-- place: a definition that is kept, and one that is dropped
-- page: catalog-pg-index
-- exception: secret-in-definition keep: index here.kept
-- exception: secret-in-definition drop: index here.dropped
-- cut: here.dropped
-- cut: dropped; Type: INDEX
-- cut: token=
CREATE INDEX kept ON here.loot (what) WHERE what <> 'token=8f14e45fceea';
CREATE INDEX dropped ON here.loot (what) WHERE what <> 'token=rawMARK8f14e45fceea';
-- after: SELECT pg_get_indexdef('here.kept'::regclass) LIKE '%token=8f14e45fceea%'
-- after: SELECT to_regclass('here.dropped') IS NULL

-- place: a function with its owner's rights that keeps them
-- page: sql-createfunction
-- exception: security-definer keep: here.trusted()
CREATE FUNCTION here.trusted() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
-- after: SELECT prosecdef FROM pg_proc WHERE oid = 'here.trusted()'::regprocedure

-- place: what everybody may do and shall
-- page: ddl-priv
-- exception: public-grant keep: here.loot
GRANT SELECT ON here.loot TO PUBLIC;
-- after: SELECT has_table_privilege('pg_monitor', 'here.loot', 'SELECT')

-- place: what everybody may do with later tables and shall
-- page: catalog-pg-default-acl
-- exception: default-privilege keep: TABLES of postgres in here
CREATE ROLE here_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA here GRANT SELECT ON TABLES TO here_reader;
-- after: SELECT count(*) = 1 FROM pg_default_acl WHERE defaclnamespace = 'here'::regnamespace

-- place: a role that may make roles, and shall
-- page: role-attributes
-- exception: privileged-role keep: here_maker
CREATE ROLE here_maker CREATEROLE CREATEDB;
-- after: SELECT rolcreaterole AND rolcreatedb FROM pg_roles WHERE rolname = 'here_maker'

-- place: a member that may take others in, and shall
-- page: role-membership
-- exception: role-admin keep: here_other in here_one
CREATE ROLE here_one;
CREATE ROLE here_other;
GRANT here_one TO here_other WITH ADMIN OPTION;
-- after: SELECT admin_option FROM pg_auth_members WHERE member = 'here_other'::regrole AND roleid = 'here_one'::regrole
