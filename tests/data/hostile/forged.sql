-- What a copy says about our own work, and what it does to whoever looks: forged journals, things that are named like ours, things that
-- look like an extension's, names and values that a program could take for something else.

-- place: a schema named like ours with a forged journal
-- page: ddl-schemas
CREATE SCHEMA IF NOT EXISTS aurora_runbooks;
CREATE TABLE aurora_runbooks.masked (table_oid oid PRIMARY KEY, run text, rows bigint, at timestamptz DEFAULT now(), here_mark text);
INSERT INTO aurora_runbooks.masked (table_oid, run, rows, here_mark)
    SELECT 'here.people'::regclass, 'any', 3, email FROM here.people LIMIT 1;
-- rule: aurora_runbooks.masked.here_mark: email

-- place: a table in a schema named like ours
-- page: ddl-schemas
CREATE SCHEMA IF NOT EXISTS aurora_runbooks;
CREATE TABLE aurora_runbooks.here_people AS SELECT * FROM here.people;
-- table: aurora_runbooks.here_people: nobody

-- place: a table that belongs to an extension
-- page: catalog-pg-depend
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
ALTER EXTENSION citext ADD TABLE here.people;
-- undo: ALTER EXTENSION citext DROP TABLE here.people;

-- place: a materialised view, a function, a view and a sequence that belong to an extension
-- page: catalog-pg-depend
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE MATERIALIZED VIEW here.m AS SELECT * FROM here.people;
CREATE FUNCTION here.f() RETURNS text LANGUAGE sql AS $$ SELECT 'rawMARK.1@mail.example' $$;
CREATE VIEW here.v AS SELECT 'rawMARK.1@mail.example' AS email;
CREATE SEQUENCE here.s;
ALTER EXTENSION citext ADD MATERIALIZED VIEW here.m;
ALTER EXTENSION citext ADD FUNCTION here.f();
ALTER EXTENSION citext ADD VIEW here.v;
ALTER EXTENSION citext ADD SEQUENCE here.s;
-- undo: ALTER EXTENSION citext DROP MATERIALIZED VIEW here.m;
-- undo: ALTER EXTENSION citext DROP FUNCTION here.f();
-- undo: ALTER EXTENSION citext DROP VIEW here.v;
-- undo: ALTER EXTENSION citext DROP SEQUENCE here.s;

-- place: a type of an extension with a default
-- page: catalog-pg-depend
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE DOMAIN here.address AS text DEFAULT 'rawMARK.1@mail.example';
CREATE TYPE here.mood AS ENUM ('rawMARK.1@mail.example');
ALTER EXTENSION citext ADD DOMAIN here.address;
ALTER EXTENSION citext ADD TYPE here.mood;
-- undo: ALTER EXTENSION citext DROP DOMAIN here.address;
-- undo: ALTER EXTENSION citext DROP TYPE here.mood;

-- place: an extension's table with rows that pg_dump takes
-- page: extend-extensions
-- as: rdsadmin
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
ALTER EXTENSION citext ADD TABLE here.people;
UPDATE pg_extension SET extconfig = coalesce(extconfig, '{}') || 'here.people'::regclass::oid, extcondition = coalesce(extcondition, '{}') || ''::text
    WHERE extname = 'citext';
-- undo: ALTER EXTENSION citext DROP TABLE here.people;

-- place: a partition without its parent's rules
-- page: catalog-pg-inherits
CREATE TABLE here.parted (id int, email text) PARTITION BY RANGE (id);
CREATE TABLE here.parted_1 PARTITION OF here.parted FOR VALUES FROM (0) TO (9) PARTITION BY RANGE (id);
CREATE TABLE here.parted_1_1 PARTITION OF here.parted_1 FOR VALUES FROM (0) TO (9);
INSERT INTO here.parted SELECT id, email FROM here.people;
CREATE SCHEMA here_2;
ALTER TABLE here.parted_1_1 SET SCHEMA here_2;

-- place: a child with a column of its own
-- page: catalog-pg-inherits
CREATE TABLE here.child (name text) INHERITS (here.people);
INSERT INTO here.child SELECT id + 10, email, email FROM here.people;
-- rule: child.name: name

-- place: a typed table
-- page: sql-createtable
CREATE TYPE here.row_type AS (id int, email text);
CREATE TABLE here.typed OF here.row_type;
INSERT INTO here.typed SELECT id, email FROM here.people;

-- place: a table whose rows are of another table's type
-- page: catalog-pg-type
CREATE TABLE here.twins (id int, one here.people, many here.people[]);
INSERT INTO here.twins SELECT 1, (SELECT p FROM here.people AS p LIMIT 1), ARRAY(SELECT p FROM here.people AS p);
-- rule: twins.one: null
-- rule: twins.many: null

-- place: names that look like commands
-- page: sql-syntax-lexical
CREATE TABLE here."a
\! touch here
" ("b';DROP TABLE x;--" int, "c""d" text, "e\f" text, "g%s$1" text, "h'i" text, " " text, "email" text);
INSERT INTO here."a
\! touch here
" SELECT 1, '\.', '\N', E'\t', E'\n', '', email FROM here.people;
CREATE VIEW here."v'"";
select 1;" AS SELECT 1 AS "x
y";
COMMENT ON VIEW here."v'"";
select 1;" IS E'two\nlines; \\connect postgres';

-- place: values that look like the end of a COPY
-- page: sql-copy
CREATE TABLE here.odd (id int, email text, kept text);
INSERT INTO here.odd SELECT 1, E'\\.\n' || email, E'\\.' FROM here.people UNION ALL SELECT 2, email || E'\t\\N\r\n\b\f\v\\', E'\\N\t\r\n' FROM here.people
    UNION ALL SELECT 3, '', '' UNION ALL SELECT 4, NULL, NULL UNION ALL SELECT 5, E'\\', 'ünï𝄞' UNION ALL SELECT 6, repeat(email, 100000), repeat('x', 1000000)
    FROM here.people WHERE id = 1;
-- after: SELECT count(*) = 10 AND bool_and(kept IS NOT DISTINCT FROM CASE id WHEN 1 THEN E'\\.' WHEN 2 THEN E'\\N\t\r\n' WHEN 3 THEN '' WHEN 5 THEN 'ünï𝄞' WHEN 6 THEN repeat('x', 1000000) END) FROM here.odd

-- place: a table of no columns, and one of all columns dropped
-- page: sql-createtable
CREATE TABLE here.nothing ();
INSERT INTO here.nothing DEFAULT VALUES;
CREATE TABLE here.emptied (email text);
INSERT INTO here.emptied SELECT email FROM here.people;
ALTER TABLE here.emptied DROP COLUMN email;
-- after: SELECT (SELECT count(*) FROM here.nothing) = 1 AND (SELECT count(*) FROM here.emptied) = 3

-- place: a role named like RDS's own
-- page: catalog-pg-authid
CREATE ROLE rds_here LOGIN PASSWORD 'known' CREATEDB CREATEROLE;
CREATE ROLE rds_admin_here LOGIN PASSWORD 'known';

-- place: a transaction that was prepared and holds the table
-- page: view-pg-prepared-xacts
INSERT INTO here.loot VALUES ('x');

BEGIN;
LOCK TABLE here.people IN ACCESS EXCLUSIVE MODE;
INSERT INTO here.loot SELECT email FROM here.people;
PREPARE TRANSACTION 'here_prepared';

-- place: a queue that is kept by name
-- page: ddl-basics
CREATE TABLE here.outbox_settings (id int, what text);
INSERT INTO here.outbox_settings VALUES (1, 'kept');
-- after: SELECT count(*) = 1 FROM here.outbox_settings

-- place: an enum with a label that looks like NULL and an array of them
-- page: arrays
CREATE TYPE here.mood AS ENUM ('NULL', '', '{}', 'a,b', '"', '\');
CREATE TABLE here.moods (id int, mood here.mood, moods here.mood[], texts text[], dims text[][], low int[]);
INSERT INTO here.moods VALUES (1, 'NULL', '{"NULL",NULL,"","{}","a,b","\"","\\"}', ARRAY['NULL', NULL, '', 'a"b', E'c\\d', 'e,f', '{g}'],
    ARRAY[['a', 'b'], ['c', NULL]], '[5:7]={1,2,3}'::int[]);
-- after: SELECT mood = 'NULL' AND moods::text = '{"NULL",NULL,"","{}","a,b","\"","\\"}' AND cardinality(texts) = 7 AND texts[2] IS NULL AND dims[2][1] = 'c' AND low[6] = 2 FROM here.moods
