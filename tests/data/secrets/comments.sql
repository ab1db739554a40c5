-- Everything that COMMENT knows (PostgreSQL, "COMMENT") and whose comment a master user may change, each with a token in its comment. What is
-- dropped before (publications, subscriptions, foreign servers and tables, event triggers) is in the plants of live wires. A blank line
-- parts statements; superuser's are the first lines, for operator classes only a superuser may make.
CREATE SCHEMA s;
CREATE FUNCTION s.compare(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT btint4cmp($1, $2)';
CREATE OPERATOR FAMILY s.family USING btree;
CREATE OPERATOR CLASS s.class FOR TYPE integer USING btree FAMILY s.family AS OPERATOR 1 <, FUNCTION 1 s.compare(integer, integer);
ALTER OPERATOR FAMILY s.family USING btree OWNER TO postgres;
ALTER OPERATOR CLASS s.class USING btree OWNER TO postgres;
ALTER FUNCTION s.compare(integer, integer) OWNER TO postgres;
ALTER SCHEMA s OWNER TO postgres

CREATE TABLE s."Odd ""Table" (id integer PRIMARY KEY, v text, CONSTRAINT "odd on check" CHECK (v <> ''));
CREATE INDEX some_index ON s."Odd ""Table" (v);
CREATE STATISTICS s.some_statistics ON id, v FROM s."Odd ""Table";
CREATE RULE some_rule AS ON UPDATE TO s."Odd ""Table" WHERE false DO INSTEAD NOTHING;
CREATE FUNCTION s.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER some_trigger BEFORE INSERT ON s."Odd ""Table" FOR EACH ROW EXECUTE FUNCTION s.fire();
CREATE POLICY some_policy ON s."Odd ""Table" USING (true);
CREATE VIEW s.some_view AS SELECT id FROM s."Odd ""Table";
CREATE MATERIALIZED VIEW s.some_matview AS SELECT id FROM s."Odd ""Table";
CREATE TABLE s.parted (id integer) PARTITION BY RANGE (id);
CREATE TABLE s.part PARTITION OF s.parted FOR VALUES FROM (0) TO (10);
CREATE SEQUENCE s.some_sequence;
CREATE TYPE s.composite AS (a integer, b text);
CREATE TYPE s.mood AS ENUM ('good', 'bad');
CREATE TYPE s.span AS RANGE (subtype = integer);
CREATE DOMAIN s.some_domain AS text CONSTRAINT some_check CHECK (VALUE <> '');
CREATE PROCEDURE s.some_procedure(x integer) LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE s.some_sum(integer) (SFUNC = int4pl, STYPE = integer);
CREATE OPERATOR s.=== (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq);
CREATE OPERATOR s.!!! (RIGHTARG = integer, FUNCTION = int4abs);
CREATE CAST (s.mood AS integer) WITH INOUT;
CREATE COLLATION s.some_collation FROM "C";
CREATE CONVERSION s.some_conversion FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
CREATE EXTENSION pg_trgm;
CREATE ROLE commented NOLOGIN;
CREATE TEXT SEARCH DICTIONARY s.some_dictionary (TEMPLATE = simple);
CREATE TEXT SEARCH CONFIGURATION s.some_configuration (COPY = simple);
SELECT lo_create(4711)

SCHEMA s
TABLE s."Odd ""Table"
COLUMN s."Odd ""Table".v
CONSTRAINT "odd on check" ON s."Odd ""Table"
INDEX s.some_index
STATISTICS s.some_statistics
RULE some_rule ON s."Odd ""Table"
FUNCTION s.fire()
TRIGGER some_trigger ON s."Odd ""Table"
POLICY some_policy ON s."Odd ""Table"
VIEW s.some_view
COLUMN s.some_view.id
MATERIALIZED VIEW s.some_matview
COLUMN s.some_matview.id
TABLE s.parted
TABLE s.part
SEQUENCE s.some_sequence
TYPE s.composite
COLUMN s.composite.a
TYPE s.mood
TYPE s.span
DOMAIN s.some_domain
CONSTRAINT some_check ON DOMAIN s.some_domain
PROCEDURE s.some_procedure(integer)
AGGREGATE s.some_sum(integer)
OPERATOR s.=== (integer, integer)
OPERATOR s.!!! (NONE, integer)
OPERATOR FAMILY s.family USING btree
OPERATOR CLASS s.class USING btree
CAST (s.mood AS integer)
COLLATION s.some_collation
CONVERSION s.some_conversion
EXTENSION pg_trgm
ROLE commented
DATABASE shop
TEXT SEARCH DICTIONARY s.some_dictionary
TEXT SEARCH CONFIGURATION s.some_configuration
LARGE OBJECT 4711
