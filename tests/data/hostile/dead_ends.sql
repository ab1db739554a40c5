-- What real schemas have and a sanitiser easily fails on, with nothing in the policy that could help. Each ends attested, or with `either:` in a
-- refusal whose words it gives.

-- place: a queue whose tables refer to each other
-- page: ddl-constraints
-- table: solid_queue_jobs: truncate
-- table: solid_queue_ready_executions: truncate
-- table: solid_queue_claimed_executions: truncate
CREATE TABLE here.solid_queue_jobs (id bigserial PRIMARY KEY, arguments text);
CREATE TABLE here.solid_queue_ready_executions (id bigserial PRIMARY KEY, job_id bigint NOT NULL REFERENCES here.solid_queue_jobs ON DELETE CASCADE);
CREATE TABLE here.solid_queue_claimed_executions (id bigserial PRIMARY KEY, job_id bigint NOT NULL REFERENCES here.solid_queue_jobs ON DELETE CASCADE);
INSERT INTO here.solid_queue_jobs (arguments) SELECT email FROM here.people;
INSERT INTO here.solid_queue_ready_executions (job_id) SELECT id FROM here.solid_queue_jobs;
-- after: SELECT count(*) = 0 FROM here.solid_queue_jobs

-- place: an index function that is no longer immutable
-- page: xfunc-volatility
-- either: else drop it in production
CREATE FUNCTION here.plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower($1) $$;
CREATE INDEX ON here.people (here.plain(email));
ALTER TABLE here.people ADD again text GENERATED ALWAYS AS (here.plain(email)) STORED;
ALTER FUNCTION here.plain(text) VOLATILE;
-- after: SELECT bool_and(again = lower(email)) FROM here.people

-- place: a constraint function that reads another table
-- page: ddl-constraints
CREATE TABLE here.later (id int PRIMARY KEY);
INSERT INTO here.later VALUES (1), (2), (3);
CREATE FUNCTION here.known(int) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN EXISTS (SELECT FROM here.later WHERE id = $1); END $$;
ALTER TABLE here.people ADD CHECK (here.known(id));

-- place: a materialised view that reads another through a function
-- page: rules-materializedviews
CREATE MATERIALIZED VIEW here.zz AS SELECT count(*) AS n FROM here.people;
CREATE FUNCTION here.counted() RETURNS bigint LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT n FROM here.zz); END $$;
CREATE MATERIALIZED VIEW here.aa AS SELECT here.counted() AS n;
-- after: SELECT n = 3 FROM here.aa

-- place: tables that refer to each other in a circle
-- page: ddl-constraints
CREATE TABLE here.one (id int PRIMARY KEY, two int);
CREATE TABLE here.two (id int PRIMARY KEY, one int REFERENCES here.one);
INSERT INTO here.one VALUES (1, 1);
INSERT INTO here.two VALUES (1, 1);
ALTER TABLE here.one ADD FOREIGN KEY (two) REFERENCES here.two;

-- place: a foreign key that is broken and not validated
-- page: ddl-constraints
CREATE TABLE here.child (id int, parent int);
INSERT INTO here.child VALUES (1, 4711);
ALTER TABLE here.child ADD FOREIGN KEY (parent) REFERENCES here.people NOT VALID;

-- place: statistics of an emptied partition and of an emptied materialised view
-- page: catalog-pg-statistic
CREATE TABLE here.parted (id int, email text) PARTITION BY LIST (id);
CREATE TABLE here.parted_1 PARTITION OF here.parted FOR VALUES IN (1);
INSERT INTO here.parted SELECT 1, email FROM here.people, generate_series(1, 50);
CREATE MATERIALIZED VIEW here.m AS SELECT * FROM here.parted;
ANALYZE here.parted, here.parted_1, here.m;
DELETE FROM here.parted;
REFRESH MATERIALIZED VIEW here.m;

-- place: views of an extension that everybody may read
-- page: pgstatstatements
-- database: extended
CREATE EXTENSION pg_buffercache SCHEMA here;
CREATE EXTENSION pg_trgm SCHEMA here;
CREATE EXTENSION tablefunc SCHEMA here;
CREATE EXTENSION unaccent SCHEMA here;
CREATE EXTENSION hstore SCHEMA here;
CREATE TABLE here.uses (h here.hstore);
INSERT INTO here.uses VALUES ('a=>b');

-- place: a database without an encoding
-- page: multibyte
-- database: ascii
-- create: CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'
INSERT INTO here.loot VALUES (E'caf\303\251');
INSERT INTO here.people VALUES (8, E'rawMARK.\303\251@mail.example');
-- after: SELECT count(*) = 1 AND bool_or(what = E'caf\303\251') FROM here.loot

-- place: a database without an encoding whose texts are no UTF-8
-- page: multibyte
-- database: ascii
-- either: convert it in production
INSERT INTO here.loot VALUES (E'caf\351'), (E'\200\201');
INSERT INTO here.people VALUES (8, E'rawMARK.\351@mail.example');

-- place: a database of another encoding
-- page: multibyte
-- database: latin
-- create: CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'
INSERT INTO here.loot VALUES ('caf' || chr(233));
INSERT INTO here.people VALUES (8, 'rawMARK.' || chr(233) || '@mail.example');
-- after: SELECT count(*) = 1 AND bool_and(what = 'caf' || chr(233)) FROM here.loot

-- place: a database with a name of its own
-- page: manage-ag-createdb
-- database: Odd "name", é
-- create: CREATE DATABASE "Odd ""name"", é" CONNECTION LIMIT 3
COMMENT ON TABLE here.people IS 'there';

-- place: tables without a key, without rows, without columns
-- page: ddl-basics
CREATE TABLE here.none ();
CREATE TABLE here.empty (email text);
CREATE TABLE here.twice (email text);
INSERT INTO here.twice SELECT email FROM here.people, generate_series(1, 2);
-- after: SELECT count(*) = 6 AND count(DISTINCT email) = 3 FROM here.twice

-- place: a rule and a trigger that let no row in
-- page: rules-update
CREATE TABLE here.shut (email text);
INSERT INTO here.shut SELECT email FROM here.people;
CREATE RULE r AS ON INSERT TO here.shut DO INSTEAD NOTHING;
ALTER TABLE here.shut ENABLE ALWAYS RULE r;
CREATE TABLE here.closed (email text);
INSERT INTO here.closed SELECT email FROM here.people;
CREATE FUNCTION here.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON here.closed FOR EACH ROW EXECUTE FUNCTION here.no();
ALTER TABLE here.closed ENABLE ALWAYS TRIGGER t;
-- after: SELECT (SELECT count(*) FROM here.shut) = 3 AND (SELECT count(*) FROM here.closed) = 3

-- place: an identity that nobody may write
-- page: ddl-identity-columns
CREATE TABLE here.ids (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text);
INSERT INTO here.ids (email) SELECT email FROM here.people;
DELETE FROM here.ids WHERE id = 2;
-- after: SELECT array_agg(id ORDER BY id) = '{1,3}' FROM here.ids

-- place: an index that was never finished
-- page: sql-createindex
-- as: rdsadmin
CREATE TABLE here.kept (a int);
ALTER TABLE here.kept OWNER TO postgres;
CREATE UNIQUE INDEX kept_a ON here.kept (a);
INSERT INTO here.kept VALUES (1);
UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = 'here.kept_a'::regclass;
INSERT INTO here.kept VALUES (1);

-- place: what an owner may no longer create
-- page: ddl-priv
CREATE ROLE here_owner;
GRANT here_owner TO postgres;
GRANT USAGE, CREATE ON SCHEMA here TO here_owner;
CREATE TABLE here.owned (email text);
ALTER TABLE here.owned OWNER TO here_owner;
REVOKE ALL ON SCHEMA here FROM here_owner;
REVOKE here_owner FROM postgres;
