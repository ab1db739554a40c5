//! What `cargo sandbox snapshot-export` shows a person.

use std::{path::Path, time::Instant};

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use jiff::ToSpan;
use runbook::snapshot_export::{
    manifest::{Latest, Manifest},
    reconciliation::bytes,
};

use crate::{
    Options, Sandbox,
    console::{spinner, watch},
    exports::{self, BUCKET, FOLDER},
    orders,
    terminal::Terminal,
};

/// A table whose name RDS cannot export, which the example's policy accepts.
const ODD_TABLE: &str =
    "CREATE TABLE \"import/raw\" (line text); INSERT INTO \"import/raw\" VALUES ('1;2;3')";

/// The cluster orders with the shop inside, and all that the example's export names.
pub async fn create(mut options: Options, terminal: Terminal) -> anyhow::Result<Sandbox> {
    let step = spinner();
    step.set_message("Fetching PostgreSQL (once) and starting a local AWS");
    options.roles.push(exports::role()?);
    let sandbox = Sandbox::start(options).await?;
    step.set_message("Creating the cluster orders, with a shop inside, and a bucket");
    let shape = orders::Shape { maintenance: false, ..orders::Shape::default() };
    orders::create(&sandbox, shape).await?;
    if sandbox.engine.is_some() {
        orders::connect(&orders::login(&sandbox).await?, "shop").await?.batch_execute(ODD_TABLE).await?;
    }
    exports::create(&sandbox, None).await?;
    step.finish_and_clear();
    terminal.say("The cluster orders is available; the policy exports it after every automated snapshot.");
    Ok(sandbox)
}

/// Takes an automated snapshot and follows the execution that its event starts.
pub async fn snapshot_export(options: Options, out: &Path, terminal: Terminal) -> anyhow::Result<()> {
    let begun = Instant::now();
    let sandbox = create(options, terminal).await?;
    terminal.say("\nRDS takes its automated snapshot; the rule on its event starts snapshot-export.\n");
    exports::take_snapshot(&sandbox, sandbox.clock.now().checked_sub(1.minute())?).await?;
    let execution = exports::started(&sandbox).await?;
    watch(&sandbox, &execution, out, terminal).await?;

    let read = |key: &str| sandbox.s3.get(BUCKET, key).with_context(|| format!("there is no {key}"));
    let latest: Latest = serde_json::from_slice(&read(&format!("{FOLDER}latest.json"))?)?;
    let manifest = latest.manifest.trim_start_matches(&format!("s3://{BUCKET}/")).to_owned();
    let manifest: Manifest = serde_json::from_slice(&read(&manifest)?)?;
    terminal.say(format!("\nWhat was exported, as of {}:", manifest.snapshot_time));
    terminal.say(tables(&manifest));
    let files = out.join(BUCKET).join(format!("{FOLDER}{}", latest.task));
    let all = format!("s3://{BUCKET}/{FOLDER}{}/duckdb.sql", latest.task);
    terminal.say(format!("\nRead it, for example with DuckDB ({all} has every table):\n"));
    let largest = manifest.tables.iter().filter(|table| table.files > 0).max_by_key(|table| table.rows);
    if let Some(folder) = largest.and_then(|table| table.folder.as_ref()) {
        let path = files.join(folder);
        terminal.say(format!(
            "  duckdb -c \"SELECT * FROM read_parquet('{}/*/*.parquet') LIMIT 5\"",
            path.display()
        ));
    }
    terminal.say(format!("\nFiles:  {}\nWhole:  {:.0} s", files.display(), begun.elapsed().as_secs_f64()));
    Ok(())
}

fn tables(manifest: &Manifest) -> Table {
    let mut shown = Table::new();
    shown.load_style(presets::NOTHING);
    shown.set_header(["  Table", "Rows", "Size", "Files", ""]);
    for table in &manifest.tables {
        let told = table.differences.iter().map(|difference| {
            let reason = difference.accepted.as_deref().unwrap_or_default();
            format!("{} (accepted: {reason})", difference.what)
        });
        shown.add_row([
            format!("  {}", table.table),
            table.rows.to_string(),
            bytes(table.bytes),
            table.files.to_string(),
            told.collect::<Vec<_>>().join("; "),
        ]);
    }
    let totals = manifest.totals;
    shown.add_row([
        format!("  {} tables, {} left out", totals.tables, totals.skipped),
        totals.rows.to_string(),
        bytes(totals.bytes),
        totals.files.to_string(),
        manifest.verified.clone(),
    ]);
    for index in 1..=3 {
        if let Some(column) = shown.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    shown
}
