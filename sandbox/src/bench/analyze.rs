//! RunAnalyze beside vacuumdb, on one server of PostgreSQL 18, in alternating runs: wall, the
//! server's CPU, connections, and when nine tenths of the reads had their statistics.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt, stream};
use policy::TableName;
use runbook::{
    Run,
    aurora::EngineVersion,
    clock::Clock,
    postgres::{Login, Tls},
};
use tokio::process::Command;
use tokio_postgres::Client;
use workers::major_upgrade::{
    inspection::{Inspection, Table},
    run_analyze::analyze,
};

use super::{ID, Spread, machine, peers::said, shown, table};
use crate::{
    orders,
    postgres::{PostgresEngine, install},
    rds::engine::{Engine, Parameters},
    trial::{Trial, programs},
};

/// How often it is looked which tables have statistics: a stage of the longest shape takes longer.
const LOOK: Duration = Duration::from_millis(500);

/// What a server holds, in every database of `shape0`, `shape1`, …
struct Shape {
    name: &'static str,
    databases: usize,
    tables: &'static str,
    connections: &'static [usize],
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "16 databases, 600 small tables",
        databases: 16,
        tables: "SELECT format('CREATE TABLE t%s AS SELECT i AS id, md5(i::text) AS word, i %% 7 AS kind \
                 FROM generate_series(1, %s) i', n, 200 + n * 40) FROM generate_series(1, 38) n",
        connections: &[2, 4, 8],
    },
    Shape {
        name: "3 databases, 60 tables of skewed size",
        databases: 3,
        tables: "SELECT format('CREATE TABLE t%s AS SELECT i AS id, md5(i::text) AS word, \
                 repeat(md5(i::text), 4) AS note, i * 1.5 AS amount FROM generate_series(1, %s) i', n, \
                 120000 / n) FROM generate_series(1, 20) n",
        connections: &[2, 4, 8],
    },
    Shape {
        name: "10 partitioned tables, 250 partitions",
        databases: 1,
        tables: "SELECT format('CREATE TABLE p%s (id int, word text, kind int) PARTITION BY LIST (kind)', p) \
                 FROM generate_series(1, 10) p \
                 UNION ALL SELECT format('CREATE TABLE p%s_%s PARTITION OF p%s FOR VALUES IN (%s)', p, k, p, \
                 k) FROM generate_series(1, 10) p, generate_series(1, 25) k \
                 UNION ALL SELECT format('INSERT INTO p%s SELECT i, md5(i::text), 1 + i %% 25 FROM \
                 generate_series(1, 30000) i', p) FROM generate_series(1, 10) p",
        connections: &[2, 4, 8],
    },
    // With more connections its hot set takes less than what RunAnalyze stages.
    Shape {
        name: "3 databases, 72 tables of 40 columns",
        databases: 3,
        tables: "SELECT format('CREATE TABLE t%s AS SELECT %s FROM generate_series(1, 30000) i', n, \
                 (SELECT string_agg(format('left(md5((i * %s)::text), 8) AS c%s', c, c), ', ') \
                 FROM generate_series(1, 40) c)) FROM generate_series(1, 24) n",
        connections: &[2],
    },
];

/// What one of the two took.
#[derive(Debug, Clone, Copy, Default)]
struct Took {
    wall: f64,
    cpu: f64,
    connections: f64,
    /// Until nine tenths of the reads had statistics, and until they had those of their own target.
    hot: f64,
    hot_whole: f64,
}

pub async fn run(runs: usize) -> anyhow::Result<()> {
    let installs = install().await?;
    let vacuumdb = installs.bin(18).context("PostgreSQL 18 is not installed")?.join("vacuumdb");
    let programs = programs(&installs);
    let engine = PostgresEngine::new(installs, Clock::System)?;
    println!("ANALYZE: PostgreSQL 18.4, cached, {runs} alternating runs each, {}", machine());
    println!("  vacuumdb --all --analyze-only and, of partitioned tables, ANALYZE ONLY of the parents;");
    println!("  both with synchronous_commit and vacuum_cost_delay off. Half of the runs between brackets.");
    for shape in &SHAPES {
        let server = Server::start(&engine, shape).await?;
        let trial = Trial::new(server.login.clone(), Tls::Disable, programs.clone())?;
        let mut shown_table = table(&[
            shape.name,
            "wall ÷ ours",
            "CPU ÷ ours",
            "ours s",
            "vacuumdb s",
            "connections",
            "90 % of reads, s",
            "with their own target, s",
        ]);
        for &connections in shape.connections {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..runs {
                ours.push(server.ours(&trial, connections).await?);
                theirs.push(server.vacuumdb(&vacuumdb, connections).await?);
            }
            let of = |took: &[Took], what: fn(&Took) -> f64| -> Vec<f64> { took.iter().map(what).collect() };
            let middle = |took: &[Took], what: fn(&Took) -> f64| {
                Spread::of(&of(took, what)).map_or(0.0, |spread| spread.median)
            };
            let ratio =
                |what: fn(&Took) -> f64| shown(Spread::ratio(&of(&ours, what), &of(&theirs, what)), 2);
            shown_table.add_row([
                format!("  N = {connections}"),
                ratio(|took| took.wall),
                ratio(|took| took.cpu),
                format!("{:.1}", middle(&ours, |took| took.wall)),
                format!("{:.1}", middle(&theirs, |took| took.wall)),
                format!(
                    "{:.0}, {:.0}",
                    middle(&ours, |took| took.connections),
                    middle(&theirs, |took| took.connections)
                ),
                format!("{:.1}, {:.1}", middle(&ours, |took| took.hot), middle(&theirs, |took| took.hot)),
                format!(
                    "{:.1}, {:.1}",
                    middle(&ours, |took| took.hot_whole),
                    middle(&theirs, |took| took.hot_whole)
                ),
            ]);
        }
        println!("\n{shown_table}");
        engine.delete(ID).await?;
    }
    println!(
        "\n  Pairs are ours, vacuumdb. The server, its client and the others of this machine share its cores."
    );
    Ok(())
}

struct Server<'a> {
    engine: &'a PostgresEngine,
    login: Login,
    databases: Vec<String>,
    /// How often each table is read: 1/n of the first for the nth, spread over the databases.
    reads: BTreeMap<(String, String), f64>,
    before: Inspection,
    target: EngineVersion,
}

impl<'a> Server<'a> {
    async fn start(engine: &'a PostgresEngine, shape: &Shape) -> anyhow::Result<Self> {
        let parameters = Parameters::from([("max_wal_size".to_owned(), "4096".to_owned())]);
        let login = super::server(engine, "18.4", "shop", &parameters).await?;
        // vacuumdb --all would end at the one database that nobody may connect to.
        let admin = engine.connect(ID, "rdsadmin", "postgres").await?;
        admin.batch_execute("ALTER DATABASE rdsadmin ALLOW_CONNECTIONS false").await?;
        let client = orders::connect(&login, "postgres").await?;
        let databases: Vec<String> = (0..shape.databases).map(|number| format!("shape{number}")).collect();
        for database in &databases {
            client.batch_execute(&format!("CREATE DATABASE {database}")).await?;
        }
        let loaded = stream::iter(&databases).map(|database| load(&login, database, shape.tables));
        let tables: Vec<Vec<(String, Table)>> = loaded.buffered(2).try_collect().await?;
        let mut before = Inspection {
            source_version: "16.14".parse().map_err(anyhow::Error::msg)?,
            target: "18.4".parse().map_err(anyhow::Error::msg)?,
            inspected: jiff::Timestamp::now(),
            databases: BTreeMap::new(),
        };
        let mut reads = BTreeMap::new();
        let most = tables.iter().map(Vec::len).max().unwrap_or_default();
        // The nth table of each database in turn; which are read most has nothing to do with size.
        let mut order: Vec<(usize, usize)> = (0..most)
            .flat_map(|table| (0..databases.len()).map(move |database| (database, table)))
            .filter(|(database, table)| *table < tables[*database].len())
            .collect();
        let number = order.len().max(1);
        order.sort_by_key(|(database, table)| (database * 7919 + table * 104_729) % number);
        for (rank, (database, table)) in order.into_iter().enumerate() {
            let (name, size) = &tables[database][table];
            let scans = (1_000_000.0 / (1.0 + rank as f64)).round();
            reads.insert((databases[database].clone(), name.clone()), scans);
            let kept = before.databases.entry(databases[database].clone()).or_default();
            let name = TableName { schema: "public".into(), table: name.clone() };
            kept.tables.insert(name, Table { scans: scans as i64, ..size.clone() });
        }
        let target = before.target.clone();
        Ok(Self { engine, login, databases, reads, before, target })
    }

    async fn ours(&self, trial: &Trial, connections: usize) -> anyhow::Result<Took> {
        let run = Run::of(&format!(
            "arn:aws:states:eu-central-1:444455556666:execution:bench:{}",
            runbook::postgres::random_password()
        ));
        self.measure(async || {
            analyze(&trial.cx, &run, &self.login, (Some(&self.before), &self.target, Some(connections)))
                .await?;
            Ok(())
        })
        .await
    }

    async fn vacuumdb(&self, program: &Path, connections: usize) -> anyhow::Result<Took> {
        let parents = self.parents().await?;
        self.measure(async || {
            let mut vacuumdb = Command::new(program);
            vacuumdb
                .args(["--all", "--analyze-only", "--host=127.0.0.1", "--username=postgres"])
                .args([format!("--port={}", self.login.port), format!("--jobs={connections}")])
                .env("PGPASSWORD", &self.login.password)
                .env("PGOPTIONS", "-c synchronous_commit=off -c vacuum_cost_delay=0");
            said(&mut vacuumdb).await?;
            // What it leaves out.
            let queue = stream::iter(&parents).map(|(database, statement)| async move {
                let client = orders::connect(&self.login, database).await?;
                client.batch_execute("SET synchronous_commit = off").await?;
                anyhow::Ok(client.batch_execute(statement).await?)
            });
            queue.buffer_unordered(connections).try_collect::<()>().await
        })
        .await
    }

    async fn parents(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut statements = Vec::new();
        for database in &self.databases {
            let client = orders::connect(&self.login, database).await?;
            let sql = "SELECT format('ANALYZE ONLY %s', oid::regclass) FROM pg_class WHERE relkind = 'p'";
            let rows = client.query(sql, &[]).await?;
            statements.extend(rows.iter().map(|row| (database.clone(), row.get(0))));
        }
        Ok(statements)
    }

    /// Each begins as an upgrade leaves a server: nothing has statistics, and what was analysed
    /// before does not count as done.
    async fn measure(&self, work: impl AsyncFnOnce() -> anyhow::Result<()>) -> anyhow::Result<Took> {
        let mut watchers = Vec::new();
        for database in &self.databases {
            super::forget(self.engine, database).await?;
            let admin = self.engine.connect(ID, "rdsadmin", database).await?;
            admin.batch_execute("DELETE FROM pg_statistic WHERE starelid >= 16384").await?;
            watchers.push((database.as_str(), admin));
        }
        let client = orders::connect(&self.login, "postgres").await?;
        let before = self.connections(&client).await?;
        let (at, cpu, began) = (database_time(&client).await?, server_cpu(&client).await?, Instant::now());
        let mut first = BTreeMap::new();
        // A table that is analysed in stages tells only of the last.
        let watching = async {
            loop {
                tokio::time::sleep(LOOK).await;
                look(&watchers, &mut first).await?;
            }
        };
        tokio::select! {
            done = work() => done?,
            failed = watching => return failed,
        }
        let wall = began.elapsed().as_secs_f64();
        // A session tells what it did when it ends.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let cpu = server_cpu(&client).await? - cpu;
        let connections = self.connections(&client).await? - before;
        let mut last = BTreeMap::new();
        look(&watchers, &mut last).await?;
        for (table, at) in &last {
            first.entry(table.clone()).or_insert(*at);
        }
        let (hot, hot_whole) = (self.hot(first, at), self.hot(last, at));
        Ok(Took { wall, cpu, connections, hot, hot_whole })
    }

    async fn connections(&self, client: &Client) -> anyhow::Result<f64> {
        let sql = "SELECT coalesce(sum(sessions), 0)::float8 FROM pg_stat_database WHERE datname IS NOT NULL";
        Ok(client.query_one(sql, &[]).await?.get(0))
    }

    /// When tables that get nine tenths of the reads had been analysed.
    fn hot(&self, analysed: Analysed, began: f64) -> f64 {
        let mut done: Vec<(f64, f64)> = analysed
            .into_iter()
            .filter_map(|(table, at)| self.reads.get(&table).map(|reads| (at - began, *reads)))
            .collect();
        done.sort_by(|a, b| a.0.total_cmp(&b.0));
        let enough = self.reads.values().sum::<f64>() * 0.9;
        let mut reached = 0.0;
        for (at, reads) in done {
            reached += reads;
            if reached >= enough {
                return at;
            }
        }
        f64::INFINITY
    }
}

/// When each table of each database was analysed.
type Analysed = BTreeMap<(String, String), f64>;

/// Adds those that are not there yet.
async fn look(watchers: &[(&str, Client)], analysed: &mut Analysed) -> anyhow::Result<()> {
    let sql = "SELECT relname::text, extract(epoch FROM last_analyze)::float8 FROM pg_stat_user_tables \
               WHERE last_analyze IS NOT NULL";
    for (database, client) in watchers {
        for row in client.query(sql, &[]).await? {
            analysed.entry(((*database).to_owned(), row.get(0))).or_insert_with(|| row.get(1));
        }
    }
    Ok(())
}

async fn database_time(client: &Client) -> anyhow::Result<f64> {
    Ok(client.query_one("SELECT extract(epoch FROM clock_timestamp())::float8", &[]).await?.get(0))
}

/// Seconds of CPU of the postmaster and of all that it has waited for, and of those that run
/// (proc(5), stat: utime, stime, cutime, cstime).
async fn server_cpu(client: &Client) -> anyhow::Result<f64> {
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    let Some(parent) = stat(pid).map(|stat| stat.parent) else { return Ok(f64::NAN) };
    let mut ticks = stat(parent).map_or(0.0, |stat| stat.own + stat.children);
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(stat)
        else {
            continue;
        };
        if process.parent == parent {
            ticks += process.own;
        }
    }
    // USER_HZ is 100 on every platform that Linux has today (proc(5)).
    Ok(ticks / 100.0)
}

struct Stat {
    parent: i32,
    own: f64,
    children: f64,
}

fn stat(pid: i32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let number = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: number(11)? + number(12)?,
        children: number(13)? + number(14)?,
    })
}

async fn load(login: &Login, database: &str, tables: &str) -> anyhow::Result<Vec<(String, Table)>> {
    let client = orders::connect(login, database).await?;
    client.batch_execute("SET synchronous_commit = off").await?;
    for row in client.query(tables, &[]).await? {
        client.batch_execute(row.get(0)).await?;
    }
    client.batch_execute("VACUUM ANALYZE").await?;
    let sql = "SELECT relname::text, relpages::bigint, reltuples::float8 FROM pg_class \
               WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1";
    let rows = client.query(sql, &[]).await?;
    let table = |row: &tokio_postgres::Row| {
        let table = Table { pages: row.get(1), estimate: row.get(2), ..Table::default() };
        (row.get(0), table)
    };
    Ok(rows.iter().map(table).collect())
}
