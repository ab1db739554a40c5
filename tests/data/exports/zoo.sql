-- What an export meets: every type, empty and partitioned tables, gaps in a key, no key, and names and tables that it leaves out.
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TYPE regclass AS ENUM ('first', 'second');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);

CREATE TABLE kinds (
    id int PRIMARY KEY,
    a_bool boolean,
    a_smallint smallint,
    a_bigint bigint,
    a_real real,
    a_double double precision,
    a_numeric numeric(12, 2),
    a_money money,
    a_text text,
    a_varchar varchar(20),
    a_char char(5),
    a_bytea bytea,
    a_date date,
    a_time time,
    a_timestamp timestamp,
    a_timestamptz timestamptz,
    an_interval interval,
    a_json json,
    a_jsonb jsonb,
    a_uuid uuid,
    an_inet inet,
    a_macaddr macaddr,
    a_point point,
    a_range int4range,
    a_bit bit varying(8),
    a_tsvector tsvector,
    an_array int[],
    a_mood mood,
    a_pair pair,
    a_domain positive,
    an_lsn pg_lsn,
    an_oid oid,
    a_regclass pg_catalog.regclass,
    a_class public.regclass,
    doubled int GENERATED ALWAYS AS (id * 2) STORED
);
INSERT INTO kinds VALUES
    (1, true, -2, 9007199254740993, 1.5, 'NaN', 12.30, 4.5, E'Grüße,\nwelt', 'short', 'ab', '\xdeadbeef', '2026-02-28',
     '12:34:56.789', '2026-02-28 12:34:56', '2026-02-28 12:34:56+02', '1 day 02:03:04', '{"a": 1}', '{"b": [2]}',
     'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.0.0.1/8', '08:00:2b:01:02:03', '(1,2)', '[1,5)', B'101', 'a fat cat',
     '{1,NULL,3}', 'sad', '(7,"x, y")', 3, '16/B374D848', 42, 'pg_class', 'second'),
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE empty (id bigint PRIMARY KEY, note text);

CREATE TABLE gaps (id bigint PRIMARY KEY, note text);
INSERT INTO gaps SELECT i, 'note ' || i FROM generate_series(1, 20) i;
INSERT INTO gaps SELECT i, NULL FROM generate_series(81, 100) i;

CREATE TABLE no_key (note text);
INSERT INTO no_key SELECT repeat(md5(i::text), 8) FROM generate_series(1, 100) i;

CREATE TABLE events (at date, what text) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
INSERT INTO events SELECT date '2025-12-25' + i, 'event' FROM generate_series(1, 12) i;

CREATE TABLE "my orders, old" (id int PRIMARY KEY);
INSERT INTO "my orders, old" VALUES (1), (2);

CREATE UNLOGGED TABLE cache (id int PRIMARY KEY);
INSERT INTO cache VALUES (1);
CREATE TABLE "a/b" (id int);
CREATE TABLE odd_columns (id int, "total (net)" int);
CREATE TABLE closed (id int);
REVOKE ALL ON closed FROM CURRENT_USER;
CREATE VIEW seen AS SELECT id FROM gaps;
CREATE MATERIALIZED VIEW kept AS SELECT id FROM gaps;
CREATE SCHEMA crm;
CREATE TABLE crm.gaps (id int PRIMARY KEY);
INSERT INTO crm.gaps VALUES (7);
