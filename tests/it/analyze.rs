//! RunAnalyze's statements on real PostgreSQL: which comes first, and over how many connections.

use std::collections::BTreeMap;

use policy::TableName;
use runbook::Run;
use sandbox::{orders, rds::engine::Engine};
use workers::major_upgrade::{
    inspection::{Database, Inspection, Table},
    run_analyze::analyze,
};

use crate::copy::Copy;

const ID: &str = "analyze";
const DATABASES: [&str; 3] = ["shop", "billing", "stock"];

/// Eight partitions of a table in each database; the nth of all is read 1/n as often as the first.
const TABLES: &str = "CREATE TABLE sales (id int, kind int) PARTITION BY LIST (kind);
    SELECT format('CREATE TABLE sales_%s PARTITION OF sales FOR VALUES IN (%s)', n, n)
    FROM generate_series(0, 7) n \\gexec
    INSERT INTO sales SELECT i, i % 8 FROM generate_series(1, 4000) i;
    CREATE TABLE never_read AS SELECT i FROM generate_series(1, 1000) i";

#[tokio::test]
async fn nine_tenths_of_the_reads_have_statistics_before_any_parent_or_table_that_nobody_reads() {
    let copy = Copy::empty(ID, "18.4", &[]).await;
    let (engine, login) = (&copy.engine, &copy.trial.login);
    let postgres = orders::connect(login, "postgres").await.unwrap();
    let mut before = Inspection {
        source_version: "16.14".parse().unwrap(),
        target: "18.4".parse().unwrap(),
        inspected: jiff::Timestamp::UNIX_EPOCH,
        databases: BTreeMap::new(),
    };
    let mut reads = BTreeMap::new();
    for (number, database) in DATABASES.iter().enumerate() {
        // The server has the first.
        if number > 0 {
            postgres.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
        }
        let client = orders::connect(login, database).await.unwrap();
        let (parent, rest) = TABLES.split_once(';').unwrap();
        let (partitions, rest) = rest.split_once("\\gexec").unwrap();
        client.batch_execute(parent).await.unwrap();
        for partition in client.query(partitions, &[]).await.unwrap() {
            client.batch_execute(partition.get(0)).await.unwrap();
        }
        client.batch_execute(rest).await.unwrap();
        let mut kept = Database::default();
        for partition in 0..8 {
            let (table, scans) =
                (format!("sales_{partition}"), 100_000 / (1 + partition * 3 + number as i64));
            reads.insert((*database, table.clone()), scans);
            let known = Table { pages: 10, estimate: 500.0, scans, ..Table::default() };
            kept.tables.insert(TableName { schema: "public".into(), table }, known);
        }
        before.databases.insert((*database).to_owned(), kept);
    }
    let sessions = "SELECT sum(sessions)::int FROM pg_stat_database WHERE datname <> 'rdsadmin'";
    let opened: i32 = postgres.query_one(sessions, &[]).await.unwrap().get(0);

    let run = Run::of("arn:aws:states:eu-central-1:444455556666:execution:analyze:once");
    let target = before.target.clone();
    // One connection: what is before what is then certain.
    let done =
        analyze(&copy.trial.cx, &run, login, (Some(&before), &target, Some(1))).await.expect("analysed");
    assert!(done.hot_after_seconds.is_some());

    let mut order = Vec::new();
    for database in DATABASES {
        let client = orders::connect(login, database).await.unwrap();
        let sql = "SELECT c.relname::text, pg_stat_get_last_analyze_time(c.oid)::text FROM pg_class c \
                   WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace";
        for row in client.query(sql, &[]).await.unwrap() {
            let at: Option<String> = row.get(1);
            let table: String = row.get(0);
            order.push((at.unwrap_or_else(|| panic!("{table} has no statistics")), database, table));
        }
    }
    order.sort();
    let read_first: i64 =
        order.iter().map_while(|(_, database, table)| reads.get(&(*database, table.clone()))).sum();
    let all: i64 = reads.values().sum();
    assert!(read_first * 10 >= all * 9, "{read_first} of {all} reads: {order:?}");

    let since: i32 = postgres.query_one(sessions, &[]).await.unwrap().get(0);
    // One a database and one to list them; three of this test have been opened since.
    let most = DATABASES.len() as i32 + 1 + 2 + 3;
    assert!(since - opened <= most, "{} connections for {} databases", since - opened, DATABASES.len());
    engine.delete(ID).await.expect("deleted");
}
