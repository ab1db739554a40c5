-- A token in every place of the catalog where an expression or a word of people's own stands: PostgreSQL, "System Catalogs", the columns of
-- type pg_node_tree and those texts that a statement fills. A blank line parts statements: first those of all versions, then of 18 alone.
CREATE SCHEMA d;
-- pg_attrdef.adbin, of a table, of a partition and of a view
CREATE TABLE d.t (id integer PRIMARY KEY, a text DEFAULT 'token=8f14e45fceea', b text);
CREATE TABLE d.parted (id integer, a text) PARTITION BY LIST (id);
CREATE TABLE d.part PARTITION OF d.parted FOR VALUES IN (1);
ALTER TABLE d.part ALTER COLUMN a SET DEFAULT 'token=8f14e45fceea';
CREATE VIEW d.v AS SELECT id, a FROM d.t;
ALTER VIEW d.v ALTER COLUMN a SET DEFAULT 'token=8f14e45fceea';
-- pg_type.typdefaultbin, pg_constraint.conbin
CREATE DOMAIN d.defaulted AS text DEFAULT 'token=8f14e45fceea';
CREATE DOMAIN d.checked AS text CONSTRAINT of_domain CHECK (VALUE <> 'token=8f14e45fceea');
ALTER TABLE d.t ADD CONSTRAINT of_table CHECK (b <> 'token=8f14e45fceea');
CREATE TABLE d.parent (id integer, CONSTRAINT inherited CHECK ('token=8f14e45fceea' <> ''));
CREATE TABLE d.child () INHERITS (d.parent);
CREATE TABLE d.x (id integer, CONSTRAINT excluding EXCLUDE USING btree (id WITH =) WHERE ('token=8f14e45fceea' <> ''));
-- pg_index.indexprs and indpred, pg_statistic_ext.stxexprs
CREATE INDEX of_expression ON d.t ((b || 'token=8f14e45fceea'));
CREATE INDEX of_predicate ON d.t (id) WHERE b <> 'token=8f14e45fceea';
CREATE INDEX of_partitions ON d.parted ((a || 'token=8f14e45fceea'));
CREATE STATISTICS d.of_expression ON (b || 'token=8f14e45fceea'), id FROM d.t;
-- pg_rewrite.ev_action and ev_qual, of rules and views
CREATE RULE of_table AS ON UPDATE TO d.t WHERE new.b = 'token=8f14e45fceea' DO INSTEAD NOTHING;
CREATE VIEW d.told AS SELECT 'token=8f14e45fceea'::text AS a;
CREATE MATERIALIZED VIEW d.stored AS SELECT 'token=8f14e45fceea'::text AS a;
-- pg_policy.polqual and polwithcheck
CREATE POLICY of_reading ON d.t USING (b = 'token=8f14e45fceea');
CREATE POLICY of_writing ON d.t FOR INSERT WITH CHECK (b = 'token=8f14e45fceea');
-- pg_proc.prosrc, prosqlbody, proargdefaults and proconfig
CREATE FUNCTION d.body() RETURNS text LANGUAGE sql AS $$ SELECT 'token=8f14e45fceea' $$;
CREATE FUNCTION d.atomic() RETURNS text BEGIN ATOMIC SELECT 'token=8f14e45fceea'::text; END;
CREATE FUNCTION d.argument(a text DEFAULT 'token=8f14e45fceea') RETURNS text LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION d.configured() RETURNS text LANGUAGE sql SET application_name = 'token=8f14e45fceea' AS 'SELECT 1::text';
CREATE PROCEDURE d.procedure() LANGUAGE plpgsql AS $$ BEGIN PERFORM 'token=8f14e45fceea'; END $$;
-- pg_trigger.tgargs and tgqual
CREATE FUNCTION d.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER with_argument BEFORE INSERT ON d.t FOR EACH ROW EXECUTE FUNCTION d.fire('token=8f14e45fceea');
CREATE TRIGGER with_condition BEFORE UPDATE ON d.t FOR EACH ROW WHEN (new.b = 'token=8f14e45fceea') EXECUTE FUNCTION d.fire();
-- pg_aggregate.agginitval, pg_enum.enumlabel
CREATE AGGREGATE d.joined(text) (SFUNC = textcat, STYPE = text, INITCOND = 'token=8f14e45fceea');
CREATE TYPE d.mood AS ENUM ('good', 'token=8f14e45fceea')

CREATE TABLE d.generated (id integer, a text GENERATED ALWAYS AS ('token=8f14e45fceea') STORED);
CREATE TABLE d.virtual (id integer, a text GENERATED ALWAYS AS ('token=8f14e45fceea') VIRTUAL)
