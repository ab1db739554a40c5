//! The engine against real servers.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use runbook::clock::Clock;
use tokio_postgres::NoTls;

use sandbox::{
    postgres::{PostgresEngine, install},
    rds::engine::{Engine, NewCluster, Parameters},
    worlds::{
        findings::{Planted, apply, findings},
        shop::{SHOP_DATABASES, load_shop},
    },
};

const PASSWORD: &str = "it's a secret";

fn parameters(list: &[(&str, &str)]) -> Parameters {
    list.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// Ports that no other test of this process uses.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    21000 + (std::process::id() % 500) as u16 * 20 + NEXT.fetch_add(1, Ordering::Relaxed)
}

async fn engine() -> Arc<PostgresEngine> {
    PostgresEngine::new(install().await.unwrap(), Clock::System).unwrap()
}

async fn create(engine: &PostgresEngine, id: &str, version: &str, list: &[(&str, &str)]) -> u16 {
    let port = port();
    let new = NewCluster {
        resource_id: id,
        engine_version: version,
        master_username: "postgres",
        master_password: PASSWORD,
        database_name: Some("shop"),
        port,
        parameters: &parameters(list),
    };
    engine.create(new).await.unwrap();
    port
}

fn login(port: u16) -> String {
    format!("host=127.0.0.1 port={port} user=postgres password='it\\'s a secret'")
}

/// The number of rows of every table of the shop.
async fn counts(engine: &PostgresEngine, id: &str) -> Vec<(String, i64)> {
    let mut counts = Vec::new();
    for database in SHOP_DATABASES {
        let session = engine.connect(id, "rdsadmin", database).await.unwrap();
        let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN \
        ('pg_catalog', 'information_schema') ORDER BY 1";
        for row in session.query(tables, &[]).await.unwrap() {
            let table: String = row.get(0);
            let rows = session.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0);
            counts.push((format!("{database}.{table}"), rows));
        }
    }
    counts
}

#[tokio::test]
async fn the_master_logs_in_over_tcp_and_is_no_superuser() {
    let engine = engine().await;
    let port = create(
        &engine,
        "cluster-login",
        "16.8",
        &[("shared_preload_libraries", "pg_stat_statements,aurora_stat_utils")],
    )
    .await;
    let (master, connection) = tokio_postgres::connect(&(login(port) + " dbname=shop"), NoTls).await.unwrap();
    tokio::spawn(connection);
    assert!(
        !master
            .query_one("SELECT rolsuper FROM pg_roles WHERE rolname = 'postgres'", &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
    master
        .batch_execute("CREATE EXTENSION pg_stat_statements; SELECT * FROM pg_stat_statements; CHECKPOINT")
        .await
        .unwrap();
    master.batch_execute("SET session_replication_role = replica").await.unwrap();
    assert!(engine.connect("cluster-login", "postgres", "rdsadmin").await.is_err());
    engine.set_master_password("cluster-login", "postgres", "another").await.unwrap();
    assert!(tokio_postgres::connect(&login(port), NoTls).await.is_err());
}

#[tokio::test]
async fn parameters_wait_for_a_restart_or_are_refused_by_name() {
    let engine = engine().await;
    let id = "cluster-parameters";
    create(&engine, id, "16.8", &[]).await;
    let show = async |name: &str| {
        engine
            .connect(id, "rdsadmin", "postgres")
            .await
            .unwrap()
            .query_one(&format!("SHOW {name}"), &[])
            .await
            .unwrap()
            .get::<_, String>(0)
    };
    let wanted = parameters(&[("work_mem", "8192"), ("max_prepared_transactions", "10")]);
    assert_eq!(engine.configure(id, &wanted, false).await.unwrap(), ["max_prepared_transactions"]);
    assert_eq!(
        (show("work_mem").await, show("max_prepared_transactions").await),
        ("8MB".to_owned(), "0".to_owned())
    );
    assert!(engine.configure(id, &wanted, true).await.unwrap().is_empty());
    assert_eq!(show("max_prepared_transactions").await, "10");

    let refused = engine.configure(id, &parameters(&[("no_such_parameter", "1")]), true).await.unwrap_err();
    assert!(format!("{refused:#}").contains("no_such_parameter"), "{refused:#}");
    // This one passes the first look and stops the server from starting.
    let fatal = engine.configure(id, &parameters(&[("wal_level", "minimal")]), true).await.unwrap_err();
    assert!(format!("{fatal:#}").contains("wal_level"), "{fatal:#}");
    assert_eq!(show("max_prepared_transactions").await, "10");
}

#[tokio::test]
async fn a_snapshot_holds_what_was_there_when_it_was_taken() {
    let engine = engine().await;
    let id = "cluster-source";
    create(&engine, id, "16.8", &[]).await;
    let run = async |id: &str, sql: &str| {
        engine.connect(id, "postgres", "shop").await.unwrap().batch_execute(sql).await.unwrap()
    };
    let rows = async |id: &str| {
        engine
            .connect(id, "postgres", "shop")
            .await
            .unwrap()
            .query_one("SELECT count(*) FROM t", &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
    };
    run(id, "CREATE TABLE t AS SELECT generate_series(1, 10)").await;
    engine.snapshot(id, "first").await.unwrap();
    run(id, "INSERT INTO t VALUES (11)").await;
    engine.restore("first", "cluster-restored", port(), &parameters(&[("work_mem", "8192")])).await.unwrap();
    engine.clone_cluster(id, "cluster-cloned", port(), &Parameters::new()).await.unwrap();
    for copy in ["cluster-restored", "cluster-cloned"] {
        engine.start(copy).await.unwrap();
    }
    run(id, "INSERT INTO t VALUES (12)").await;
    assert_eq!((rows("cluster-restored").await, rows("cluster-cloned").await, rows(id).await), (10, 11, 12));

    engine.stop(id).await.unwrap();
    engine.snapshot(id, "second").await.unwrap();
    engine.restore("second", "cluster-later", port(), &Parameters::new()).await.unwrap();
    engine.start("cluster-later").await.unwrap();
    assert_eq!(rows("cluster-later").await, 12);
    engine.delete("cluster-restored").await.unwrap();
    engine.delete_snapshot("first").await.unwrap();
    assert!(engine.restore("first", "cluster-never", port(), &Parameters::new()).await.is_err());
    engine.start(id).await.unwrap();
    assert_eq!(rows(id).await, 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_carries_the_slots_and_a_copy_with_them_does_not_start_below_logical() {
    let (engine, id) = (engine().await, "cluster-cdc");
    create(&engine, id, "16.14", &[("wal_level", "logical")]).await;
    let admin = engine.connect(id, "rdsadmin", "shop").await.unwrap();
    admin.execute("SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')", &[]).await.unwrap();
    engine.snapshot(id, "night").await.unwrap();
    engine.restore("night", "copy", port(), &parameters(&[("wal_level", "replica")])).await.unwrap();
    let refused = format!("{:#}", engine.start("copy").await.unwrap_err());
    assert!(refused.contains("logical replication slot \"cdc\" exists, but"), "{refused}");
    engine.configure("copy", &parameters(&[("wal_level", "logical")]), true).await.unwrap();
    let copy = engine.connect("copy", "rdsadmin", "shop").await.unwrap();
    let slots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'cdc'";
    assert_eq!(copy.query_one(slots, &[]).await.unwrap().get::<_, i64>(0), 1);
}

/// For every finding: the reason that the event gives, a file, and what the file tells.
const EXPECTED: [(&str, &str, &str, &str); 9] = [
    (
        "inherited-not-null",
        "check_for_not_null_inheritance",
        "not_null_inconsistent_columns.txt",
        "In database: shop\n  public.audit_event_2023.at\n",
    ),
    (
        "invalid-database",
        "PreUpgrade checks failed: One or more databases are invalid",
        "pg_upgrade_precheck.log",
        "- One or more databases are invalid",
    ),
    (
        "logical-slot",
        "one or more databases have logical replication slots",
        "pg_upgrade_precheck.log",
        "Please drop all logical replication slots",
    ),
    (
        "missing-library",
        "check_loadable_libraries",
        "loadable_libraries.txt",
        "could not load library \"$libdir/old_snapshot\"",
    ),
    (
        "prepared-transaction",
        "There are uncommitted prepared transactions",
        "pg_upgrade_precheck.log",
        "from 16.14 to 18.1 because",
    ),
    (
        "refused-role-setting",
        "prepare_new_globals",
        "pg_upgrade_server.log",
        "invalid configuration parameter name \"auto_explain.log_min_durations\"",
    ),
    (
        "reg-column",
        "fatal : pg_upgrade reported failure for check_for_reg_data_type_usage",
        "tables_using_reg.txt",
        "  public.webhook.handler",
    ),
    (
        "role-named-pg",
        "One or more role names start with 'pg_'",
        "pg_upgrade_precheck.log",
        "Rename all role names",
    ),
    (
        "view-on-catalog-column",
        "create_new_objects",
        "pg_upgrade_dump_",
        "ERROR:  column \"buffers_backend\" does not exist",
    ),
];

#[tokio::test]
async fn every_finding_stops_the_upgrade_until_it_is_put_right() {
    let engine = engine().await;
    let id = "cluster-upgrade";
    let planted: Parameters = findings().iter().flat_map(Planted::parameters).collect();
    let list: Vec<(&str, &str)> =
        planted.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let port = create(&engine, id, "16.8", &list).await;
    load_shop(&login(port)).await.unwrap();
    let mut target = planted.clone();
    target.extend(findings().iter().flat_map(Planted::target_parameters));

    assert_eq!(findings().len(), EXPECTED.len());
    for (finding, (slug, reason, file, text)) in findings().iter().zip(EXPECTED) {
        assert_eq!(finding.slug, slug);
        apply(&engine, id, finding.plant).await.unwrap();
        let before = counts(&engine, id).await;
        let failure = engine.upgrade(id, "18.1", &target).await.unwrap().expect_err(slug);
        assert!(failure.reason.contains(reason), "{slug}: {}", failure.reason);
        let found = failure.files.iter().find(|(name, _)| name.starts_with(file));
        assert!(found.is_some_and(|(_, content)| content.contains(text)), "{slug}: {:#?}", failure.files);
        assert!(
            failure.files.iter().all(|(_, content)| !content.contains("SCRAM-SHA-256")),
            "{slug}: a password hash is shown"
        );
        assert_eq!(engine.major(id).unwrap(), 16);
        assert_eq!(counts(&engine, id).await, before, "{slug}");
        apply(&engine, id, finding.remedy).await.unwrap();
    }

    let before = counts(&engine, id).await;
    assert!(before.contains(&("shop.public.orders".to_owned(), 30000)), "{before:?}");
    engine.upgrade(id, "18.1", &target).await.unwrap().map_err(|failure| failure.reason).unwrap();
    assert_eq!(engine.major(id).unwrap(), 18);
    assert_eq!(counts(&engine, id).await, before);
    let session = engine.connect(id, "postgres", "shop").await.unwrap();
    assert!(
        session
            .query_one("SELECT pg_has_role('rds_superuser', 'pg_maintain', 'member')", &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
}

#[tokio::test]
async fn servers_end_with_their_engine() {
    let engine = engine().await;
    create(&engine, "cluster-left", "18.1", &[]).await;
    let socket = engine.sockets().to_owned();
    assert!(socket.exists());
    drop(engine);
    assert!(!socket.exists());
}
