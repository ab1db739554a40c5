-- Where the pages of a server still hold a value that no query shows: dropped, updated, deleted, replaced. Heap, TOAST, indexes, and the
-- catalogs, which are tables as well. Each ends attested with the marker gone. `left:` names what cannot be held: a database's owner may
-- vacuum all of it but the shared catalogs (sql-vacuum).

-- place: a dropped column of a table that is kept
-- page: catalog-pg-attribute
CREATE TABLE here.kept (id int, gone text);
INSERT INTO here.kept SELECT id, email FROM here.people;
ALTER TABLE here.kept DROP COLUMN gone;

-- place: a dropped column of a table that is masked
-- page: catalog-pg-attribute
ALTER TABLE here.people ADD gone text;
UPDATE here.people SET gone = email;
ALTER TABLE here.people DROP COLUMN gone;

-- place: the default of a column that was added without a rewrite
-- page: catalog-pg-attribute
ALTER TABLE here.people ADD contact text DEFAULT 'rawMARK.1@mail.example';
ALTER TABLE here.people ALTER contact DROP DEFAULT;
-- rule: people.contact: email

-- place: the same in a table that is kept, dropped again
-- page: catalog-pg-attribute
CREATE TABLE here.kept (id int);
INSERT INTO here.kept VALUES (1);
ALTER TABLE here.kept ADD contact text DEFAULT 'rawMARK.1@mail.example';
ALTER TABLE here.kept DROP COLUMN contact;

-- place: the missing value of a partition
-- page: catalog-pg-attribute
CREATE TABLE here.parted (id int) PARTITION BY LIST (id);
CREATE TABLE here.parted_1 PARTITION OF here.parted FOR VALUES IN (1);
INSERT INTO here.parted VALUES (1);
ALTER TABLE here.parted ADD email text DEFAULT 'rawMARK.1@mail.example';
ALTER TABLE here.parted ALTER email DROP DEFAULT;

-- place: the missing value of an array and of a domain
-- page: catalog-pg-attribute
CREATE DOMAIN here.address AS text DEFAULT 'rawMARK.1@mail.example';
ALTER TABLE here.people ADD many text[] DEFAULT '{rawMARK.1@mail.example}', ADD one here.address;
ALTER TABLE here.people ALTER many DROP DEFAULT, ALTER one DROP DEFAULT;
ALTER DOMAIN here.address DROP DEFAULT;
-- rule: people.many: email
-- rule: people.one: email

-- place: rows that were updated or deleted
-- page: storage-page-layout
CREATE TABLE here.kept (id int, what text);
INSERT INTO here.kept SELECT id, email FROM here.people;
UPDATE here.kept SET what = 'x' WHERE id = 1;
DELETE FROM here.kept WHERE id = 2;
UPDATE here.kept SET what = 'y' WHERE id = 3;

-- place: rows that a rolled back transaction left
-- page: storage-page-layout
CREATE TABLE here.kept (id int, what text);

BEGIN;
INSERT INTO here.kept SELECT id, email FROM here.people;
ROLLBACK;

-- place: a table whose rows were all deleted
-- page: storage-page-layout
CREATE TABLE here.kept (what text);
INSERT INTO here.kept SELECT email FROM here.people;
DELETE FROM here.kept;

-- place: dead TOAST
-- page: storage-toast
CREATE TABLE here.kept (id int, what text);
ALTER TABLE here.kept ALTER what SET STORAGE EXTERNAL;
INSERT INTO here.kept SELECT id, repeat(email || ' ', 500) FROM here.people;
UPDATE here.kept SET what = 'x';

-- place: TOAST of a dropped column
-- page: storage-toast
CREATE TABLE here.kept (id int, what text);
ALTER TABLE here.kept ALTER what SET STORAGE EXTERNAL;
INSERT INTO here.kept SELECT id, repeat(email || ' ', 500) FROM here.people;
ALTER TABLE here.kept DROP COLUMN what;

-- place: live TOAST that is masked
-- page: storage-toast
ALTER TABLE here.people ADD note text;
ALTER TABLE here.people ALTER note SET STORAGE EXTERNAL;
UPDATE here.people SET note = repeat(email || ' ', 500);
-- rule: people.note: free-text

-- place: dead entries of every kind of index
-- page: indexes-types
CREATE TABLE here.kept (what text, words tsvector, place inet);
CREATE INDEX ON here.kept USING btree (what);
CREATE INDEX ON here.kept USING gin (words) WITH (fastupdate = on);
CREATE INDEX ON here.kept USING brin (what);
CREATE INDEX ON here.kept USING spgist (what);
CREATE INDEX ON here.kept USING gist (words);
INSERT INTO here.kept SELECT email, to_tsvector('simple', email) FROM here.people;
UPDATE here.kept SET what = 'x', words = NULL;

-- place: live entries of every kind of index of a masked column
-- page: indexes-types
ALTER TABLE here.people ADD words tsvector GENERATED ALWAYS AS (to_tsvector('simple', email)) STORED;
CREATE INDEX ON here.people USING gin (words);
CREATE INDEX ON here.people USING spgist (email);
CREATE INDEX ON here.people USING brin (email);
CREATE INDEX ON here.people (upper(email)) INCLUDE (email);

-- place: statistics of a masked column
-- page: catalog-pg-statistic
INSERT INTO here.people SELECT n, 'rawMARK.1@mail.example' FROM generate_series(10, 100) AS n;
CREATE INDEX ON here.people (upper(email));
ANALYZE here.people;

-- place: statistics of what was replaced
-- page: catalog-pg-statistic
CREATE TABLE here.kept (what text);
INSERT INTO here.kept SELECT email FROM here.people, generate_series(1, 50);
ANALYZE here.kept;
UPDATE here.kept SET what = 'x';
ANALYZE here.kept;

-- place: statistics of a table that is empty by now
-- page: catalog-pg-statistic
CREATE TABLE here.kept (what text);
INSERT INTO here.kept SELECT email FROM here.people, generate_series(1, 50);
ANALYZE here.kept;
TRUNCATE here.kept;

-- place: statistics of an emptied partition
-- page: catalog-pg-statistic
CREATE TABLE here.parted (id int, email text) PARTITION BY LIST (id);
CREATE TABLE here.parted_1 PARTITION OF here.parted FOR VALUES IN (1);
INSERT INTO here.parted SELECT 1, email FROM here.people, generate_series(1, 50);
ANALYZE here.parted;
TRUNCATE here.parted_1;

-- place: extended statistics
-- page: catalog-pg-statistic-ext-data
INSERT INTO here.people SELECT n, 'rawMARK.1@mail.example' FROM generate_series(10, 100) AS n;
CREATE STATISTICS here.st (mcv) ON email, id FROM here.people;
CREATE STATISTICS here.ex ON (email || 'x'), id FROM here.people;
ANALYZE here.people;

-- place: a materialised view that is out of date
-- page: rules-materializedviews
CREATE TABLE here.kept (what text);
INSERT INTO here.kept SELECT email FROM here.people;
CREATE MATERIALIZED VIEW here.m AS SELECT * FROM here.kept;
UPDATE here.kept SET what = 'x';

-- place: a materialised view that was emptied
-- page: rules-materializedviews
CREATE MATERIALIZED VIEW here.m AS SELECT * FROM here.people, generate_series(1, 50);
ANALYZE here.m;
REFRESH MATERIALIZED VIEW here.m WITH NO DATA;

-- place: large objects, one of them gone
-- page: catalog-pg-largeobject
SELECT lo_from_bytea(0, convert_to('rawMARK.1@mail.example', 'UTF8'));
SELECT lo_unlink(lo_from_bytea(0, convert_to('rawMARK.2@mail.example', 'UTF8')));

-- place: a sequence
-- page: catalog-pg-sequence
CREATE SEQUENCE here.s OWNED BY here.people.id;
COMMENT ON SEQUENCE here.s IS 'rawMARK.1@mail.example';
COMMENT ON SEQUENCE here.s IS NULL;

-- place: a comment that was taken back
-- page: catalog-pg-description
COMMENT ON TABLE here.people IS 'ask rawMARK.1@mail.example';
COMMENT ON TABLE here.people IS NULL;

-- place: a function that was replaced
-- page: catalog-pg-proc
CREATE FUNCTION here.f() RETURNS text LANGUAGE sql AS $$ SELECT 'rawMARK.1@mail.example' $$;
CREATE OR REPLACE FUNCTION here.f() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;

-- place: a label of an enum that was renamed
-- page: catalog-pg-enum
CREATE TYPE here.mood AS ENUM ('rawMARK.1@mail.example', 'sad');
ALTER TYPE here.mood RENAME VALUE 'rawMARK.1@mail.example' TO 'glad';

-- place: a default, a CHECK, a policy and a view that were dropped
-- page: catalog-pg-attrdef
ALTER TABLE here.people ADD d text DEFAULT 'rawMARK.1@mail.example', ADD CHECK (email <> 'rawMARK.9@mail.example');
ALTER TABLE here.people DROP COLUMN d, DROP CONSTRAINT people_email_check;
CREATE POLICY p ON here.people USING (email = 'rawMARK.1@mail.example');
DROP POLICY p ON here.people;
CREATE VIEW here.v AS SELECT * FROM here.people WHERE email = 'rawMARK.1@mail.example';
DROP VIEW here.v;

-- place: a partition that was dropped
-- page: catalog-pg-class
CREATE TABLE here.parted (email text) PARTITION BY LIST (email);
CREATE TABLE here.parted_1 PARTITION OF here.parted FOR VALUES IN ('rawMARK.1@mail.example');
DROP TABLE here.parted_1;

-- place: a function that was dropped from the database postgres
-- page: catalog-pg-proc
-- database: postgres
CREATE FUNCTION here.f() RETURNS text LANGUAGE sql AS $$ SELECT 'rawMARK.1@mail.example' $$;
DROP FUNCTION here.f;
DROP SCHEMA here CASCADE;

-- place: a table that was dropped from template1
-- page: manage-ag-templatedbs
-- database: template1
COMMENT ON TABLE here.people IS 'rawMARK.1@mail.example';
DROP SCHEMA here CASCADE;

-- place: tables in template1
-- page: manage-ag-templatedbs
-- named: template1
-- database: template1
COMMENT ON TABLE here.people IS 'people that every new database has';

-- place: an unlogged table
-- page: sql-createtable
CREATE UNLOGGED TABLE here.fast (id int GENERATED ALWAYS AS IDENTITY, email text UNIQUE);
INSERT INTO here.fast (email) SELECT email FROM here.people;

-- place: a comment on a role that was taken back
-- page: catalog-pg-shdescription
-- left: global/2396
CREATE ROLE here_role;
COMMENT ON ROLE here_role IS 'rawMARK.1@mail.example';
COMMENT ON ROLE here_role IS NULL;

-- place: a setting of a role that was reset
-- page: catalog-pg-db-role-setting
-- left: global/2964
-- as: rdsadmin
SET SESSION AUTHORIZATION postgres;
CREATE ROLE here_role;
RESET SESSION AUTHORIZATION;
ALTER ROLE here_role SET app.owner = 'rawMARK.1@mail.example';
ALTER ROLE here_role RESET ALL;
