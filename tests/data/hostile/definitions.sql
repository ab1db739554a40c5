-- A value of a masked column that stands in a definition. Every text of the catalogs that a person can write: constants in expressions,
-- bodies, labels, bounds, comments, options. Each ends refused with the object named, or without the marker.
-- Not here: the rules of a collation (pg_collation), for the tests' servers are built without ICU; files of dictionaries (pg_ts_dict) and
-- security labels, which need what only the server's host can give; labels that a masked column of
-- the enum itself holds, for they are its type.

-- place: a default
-- page: catalog-pg-attrdef
ALTER TABLE here.people ALTER email SET DEFAULT 'rawMARK.1@mail.example';

-- place: the default of a kept table
-- page: catalog-pg-attrdef
ALTER TABLE here.loot ALTER what SET DEFAULT 'rawMARK.1@mail.example';

-- place: a generated column
-- page: catalog-pg-attrdef
ALTER TABLE here.people ADD first boolean GENERATED ALWAYS AS (email = 'rawMARK.1@mail.example') STORED;

-- place: a virtual generated column
-- page: catalog-pg-attrdef
-- since: 18
ALTER TABLE here.people ADD first boolean GENERATED ALWAYS AS (email = 'rawMARK.1@mail.example') VIRTUAL;

-- place: the default of a domain
-- page: catalog-pg-type
CREATE DOMAIN here.address AS text DEFAULT 'rawMARK.1@mail.example';

-- place: the CHECK of a domain
-- page: catalog-pg-constraint
CREATE DOMAIN here.address AS text CHECK (VALUE <> 'rawMARK.1@mail.example');

-- place: a CHECK
-- page: catalog-pg-constraint
ALTER TABLE here.people ADD CHECK (email <> 'rawMARK.1@mail.example' OR id = 1);

-- place: a list in a CHECK
-- page: catalog-pg-constraint
ALTER TABLE here.loot ADD CHECK (what IN ('x', 'rawMARK.1@mail.example', 'rawMARK.2@mail.example'));

-- place: the predicate of an exclusion constraint
-- page: catalog-pg-constraint
ALTER TABLE here.people ADD EXCLUDE USING btree (id WITH =) WHERE (email = 'rawMARK.1@mail.example');

-- place: the expression of an index
-- page: catalog-pg-index
CREATE INDEX ON here.people (replace(email, 'rawMARK.1@mail.example', ''));

-- place: the predicate of an index
-- page: catalog-pg-index
CREATE INDEX ON here.people (id) WHERE email <> 'rawMARK.1@mail.example';

-- place: statistics over an expression
-- page: catalog-pg-statistic-ext
CREATE STATISTICS here.st ON (email = 'rawMARK.1@mail.example'), id FROM here.people;

-- place: a view
-- page: catalog-pg-rewrite
CREATE VIEW here.v AS SELECT * FROM here.people WHERE email <> 'rawMARK.1@mail.example';

-- place: the default of a view
-- page: catalog-pg-attrdef
CREATE VIEW here.v AS SELECT * FROM here.people;
ALTER VIEW here.v ALTER email SET DEFAULT 'rawMARK.1@mail.example';

-- place: a view of nothing but values
-- page: catalog-pg-rewrite
CREATE VIEW here.v AS VALUES ('rawMARK.1@mail.example', 'x');

-- place: a recursive view
-- page: catalog-pg-rewrite
CREATE RECURSIVE VIEW here.v (email) AS VALUES ('rawMARK.1@mail.example') UNION ALL SELECT email FROM v WHERE false;

-- place: the definition of a materialised view
-- page: catalog-pg-rewrite
CREATE MATERIALIZED VIEW here.m AS SELECT 'rawMARK.1@mail.example' AS email WITH NO DATA;

-- place: a rule
-- page: catalog-pg-rewrite
CREATE RULE r AS ON DELETE TO here.people WHERE OLD.email = 'rawMARK.1@mail.example' DO INSTEAD NOTHING;

-- place: a policy
-- page: catalog-pg-policy
CREATE POLICY p ON here.people USING (email <> 'rawMARK.1@mail.example') WITH CHECK (email <> 'rawMARK.2@mail.example');

-- place: the condition of a trigger
-- page: catalog-pg-trigger
CREATE TRIGGER t BEFORE UPDATE ON here.people FOR EACH ROW WHEN (NEW.email = 'rawMARK.1@mail.example') EXECUTE FUNCTION suppress_redundant_updates_trigger();

-- place: the arguments of a trigger
-- page: catalog-pg-trigger
CREATE TRIGGER t BEFORE UPDATE ON here.people FOR EACH ROW EXECUTE FUNCTION here.on_row('rawMARK.1@mail.example', 'x');

-- place: the body of a function
-- page: catalog-pg-proc
CREATE FUNCTION here.f() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'rawMARK.1@mail.example'; END $$;

-- place: the parsed body of a function
-- page: catalog-pg-proc
CREATE FUNCTION here.f() RETURNS text LANGUAGE sql RETURN 'rawMARK.1@mail.example'::text;

-- place: the default of a parameter
-- page: catalog-pg-proc
CREATE FUNCTION here.f(a text DEFAULT 'rawMARK.1@mail.example') RETURNS text LANGUAGE sql AS $$ SELECT $1 $$;

-- place: the setting of a function
-- page: catalog-pg-proc
-- as: rdsadmin
CREATE FUNCTION here.f() RETURNS text LANGUAGE sql SET app.owner = 'rawMARK.1@mail.example' AS $$ SELECT '' $$;
ALTER FUNCTION here.f OWNER TO postgres;

-- place: the body of a procedure
-- page: catalog-pg-proc
CREATE PROCEDURE here.f() LANGUAGE sql AS $$ DELETE FROM here.people WHERE email = 'rawMARK.1@mail.example' $$;

-- place: the first state of an aggregate
-- page: catalog-pg-aggregate
CREATE AGGREGATE here.a (text) (SFUNC = textcat, STYPE = text, INITCOND = 'rawMARK.1@mail.example');

-- place: the first state of a moving aggregate
-- page: catalog-pg-aggregate
CREATE FUNCTION here.less(text, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1 $$;
CREATE AGGREGATE here.a (text) (SFUNC = textcat, STYPE = text, MSFUNC = textcat, MINVFUNC = here.less, MSTYPE = text,
    MINITCOND = 'rawMARK.1@mail.example');

-- place: a label of an enum
-- page: catalog-pg-enum
CREATE TYPE here.mood AS ENUM ('glad', 'rawMARK.1@mail.example');

-- place: the bound of a list partition
-- page: catalog-pg-class
CREATE TABLE here.parted (email text) PARTITION BY LIST (email);
CREATE TABLE here.parted_1 PARTITION OF here.parted FOR VALUES IN ('rawMARK.1@mail.example');
CREATE TABLE here.parted_rest PARTITION OF here.parted DEFAULT;

-- place: the bound of a range partition
-- page: catalog-pg-class
CREATE TABLE here.parted (what text) PARTITION BY RANGE (what);
CREATE TABLE here.parted_1 PARTITION OF here.parted FOR VALUES FROM (MINVALUE) TO ('rawMARK.1@mail.example');

-- place: the expression of a partitioned table's key
-- page: catalog-pg-partitioned-table
CREATE TABLE here.parted (what text) PARTITION BY LIST ((what = 'rawMARK.1@mail.example'));

-- place: the row filter of a publication
-- page: catalog-pg-publication-rel
CREATE PUBLICATION here_offer FOR TABLE here.people WHERE (email <> 'rawMARK.1@mail.example');

-- place: the option of a foreign table's column
-- page: catalog-pg-attribute
-- as: rdsadmin
SET SESSION AUTHORIZATION postgres;
CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA public;
RESET SESSION AUTHORIZATION;
CREATE SERVER here_server FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'rawMARK.1.mail.example');
CREATE FOREIGN TABLE here.far (x text OPTIONS (column_name 'rawMARK.1@mail.example')) SERVER here_server OPTIONS (table_name 'rawMARK.1@mail.example');
CREATE USER MAPPING FOR CURRENT_USER SERVER here_server OPTIONS (user 'rawMARK.1@mail.example', password 'rawMARK.1@mail.example');
ALTER SERVER here_server OWNER TO postgres;
ALTER FOREIGN TABLE here.far OWNER TO postgres;

-- place: comments on everything that takes one
-- page: catalog-pg-description
COMMENT ON SCHEMA here IS 'rawMARK.1@mail.example';
COMMENT ON TABLE here.people IS 'ask rawMARK.1@mail.example';
COMMENT ON COLUMN here.people.email IS 'such as rawMARK.1@mail.example, or "rawMARK.2@mail.example"';
COMMENT ON CONSTRAINT people_pkey ON here.people IS 'rawMARK.1@mail.example';
COMMENT ON INDEX here.people_pkey IS 'rawMARK.1@mail.example';
COMMENT ON FUNCTION here.steal() IS 'rawMARK.1@mail.example';
CREATE TYPE here.mood AS ENUM ('glad');
COMMENT ON TYPE here.mood IS 'rawMARK.1@mail.example';
CREATE DOMAIN here.address AS text CONSTRAINT filled CHECK (VALUE <> '');
COMMENT ON DOMAIN here.address IS 'rawMARK.1@mail.example';
COMMENT ON CONSTRAINT filled ON DOMAIN here.address IS 'rawMARK.1@mail.example';
CREATE VIEW here.v AS SELECT id FROM here.people;
COMMENT ON VIEW here.v IS 'rawMARK.1@mail.example';
COMMENT ON COLUMN here.v.id IS 'rawMARK.1@mail.example';
CREATE MATERIALIZED VIEW here.m AS SELECT id FROM here.people;
COMMENT ON MATERIALIZED VIEW here.m IS 'rawMARK.1@mail.example';
CREATE SEQUENCE here.s;
COMMENT ON SEQUENCE here.s IS 'rawMARK.1@mail.example';
CREATE RULE r AS ON DELETE TO here.v DO INSTEAD NOTHING;
COMMENT ON RULE r ON here.v IS 'rawMARK.1@mail.example';
CREATE TRIGGER t BEFORE DELETE ON here.loot EXECUTE FUNCTION here.on_row();
COMMENT ON TRIGGER t ON here.loot IS 'rawMARK.1@mail.example';
CREATE POLICY p ON here.loot USING (true);
COMMENT ON POLICY p ON here.loot IS 'rawMARK.1@mail.example';
CREATE STATISTICS here.st ON id, email FROM here.people;
COMMENT ON STATISTICS here.st IS 'rawMARK.1@mail.example';
CREATE AGGREGATE here.a (text) (SFUNC = textcat, STYPE = text);
COMMENT ON AGGREGATE here.a (text) IS 'rawMARK.1@mail.example';
CREATE OPERATOR here.@@@ (LEFTARG = text, RIGHTARG = text, FUNCTION = textcat);
COMMENT ON OPERATOR here.@@@ (text, text) IS 'rawMARK.1@mail.example';
CREATE COLLATION here.c FROM "C";
COMMENT ON COLLATION here.c IS 'rawMARK.1@mail.example';
CREATE TEXT SEARCH CONFIGURATION here.config (COPY = simple);
COMMENT ON TEXT SEARCH CONFIGURATION here.config IS 'rawMARK.1@mail.example';
CREATE TEXT SEARCH DICTIONARY here.dictionary (TEMPLATE = simple);
COMMENT ON TEXT SEARCH DICTIONARY here.dictionary IS 'rawMARK.1@mail.example';
CREATE FUNCTION here.to_int(here.mood) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE CAST (here.mood AS int) WITH FUNCTION here.to_int(here.mood);
COMMENT ON CAST (here.mood AS int) IS 'rawMARK.1@mail.example';
CREATE CONVERSION here.conversion FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION here.conversion IS 'rawMARK.1@mail.example';
CREATE PROCEDURE here.p() LANGUAGE sql AS '';
COMMENT ON PROCEDURE here.p() IS 'rawMARK.1@mail.example';
CREATE PUBLICATION here_comment;
COMMENT ON PUBLICATION here_comment IS 'rawMARK.1@mail.example';

-- place: a comment on a large object
-- page: catalog-pg-description
SELECT lo_create(4242);
COMMENT ON LARGE OBJECT 4242 IS 'rawMARK.1@mail.example';

-- place: a comment on an extension
-- page: catalog-pg-description
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
COMMENT ON EXTENSION citext IS 'rawMARK.1@mail.example';

-- place: a comment on a role and on the database
-- page: catalog-pg-shdescription
-- left: global/2396
CREATE ROLE here_role;
COMMENT ON ROLE here_role IS 'rawMARK.1@mail.example';
COMMENT ON DATABASE shop IS 'rawMARK.1@mail.example';

-- place: a setting of the database
-- page: catalog-pg-db-role-setting
-- left: global/2964
-- as: rdsadmin
-- named: role-setting shop
ALTER DATABASE shop SET app.owner = 'rawMARK.1@mail.example';
-- undo: ALTER DATABASE shop RESET ALL

-- place: a setting of a role in the database
-- page: catalog-pg-db-role-setting
-- left: global/2964
-- as: rdsadmin
SET SESSION AUTHORIZATION postgres;
CREATE ROLE here_role;
RESET SESSION AUTHORIZATION;
ALTER ROLE here_role IN DATABASE shop SET app.owner = 'rawMARK.1@mail.example';
-- undo: ALTER ROLE here_role IN DATABASE shop RESET ALL

-- place: a setting of a role
-- page: catalog-pg-db-role-setting
-- left: global/2964
-- as: rdsadmin
SET SESSION AUTHORIZATION postgres;
CREATE ROLE here_role;
RESET SESSION AUTHORIZATION;
ALTER ROLE here_role SET app.owner = 'rawMARK.1@mail.example';
-- undo: ALTER ROLE here_role RESET ALL

-- place: names
-- page: catalog-pg-class
CREATE TABLE here."rawMARK.1@mail.example" ("rawMARK.2@mail.example" int, CONSTRAINT "rawMARK.3@mail.example" PRIMARY KEY ("rawMARK.2@mail.example"));

-- place: a comment on the schema that every database has
-- page: sql-comment
COMMENT ON SCHEMA public IS 'Ask rawMARK.1@mail.example.';
-- undo: COMMENT ON SCHEMA public IS 'standard public schema'

-- place: a body that a function of the same name as PostgreSQL's hides
-- page: typeconv-func
-- database: hidden
CREATE FUNCTION public.concat_ws(text, text, text, text, text) RETURNS text LANGUAGE sql AS $$ SELECT '' $$;
CREATE FUNCTION here.whom() RETURNS text LANGUAGE sql AS $$ SELECT 'mailto:rawMARK.1@mail.example' $$;

-- place: the name of a type
-- page: catalog-pg-type
CREATE TYPE here."rawMARK.1@mail.example" AS ENUM ('a');

-- place: the name of a policy
-- page: catalog-pg-policy
CREATE POLICY "rawMARK.1@mail.example" ON here.people USING (true);

-- place: the name of a function
-- page: catalog-pg-proc
CREATE FUNCTION here."rawMARK.1@mail.example"() RETURNS int LANGUAGE sql AS 'SELECT 1';
