-- A copy that is sanitised, and then one thing of it undone: what the attestor is for. Behind `-- undone:` stands what is done after the
-- sanitiser, as a mistake of ours would have left it. Each must be named.

-- place: an address in its column
-- page: ddl-basics
-- undone:
UPDATE here.people SET email = 'rawMARK.1@mail.example' WHERE id = 2;

-- place: an address in another row's place, in capitals
-- page: datatype-character
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE TABLE here.logins (login public.citext);
INSERT INTO here.logins SELECT email FROM here.people;
-- rule: logins.login: email
-- undone:
UPDATE here.logins SET login = 'RAWMARK.2@MAIL.EXAMPLE' WHERE ctid = (SELECT min(ctid) FROM here.logins);

-- place: a name
-- page: ddl-basics
ALTER TABLE here.people ADD a text;
UPDATE here.people SET a = 'rawMARK Anna ' || id;
-- rule: people.a: name
-- undone:
UPDATE here.people SET a = 'rawMARK Anna 1' WHERE id = 1;

-- place: a phone number
-- page: ddl-basics
ALTER TABLE here.people ADD a text;
UPDATE here.people SET a = '+49 30 1234567' || id;
-- rule: people.a: phone
-- undone:
UPDATE here.people SET a = '+49 30 12345671' WHERE id = 1;

-- place: an address of a house
-- page: ddl-basics
ALTER TABLE here.people ADD a text;
UPDATE here.people SET a = 'rawMARK Street ' || id;
-- rule: people.a: address
-- undone:
UPDATE here.people SET a = 'rawMARK Street 1' WHERE id = 1;

-- place: free text
-- page: ddl-basics
ALTER TABLE here.people ADD a text;
UPDATE here.people SET a = 'rawMARK said this and that ' || id;
-- rule: people.a: free-text
-- undone:
UPDATE here.people SET a = 'rawMARK said this and that 1' WHERE id = 1;

-- place: a URL
-- page: ddl-basics
ALTER TABLE here.people ADD a text;
UPDATE here.people SET a = 'https://rawMARK.example/' || id;
-- rule: people.a: url
-- undone:
UPDATE here.people SET a = 'https://rawMARK.example/1' WHERE id = 1;

-- place: what was hashed
-- page: ddl-basics
ALTER TABLE here.people ADD a text, ADD b bytea;
UPDATE here.people SET a = 'rawMARK-' || id, b = convert_to('rawMARK-' || id, 'UTF8');
-- rule: people.a: hash
-- rule: people.b: hash
-- undone:
UPDATE here.people SET a = 'rawMARK-1' WHERE id = 1;

-- place: bytes that were hashed
-- page: datatype-binary
ALTER TABLE here.people ADD b bytea;
UPDATE here.people SET b = convert_to('rawMARK-' || id, 'UTF8');
-- rule: people.b: hash
-- undone:
UPDATE here.people SET b = convert_to('rawMARK-1', 'UTF8') WHERE id = 1;

-- place: a UUID
-- page: datatype-uuid
ALTER TABLE here.people ADD a uuid;
UPDATE here.people SET a = md5('rawMARK' || id)::uuid;
-- rule: people.a: uuid
-- undone:
UPDATE here.people SET a = md5('rawMARK1')::uuid WHERE id = 1;

-- place: addresses of computers, all of them
-- page: datatype-net-types
ALTER TABLE here.people ADD a inet;
UPDATE here.people SET a = '198.51.100.0'::inet + id;
-- rule: people.a: ip
-- undone:
UPDATE here.people SET a = '198.51.100.0'::inet + id;

-- place: whole numbers, all of them
-- page: datatype-numeric
ALTER TABLE here.people ADD a int;
UPDATE here.people SET a = 471100 + id;
-- rule: people.a: integer
-- undone:
UPDATE here.people SET a = 471100 + id;

-- place: whole numbers of a range, all of them
-- page: datatype-numeric
ALTER TABLE here.people ADD a int;
UPDATE here.people SET a = 471100 + id;
-- rule: people.a: {"rule": "integer", "min": 1, "max": 999}
-- undone:
UPDATE here.people SET a = 471100 + id;

-- place: numbers, all of them
-- page: datatype-numeric
ALTER TABLE here.people ADD a numeric(12, 2);
UPDATE here.people SET a = 4711.11 + id;
-- rule: people.a: numeric
-- undone:
UPDATE here.people SET a = 4711.11 + id;

-- place: numbers of a range, all of them
-- page: datatype-numeric
ALTER TABLE here.people ADD a numeric(12, 2);
UPDATE here.people SET a = 4711.11 + id;
-- rule: people.a: {"rule": "numeric", "min": 1, "max": 99}
-- undone:
UPDATE here.people SET a = 4711.11 + id;

-- place: dates, all of them
-- page: datatype-datetime
ALTER TABLE here.people ADD a date;
UPDATE here.people SET a = date '1980-01-01' + id;
-- rule: people.a: {"rule": "date-shift", "days": 30}
-- undone:
UPDATE here.people SET a = date '1980-01-01' + id;

-- place: times, all of them
-- page: datatype-datetime
ALTER TABLE here.people ADD a timestamptz;
UPDATE here.people SET a = timestamptz '1980-01-01 12:00 UTC' + id * interval '1 day';
-- rule: people.a: {"rule": "date-shift", "days": 30}
-- undone:
UPDATE here.people SET a = timestamptz '1980-01-01 12:00 UTC' + id * interval '1 day';

-- place: what should be NULL
-- page: ddl-basics
ALTER TABLE here.people ADD a text;
UPDATE here.people SET a = 'rawMARK' || id;
-- rule: people.a: null
-- undone:
UPDATE here.people SET a = 'rawMARK1' WHERE id = 1;

-- place: what should be a constant
-- page: ddl-basics
ALTER TABLE here.people ADD a text;
UPDATE here.people SET a = 'rawMARK' || id;
-- rule: people.a: {"rule": "constant", "value": "x"}
-- undone:
UPDATE here.people SET a = 'rawMARK1';

-- place: what an expression should have replaced
-- page: sql-expressions
ALTER TABLE here.people ADD a text;
UPDATE here.people SET a = 'rawMARK-' || id;
-- rule: people.a: {"rule": "sql", "expression": "md5('x' || a)"}
-- undone:
UPDATE here.people SET a = 'rawMARK-1' WHERE id = 1;

-- place: an element of an array
-- page: arrays
ALTER TABLE here.people ADD a text[];
UPDATE here.people SET a = ARRAY['rawMARK.1@mail.example', 'rawMARK.2@mail.example'];
-- rule: people.a: email
-- undone:
UPDATE here.people SET a[2] = 'rawMARK.2@mail.example' WHERE id = 1;

-- place: a value in a document
-- page: datatype-json
ALTER TABLE here.people ADD a jsonb;
UPDATE here.people SET a = jsonb_build_object('mail', 'rawMARK.' || id || '@mail.example', 'list', jsonb_build_array('rawMARK name ' || id));
-- rule: people.a: {"rule": "json", "paths": {"$.mail": "email", "$.list[*]": "name"}}
-- undone:
UPDATE here.people SET a = jsonb_set(a, '{mail}', '"rawMARK.1@mail.example"') WHERE id = 1;

-- place: a value below an array of a document
-- page: datatype-json
ALTER TABLE here.people ADD a json;
UPDATE here.people SET a = json_build_object('list', json_build_array('x', json_build_object('who', 'rawMARK name ' || id)));
-- rule: people.a: {"rule": "json", "paths": {"$.list": "null"}}
-- undone:
UPDATE here.people SET a = json_build_object('list', json_build_array('x', json_build_object('who', 'rawMARK name 1'))) WHERE id = 1;

-- place: a whole number in a document
-- page: datatype-json
ALTER TABLE here.people ADD a jsonb;
UPDATE here.people SET a = jsonb_build_object('n', 471100 + id);
-- rule: people.a: {"rule": "json", "paths": {"$.n": "integer"}}
-- undone:
UPDATE here.people SET a = jsonb_build_object('n', 471100 + id);

-- place: a path that nobody has classified
-- page: datatype-json
ALTER TABLE here.people ADD a jsonb;
UPDATE here.people SET a = '{"n": "x@y"}';
-- rule: people.a: {"rule": "json", "paths": {"$.n": "email"}}
-- undone:
UPDATE here.people SET a = a || '{"other": "a new one"}' WHERE id = 1;

-- place: a masked value in a kept column
-- page: ddl-basics
-- undone:
INSERT INTO here.loot VALUES ('rawMARK.1@mail.example');

-- place: a masked value in a kept array
-- page: arrays
ALTER TABLE here.loot ADD many text[];
-- undone:
INSERT INTO here.loot (many) VALUES (ARRAY['x', 'rawMARK.1@mail.example']);

-- place: a masked value in a kept document
-- page: datatype-json
ALTER TABLE here.loot ADD doc jsonb;
-- undone:
INSERT INTO here.loot (doc) VALUES ('{"a": [{"b": "rawMARK.1@mail.example"}]}');

-- place: a masked value in a kept composite
-- page: rowtypes
CREATE TYPE here.pair AS (a text, b text);
ALTER TABLE here.loot ADD pair here.pair;
-- undone:
INSERT INTO here.loot (pair) VALUES (ROW('x', 'rawMARK.1@mail.example'));

-- place: a masked value behind forced row security
-- page: ddl-rowsecurity
-- undone:
UPDATE here.people SET email = 'rawMARK.1@mail.example' WHERE id = 2;
ALTER TABLE here.people ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON here.people USING (false);

-- place: rows in a table that should be empty
-- page: ddl-basics
-- table: rest: truncate
CREATE TABLE here.rest (email text);
INSERT INTO here.rest SELECT 'restMARK.' || id || '@mail.example' FROM here.people;
-- undone:
INSERT INTO here.rest VALUES ('anything');

-- place: a value of an emptied table in a kept one
-- page: ddl-basics
-- table: rest: truncate
CREATE TABLE here.rest (email text);
INSERT INTO here.rest SELECT 'restMARK.' || id || '@mail.example' FROM here.people;
-- undone:
INSERT INTO here.loot VALUES ('restMARK.1@mail.example');

-- place: a row that is gone
-- page: ddl-basics
-- undone:
DELETE FROM here.people WHERE id = 2;

-- place: dead rows
-- page: storage-page-layout
-- undone:
INSERT INTO here.people VALUES (9, 'rawMARK.1@mail.example');
DELETE FROM here.people WHERE id = 9;

-- place: statistics
-- page: catalog-pg-statistic
-- undone:
INSERT INTO here.loot SELECT 'rawMARK.1@mail.example' FROM generate_series(1, 100);
ANALYZE here.loot;
TRUNCATE here.loot;

-- place: extended statistics
-- page: catalog-pg-statistic-ext-data
CREATE TABLE here.kept (a text, b int);
-- undone:
INSERT INTO here.kept SELECT 'rawMARK.1@mail.example', 1 FROM generate_series(1, 100);
CREATE STATISTICS here.st (mcv) ON a, b FROM here.kept;
ANALYZE here.kept (b);
ANALYZE here.kept;
TRUNCATE here.kept;

-- place: a materialised view
-- page: rules-materializedviews
-- undone:
CREATE MATERIALIZED VIEW here.m AS SELECT 'rawMARK.' || n || '@mail.example' AS email FROM generate_series(1, 3) AS n;

-- place: a comment
-- page: catalog-pg-description
-- undone:
COMMENT ON TABLE here.people IS 'ask rawMARK.1@mail.example';

-- place: a default
-- page: catalog-pg-attrdef
-- undone:
ALTER TABLE here.loot ALTER what SET DEFAULT 'rawMARK.1@mail.example';

-- place: the default of a column without a rewrite
-- page: catalog-pg-attribute
-- undone:
ALTER TABLE here.loot ADD late text DEFAULT 'rawMARK.1@mail.example';
ALTER TABLE here.loot DROP COLUMN late;

-- place: a CHECK
-- page: catalog-pg-constraint
-- undone:
ALTER TABLE here.people ADD CHECK (email <> 'rawMARK.1@mail.example') NOT VALID;

-- place: the CHECK of a domain
-- page: catalog-pg-constraint
-- undone:
CREATE DOMAIN here.address AS text CHECK (VALUE <> 'rawMARK.1@mail.example');

-- place: a view
-- page: catalog-pg-rewrite
-- undone:
CREATE VIEW here.v AS SELECT id FROM here.people WHERE email = 'rawMARK.1@mail.example';

-- place: a function
-- page: catalog-pg-proc
-- undone:
CREATE FUNCTION here.f() RETURNS text LANGUAGE sql AS $$ SELECT 'rawMARK.1@mail.example' $$;

-- place: the default of a parameter
-- page: catalog-pg-proc
-- undone:
CREATE FUNCTION here.f(a text DEFAULT 'rawMARK.1@mail.example') RETURNS text LANGUAGE sql AS $$ SELECT a $$;

-- place: a policy
-- page: catalog-pg-policy
-- undone:
CREATE POLICY p ON here.people USING (email = 'rawMARK.1@mail.example');

-- place: the condition and the arguments of a trigger
-- page: catalog-pg-trigger
-- undone:
CREATE TRIGGER t BEFORE UPDATE ON here.people FOR EACH ROW WHEN (NEW.email = 'rawMARK.1@mail.example') EXECUTE FUNCTION here.on_row('rawMARK.2@mail.example');

-- place: a label of an enum
-- page: catalog-pg-enum
-- undone:
CREATE TYPE here.mood AS ENUM ('rawMARK.1@mail.example');

-- place: the bound of a partition
-- page: catalog-pg-class
CREATE TABLE here.parted (what text) PARTITION BY LIST (what);
-- undone:
CREATE TABLE here.parted_1 PARTITION OF here.parted FOR VALUES IN ('rawMARK.1@mail.example');

-- place: an index and statistics over an expression
-- page: catalog-pg-index
-- undone:
CREATE INDEX ON here.loot (replace(what, 'rawMARK.1@mail.example', ''));
CREATE STATISTICS here.st ON (what = 'rawMARK.2@mail.example') FROM here.loot;

-- place: the first state of an aggregate
-- page: catalog-pg-aggregate
-- undone:
CREATE AGGREGATE here.a (text) (SFUNC = textcat, STYPE = text, INITCOND = 'rawMARK.1@mail.example');

-- place: a table without rules
-- page: ddl-basics
-- undone:
CREATE TABLE here.fresh (id int, nick text);

-- place: a table without rules in a schema named like ours
-- page: ddl-basics
-- undone:
CREATE SCHEMA IF NOT EXISTS aurora_runbooks;
CREATE TABLE aurora_runbooks.here_fresh (id int, nick text);

-- place: a table without rules that belongs to an extension
-- page: catalog-pg-depend
-- undone:
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE TABLE here.fresh (id int, nick text);
ALTER EXTENSION citext ADD TABLE here.fresh;

-- place: a column without a rule
-- page: ddl-basics
-- undone:
ALTER TABLE here.people ADD nick text;

-- place: a database without rules
-- page: managing-databases
-- database: fresh
DROP SCHEMA here CASCADE;
-- undone:
CREATE TABLE public.here_fresh (id int);

-- place: a large object
-- page: catalog-pg-largeobject
-- named: large object
-- undone:
SELECT lo_from_bytea(0, 'rawMARK.1@mail.example');

-- place: a login
-- page: catalog-pg-authid
-- undone:
CREATE ROLE here_login LOGIN PASSWORD 'known';

-- place: a right of everybody
-- page: ddl-priv
-- undone:
GRANT SELECT ON here.people TO PUBLIC;

-- place: a setting of the database
-- page: catalog-pg-db-role-setting
-- named: role-setting
-- undone:
ALTER DATABASE shop SET work_mem = '1MB';

-- place: a publication
-- page: catalog-pg-publication
-- undone:
CREATE PUBLICATION here_offer FOR TABLE here.people;
