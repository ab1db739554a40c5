-- Everything that pg_dump knows of a database, in its odd forms. Nothing of it is asked to change: the dump of the definition must be equal
-- before and after, and every place ends attested.

-- place: storage, compression, statistics targets and options of columns
-- page: sql-altertable
ALTER TABLE here.people ALTER email SET STORAGE EXTERNAL, ALTER email SET STATISTICS 77, ALTER email SET (n_distinct = -0.5, n_distinct_inherited = 3);
CREATE TABLE here.kept (a text STORAGE MAIN COMPRESSION pglz, b bytea STORAGE PLAIN, c text COMPRESSION pglz COLLATE "C", gone int, d jsonb STORAGE EXTENDED);
ALTER TABLE here.kept DROP COLUMN gone;
ALTER TABLE here.kept SET (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false, parallel_workers = 2);
ALTER TABLE here.kept ADD e text DEFAULT 'x' NOT NULL;

-- place: statistics targets of indexes, a clustered index, a replica identity
-- page: sql-alterindex
CREATE INDEX people_low ON here.people (lower(email), (id + 1)) WITH (fillfactor = 60);
ALTER INDEX here.people_low ALTER COLUMN 1 SET STATISTICS 500, ALTER COLUMN 2 SET STATISTICS 30;
CREATE UNIQUE INDEX people_mail ON here.people (email DESC NULLS LAST, id) INCLUDE (id);
ALTER TABLE here.people CLUSTER ON people_pkey;
ALTER TABLE here.people REPLICA IDENTITY FULL;
CREATE TABLE here.kept (id int NOT NULL, k int);
CREATE UNIQUE INDEX kept_id ON here.kept (id);
ALTER TABLE here.kept REPLICA IDENTITY USING INDEX kept_id;
CREATE INDEX ON here.kept USING hash (k);
CREATE INDEX ON here.kept USING brin (k) WITH (pages_per_range = 4);

-- place: extended statistics with an owner and a target
-- page: sql-createstatistics
CREATE ROLE here_owner;
GRANT here_owner TO postgres;
GRANT CREATE, USAGE ON SCHEMA here TO here_owner;
CREATE TABLE here.kept (a int, b int, c text);
ALTER TABLE here.kept OWNER TO here_owner;
CREATE STATISTICS here.st (ndistinct, dependencies, mcv) ON a, b, lower(c) FROM here.kept;
ALTER STATISTICS here.st SET STATISTICS 123;
ALTER STATISTICS here.st OWNER TO here_owner;
COMMENT ON STATISTICS here.st IS 'three columns';

-- place: partitions with names, indexes and columns of their own
-- page: ddl-partitioning
CREATE TABLE here.parted (id int NOT NULL, at date, email text, n int DEFAULT 1) PARTITION BY RANGE (at);
CREATE TABLE here.parted_b PARTITION OF here.parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') WITH (fillfactor = 80);
CREATE TABLE here.parted_a (n int DEFAULT 7, email text COLLATE "C", at date, gone text, id int NOT NULL);
ALTER TABLE here.parted_a DROP COLUMN gone, ALTER email TYPE text;
ALTER TABLE here.parted ATTACH PARTITION here.parted_a FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
CREATE TABLE here.parted_c PARTITION OF here.parted DEFAULT PARTITION BY LIST (id);
CREATE TABLE here.parted_c1 PARTITION OF here.parted_c FOR VALUES IN (1, 2, NULL);
CREATE INDEX swapped_one ON here.parted_a (id);
CREATE INDEX swapped_two ON here.parted_b (id);
CREATE INDEX everywhere ON here.parted (id);
ALTER INDEX here.everywhere RENAME TO renamed;
CREATE INDEX only_here ON ONLY here.parted (n);
CREATE UNIQUE INDEX at_id ON here.parted (at, id);
INSERT INTO here.parted SELECT id, date '2023-12-30' + id, email FROM here.people;
ALTER TABLE here.parted ALTER email SET STATISTICS 5;
ALTER TABLE here.parted_b ALTER n SET DEFAULT 9;

-- place: inheritance from two parents
-- page: ddl-inherit
CREATE TABLE here.one (a int, b text DEFAULT 'one', CHECK (a > 0));
CREATE TABLE here.two (b text, c int NOT NULL);
CREATE TABLE here.both (d int, a int) INHERITS (here.one, here.two);
ALTER TABLE here.both ALTER b SET DEFAULT 'both', ADD CHECK (d < 9) NO INHERIT;
INSERT INTO here.both VALUES (1, 'x', 2, 3);
INSERT INTO here.one VALUES (2);

-- place: constraints of every kind
-- page: ddl-constraints
CREATE TABLE here.parent (a int, b int, c text UNIQUE NULLS NOT DISTINCT, PRIMARY KEY (a, b) DEFERRABLE INITIALLY DEFERRED, CONSTRAINT odd UNIQUE (b, a) INCLUDE (c));
CREATE TABLE here.child (a int, b int, c text CONSTRAINT "c is C" CHECK (c <> 'x') , d int,
    CONSTRAINT fk FOREIGN KEY (b, a) REFERENCES here.parent (b, a) MATCH FULL ON DELETE SET NULL ON UPDATE CASCADE,
    FOREIGN KEY (c) REFERENCES here.parent (c) ON DELETE SET DEFAULT DEFERRABLE,
    EXCLUDE USING btree (d WITH =) WHERE (d > 3) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO here.parent VALUES (1, 2, 'q');
INSERT INTO here.child VALUES (1, 2, 'q', 4), (1, 2, 'q', -9), (NULL, NULL, NULL, 4000);
ALTER TABLE here.child ADD CONSTRAINT later CHECK (d > 0) NOT VALID;
ALTER TABLE here.child ADD CONSTRAINT far FOREIGN KEY (d) REFERENCES here.people (id) NOT VALID;
ALTER TABLE here.child ADD CONSTRAINT part FOREIGN KEY (b, a) REFERENCES here.parent (b, a) ON DELETE SET NULL (a);
COMMENT ON CONSTRAINT later ON here.child IS 'one day';

-- place: a NOT VALID CHECK that a view stands on
-- page: ddl-constraints
ALTER TABLE here.people ADD n int;
UPDATE here.people SET n = -1;
ALTER TABLE here.people ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;
CREATE VIEW here.v AS SELECT email, n FROM here.people;
CREATE MATERIALIZED VIEW here.m AS SELECT email FROM here.people WITH NO DATA;

-- place: not null constraints with names
-- page: ddl-constraints
-- since: 18
CREATE TABLE here.kept (a int CONSTRAINT "a is there" NOT NULL, b int, c int, CONSTRAINT only_here NOT NULL b NO INHERIT);
INSERT INTO here.kept VALUES (1, 2, NULL);
ALTER TABLE here.kept ADD CONSTRAINT one_day NOT NULL c NOT VALID;
CREATE VIEW here.v AS SELECT * FROM here.kept;
CREATE TABLE here.parted (id int CONSTRAINT named NOT NULL, email text) PARTITION BY LIST (id);
CREATE TABLE here.parted_1 (id int CONSTRAINT otherwise NOT NULL, email text);
ALTER TABLE here.parted ATTACH PARTITION here.parted_1 FOR VALUES IN (1);

-- place: constraints that are not enforced, and over time
-- page: ddl-constraints
-- since: 18
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
CREATE TABLE here.rates (id int, valid daterange, rate numeric CONSTRAINT wish CHECK (rate > 0) NOT ENFORCED, PRIMARY KEY (id, valid WITHOUT OVERLAPS));
CREATE TABLE here.uses (id int, valid daterange, FOREIGN KEY (id, PERIOD valid) REFERENCES here.rates (id, PERIOD valid));
INSERT INTO here.rates VALUES (1, '[2024-01-01,2025-01-01)', -1);
INSERT INTO here.uses VALUES (1, '[2024-02-01,2024-03-01)');
ALTER TABLE here.uses ADD CONSTRAINT loose FOREIGN KEY (id) REFERENCES here.people (id) NOT ENFORCED;
CREATE TABLE here.virtual (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL, c int GENERATED ALWAYS AS (a * 3) STORED);
INSERT INTO here.virtual VALUES (4);
-- after: SELECT b = 8 AND c = 12 FROM here.virtual

-- place: sequences and identities
-- page: sql-createsequence
CREATE TABLE here.ids (a int GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT BY 3 MINVALUE 5 MAXVALUE 999 CYCLE CACHE 5), b bigint GENERATED BY DEFAULT AS IDENTITY, c serial, d smallserial);
INSERT INTO here.ids (b) VALUES (1), (2), (3);
CREATE SEQUENCE here.free AS smallint INCREMENT BY -1 MINVALUE -100 MAXVALUE 100 START 50;
SELECT nextval('here.free'), nextval('here.free');
CREATE UNLOGGED SEQUENCE here.fast;
CREATE SEQUENCE here.owned OWNED BY here.ids.b;
ALTER TABLE here.people ALTER id SET DEFAULT nextval('here.free');
ALTER SEQUENCE here.ids_c_seq RENAME TO called_otherwise;
-- after: SELECT last_value = 49 AND is_called FROM here.free
-- after: SELECT nextval('here.called_otherwise') = 4

-- place: types of every kind
-- page: sql-createtype
CREATE TYPE here.mood AS ENUM ('sad', 'glad');
ALTER TYPE here.mood ADD VALUE 'so so' BEFORE 'glad';
ALTER TYPE here.mood ADD VALUE 'worse' BEFORE 'sad';

CREATE TYPE here.pair AS (a int, b text COLLATE "C", c here.mood[]);
ALTER TYPE here.pair ADD ATTRIBUTE d date;
ALTER TYPE here.pair DROP ATTRIBUTE a;
CREATE DOMAIN here.short AS varchar(5) COLLATE "C" DEFAULT 'x' NOT NULL CONSTRAINT filled CHECK (VALUE <> '');
CREATE DOMAIN here.shorts AS here.short[] CHECK (cardinality(VALUE) < 5);
CREATE TYPE here.span AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = here.spans);
CREATE TABLE here.typed (m here.mood, p here.pair, s here.short, ss here.shorts, r here.span, rr here.spans, row here.people);
INSERT INTO here.typed VALUES ('worse', ROW('b', '{glad}', '2024-01-01'), 'a', '{b,c}', '[1,2)', '{[1,2)}', NULL);
CREATE INDEX ON here.typed (m) WHERE m > 'so so';
COMMENT ON TYPE here.mood IS 'how it goes';
ALTER TABLE here.typed ADD CHECK ((p).b <> 'z');
-- rule: typed.row: null
-- rule: typed.p: keep
-- after: SELECT (p).b = 'b' AND (p).d = '2024-01-01' AND m < 'sad' FROM here.typed

-- place: routines of every kind
-- page: sql-createfunction
CREATE FUNCTION here.f(a int, VARIADIC b text[] DEFAULT '{}') RETURNS TABLE (x int, y text) LANGUAGE sql STABLE STRICT COST 7 ROWS 11 PARALLEL SAFE
    SET work_mem = '5MB' AS $$ SELECT a, b[1] $$;
CREATE PROCEDURE here.p(INOUT a int, OUT b text) LANGUAGE plpgsql AS $$ BEGIN b := a; COMMIT; END $$;
CREATE FUNCTION here.parsed(p here.people) RETURNS text LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT (p).email; SELECT (p).email || 'x'; END;
CREATE AGGREGATE here.agg (float8) (SFUNC = float8_accum, STYPE = float8[], FINALFUNC = float8_avg, INITCOND = '{0,0,0}', COMBINEFUNC = float8_combine, PARALLEL = SAFE);

-- place: operators, casts and text search
-- page: sql-createoperator
CREATE FUNCTION here.eq(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 = $2 $$;
CREATE OPERATOR here.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = here.eq, COMMUTATOR = OPERATOR(here.===), NEGATOR = OPERATOR(here.!==), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE TYPE here.mood AS ENUM ('a');
CREATE FUNCTION here.to_int(here.mood) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 1 $$;
CREATE CAST (here.mood AS int) WITH FUNCTION here.to_int AS ASSIGNMENT;
CREATE CAST (text AS here.mood) WITH INOUT;
CREATE TEXT SEARCH DICTIONARY here.dictionary (TEMPLATE = snowball, Language = german, StopWords = german);
CREATE TEXT SEARCH CONFIGURATION here.config (COPY = german);
ALTER TEXT SEARCH CONFIGURATION here.config ALTER MAPPING FOR word WITH here.dictionary, simple;
CREATE COLLATION here.sort (provider = libc, lc_collate = 'C', lc_ctype = 'C');
CREATE CONVERSION here.conversion FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
ALTER TABLE here.people ADD words tsvector GENERATED ALWAYS AS (to_tsvector('simple', email)) STORED;

-- place: views of every kind
-- page: sql-createview
CREATE VIEW here.v WITH (security_barrier = true, check_option = local, security_invoker = true) AS SELECT * FROM here.people WHERE id > 0;
CREATE RECURSIVE VIEW here.r (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 5;
CREATE VIEW here.first AS SELECT 1 AS x, NULL::text AS y;
CREATE VIEW here.second AS SELECT * FROM here.first;
CREATE OR REPLACE VIEW here.first AS SELECT x, y FROM (VALUES (1, 'a')) AS t (x, y) WHERE NOT EXISTS (SELECT FROM here.loot);
ALTER VIEW here.v ALTER email SET DEFAULT 'd@x';
CREATE MATERIALIZED VIEW here.m WITH (fillfactor = 50) AS SELECT id, email FROM here.people;
CREATE UNIQUE INDEX ON here.m (id);
CREATE MATERIALIZED VIEW here.empty AS SELECT id FROM here.m WITH NO DATA;
CREATE RULE a AS ON INSERT TO here.second DO INSTEAD (INSERT INTO here.loot VALUES (NEW.y); DELETE FROM here.loot WHERE what = NEW.y);
CREATE RULE b AS ON UPDATE TO here.loot DO ALSO NOTIFY changed;
ALTER TABLE here.loot DISABLE RULE b;
CREATE VIEW here.with_group AS SELECT id, email, count(*) FROM here.people GROUP BY id;

-- place: triggers in every state
-- page: sql-createtrigger
CREATE TRIGGER a BEFORE UPDATE OF email ON here.people FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE TRIGGER b AFTER DELETE ON here.people REFERENCING OLD TABLE AS gone EXECUTE FUNCTION here.on_row('x', 'y');
CREATE CONSTRAINT TRIGGER c AFTER INSERT ON here.people DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION here.on_row();
ALTER TABLE here.people DISABLE TRIGGER a, ENABLE ALWAYS TRIGGER b, ENABLE REPLICA TRIGGER c;
CREATE TRIGGER d BEFORE TRUNCATE ON here.loot EXECUTE FUNCTION here.on_row();
CREATE TABLE here.child (id int REFERENCES here.people);
ALTER TABLE here.people DISABLE TRIGGER USER;

-- place: row security
-- page: sql-createpolicy
CREATE ROLE here_reader;
ALTER TABLE here.people ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY a ON here.people AS RESTRICTIVE FOR UPDATE TO here_reader, CURRENT_USER USING (id > 1) WITH CHECK (id > 2);
CREATE POLICY b ON here.people USING (false);
ALTER TABLE here.loot FORCE ROW LEVEL SECURITY;

-- place: rights
-- page: ddl-priv
CREATE ROLE here_reader;
CREATE ROLE here_writer;
GRANT USAGE ON SCHEMA here TO here_reader, here_writer WITH GRANT OPTION;
GRANT SELECT (id), UPDATE (email) ON here.people TO here_reader WITH GRANT OPTION;
GRANT SELECT, INSERT, TRIGGER ON here.people TO here_writer;
CREATE FUNCTION here.closed() RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION here.closed() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION here.closed() TO here_reader;
CREATE TYPE here.mood AS ENUM ('a');
REVOKE USAGE ON TYPE here.mood FROM PUBLIC;
CREATE SEQUENCE here.s;
GRANT USAGE, SELECT ON SEQUENCE here.s TO here_writer;
REVOKE SELECT ON here.loot FROM CURRENT_USER;
CREATE TABLE here.of_writer (id int);
GRANT CREATE ON SCHEMA here TO here_writer;
GRANT here_writer TO postgres;
ALTER TABLE here.of_writer OWNER TO here_writer;
REVOKE CREATE ON SCHEMA here FROM here_writer;

-- place: a function in a CHECK that needs the database's search path
-- page: ddl-schemas
CREATE SCHEMA here_lib;
CREATE FUNCTION here_lib.helper(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 LIKE '%@%' $$;
CREATE FUNCTION here_lib.valid(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN helper($1); END $$;
ALTER DATABASE shop SET search_path = public, here_lib;
SET search_path = public, here_lib;
ALTER TABLE here.people ADD CONSTRAINT valid CHECK (here_lib.valid(email));
CREATE DOMAIN here.address AS text CHECK (here_lib.valid(VALUE));
CREATE TABLE here.typed (email here.address);
INSERT INTO here.typed SELECT email FROM here.people;
-- cut: SET search_path TO 'public', 'p

-- place: an index and a materialised view that need the database's search path
-- page: ddl-schemas
-- until: 16
CREATE SCHEMA here_lib;
CREATE FUNCTION here_lib.helper(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 LIKE '%@%' $$;
CREATE FUNCTION here_lib.valid(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN helper($1); END $$;
ALTER DATABASE shop SET search_path = public, here_lib;
SET search_path = public, here_lib;
CREATE MATERIALIZED VIEW here.m AS SELECT email, here_lib.valid(email) FROM here.people;
CREATE INDEX ON here.people (here_lib.valid(email));
-- cut: SET search_path TO 'public', 'p

-- place: properties of the database
-- page: sql-alterdatabase
ALTER DATABASE shop CONNECTION LIMIT 77;
COMMENT ON DATABASE shop IS 'the shop';
CREATE ROLE here_reader;
GRANT CREATE, TEMPORARY ON DATABASE shop TO here_reader;
REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC;

-- place: an extension's operator class
-- page: sql-createextension
CREATE TABLE here.unpopulated (email text, n int);
ANALYZE here.unpopulated;
CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA here;
CREATE INDEX ON here.people USING gin (email here.gin_trgm_ops);

-- place: a table under a masked parent that keeps what its parent does not
-- page: ddl-constraints
CREATE TABLE here.codes (code text PRIMARY KEY);
INSERT INTO here.codes SELECT email FROM here.people;
CREATE TABLE here.uses (code text REFERENCES here.codes);
INSERT INTO here.uses SELECT email FROM here.people;
-- rule: codes.code: email
-- rule: uses.code: email
