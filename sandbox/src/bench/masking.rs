//! How masking grows with its connections, against UPDATE and VACUUM FULL of the same tables by as
//! many: rows a second, WAL, and the most of the disk, in alternating runs on one server.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use policy::Masking;
use runbook::{
    clock::Clock,
    postgres::{Login, Tls},
};
use serde_json::json;
use tokio_postgres::Client;
use workers::shared::sessions::Lanes;

use super::{ID, Spread, machine, server, shown, table};
use crate::{
    orders,
    postgres::{PostgresEngine, install},
    rds::engine::{Engine, Parameters},
    trial::{Trial, programs},
};

const KEY: &str = "a key of the benchmark, 32 bytes or more";
const RUNS: usize = 3;

/// Tables that the rows are spread over, and connections.
const WAYS: [(u32, usize); 4] = [(1, 4), (4, 1), (4, 2), (4, 4)];

/// Twelve columns, six of them masked, a primary key, a unique and three other indexes.
const PEOPLE: &str = "CREATE TABLE people (
    id bigint PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, phone text, street text,
    born date, note text,
    city text, country text, plan text, score int, created_at timestamptz NOT NULL);
  INSERT INTO people SELECT i, format('person.%s@mail.example', i), 'Person ' || i, '+49 30 ' || i,
    'Street ' || i, date '1950-01-01' + i % 20000, repeat('a remark about somebody ', 1 + i % 5),
    'City ' || i % 100, 'DE', 'basic', i % 1000, now() FROM generate_series(1, $ROWS) i;
  CREATE INDEX ON people (name); CREATE INDEX ON people (city); CREATE INDEX ON people (created_at);
  ANALYZE people";

/// What a person would type, with no key and no promise of uniqueness; and what it takes to have no
/// dead row with an original value left.
const UPDATE: &str = "UPDATE people SET email = 'u' || md5(email) || '@example.com', name = md5(name),
    phone = '+' || translate(md5(phone), 'abcdef', '012345'), street = md5(street) || ' Street 1',
    born = born + (('x' || left(md5(born::text), 4))::bit(16)::int % 30), note = repeat(md5(note), 3)";

/// What a way of masking took.
#[derive(Default)]
struct Cost {
    rows_per_second: Vec<f64>,
    megabytes_of_wal: Vec<f64>,
    /// The most that there was of the database, as a multiple of it.
    disk: Vec<f64>,
}

pub async fn run(rows: u32) -> anyhow::Result<()> {
    let installs = install().await?;
    let programs = programs(&installs);
    let engine = PostgresEngine::new(installs, Clock::System)?;
    // How many images of pages there are follows checkpoints, whoever writes.
    let parameters = [("max_wal_size", "4096"), ("full_page_writes", "0")];
    let parameters: Parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let login = server(&engine, "16.14", "shop", &parameters).await?;
    // Where nobody else is: masking makes the others again.
    let watch = engine.connect(ID, "rdsadmin", "rdsadmin").await?;
    println!("Masking: PostgreSQL 16.14, {RUNS} alternating runs each, {}", machine());
    println!("  {rows} rows, 12 columns, 6 masked, 5 indexes; ours, and UPDATE, VACUUM FULL, ANALYZE.");
    let mut shown_table = table(&[
        "tables",
        "connections",
        "rows/s",
        "theirs",
        "ratio",
        "WAL, MB",
        "theirs",
        "disk, times",
        "theirs",
    ]);
    for (tables, connections) in WAYS {
        let fresh = fresh(tables, rows / tables);
        let (mut ours, mut theirs) = (Cost::default(), Cost::default());
        for _ in 0..RUNS {
            fill(&login, &fresh).await?;
            let mut trial = Trial::new(login.clone(), Tls::Disable, programs.clone())?;
            trial.lanes = Some(Lanes::over(connections));
            let masking = masking(tables)?;
            let mask = async { Ok(trial.mask(&masking, &[], KEY).await.map(drop)?) };
            ours.of(&watch, rows, mask).await?;

            fill(&login, &fresh).await?;
            theirs.of(&watch, rows, update(&login, tables, connections)).await?;
        }
        let both = |of: fn(&Cost) -> &[f64], digits| {
            [&ours, &theirs].map(|cost| shown(Spread::of(of(cost)), digits))
        };
        let [rows, their_rows] = both(|cost| &cost.rows_per_second, 0);
        let [wal, their_wal] = both(|cost| &cost.megabytes_of_wal, 0);
        let [disk, their_disk] = both(|cost| &cost.disk, 1);
        let ratio = shown(Spread::ratio(&theirs.rows_per_second, &ours.rows_per_second), 2);
        let counts = [tables.to_string(), connections.to_string()];
        shown_table
            .add_row(counts.into_iter().chain([rows, their_rows, ratio, wal, their_wal, disk, their_disk]));
    }
    println!("\n{shown_table}");
    engine.delete(ID).await
}

fn name(number: u32) -> String {
    format!("people{number}")
}

/// Statements that make the tables anew, each on a session of its own.
fn fresh(tables: u32, rows: u32) -> Vec<String> {
    let all = WAYS.iter().map(|(tables, _)| *tables).max().unwrap_or(tables);
    let gone = (tables..all).map(|number| format!("DROP TABLE IF EXISTS {}", name(number)));
    let made = (0..tables).map(|number| {
        let make = PEOPLE.replace("people", &name(number)).replace("$ROWS", &rows.to_string());
        format!("DROP TABLE IF EXISTS {}; {make}", name(number))
    });
    made.chain(gone).collect()
}

async fn fill(login: &Login, fresh: &[String]) -> anyhow::Result<()> {
    let client = orders::connect(login, "shop").await?;
    for table in fresh {
        client.batch_execute(table).await?;
    }
    Ok(())
}

fn masking(tables: u32) -> anyhow::Result<Masking> {
    let columns = json!({
        "id": "keep", "email": "email", "name": "name", "phone": "phone", "street": "address",
        "born": { "rule": "date-shift", "days": 30 }, "note": "free-text", "city": "keep",
        "country": "keep", "plan": "keep", "score": "keep", "created_at": "keep",
    });
    let rules: BTreeMap<_, _> =
        (0..tables).map(|number| (format!("public.{}", name(number)), &columns)).collect();
    Ok(serde_json::from_value(json!({ "key-secret": "none", "databases": { "shop": rules } }))?)
}

async fn update(login: &Login, tables: u32, connections: usize) -> anyhow::Result<()> {
    let table = |number| async move {
        let (client, name) = (orders::connect(login, "shop").await?, name(number));
        client.batch_execute(&UPDATE.replace("people", &name)).await?;
        client.batch_execute(&format!("VACUUM FULL {name}")).await?;
        client.batch_execute(&format!("ANALYZE {name}")).await?;
        anyhow::Ok(())
    };
    stream::iter(0..tables).map(table).buffer_unordered(connections).try_collect().await
}

impl Cost {
    /// Measures while it works.
    async fn of(
        &mut self,
        watch: &Client,
        rows: u32,
        work: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let position = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8";
        let size = "SELECT sum(pg_database_size(oid))::float8 FROM pg_database";
        watch.batch_execute("CHECKPOINT").await?;
        let of_shop: f64 = watch.query_one("SELECT pg_database_size('shop')::float8", &[]).await?.get(0);
        let before: f64 = watch.query_one(size, &[]).await?.get(0);
        let wal: f64 = watch.query_one(position, &[]).await?.get(0);
        let began = Instant::now();
        let mut work = std::pin::pin!(work);
        let mut most = before;
        loop {
            tokio::select! {
                done = &mut work => break done?,
                () = Clock::System.sleep(Duration::from_millis(100)) => {}
            }
            // A database that goes at this moment has no size.
            if let Ok(row) = watch.query_one(size, &[]).await {
                most = most.max(row.get(0));
            }
        }
        self.rows_per_second.push(f64::from(rows) / began.elapsed().as_secs_f64());
        let after: f64 = watch.query_one(position, &[]).await?.get(0);
        self.megabytes_of_wal.push((after - wal) / 1e6);
        self.disk.push(1.0 + (most - before) / of_shop);
        Ok(())
    }
}
