//! snapshot-export on real PostgreSQL: real rows in real files, read by somebody else.

use std::collections::BTreeSet;

use jiff::ToSpan;
use runbook::snapshot_export::manifest::{Latest, Manifest};
use sandbox::{
    Options,
    aws::ACCOUNT,
    environments,
    executables::root,
    export, exports,
    exports::{BUCKET, EXPORT, FOLDER},
    orders,
    permissions::{self, Switches},
    terminal::Terminal,
};
use serde_json::json;

use crate::{
    exports::{DUCKDB, python},
    harness::{calls, ended},
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

/// A view that fails, a policy that hides every row, and a setting that would: none is production's
/// to decide about a count.
const TRAPS: &str = "
    CREATE VIEW bomb AS SELECT 1 / 0 AS x;
    CREATE TABLE hidden (id int); INSERT INTO hidden SELECT generate_series(1, 30);
    ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; CREATE POLICY none ON hidden USING (1 / 0 = 1);
    CREATE TABLE \"Odd Name\" (id int); INSERT INTO \"Odd Name\" VALUES (1), (2);
    ALTER DATABASE shop SET default_transaction_read_only = on;
    ALTER DATABASE shop SET search_path = nowhere";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_not_in_the_files_is_found_by_a_count_on_a_restore() {
    let sandbox = export::create(Options::real(), Terminal::new(false)).await.unwrap();
    environments::create_quarantine(&sandbox).await.unwrap();
    exports::create(&sandbox, Some(&exports::policy_that_counts().unwrap())).await.unwrap();
    let shop = orders::connect(&orders::login(&sandbox).await.unwrap(), "shop").await.unwrap();
    shop.batch_execute(TRAPS).await.unwrap();
    sandbox.rds.behave(|behaviour| {
        behaviour.exports.lose.insert("shop.public.orders".into(), 1);
    });
    let at = sandbox.clock.now().checked_sub(1.minute()).unwrap();
    exports::take_snapshot(&sandbox, at).await.unwrap();
    let run = ended(&sandbox, exports::started(&sandbox).await.unwrap()).await.failed("OperationFailed");
    run.says(&["shop.public.orders has", "and the source", "in 1 places"]);
    assert!(sandbox.s3.get(BUCKET, &format!("{FOLDER}latest.json")).is_none());

    sandbox.rds.behave(|behaviour| behaviour.exports.lose.clear());
    let again = json!({ "export": EXPORT, "again": true });
    let whole = sandbox.start_execution("snapshot-export", "whole", &again).await.unwrap();
    ended(&sandbox, whole).await.succeeded();
    let latest = sandbox.s3.get(BUCKET, &format!("{FOLDER}latest.json")).unwrap();
    let latest: Latest = serde_json::from_slice(&latest).unwrap();
    let key = latest.manifest.trim_start_matches(&format!("s3://{BUCKET}/")).to_owned();
    let manifest: Manifest = serde_json::from_slice(&sandbox.s3.get(BUCKET, &key).unwrap()).unwrap();
    assert_eq!(manifest.verified, "rows compared with a count on a restore");
    for table in manifest.tables.iter().filter(|table| !table.is_skipped()) {
        assert_eq!(table.source_rows, Some(table.rows), "{}", table.table);
    }
    let rows = |name: &str| manifest.tables.iter().find(|table| table.table == name).unwrap().rows;
    assert_eq!((rows("shop.public.hidden"), rows("shop.public.Odd Name")), (30, 2));
    assert_eq!(calls(&sandbox, "remove-leftovers", "DeleteDBCluster"), 2);

    // What the worker may do, it does.
    let role = permissions::role_arn("count-rows", ACCOUNT);
    let documents = permissions::documents(&Switches::default()).unwrap();
    let document = documents.into_iter().find(|document| document.arn == role).unwrap();
    let statements = document.policy.as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    let granted: BTreeSet<String> = actions.map(|action| action.as_str().unwrap().to_owned()).collect();
    let used: BTreeSet<String> = sandbox.iam.used().remove(&role).unwrap().into_iter().collect();
    let unused: Vec<_> = granted.difference(&used).collect();
    // One function of the kit answers for every worker; an object that is not there is listed for.
    assert!(
        unused.iter().all(|action| ["states:SendTaskFailure", "s3:ListBucket"].contains(&action.as_str())),
        "granted and not used: {unused:?}"
    );
}
