//! snapshot-export on real PostgreSQL: real rows in real files, read by somebody else.

use jiff::ToSpan;
use runbook::snapshot_export::manifest::{Latest, Manifest};
use sandbox::{
    Options, export, exports,
    exports::{BUCKET, FOLDER},
    orders,
    terminal::Terminal,
};

use crate::harness::ended;

#[tokio::test]
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
    assert_eq!(manifest.totals.skipped, 1, "{}", run.report);
    assert!(manifest.totals.rows > 1000 && manifest.totals.tables > 8, "{:?}", manifest.totals);
}
