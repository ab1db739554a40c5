//! Statistics that an upgrade has lost, written back: how long it takes as the number of tables
//! and their rows grow, beside gathering them.

use std::time::Instant;

use runbook::{Run, aurora::EngineVersion, clock::Clock, postgres::Tls};
use tokio_postgres::Client;
use workers::major_upgrade::{run_analyze::analyze, statistics};

use super::{ID, machine, table};
use crate::{
    orders,
    postgres::{PostgresEngine, install},
    rds::engine::{Engine, Parameters},
    trial::{Trial, programs},
};

/// Tables of a statement that makes or clears them: each keeps its lock until the end.
const CHUNK: usize = 500;

pub async fn run(tables: usize, rows: &[usize]) -> anyhow::Result<()> {
    let installs = install().await?;
    let programs = programs(&installs);
    let engine = PostgresEngine::new(installs, Clock::System)?;
    println!("Statistics written back: PostgreSQL 18.4, {tables} tables of 3 columns, {}", machine());
    let mut shown = table(&[
        "rows a table",
        "MB",
        "copied, s",
        "written back, s",
        "ms a table",
        "gathered by RunAnalyze, s",
    ]);
    for rows in rows {
        shown.add_row(measure(&engine, &programs, tables, *rows).await?);
    }
    println!("\n{shown}");
    Ok(())
}

async fn measure(
    engine: &PostgresEngine,
    programs: &runbook::postgres::Programs,
    tables: usize,
    rows: usize,
) -> anyhow::Result<Vec<String>> {
    let login = super::server(engine, "18.4", "shape", &Parameters::default()).await?;
    let client = orders::connect(&login, "shape").await?;
    client.batch_execute("SET synchronous_commit = off").await?;
    for first in (0..tables).step_by(CHUNK) {
        let make = format!(
            "SELECT format('CREATE TABLE t%s AS SELECT i AS id, md5(i::text) AS word, i %% 7 AS kind \
             FROM generate_series(1, {rows}) i', n) FROM generate_series({first}, {}) n",
            (first + CHUNK).min(tables) - 1
        );
        each(&client, &make).await?;
    }
    client.batch_execute("ANALYZE").await?;
    let size = "SELECT (pg_database_size(current_database()) / 1000000)::text";
    let megabytes: String = client.query_one(size, &[]).await?.get(0);

    let cx = Trial::new(login.clone(), Tls::Disable, programs.clone())?.cx;
    let began = Instant::now();
    let why_not = statistics::keep(&cx, &login, "shape").await.map_err(|error| anyhow::anyhow!("{error}"))?;
    let copied = began.elapsed().as_secs_f64();
    anyhow::ensure!(why_not.is_none(), "{why_not:?}");
    clear(&client, tables).await?;
    super::forget(engine, "shape").await?;

    let fresh = orders::connect(&login, "shape").await?;
    let began = Instant::now();
    let back = statistics::write_back(&fresh, "shape").await.map_err(|error| anyhow::anyhow!("{error}"))?;
    let written = began.elapsed().as_secs_f64();
    anyhow::ensure!(back.tables == tables && back.left.is_empty(), "{back:?}");

    let run = Run::of("arn:aws:states:eu-central-1:444455556666:execution:analyze:once");
    let target: EngineVersion = "18.4".parse().map_err(anyhow::Error::msg)?;
    let began = Instant::now();
    analyze(&cx, &run, &login, (None, &target, Some(4))).await.map_err(|error| anyhow::anyhow!("{error}"))?;
    let gathered = began.elapsed().as_secs_f64();
    engine.delete(ID).await?;
    Ok(vec![
        rows.to_string(),
        megabytes,
        format!("{copied:.1}"),
        format!("{written:.2}"),
        format!("{:.2}", written * 1000.0 / tables as f64),
        format!("{gathered:.1}"),
    ])
}

/// Runs each statement that a query writes.
async fn each(client: &Client, writer: &str) -> anyhow::Result<()> {
    for row in client.query(writer, &[]).await? {
        client.batch_execute(row.get(0)).await?;
    }
    Ok(())
}

/// As `pg_upgrade --no-statistics` leaves them.
async fn clear(client: &Client, tables: usize) -> anyhow::Result<()> {
    for first in (0..tables).step_by(CHUNK) {
        let last = (first + CHUNK).min(tables) - 1;
        let forget = [
            format!(
                "SELECT pg_clear_relation_stats('public', 't' || n) FROM generate_series({first}, {last}) n"
            ),
            format!(
                "SELECT pg_clear_attribute_stats('public', 't' || n, a, false) \
                 FROM generate_series({first}, {last}) n, unnest(ARRAY['id', 'word', 'kind']) a"
            ),
        ];
        for statement in &forget {
            client.query(statement, &[]).await?;
        }
    }
    Ok(())
}
