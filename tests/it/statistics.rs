//! The planner's statistics over an upgrade that leaves them behind, on real PostgreSQL 16 and 18.

use runbook::Run;
use sandbox::{
    orders,
    postgres::{SUPERUSER, install},
    rds::engine::{Engine, Parameters},
};
use tokio_postgres::Client;
use workers::major_upgrade::{run_analyze, statistics};

use crate::copy::Copy;

const ID: &str = "statistics";

/// Every kind of statistics; and what must not be believed.
const SHOP: &str = "
    CREATE ROLE ann;
    GRANT ann TO CURRENT_USER;
    GRANT CREATE ON SCHEMA public TO ann;
    CREATE ROLE reporting LOGIN;
    ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO reporting;
    ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reporting;
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE DOMAIN plain AS text;
    CREATE SEQUENCE ran;
    CREATE FUNCTION watches(text) RETURNS boolean LANGUAGE sql
        AS $$ SELECT nextval('public.ran') > 0 $$;
    CREATE TABLE orders (
        id int PRIMARY KEY, kind text, amount numeric, tags text[], span int4range, spans int4multirange,
        made timestamptz, length interval, price money, raw bytea, feeling mood, code plain,
        \"Odd \"\"name\" int
    );
    INSERT INTO orders SELECT i, 'Kanaria Zeisigmann ' || i % 7, i * 1.5, ARRAY['a' || i % 3, 'b', '{\"c\"}'],
        int4range(i, i + i % 9), int4multirange(int4range(i, i + 1 + i % 5)),
        timestamptz '2026-01-01' + i * interval '1 h',
        i % 100 * interval '1 month 3 s', (i % 50)::text::money, decode(md5((i % 20)::text), 'hex'),
        CASE WHEN i % 3 = 0 THEN 'sad' ELSE 'glad' END::mood, 'code ' || i % 4, i % 11
    FROM generate_series(1, 4000) i;
    CREATE INDEX upper_kind ON orders (upper(kind), (amount + 1));
    CREATE TABLE sales (id int, kind int) PARTITION BY LIST (kind);
    CREATE TABLE sales_0 PARTITION OF sales FOR VALUES IN (0);
    CREATE TABLE sales_1 PARTITION OF sales FOR VALUES IN (1);
    INSERT INTO sales SELECT i, i % 2 FROM generate_series(1, 2000) i;
    CREATE MATERIALIZED VIEW kinds AS SELECT kind, count(*) AS number FROM orders GROUP BY 1;
    CREATE TABLE of_ann AS SELECT i % 5 AS id FROM generate_series(1, 500) i;
    ALTER TABLE of_ann OWNER TO ann;
    CREATE TABLE changed AS SELECT i::text AS id, i % 3 AS kind FROM generate_series(1, 500) i;
    CREATE TABLE checked AS SELECT i AS id, ('word ' || i % 9)::text AS word FROM generate_series(1, 500) i;
    CREATE DOMAIN watched AS text;
    ALTER TABLE checked ALTER word TYPE watched, ADD words watched[];
    UPDATE checked SET words = ARRAY[word];
    CREATE STATISTICS together ON id, kind FROM changed;
    ANALYZE orders, sales, kinds, of_ann, changed, checked;
    ALTER DOMAIN watched ADD CHECK (watches(VALUE)) NOT VALID;
    REVOKE ann FROM CURRENT_USER";

/// As text, so that two majors can be compared: without what 17 has added.
const KNOWN: &str = "SELECT (to_jsonb(s) - '{range_length_histogram,range_empty_frac,\
                     range_bounds_histogram}'::text[])::text FROM pg_stats s WHERE schemaname = 'public' \
                     AND tablename NOT IN ('checked', 'changed') ORDER BY tablename, attname, inherited";
const SIZES: &str = "SELECT relname || ' ' || relpages || ' ' || reltuples FROM pg_class \
                     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm', 'p', 'i') \
                     AND relname !~ 'changed|checked' ORDER BY 1";

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// The rows that the planner expects.
async fn expects(client: &Client, query: &str) -> String {
    let plan = texts(client, &format!("EXPLAIN {query}")).await;
    plan[0].split_once("rows=").unwrap().1.split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn statistics_that_an_upgrade_lost_are_there_before_the_first_analyze_and_their_copy_is_gone() {
    let installs = install().await.expect("PostgreSQL is fetched").without_statistics();
    let copy = Copy::on(installs, ID, "16.14", &[]).await;
    let (engine, login) = (&copy.engine, &copy.trial.login);
    let cx = &copy.trial.cx;

    let before = orders::connect(login, "shop").await.unwrap();
    before.batch_execute(SHOP).await.unwrap();
    let superuser = engine.connect(ID, SUPERUSER, "shop").await.unwrap();
    let (known, sizes) = (texts(&superuser, KNOWN).await, texts(&superuser, SIZES).await);
    assert!(known.len() >= 24 && known.iter().any(|row| row.contains("Zeisigmann")), "{known:?}");
    let query = "SELECT FROM public.orders WHERE upper(kind) = 'KANARIA ZEISIGMANN 3'";
    let expected = expects(&before, query).await;

    // Twice: as after a redrive.
    for _ in 0..2 {
        let keep = statistics::keep(cx, login, "shop");
        assert_eq!(statistics::acting_for_owners(cx, login, keep).await.expect("kept"), None);
    }
    let allowed = "SELECT has_schema_privilege('reporting', nspname, 'USAGE')::text FROM pg_namespace \
                   WHERE nspname ~ '^aurora_runbooks' UNION ALL \
                   SELECT has_table_privilege('reporting', oid, 'SELECT')::text FROM pg_class \
                   WHERE relnamespace = 'aurora_runbooks_statistics'::regnamespace AND relkind = 'r'";
    assert_eq!(texts(&before, allowed).await, ["false"; 3]);
    before.batch_execute("ALTER TABLE changed ALTER id TYPE int USING id::int").await.unwrap();
    let ran: bool = before.query_one("SELECT is_called FROM ran", &[]).await.unwrap().get(0);
    assert!(!ran);
    drop((before, superuser));

    engine.upgrade(ID, "18.4", &Parameters::default()).await.expect("pg_upgrade runs").expect("upgraded");
    let superuser = engine.connect(ID, SUPERUSER, "shop").await.unwrap();
    assert_eq!(texts(&superuser, KNOWN).await, Vec::<String>::new(), "the upgrade leaves them behind");
    let after = orders::connect(login, "shop").await.unwrap();
    let back = statistics::acting_for_owners(cx, login, statistics::write_back(&after, "shop")).await;
    let back = back.expect("written back");

    assert_eq!(texts(&superuser, KNOWN).await, known);
    assert_eq!(texts(&superuser, SIZES).await, sizes);
    assert_eq!(expects(&after, query).await, expected);
    assert_eq!(
        back.left,
        [("a CHECK constraint of their domain would run", 2), ("the column has another type now", 1)].into()
    );
    let ran: bool = superuser.query_one("SELECT is_called FROM ran", &[]).await.unwrap().get(0);
    assert!(!ran, "a function of the database's own ran with the master user's rights");
    let left = "SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^aurora_runbooks'";
    assert_eq!(texts(&superuser, left).await, Vec::<String>::new());

    // Tables of which something is lacking come first, and everything is refreshed.
    let run = Run::of("arn:aws:states:eu-central-1:444455556666:execution:statistics:once");
    let target = "18.4".parse().unwrap();
    let done = run_analyze::analyze(cx, &run, login, (None, &target, Some(2))).await.expect("analysed");
    assert!(done.planned_by_before >= 6 && done.written_back.is_none(), "{done:?}");
    let stale = "SELECT relname::text FROM pg_stat_user_tables WHERE last_analyze IS NULL";
    assert_eq!(texts(&after, stale).await, Vec::<String>::new());
    engine.delete(ID).await.expect("deleted");
}

#[tokio::test]
async fn no_copy_of_statistics_is_made_where_others_would_read_it() {
    let copy = Copy::empty("not-kept", "16.14", &[("rds.logical_replication", "1")]).await;
    let (engine, login) = (&copy.engine, &copy.trial.login);
    let cx = &copy.trial.cx;
    let tables = "SELECT count(*)::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                  WHERE nspname ~ '^aurora_runbooks' AND relkind = 'r'";
    let superuser = engine.connect("not-kept", SUPERUSER, "shop").await.unwrap();
    assert_eq!(statistics::keep(cx, login, "shop").await.unwrap(), None);
    assert_eq!(texts(&superuser, tables).await, ["0"], "of nothing there is no record");
    orders::connect(login, "shop").await.unwrap().batch_execute("CREATE TABLE t (id int)").await.unwrap();
    for (plant, remove, why) in [
        ("CREATE PUBLICATION everything FOR ALL TABLES", "DROP PUBLICATION everything", "publication"),
        (
            "SELECT pg_create_logical_replication_slot('cdc', 'test_decoding')",
            "SELECT pg_drop_replication_slot('cdc')",
            "logical slot",
        ),
        (
            "CREATE SCHEMA aurora_runbooks_statistics",
            "DROP SCHEMA aurora_runbooks_statistics",
            "somebody else",
        ),
    ] {
        superuser.batch_execute(plant).await.unwrap();
        let reason = statistics::keep(cx, login, "shop").await.unwrap().expect("a reason");
        assert!(reason.contains(why), "{reason}");
        assert_eq!(texts(&superuser, tables).await, ["0"]);
        superuser.batch_execute(remove).await.unwrap();
    }
    assert_eq!(statistics::keep(cx, login, "shop").await.unwrap(), None);
    assert_eq!(texts(&superuser, tables).await, ["2"]);
    engine.delete("not-kept").await.expect("deleted");
}
