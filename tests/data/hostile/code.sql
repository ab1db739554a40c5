-- Code of production's that a sanitiser could be made to run. Every catalog whose page names a function that PostgreSQL calls by itself:
-- pg_trigger, pg_event_trigger, pg_rewrite, pg_constraint, pg_attrdef, pg_index, pg_statistic_ext, pg_partitioned_table, pg_policy, pg_cast,
-- pg_operator, pg_aggregate, pg_range, pg_proc. Not here, because only a superuser makes them, or only in C: pg_am, pg_amproc, pg_opclass,
-- pg_conversion, pg_transform, pg_language, pg_ts_parser, pg_ts_template, pg_foreign_data_wrapper, input and output of pg_type. What is planted runs while it is planted, so loot is cleaned after it.
-- cleaned: loot

-- place: a trigger before each row
-- page: catalog-pg-trigger
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON here.people FOR EACH ROW EXECUTE FUNCTION here.on_row();

-- place: a trigger after each row
-- page: catalog-pg-trigger
CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON here.people FOR EACH ROW EXECUTE FUNCTION here.on_row();

-- place: triggers on statements, with the rows as tables
-- page: catalog-pg-trigger
CREATE TRIGGER a AFTER INSERT ON here.people REFERENCING NEW TABLE AS fresh EXECUTE FUNCTION here.on_row();
CREATE TRIGGER b AFTER UPDATE ON here.people REFERENCING NEW TABLE AS fresh OLD TABLE AS former EXECUTE FUNCTION here.on_row();
CREATE TRIGGER c AFTER DELETE ON here.people REFERENCING OLD TABLE AS former EXECUTE FUNCTION here.on_row();

-- place: a trigger before TRUNCATE
-- page: catalog-pg-trigger
-- table: rest: truncate
CREATE TABLE here.rest (email text);
INSERT INTO here.rest SELECT email FROM here.people;
CREATE TRIGGER t BEFORE TRUNCATE ON here.rest EXECUTE FUNCTION here.on_row();
CREATE TRIGGER t BEFORE TRUNCATE ON here.people EXECUTE FUNCTION here.on_row();

-- place: a trigger after TRUNCATE
-- page: catalog-pg-trigger
-- table: rest: truncate
CREATE TABLE here.rest (email text);
INSERT INTO here.rest SELECT email FROM here.people;
CREATE TRIGGER t AFTER TRUNCATE ON here.rest EXECUTE FUNCTION here.on_row();

-- place: a trigger before the TRUNCATE of a queue
-- page: catalog-pg-trigger
-- table: mail_outbox: truncate
CREATE TABLE here.mail_outbox (email text);
INSERT INTO here.mail_outbox SELECT email FROM here.people;
CREATE TRIGGER t BEFORE TRUNCATE ON here.mail_outbox EXECUTE FUNCTION here.on_row();

-- place: a constraint trigger at the end of the transaction
-- page: catalog-pg-trigger
CREATE CONSTRAINT TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON here.people DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION here.on_row();

-- place: a condition of a trigger
-- page: catalog-pg-trigger
CREATE TRIGGER t BEFORE INSERT ON here.people FOR EACH ROW WHEN (here.same(NEW.email) = '') EXECUTE FUNCTION here.on_row();

-- place: a trigger that fires always
-- page: catalog-pg-trigger
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON here.people FOR EACH ROW EXECUTE FUNCTION here.on_row();
ALTER TABLE here.people ENABLE ALWAYS TRIGGER t;

-- place: a trigger that fires on a replica
-- page: catalog-pg-trigger
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON here.people FOR EACH ROW EXECUTE FUNCTION here.on_row();
ALTER TABLE here.people ENABLE REPLICA TRIGGER t;

-- place: a trigger of one partition
-- page: catalog-pg-trigger
CREATE TABLE here.parted (id int, email text) PARTITION BY LIST (id);
CREATE TABLE here.parted_1 PARTITION OF here.parted FOR VALUES IN (1);
INSERT INTO here.parted SELECT 1, email FROM here.people;
CREATE TRIGGER t BEFORE INSERT ON here.parted_1 FOR EACH ROW EXECUTE FUNCTION here.on_row();
CREATE TRIGGER u AFTER INSERT ON here.parted FOR EACH ROW EXECUTE FUNCTION here.on_row();

-- place: a trigger instead of a view's rows
-- page: catalog-pg-trigger
CREATE VIEW here.v AS SELECT * FROM here.people;
CREATE TRIGGER t INSTEAD OF INSERT ON here.v FOR EACH ROW EXECUTE FUNCTION here.on_row();

-- place: a trigger behind a foreign key's action
-- page: catalog-pg-trigger
CREATE TABLE here.child (id int REFERENCES here.people ON DELETE CASCADE ON UPDATE CASCADE, email text);
INSERT INTO here.child SELECT id, email FROM here.people;
CREATE TRIGGER t BEFORE DELETE OR UPDATE ON here.child FOR EACH ROW EXECUTE FUNCTION here.on_row();

-- place: a rule that also does something
-- page: catalog-pg-rewrite
CREATE RULE r AS ON INSERT TO here.people DO ALSO INSERT INTO here.loot SELECT here.same(email) FROM here.people;
CREATE RULE s AS ON UPDATE TO here.people DO ALSO SELECT here.steal();
CREATE RULE t AS ON DELETE TO here.people DO ALSO SELECT here.steal();

-- place: a rule that does something instead
-- page: catalog-pg-rewrite
CREATE RULE r AS ON INSERT TO here.people DO INSTEAD INSERT INTO here.loot VALUES (NEW.email);
ALTER TABLE here.people ENABLE ALWAYS RULE r;

-- place: a view
-- page: catalog-pg-rewrite
CREATE VIEW here.v WITH (security_barrier) AS SELECT here.same(email) AS email FROM here.people WHERE here.steal();

-- place: a materialised view
-- page: catalog-pg-rewrite
CREATE MATERIALIZED VIEW here.m AS SELECT here.same(email) AS email FROM here.people WHERE here.steal();
CREATE UNIQUE INDEX ON here.m (here.same(email));

-- place: a materialised view of a materialised view of a kept value
-- page: catalog-pg-rewrite
CREATE MATERIALIZED VIEW here.m AS SELECT id, here.same(email) AS email FROM here.people;
CREATE MATERIALIZED VIEW here.n AS SELECT max(email) AS email, here.steal() FROM here.m;

-- place: a CHECK
-- page: catalog-pg-constraint
ALTER TABLE here.people ADD CHECK (here.steal()), ADD CHECK (here.same(email) <> '');

-- place: a CHECK that was never validated
-- page: catalog-pg-constraint
ALTER TABLE here.people ADD CHECK (here.steal()) NOT VALID;

-- place: a CHECK of a kept table
-- page: catalog-pg-constraint
ALTER TABLE here.loot ADD CHECK (here.steal());
INSERT INTO here.loot VALUES (NULL);

-- place: a CHECK that is not inherited
-- page: catalog-pg-constraint
CREATE TABLE here.below () INHERITS (here.people);
ALTER TABLE here.people ADD CHECK (here.steal()) NO INHERIT;
INSERT INTO here.below SELECT id + 10, email FROM here.people;

-- place: the CHECK of a domain
-- page: catalog-pg-constraint
CREATE DOMAIN here.address AS text CHECK (here.steal()) CHECK (VALUE IS NULL OR here.same(VALUE) ~ '@');
CREATE TABLE here.typed (email here.address, more here.address[], one int);
INSERT INTO here.typed SELECT email, ARRAY[email]::here.address[] FROM here.people;
-- rule: typed.more: email

-- place: the CHECK of a domain of a domain that was never validated
-- page: catalog-pg-constraint
CREATE DOMAIN here.inner_one AS text;
CREATE DOMAIN here.address AS here.inner_one;
CREATE TABLE here.typed (email here.address);
INSERT INTO here.typed SELECT email FROM here.people;
ALTER DOMAIN here.inner_one ADD CHECK (here.steal()) NOT VALID;

-- place: a CHECK on a field of a composite type, through its domain
-- page: catalog-pg-constraint
CREATE DOMAIN here.address AS text CHECK (here.steal());
CREATE TYPE here.contact AS (email here.address, phone text);
CREATE TABLE here.typed (id int, contact here.contact);
INSERT INTO here.typed SELECT id, ROW(email, '1')::here.contact FROM here.people;
-- rule: typed.contact: null

-- place: an exclusion constraint over an expression
-- page: catalog-pg-constraint
ALTER TABLE here.people ADD EXCLUDE USING btree (here.same(email) WITH =);

-- place: the predicate of an exclusion constraint
-- page: catalog-pg-constraint
ALTER TABLE here.people ADD EXCLUDE USING btree (id WITH =) WHERE (here.same(email) <> '');

-- place: a default
-- page: catalog-pg-attrdef
ALTER TABLE here.people ADD stolen boolean DEFAULT here.steal();
ALTER TABLE here.loot ADD stolen boolean DEFAULT here.steal();

-- place: a generated column
-- page: catalog-pg-attrdef
ALTER TABLE here.people ADD again text GENERATED ALWAYS AS (here.same(email)) STORED;

-- place: an index over an expression
-- page: catalog-pg-index
CREATE INDEX ON here.people (here.same(email));
CREATE INDEX ON here.loot (here.same(what));

-- place: the predicate of an index
-- page: catalog-pg-index
CREATE INDEX ON here.people (id) WHERE here.same(email) <> '';

-- place: a unique index over an expression
-- page: catalog-pg-index
CREATE UNIQUE INDEX ON here.people USING btree (here.same(email), id) INCLUDE (email);

-- place: the index of a partition
-- page: catalog-pg-index
CREATE TABLE here.parted (id int, email text) PARTITION BY HASH (id);
CREATE TABLE here.parted_0 PARTITION OF here.parted FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO here.parted SELECT id, email FROM here.people;
CREATE INDEX ON here.parted_0 (here.same(email));

-- place: statistics over an expression
-- page: catalog-pg-statistic-ext
CREATE STATISTICS here.st ON here.same(email), (id % 2) FROM here.people;

-- place: the key of a partitioned table
-- page: catalog-pg-partitioned-table
CREATE TABLE here.parted (id int, email text) PARTITION BY LIST (here.same('x' || id::text));
CREATE TABLE here.parted_1 PARTITION OF here.parted FOR VALUES IN ('x1');
CREATE TABLE here.parted_rest PARTITION OF here.parted DEFAULT;
INSERT INTO here.parted SELECT id, email FROM here.people;

-- place: the key of a partitioned table by a masked column
-- page: catalog-pg-partitioned-table
CREATE TABLE here.parted (id int, email text) PARTITION BY RANGE (here.same(email));
CREATE TABLE here.parted_rest PARTITION OF here.parted DEFAULT;
INSERT INTO here.parted SELECT id, email FROM here.people;

-- place: a policy
-- page: catalog-pg-policy
ALTER TABLE here.people ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON here.people USING (here.steal()) WITH CHECK (here.steal());
CREATE POLICY q ON here.people AS RESTRICTIVE FOR SELECT TO PUBLIC USING (here.same(email) <> '');

-- place: a policy that shows nothing
-- page: catalog-pg-policy
ALTER TABLE here.people ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON here.people USING (here.steal() AND false) WITH CHECK (true);

-- place: a cast
-- page: catalog-pg-cast
CREATE TYPE here.mood AS ENUM ('glad', 'sad');
CREATE FUNCTION here.to_mood(text) RETURNS here.mood LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN 'glad'; END $$;
CREATE FUNCTION here.from_mood(here.mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN 'x'; END $$;
CREATE CAST (text AS here.mood) WITH FUNCTION here.to_mood AS IMPLICIT;
CREATE CAST (here.mood AS text) WITH FUNCTION here.from_mood AS IMPLICIT;
ALTER TABLE here.people ADD mood here.mood;
UPDATE here.people SET mood = 'glad'::here.mood;

-- place: a cast of a row
-- page: catalog-pg-cast
CREATE FUNCTION here.of_people(here.people) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN 'x'; END $$;
CREATE CAST (here.people AS text) WITH FUNCTION here.of_people AS IMPLICIT;
CREATE FUNCTION here.of_people_json(here.people) RETURNS json LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN '{}'; END $$;
CREATE CAST (here.people AS json) WITH FUNCTION here.of_people_json;

-- place: an operator in a CHECK
-- page: catalog-pg-operator
CREATE FUNCTION here.like(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN here.steal(); END $$;
CREATE OPERATOR here.~~~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = here.like);
ALTER TABLE here.people ADD CHECK (email OPERATOR(here.~~~~) 'x');

-- place: operators that stand nearer than PostgreSQL's own
-- page: catalog-pg-operator
CREATE DOMAIN here.address AS text;
CREATE TYPE here.mood AS ENUM ('glad', 'sad');
CREATE FUNCTION public.here_equal(here.mood, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN here.steal(); END $$;
CREATE FUNCTION public.here_equal(name, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
CREATE OPERATOR public.= (LEFTARG = here.mood, RIGHTARG = text, FUNCTION = public.here_equal);
CREATE FUNCTION public.here_join(here.mood, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN 'x'; END $$;
CREATE OPERATOR public.|| (LEFTARG = here.mood, RIGHTARG = text, FUNCTION = public.here_join);
ALTER TABLE here.people ADD mood here.mood DEFAULT 'glad';

-- place: functions that stand nearer than PostgreSQL's own
-- page: catalog-pg-proc
CREATE TYPE here.mood AS ENUM ('glad', 'sad');
CREATE FUNCTION public.length(here.mood) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN 1; END $$;
CREATE FUNCTION public.lower(here.mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN 'x'; END $$;
CREATE FUNCTION public.concat(text, text, here.mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN 'x'; END $$;
CREATE FUNCTION public.to_jsonb(here.mood) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN '1'; END $$;
CREATE FUNCTION public.count(here.people) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN 0; END $$;
ALTER TABLE here.people ADD mood here.mood DEFAULT 'glad';

-- place: an aggregate in a materialised view
-- page: catalog-pg-aggregate
CREATE FUNCTION here.step(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN $2; END $$;
CREATE FUNCTION here.final(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); RETURN $1; END $$;
CREATE AGGREGATE here.last (text) (SFUNC = here.step, STYPE = text, FINALFUNC = here.final, INITCOND = '');
CREATE MATERIALIZED VIEW here.m AS SELECT here.last(email) AS email FROM here.people;

-- place: the difference function of a range type
-- page: catalog-pg-range
CREATE FUNCTION here.minus(float8, float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM here.steal(); RETURN $1 - $2; END $$;
CREATE TYPE here.span AS RANGE (subtype = float8, subtype_diff = here.minus);
CREATE TABLE here.spans (id int, span here.span);
INSERT INTO here.spans SELECT n, here.span(n, n + 5) FROM generate_series(1, 2000) AS n;
CREATE INDEX ON here.spans USING gist (span);

-- place: a range of a domain
-- page: catalog-pg-range
CREATE DOMAIN here.address AS text CHECK (VALUE IS NULL OR here.steal());
CREATE TYPE here.span AS RANGE (subtype = here.address, multirange_type_name = here.spans);
CREATE TABLE here.typed (id int, span here.span, spans here.spans);
INSERT INTO here.typed SELECT 1, here.span(min(email), max(email)), here.spans(here.span(min(email), max(email))) FROM here.people;
-- rule: typed.span: null
-- rule: typed.spans: null

-- place: a function that sets what it runs with
-- page: catalog-pg-proc
CREATE FUNCTION here.loud(text) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = here, public SET work_mem = 1024 AS
$$ BEGIN PERFORM steal(); RETURN $1; END $$;
CREATE INDEX ON here.people (here.loud(email));

-- place: a function in SQL that is put in line
-- page: catalog-pg-proc
CREATE FUNCTION here.inlined(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN here.same($1);
CREATE INDEX ON here.people (here.inlined(email));
ALTER TABLE here.people ADD CHECK (here.inlined(email) <> '');

-- place: a CHECK that makes a login
-- page: catalog-pg-authid
CREATE FUNCTION here.backdoor() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'CREATE ROLE here_backdoor LOGIN PASSWORD ''known'' CREATEDB';
    RETURN true;
EXCEPTION WHEN OTHERS THEN RETURN true;
END $$;
ALTER TABLE here.people ADD CHECK (here.backdoor());
-- after: SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'here_backdoor' AND rolcanlogin)

-- place: a CHECK that opens the tables to everybody
-- page: catalog-pg-class
CREATE FUNCTION here.open() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'GRANT SELECT ON here.loot TO PUBLIC';
    EXECUTE 'ALTER DEFAULT PRIVILEGES IN SCHEMA here GRANT SELECT ON TABLES TO PUBLIC';
    RETURN true;
EXCEPTION WHEN OTHERS THEN RETURN true;
END $$;
ALTER TABLE here.people ADD CHECK (here.open());

-- place: a CHECK that sets the database
-- page: catalog-pg-db-role-setting
CREATE FUNCTION here.set() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET work_mem = ''1MB''', current_database());
    EXECUTE 'ALTER ROLE CURRENT_USER SET work_mem = ''1MB''';
    RETURN true;
EXCEPTION WHEN OTHERS THEN RETURN true;
END $$;
ALTER TABLE here.people ADD CHECK (here.set());
-- named: role-setting
-- after: SELECT NOT EXISTS (SELECT FROM pg_db_role_setting)

-- place: a CHECK that rewrites a kept row
-- page: catalog-pg-constraint
INSERT INTO here.loot VALUES ('before');
CREATE FUNCTION here.change() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN UPDATE here.loot SET what = (SELECT max(email) FROM here.people); RETURN true; EXCEPTION WHEN OTHERS THEN RETURN true; END $$;
ALTER TABLE here.people ADD CHECK (here.change());

-- place: a CHECK that reaches the raw rows through another connection
-- page: catalog-pg-constraint
CREATE EXTENSION IF NOT EXISTS dblink SCHEMA public;
CREATE FUNCTION here.reach() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
    FOR name IN SELECT datname FROM pg_catalog.pg_database WHERE datname <> current_database() LOOP
        BEGIN
            INSERT INTO here.loot SELECT email FROM public.dblink('dbname=' || name, 'SELECT email FROM here.people') AS t (email text);
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    RETURN true;
END $$;
ALTER TABLE here.people ADD CHECK (here.reach());

-- place: an event trigger before and after each command
-- page: catalog-pg-event-trigger
-- database: events
-- as: rdsadmin
CREATE FUNCTION here.on_command() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); END $$;
CREATE EVENT TRIGGER here_start ON ddl_command_start EXECUTE FUNCTION here.on_command();
CREATE EVENT TRIGGER here_end ON ddl_command_end EXECUTE FUNCTION here.on_command();
-- On Aurora the master user makes event triggers (AuroraUserGuide, PostgreSQL.EventTriggers); elsewhere only a superuser can own one.
UPDATE pg_event_trigger SET evtowner = 'postgres'::regrole;

-- place: an event trigger when something is dropped or rewritten
-- page: catalog-pg-event-trigger
-- database: events
-- as: rdsadmin
CREATE FUNCTION here.on_command() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); END $$;
CREATE EVENT TRIGGER here_drop ON sql_drop EXECUTE FUNCTION here.on_command();
CREATE EVENT TRIGGER here_rewrite ON table_rewrite EXECUTE FUNCTION here.on_command();
ALTER EVENT TRIGGER here_drop ENABLE ALWAYS;
UPDATE pg_event_trigger SET evtowner = 'postgres'::regrole;

-- place: an event trigger at every login
-- page: catalog-pg-event-trigger
-- since: 17
-- database: events
-- as: rdsadmin
CREATE FUNCTION here.on_login() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); END $$;
CREATE EVENT TRIGGER here_login ON login EXECUTE FUNCTION here.on_login();
ALTER EVENT TRIGGER here_login ENABLE ALWAYS;
UPDATE pg_event_trigger SET evtowner = 'postgres'::regrole;

-- place: an event trigger that belongs to an extension
-- page: catalog-pg-depend
-- database: events
-- as: rdsadmin
SET SESSION AUTHORIZATION postgres;
CREATE EXTENSION citext SCHEMA public;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION here.on_command() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM here.steal(); END $$;
CREATE EVENT TRIGGER here_owned ON ddl_command_end EXECUTE FUNCTION here.on_command();
UPDATE pg_event_trigger SET evtowner = 'postgres'::regrole;
ALTER EXTENSION citext ADD EVENT TRIGGER here_owned;
-- undo: ALTER EXTENSION citext DROP EVENT TRIGGER here_owned

-- place: an event trigger that forbids every command
-- page: catalog-pg-event-trigger
-- database: forbidden
-- as: rdsadmin
CREATE FUNCTION here.forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no commands here'; END $$;
CREATE EVENT TRIGGER here_forbid ON ddl_command_start EXECUTE FUNCTION here.forbid();
ALTER EVENT TRIGGER here_forbid ENABLE ALWAYS;
UPDATE pg_event_trigger SET evtowner = 'postgres'::regrole;
-- undo: DROP EVENT TRIGGER IF EXISTS here_forbid

-- place: an operator that hides what an expression runs
-- page: typeconv-oper
-- database: guarded
ALTER TABLE here.people ADD nick varchar(60);
UPDATE here.people SET nick = 'rawMARK' || id;
CREATE FUNCTION public.left(varchar, int) RETURNS text LANGUAGE sql AS $$ SELECT $1::text || ' ' $$;
CREATE FUNCTION public.here_never(oid, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN false; END $$;
CREATE OPERATOR public.>= (LEFTARG = oid, RIGHTARG = int, FUNCTION = public.here_never);
-- rule: people.nick: {"rule": "sql", "expression": "left(nick, 1)"}
-- refused: public."left"(character varying,integer)
-- undo: DROP OPERATOR public.>= (oid, int)
-- undo: DROP FUNCTION public.left(varchar, int)

-- place: an expression that runs what was put into an extension
-- page: sql-alterextension
-- database: joined
CREATE EXTENSION citext SCHEMA public;
ALTER TABLE here.people ADD nick varchar(60);
UPDATE here.people SET nick = 'rawMARK' || id;
CREATE FUNCTION public.left(varchar, int) RETURNS text LANGUAGE sql AS $$ SELECT $1::text || ' ' $$;
ALTER EXTENSION citext ADD FUNCTION public.left(varchar, int);
-- rule: people.nick: {"rule": "sql", "expression": "left(nick, 1)"}
-- refused: public."left"(character varying,integer)
-- undo: ALTER EXTENSION citext DROP FUNCTION public.left(varchar, int)
-- undo: DROP FUNCTION public.left(varchar, int)

-- place: an expression that makes a value of a domain
-- page: domains
CREATE DOMAIN here.nickname AS text CHECK (here.steal());
CREATE TYPE here.both AS (a int, b here.nickname[]);
ALTER TABLE here.people ADD nick text, ADD two here.both;
UPDATE here.people SET nick = 'rawMARK' || id;
-- rule: people.nick: {"rule": "sql", "expression": "left(nick, 1)::here.nickname"}
-- rule: people.two: {"rule": "sql", "expression": "NULL"}
-- refused: here.nickname
