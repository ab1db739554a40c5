//! snapshot-export on real PostgreSQL: real rows in real files, read by somebody else.

use jiff::ToSpan;
use runbook::snapshot_export::manifest::{Latest, Manifest};
use sandbox::{
    Options,
    executables::root,
    export, exports,
    exports::{BUCKET, FOLDER},
    orders,
    terminal::Terminal,
};

use crate::{
    exports::{DUCKDB, python},
    harness::ended,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_is_exported_by_its_snapshots_event_and_duckdb_reads_every_row() {
    let sandbox = export::create(Options::real(), Terminal::new(false)).await.unwrap();
    let counted = orders::count_rows(&sandbox).await.unwrap();
    let at = sandbox.clock.now().checked_sub(1.minute()).unwrap();
    exports::take_snapshot(&sandbox, at).await.unwrap();
    let run = ended(&sandbox, exports::started(&sandbox).await.unwrap()).await.succeeded();
    let read = |key: &str| sandbox.s3.get(BUCKET, key).unwrap_or_else(|| panic!("{key}"));
    let latest: Latest = serde_json::from_slice(&read(&format!("{FOLDER}latest.json"))).unwrap();
    let manifest = latest.manifest.trim_start_matches(&format!("s3://{BUCKET}/")).to_owned();
    let manifest: Manifest = serde_json::from_slice(&read(&manifest)).unwrap();
    for table in &manifest.tables {
        // `shop public.orders`, as the database's own names are quoted where they need it.
        let (database, name) = table.table.split_once('.').unwrap();
        let name = name.split_once('.').unwrap();
        let quoted = |name: &str| {
            let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if plain { name.to_owned() } else { format!("\"{name}\"") }
        };
        let key = format!("{database} {}.{}", quoted(name.0), quoted(name.1));
        let rows = counted.get(&key).unwrap_or_else(|| panic!("{key} of {counted:?}"));
        if !table.is_skipped() {
            assert_eq!(i64::try_from(table.rows).unwrap(), *rows, "{key}");
        }
    }
    // What a person pastes, in a reader that knows nothing of us.
    let folder = std::env::temp_dir().join(format!("aurora-runbooks-export-{}", std::process::id()));
    sandbox.s3.dump(&folder).unwrap();
    let sql = folder.join(BUCKET).join(format!("{FOLDER}{}/duckdb.sql", latest.task));
    let script = root().join("tests/data/exports/views.py");
    let arguments = [script.to_str().unwrap(), sql.to_str().unwrap(), BUCKET, folder.to_str().unwrap()];
    let views = python(&sandbox, &[DUCKDB], &arguments).await;
    std::fs::remove_dir_all(&folder).unwrap();
    let filled = manifest.tables.iter().filter(|table| table.files > 0);
    let expected = filled.map(|table| (table.table.replacen('.', " ", 1), table.rows.into()));
    assert_eq!(views.as_object().unwrap(), &expected.collect::<serde_json::Map<_, _>>());
    assert_eq!(manifest.totals.skipped, 1, "{}", run.report);
    assert!(manifest.totals.rows > 1000 && manifest.totals.tables > 8, "{:?}", manifest.totals);
}
