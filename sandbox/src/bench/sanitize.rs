//! What SanitizeDatabases and AttestSanitized take as the number of tables grows: seconds, and the
//! memory of this process, which also holds the run bucket.

use std::{collections::BTreeMap, time::Instant};

use policy::Masking;
use runbook::{clock::Clock, postgres::Tls};
use serde_json::json;
use workers::shared::sessions::Lanes;

use super::{ID, machine, server, table};
use crate::{
    orders,
    postgres::{PostgresEngine, install},
    rds::engine::{Engine, Parameters},
    trial::{Trial, programs},
};

const KEY: &str = "a key of the benchmark, 32 bytes or more";

/// Tables of a statement that makes them: each keeps its lock until the end.
const CHUNK: usize = 200;

/// Ten columns, three of them masked, and a primary key.
const TABLE: &str = "CREATE TABLE t$N AS SELECT i AS id, format(''p%s.$N@mail.example'', i) AS email,
    ''Person '' || i || '' of $N'' AS name, ''+49 30 '' || i * 1000 + $N AS phone, i % 7 AS kind,
    ''basic'' AS plan, now() AS made, now() AS changed, i * 2 AS score, true AS active
    FROM generate_series(1, $ROWS) i; ALTER TABLE t$N ADD PRIMARY KEY (id)";

pub async fn run(tables: usize, databases: usize, rows: usize) -> anyhow::Result<()> {
    let installs = install().await?;
    let programs = programs(&installs);
    let engine = PostgresEngine::new(installs, Clock::System)?;
    let parameters = Parameters::from([("max_wal_size".to_owned(), "4096".to_owned())]);
    let login = server(&engine, "16.14", "shape", &parameters).await?;
    println!("Sanitising: PostgreSQL 16.14, {tables} tables of 10 columns and {rows} rows, {}", machine());
    let each = tables.div_ceil(databases);
    let base = orders::connect(&login, "shape").await?;
    for number in 0..databases {
        base.batch_execute(&format!("CREATE DATABASE shape{number}")).await?;
        let client = orders::connect(&login, &format!("shape{number}")).await?;
        client.batch_execute("SET synchronous_commit = off").await?;
        for first in (0..each).step_by(CHUNK) {
            let last = (first + CHUNK).min(each) - 1;
            let make = TABLE.replace("$ROWS", &rows.to_string()).replace("$N", "' || n || '");
            let make =
                format!("DO $$ BEGIN FOR n IN {first}..{last} LOOP EXECUTE '{make}'; END LOOP; END $$");
            client.batch_execute(&make).await?;
        }
    }
    drop(base);

    let columns = json!({
        "id": "keep", "email": "email", "name": "name", "phone": "phone", "kind": "keep", "plan": "keep",
        "made": "keep", "changed": "keep", "score": "keep", "active": "keep",
    });
    let rules: BTreeMap<_, _> = (0..each).map(|number| (format!("public.t{number}"), &columns)).collect();
    let rules: BTreeMap<_, _> = (0..databases).map(|number| (format!("shape{number}"), &rules)).collect();
    let masking: Masking = serde_json::from_value(json!({ "key-secret": "none", "databases": rules }))?;

    let mut trial = Trial::new(login, Tls::Disable, programs)?;
    let mut shown = table(&["what", "seconds", "ms a table", "peak, MB", "of it new"]);
    let mut add = |what: &str, began: Instant, before: Option<u64>| {
        let (seconds, peak) = (began.elapsed().as_secs_f64(), memory("VmHWM"));
        let told = |megabytes: Option<u64>| megabytes.map_or("not told".to_owned(), |it| it.to_string());
        shown.add_row([
            what.to_owned(),
            format!("{seconds:.1}"),
            format!("{:.1}", seconds * 1000.0 / tables as f64),
            told(peak),
            told(peak.zip(before).map(|(peak, before)| peak.saturating_sub(before))),
        ]);
    };
    let (began, before) = (Instant::now(), from_here());
    let wires = trial.cut(&masking).await?;
    add("wires cut", began, before);
    let (began, before) = (Instant::now(), from_here());
    let records = trial.mask(&masking, &wires, KEY).await?;
    add("made again", began, before);
    anyhow::ensure!(records.len() == databases, "{} databases were made again", records.len());
    drop(records);
    let mut told = String::new();
    for sessions in [1, 2, 4] {
        trial.lanes = Some(Lanes::over(sessions));
        let (began, before) = (Instant::now(), from_here());
        let seen = trial.attest(&masking, KEY).await?;
        add(&format!("attested, sessions: {sessions}"), began, before);
        anyhow::ensure!(seen.wrong.is_empty(), "{:?}", seen.wrong);
        told = seen.summary;
    }
    println!("\n{shown}\n{told}; the bucket holds {} MB", trial.kept_bytes() / 1_000_000);
    engine.delete(ID).await
}

/// Begins to look for the peak, and answers where it begins; Linux tells it
/// (<https://docs.kernel.org/filesystems/proc.html>, `clear_refs`).
fn from_here() -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    memory("VmRSS")
}

/// MB of this process, of this name in its `status`.
fn memory(what: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes / 1000)
}
