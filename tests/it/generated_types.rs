//! Every type that a column can have, with a value for row `n`, and the rules that may be tried on
//! it. In a value RAW is a text with the marker in it.

/// What a rule is meant for, so that a random policy is mostly sensible and sometimes not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Text,
    Short,
    Whole,
    Number,
    Time,
    Address,
    Uuid,
    Document,
    Bytes,
    /// Nothing but `keep`, `null` and `constant` fits.
    Other,
}

pub struct Type {
    pub name: &'static str,
    pub value: &'static str,
    pub family: Family,
    /// Whether a B-tree can have it, and every row has another value.
    pub key: bool,
}

const fn of(name: &'static str, value: &'static str, family: Family, key: bool) -> Type {
    Type { name, value, family, key }
}

use Family::*;

/// PostgreSQL's own and those of the extensions that every schema here may use.
pub const TYPES: &[Type] = &[
    of("text", "RAW", Text, true),
    of("character varying(80)", "RAW", Text, true),
    of("character(60)", "RAW", Text, true),
    of("name", "RAW", Other, true),
    of("public.citext", "RAW", Text, true),
    of("text COLLATE \"C\"", "RAW", Text, true),
    of("character varying(6)", "n", Short, true),
    of("\"char\"", "chr(65 + n % 26)", Other, false),
    of("smallint", "n % 30000", Whole, true),
    of("integer", "n * 7", Whole, true),
    of("bigint", "n::bigint * 1000003", Whole, true),
    of("numeric", "n * 1.25", Number, true),
    of("numeric(12,2)", "n * 1.01", Number, true),
    of("real", "n * 0.5", Number, true),
    of("double precision", "n * 0.1", Number, true),
    of("money", "(n * 1.1)::numeric", Other, true),
    of("boolean", "n % 2 = 0", Other, false),
    of("bytea", "convert_to(RAW, 'UTF8')", Bytes, true),
    of("date", "date '1980-01-01' + n", Time, true),
    of("timestamp without time zone", "timestamp '2001-01-01' + n * interval '1 hour'", Time, true),
    of("timestamp with time zone", "timestamptz '2001-01-01 UTC' + n * interval '1 hour'", Time, true),
    of("time without time zone", "time '00:00' + n * interval '1 second'", Other, true),
    of("time with time zone", "timetz '00:00+02' + n * interval '1 second'", Other, true),
    of("interval", "n * interval '1 day 2 seconds'", Other, true),
    of("uuid", "md5(RAW)::uuid", Uuid, true),
    of("json", "json_build_object('mail', RAW, 'n', n, 'list', json_build_array(n, RAW))", Document, false),
    of(
        "jsonb",
        "jsonb_build_object('mail', RAW, 'n', n, 'list', jsonb_build_array(n, RAW))",
        Document,
        false,
    ),
    of("jsonpath", "'$.a'::jsonpath", Other, false),
    of("xml", "NULL", Other, false),
    of("inet", "'198.51.100.0'::inet + n % 250", Address, false),
    of("cidr", "('198.51.' || n % 250 || '.0/24')::cidr", Address, false),
    of("macaddr", "'08:00:2b:01:02:03'::macaddr", Other, false),
    of("macaddr8", "'08:00:2b:01:02:03:04:05'::macaddr8", Other, false),
    of("bit(8)", "n::bit(8)", Other, false),
    of("bit varying(40)", "n::bit(20)", Other, false),
    of("tsvector", "to_tsvector('simple', 'word' || n)", Other, false),
    of("tsquery", "'a & b'::tsquery", Other, false),
    of("point", "point(n, n)", Other, false),
    of("line", "'{1,2,3}'::line", Other, false),
    of("lseg", "lseg(point(n, 0), point(0, n))", Other, false),
    of("box", "box(point(n, n), point(0, 0))", Other, false),
    of("path", "'[(0,0),(1,1)]'::path", Other, false),
    of("polygon", "'((0,0),(1,1),(1,0))'::polygon", Other, false),
    of("circle", "circle(point(n, n), 1)", Other, false),
    of("int4range", "int4range(n, n + 1)", Other, true),
    of("int8range", "int8range(n, n + 1)", Other, true),
    of("numrange", "numrange(n, n + 1)", Other, true),
    of("tsrange", "tsrange(timestamp '2001-01-01' + n * interval '1 h', NULL)", Other, true),
    of("tstzrange", "tstzrange(timestamptz '2001-01-01 UTC' + n * interval '1 h', NULL)", Other, true),
    of("daterange", "daterange(date '2001-01-01' + n, NULL)", Other, true),
    of("int4multirange", "int4multirange(int4range(n, n + 1))", Other, true),
    of("int8multirange", "int8multirange(int8range(n, n + 1))", Other, true),
    of("nummultirange", "nummultirange(numrange(n, n + 1))", Other, true),
    of(
        "tsmultirange",
        "tsmultirange(tsrange(timestamp '2001-01-01' + n * interval '1 h', NULL))",
        Other,
        true,
    ),
    of("tstzmultirange", "'{}'::tstzmultirange", Other, false),
    of("datemultirange", "'{[2024-01-01,2024-02-01)}'::datemultirange", Other, false),
    of("oid", "n::oid", Other, true),
    of("xid", "n::text::xid", Other, false),
    of("xid8", "n::text::xid8", Other, true),
    of("cid", "n::text::cid", Other, false),
    of("tid", "('(' || n || ',1)')::tid", Other, true),
    of("pg_lsn", "('0/' || to_hex(n))::pg_lsn", Other, true),
    of("pg_snapshot", "'10:20:'::pg_snapshot", Other, false),
    of("txid_snapshot", "'10:20:'::txid_snapshot", Other, false),
    of("oidvector", "'1 2'::oidvector", Other, false),
    of("int2vector", "'1 2'::int2vector", Other, false),
    of("aclitem", "NULL", Other, false),
    of("refcursor", "('cursor' || n)::refcursor", Other, false),
    of("regclass", "'pg_class'::regclass", Other, false),
    of("regcollation", "'\"C\"'::regcollation", Other, false),
    of("regconfig", "'simple'::regconfig", Other, false),
    of("regdictionary", "'simple'::regdictionary", Other, false),
    of("regnamespace", "'public'::regnamespace", Other, false),
    of("regoper", "'pg_catalog.||/'::regoper", Other, false),
    of("regoperator", "'+(int4,int4)'::regoperator", Other, false),
    of("regproc", "'now'::regproc", Other, false),
    of("regprocedure", "'now()'::regprocedure", Other, false),
    of("regrole", "'postgres'::regrole", Other, false),
    of("regtype", "'int4'::regtype", Other, false),
    of("gtsvector", "NULL", Other, false),
    of("pg_node_tree", "NULL", Other, false),
    of("pg_ndistinct", "NULL", Other, false),
    of("pg_dependencies", "NULL", Other, false),
    of("pg_mcv_list", "NULL", Other, false),
    of("pg_brin_bloom_summary", "NULL", Other, false),
    of("pg_brin_minmax_multi_summary", "NULL", Other, false),
    of("public.hstore", "public.hstore('n', n::text)", Other, false),
    of("public.ltree", "('top.n' || n)::public.ltree", Other, true),
    of("public.cube", "public.cube(n)", Other, true),
    // Made by every schema of its own.
    of("here.mood", "(ARRAY['glad', 'sad', 'so so'])[1 + n % 3]::here.mood", Other, false),
    of("here.address", "RAW", Text, true),
    of("here.pair", "ROW(n, 'word')::here.pair", Other, false),
    of("here.span", "here.span(n, n + 1)", Other, true),
    of("here.many", "ARRAY[n, n + 1]", Other, false),
    of("text[]", "ARRAY[RAW, NULL, 'x' || RAW]", Text, false),
    of("character varying(80)[]", "ARRAY[RAW]", Text, false),
    of("integer[]", "ARRAY[n, NULL]", Whole, false),
    of("numeric[]", "'{}'::numeric[]", Number, false),
    of("date[]", "ARRAY[date '2001-01-01' + n]", Time, false),
    of("jsonb[]", "ARRAY[jsonb_build_object('n', n)]", Other, false),
    of("boolean[]", "ARRAY[true, false]", Other, false),
    of("uuid[]", "ARRAY[md5(RAW)::uuid]", Uuid, false),
    of("inet[]", "ARRAY['198.51.100.7'::inet]", Address, false),
    of("bytea[]", "ARRAY[convert_to(RAW, 'UTF8')]", Bytes, false),
    of("here.mood[]", "ARRAY['glad']::here.mood[]", Other, false),
    of("here.pair[]", "ARRAY[ROW(n, 'word')::here.pair]", Other, false),
    of("point[]", "ARRAY[point(n, n)]", Other, false),
];

/// What every schema begins with.
pub const MADE: &str = "
    CREATE TYPE here.mood AS ENUM ('glad', 'sad', 'so so');
    CREATE DOMAIN here.address AS text CHECK (VALUE <> '');
    CREATE TYPE here.pair AS (a int, b text);
    CREATE TYPE here.span AS RANGE (subtype = float8);
    CREATE DOMAIN here.many AS int[] CHECK (cardinality(VALUE) < 9);";

/// Types of `pg_catalog` that a column can have.
pub const CATALOGUED: &str = "
    SELECT format_type(oid, NULL) FROM pg_type
    WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') AND typcategory <> 'A'";
