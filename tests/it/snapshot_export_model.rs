//! snapshot-export in the model gear: the whole ASL in virtual time, started by events and by hand,
//! with what AWS leaves out and faults laid on calls.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use runbook::{
    kept_policy::POLICY_KEY,
    snapshot_export::manifest::{Latest, Manifest},
};
use sandbox::{
    Options, Sandbox, exports,
    exports::{BUCKET, EXPORT, FOLDER},
    faults::{Fault, Kind},
    orders::{self, Shape},
    rds::{EventDelivery, exports::ModelTable},
};
use serde_json::{Value, json};

use workers::snapshot_export::reconcile_export::footers::CHUNK;

use crate::harness::{Ended, calls, ended, redrive};

/// The sandbox's clock begins at 02:00.
pub const TONIGHT: &str = "2026-11-25T01:00:00Z";

async fn world() -> Sandbox {
    world_with(None).await
}

async fn world_with(policy: Option<&str>) -> Sandbox {
    let options = Options { roles: vec![exports::role().unwrap()], ..Options::model(1) };
    let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
    orders::create(&sandbox, Shape { maintenance: false, ..Shape::default() }).await.unwrap();
    exports::create(&sandbox, policy).await.unwrap();
    sandbox
}

pub fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// Takes a snapshot, and answers the end of the execution that its event starts.
pub async fn exported(sandbox: &Sandbox) -> Ended {
    exports::take_snapshot(sandbox, at(TONIGHT)).await.unwrap();
    ended(sandbox, exports::started(sandbox).await.unwrap()).await
}

pub async fn by_hand(sandbox: &Sandbox, name: &str, input: Value) -> Ended {
    let arn = sandbox.start_execution("snapshot-export", name, &input).await.expect("the execution starts");
    ended(sandbox, arn).await
}

pub fn latest(sandbox: &Sandbox) -> Option<Latest> {
    let bytes = sandbox.s3.get(BUCKET, &format!("{FOLDER}latest.json"))?;
    Some(serde_json::from_slice(&bytes).unwrap())
}

pub fn manifest(sandbox: &Sandbox) -> Manifest {
    let latest = latest(sandbox).expect("an export is published");
    let key = latest.manifest.strip_prefix(&format!("s3://{BUCKET}/")).unwrap().to_owned();
    serde_json::from_slice(&sandbox.s3.get(BUCKET, &key).unwrap()).unwrap()
}

/// The folders of exports.
fn folders(sandbox: &Sandbox) -> BTreeSet<String> {
    let keys = sandbox.s3.list(BUCKET, FOLDER).into_iter();
    keys.filter_map(|key| Some(key[FOLDER.len()..].split_once('/')?.0.to_owned())).collect()
}

fn parts(sandbox: &Sandbox, table: &str) -> Vec<String> {
    let keys = sandbox.s3.list(BUCKET, FOLDER).into_iter();
    keys.filter(|key| key.contains(table) && key.ends_with(".parquet")).collect()
}

async fn names_of_executions(sandbox: &Sandbox) -> usize {
    exports::executions(sandbox).await.unwrap().len()
}

pub fn summary(ended: &Ended, state: &str) -> String {
    let steps = ended.report["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["state"] == state).unwrap_or_else(|| panic!("{state}"));
    step["summary"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_automated_snapshot_is_exported_reconciled_and_published_by_its_event() {
    let sandbox = world().await;
    let run = exported(&sandbox).await.succeeded();
    let states = ["SelectExport", "ExportSnapshot", "RemoveLeftovers", "ReconcileExport", "PublishExport"];
    assert_eq!(run.states(), states);
    let manifest = manifest(&sandbox);
    let rows: Vec<_> = manifest.tables.iter().map(|table| (table.table.as_str(), table.rows)).collect();
    assert_eq!(
        rows,
        [
            ("shop.public.customers", 40),
            ("shop.public.events", 30),
            ("shop.public.orders", 120),
            ("shop.public.refunds", 0)
        ]
    );
    assert_eq!((manifest.totals.tables, manifest.totals.rows, manifest.totals.skipped), (4, 190, 0));
    assert_eq!(manifest.snapshot_time, at(TONIGHT));
    assert!(manifest.data_age_seconds > 3600 && manifest.raw.is_some(), "{manifest:?}");
    let said = summary(&run, "PublishExport");
    for part in ["4 tables, 190 rows", "latest.json leads to it"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for name in ["athena.sql", "duckdb.sql", "manifest.json"] {
        let key = format!("{FOLDER}{}/{name}", manifest.task);
        assert!(sandbox.s3.get(BUCKET, &key).is_some(), "{key} is missing");
    }
    let columns = &manifest.tables[2].columns;
    assert_eq!((columns[0].original.as_str(), columns[0].parquet.as_str()), ("bigint", "int64"));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_exported_once_however_often_and_late_its_event_comes() {
    for delivery in [EventDelivery::Duplicated, EventDelivery::Late, EventDelivery::Reordered] {
        let sandbox = world().await;
        sandbox.rds.behave(|behaviour| behaviour.events = delivery);
        let snapshot = exports::take_snapshot(&sandbox, at(TONIGHT)).await.unwrap();
        exports::started(&sandbox).await.unwrap();
        sandbox.clock.sleep(Duration::from_secs(3600)).await;
        // And once more by somebody's hand, as the event gives it.
        by_hand(&sandbox, "again", json!({ "snapshot": snapshot })).await.succeeded();
        for execution in exports::executions(&sandbox).await.unwrap() {
            ended(&sandbox, execution).await.succeeded();
        }
        assert_eq!(calls(&sandbox, "export-snapshot", "StartExportTask"), 1, "{delivery:?}");
        assert_eq!(folders(&sandbox).len(), 1, "{delivery:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_snapshot_of_ours_leaves_nothing_to_do() {
    let sandbox = world().await;
    let forged = |account: &str, source: &str, id: &str, name: &str| {
        let arn = format!("arn:aws:rds:eu-west-1:{account}:cluster-snapshot:{name}");
        json!({
            "version": "0", "id": "1", "detail-type": "RDS DB Cluster Snapshot Event", "source": source,
            "account": account, "time": "2026-11-25T02:00:00Z", "region": "eu-west-1", "resources": [arn],
            "detail": {"SourceType": "CLUSTER_SNAPSHOT", "SourceArn": arn, "SourceIdentifier": name,
                "EventID": id, "EventCategories": ["backup"], "Message": "x", "Date": "x"}
        })
    };
    let ours = sandbox::aws::ACCOUNT;
    let bus = sandbox::aws::arn("events", "event-bus/default");
    for event in [
        forged("111122223333", "aws.rds", "RDS-EVENT-0169", "rds:orders-1"),
        forged(ours, "orders.tool", "RDS-EVENT-0169", "rds:orders-1"),
        forged(ours, "aws.rds", "RDS-EVENT-0168", "rds:orders-1"),
        forged(ours, "aws.rds", "RDS-EVENT-0169", "rds:invoices-1"),
    ] {
        sandbox.events.publish(&bus, event);
    }
    sandbox.clock.sleep(Duration::from_secs(600)).await;
    assert_eq!(names_of_executions(&sandbox).await, 0, "a foreign event has started something");
    // What gets through is looked up: there is no such snapshot.
    sandbox.events.publish(&bus, forged(ours, "aws.rds", "RDS-EVENT-0169", "rds:orders-1"));
    let run = ended(&sandbox, exports::started(&sandbox).await.unwrap()).await.succeeded();
    assert_eq!(run.states(), ["SelectExport"]);
    assert!(summary(&run, "SelectExport").contains("there is no snapshot"), "{}", run.report);
    for snapshot in [
        "arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:rds:orders-1",
        "arn:aws:rds:eu-west-1:444455556666:snapshot:rds:orders-1",
    ] {
        let run =
            by_hand(&sandbox, &format!("forged-{}", snapshot.len()), json!({ "snapshot": snapshot })).await;
        assert!(!run.states().contains(&"ExportSnapshot"), "{snapshot}: {:?}", run.states());
    }
    assert!(sandbox.s3.list(BUCKET, "").is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_aws_leaves_out_stops_latest_with_the_table_named() {
    type Break = fn(&Sandbox);
    let (skip, missing_metadata, cut): (Break, Break, Break) = (
        |sandbox| {
            sandbox.rds.behave(|behaviour| {
                let skip = &mut behaviour.exports.skip;
                skip.insert("shop.public.orders".into(), "UNSUPPORTED_COLUMN_NAME".into());
            })
        },
        |sandbox| sandbox.rds.behave(|behaviour| behaviour.exports.tables_a_file = 2),
        |_| {},
    );
    for (breaks, behind, says) in [
        (skip, None, "shop.public.orders is left out by AWS: UNSUPPORTED_COLUMN_NAME"),
        (missing_metadata, Some("export_tables_info_"), "has a gap before"),
        (cut, Some("shop/public.orders/"), "shop.public.orders has 1 files that cannot be read"),
        (cut, Some("export_info_"), "is missing"),
    ] {
        let sandbox = world().await;
        breaks(&sandbox);
        exports::take_snapshot(&sandbox, at(TONIGHT)).await.unwrap();
        let execution = exports::started(&sandbox).await.unwrap();
        if let Some(part) = behind {
            // Between ExportSnapshot's last look and the worker's first.
            let export_is_done =
                || sandbox.s3.list(BUCKET, FOLDER).iter().any(|key| key.contains("export_info_"));
            while !export_is_done() {
                sandbox.clock.sleep(Duration::from_secs(1)).await;
            }
            let mut keys = sandbox.s3.list(BUCKET, FOLDER).into_iter();
            let key = keys.find(|key| key.contains(part) && !key.ends_with("_SUCCESS")).unwrap();
            if part.contains("orders") {
                let whole = sandbox.s3.get(BUCKET, &key).unwrap();
                let store = orders::context(&sandbox).store.in_bucket(BUCKET);
                store.put(&key, "x", whole[..whole.len() - 20].to_vec()).await.unwrap();
            } else {
                sandbox.s3.remove(BUCKET, &key);
            }
        }
        let run = ended(&sandbox, execution).await.failed("OperationFailed");
        run.says(&[says, "latest.json leads where it led", "again"]);
        assert_eq!(latest(&sandbox), None, "{says}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_accepts_by_name_is_left_out_and_told() {
    let policy = exports::example_policy().unwrap().replace("shop.public.import/raw", "shop.public.orders");
    let sandbox = world_with(Some(&policy)).await;
    sandbox.rds.behave(|behaviour| {
        behaviour.exports.skip.insert("shop.public.orders".into(), "ROW_TOO_LARGE".into());
    });
    let run = exported(&sandbox).await.succeeded();
    assert!(summary(&run, "PublishExport").contains("1 left out as the policy accepts"), "{}", run.report);
    let manifest = manifest(&sandbox);
    let left_out = manifest.tables.iter().find(|table| table.is_skipped()).unwrap();
    assert_eq!(left_out.table, "shop.public.orders");
    assert_eq!(left_out.differences[0].accepted.as_deref(), Some("nobody reads the raw lines of an import"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_or_canceled_task_tells_its_cause_and_a_redrive_begins_another() {
    let sandbox = world().await;
    sandbox.rds.behave(|behaviour| {
        behaviour.exports.fail_next = Some("[PERMISSIONS_DO_NOT_EXIST] shop".into());
    });
    let run = exported(&sandbox).await.failed("OperationFailed");
    run.says(&["PERMISSIONS_DO_NOT_EXIST", "GRANT SELECT", "redrive"]);
    redrive(&sandbox, &run).await.succeeded();
    assert_eq!(calls(&sandbox, "export-snapshot", "StartExportTask"), 2);

    let sandbox = world().await;
    exports::take_snapshot(&sandbox, at(TONIGHT)).await.unwrap();
    let execution = exports::started(&sandbox).await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(400)).await;
    let rds = sandbox.rds_client();
    let tasks = rds.describe_export_tasks().send().await.unwrap().export_tasks.unwrap();
    let id = tasks[0].export_task_identifier().unwrap();
    rds.cancel_export_task().export_task_identifier(id).send().await.unwrap();
    let run = ended(&sandbox, execution).await.failed("OperationFailed");
    run.says(&["somebody has canceled", "redrive"]);
    redrive(&sandbox, &run).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn five_tasks_of_the_account_are_waited_for() {
    let sandbox = world().await;
    let rds = sandbox.rds_client();
    sandbox.rds.behave(|behaviour| {
        behaviour.events = EventDelivery::Missing;
        behaviour.exports.starting = Duration::from_secs(7200);
    });
    for number in 1..=5 {
        let day = format!("2026-11-{:02}T01:00:00Z", 10 + number);
        let snapshot = exports::take_snapshot(&sandbox, at(&day)).await.unwrap();
        let start = rds.start_export_task().export_task_identifier(format!("other-{number}"));
        let start = start.source_arn(snapshot).s3_bucket_name(BUCKET).iam_role_arn(exports::role_arn());
        start.kms_key_id("alias/orders-export").send().await.unwrap();
    }
    sandbox.rds.behave(|behaviour| behaviour.events = EventDelivery::Normal);
    let run = exported(&sandbox).await.succeeded();
    let refused = sandbox.gateway.calls();
    let refused = refused.iter().filter(|call| call.principal == "export-snapshot" && call.status == 400);
    assert!(refused.count() > 0, "the limit was never met");
    assert_eq!(latest(&sandbox).unwrap().snapshot_time, at(TONIGHT), "{}", run.report);
}

#[tokio::test(start_paused = true)]
async fn readers_are_never_led_back_and_old_exports_go_but_what_is_pinned_or_latest() {
    let days = ["2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"];
    let sandbox = world_with(Some(&exports::example_policy().unwrap().replace("count: 7", "count: 2"))).await;
    sandbox.rds.behave(|behaviour| behaviour.events = EventDelivery::Missing);
    let mut snapshots = Vec::new();
    for day in days {
        snapshots.push(exports::take_snapshot(&sandbox, at(&format!("{day}T01:00:00Z"))).await.unwrap());
    }
    let input = |index: usize| {
        let at = format!("{}T02:00:00Z", days[index]);
        json!({ "export": EXPORT, "snapshot": snapshots[index], "at": at })
    };
    by_hand(&sandbox, "first", input(0)).await.succeeded();
    let first = latest(&sandbox).unwrap().task;
    let store = orders::context(&sandbox).store;
    let pinned = exports::example_policy().unwrap().replace("count: 7", "count: 2")
        + &format!("    pinned: [{first}]\n");
    store.put(POLICY_KEY, "application/yaml", pinned.into_bytes()).await.unwrap();
    by_hand(&sandbox, "third", input(2)).await.succeeded();
    let third = latest(&sandbox).unwrap().task;

    // Older data is exported when a person asks for it, and nobody is led to it.
    let second = by_hand(&sandbox, "second", input(1)).await.succeeded();
    assert!(summary(&second, "PublishExport").contains("which is newer"), "{}", second.report);
    assert_eq!(latest(&sandbox).unwrap().task, third);

    by_hand(&sandbox, "fourth", input(3)).await.succeeded();
    let fourth = latest(&sandbox).unwrap().task;
    assert_eq!(
        folders(&sandbox),
        BTreeSet::from([first, third, fourth]),
        "the second is gone, the first pinned"
    );

    // Once more is nothing, unless it is asked for.
    let again = by_hand(&sandbox, "fifth", input(3)).await.succeeded();
    assert!(summary(&again, "SelectExport").contains("is published already"), "{}", again.report);
    let mut asked = input(3);
    asked["again"] = true.into();
    by_hand(&sandbox, "sixth", asked).await.succeeded();
    assert_eq!(calls(&sandbox, "export-snapshot", "StartExportTask"), 5);
}

#[tokio::test(start_paused = true)]
async fn what_a_sync_has_sanitised_is_compared_with_the_rows_that_it_counted() {
    const ROWS: [(&str, u64); 4] =
        [("public.customers", 40), ("public.events", 30), ("public.orders", 120), ("public.refunds", 0)];
    let sandbox = world_with(Some(&exports::policy_of_three().unwrap())).await;
    let snapshot = exports::sanitized(&sandbox, &ROWS).await.unwrap();
    // One row is lost, and AWS says COMPLETE.
    sandbox.rds.behave(|behaviour| {
        behaviour.exports.lose.insert("shop.public.orders".into(), 1);
    });
    let input = json!({ "export": "sanitized" });
    let run = by_hand(&sandbox, "lost", input.clone()).await.failed("OperationFailed");
    run.says(&["shop.public.orders has 119 rows, and the source 120", "kind: rows"]);
    sandbox.rds.behave(|behaviour| behaviour.exports.lose.clear());

    // A file goes behind AWS's back.
    let again = json!({ "export": "sanitized", "again": true });
    let execution = sandbox.start_execution("snapshot-export", "gone", &again).await.unwrap();
    let keys = || sandbox.s3.list(BUCKET, "exports/sanitized/");
    while keys().iter().filter(|key| key.contains("/export_info_")).count() < 2 {
        sandbox.clock.sleep(Duration::from_secs(1)).await;
    }
    let customers = |key: &String| key.contains("/shop/public.customers/") && key.ends_with(".parquet");
    keys().iter().filter(|key| customers(key)).for_each(|key| sandbox.s3.remove(BUCKET, key));
    let run = ended(&sandbox, execution).await;
    run.failed("OperationFailed").says(&["shop.public.customers has 0 rows, and the source 40"]);

    let run = by_hand(&sandbox, "whole", again).await.succeeded();
    assert!(summary(&run, "PublishExport").contains("the rows that monday counted"), "{}", run.report);
    assert!(sandbox.s3.get(BUCKET, "exports/sanitized/latest.json").is_some());
    // A table more than AWS knows of, such as an unlogged one.
    exports::record(&sandbox, &[ROWS.as_slice(), &[("public.cache", 7)]].concat()).await.unwrap();
    let run = by_hand(&sandbox, "unlogged", json!({ "export": "sanitized", "again": true })).await;
    run.failed("OperationFailed").says(&["shop.public.cache is not in the export", "kind: missing"]);
    assert!(snapshot.contains("sanitized-orders-"));
}

/// Whoever may write the run bucket cannot say how many rows there were.
#[tokio::test(start_paused = true)]
async fn a_forged_record_of_a_sync_is_refused() {
    let sandbox = world_with(Some(&exports::policy_of_three().unwrap())).await;
    exports::sanitized(&sandbox, &[("public.orders", 120)]).await.unwrap();
    let store = orders::context(&sandbox).store;
    let runs = sandbox.s3.list(sandbox::sandbox::BUCKET, "runs/");
    let key = runs.iter().find(|key| key.contains("/databases/")).unwrap();
    let mut record: Value = store.get_json(key).await.unwrap().unwrap();
    record["content"]["tables"][0]["rows"] = 119.into();
    store.put_json(key, &record).await.unwrap();
    sandbox.rds.behave(|behaviour| {
        behaviour.exports.lose.insert("shop.public.orders".into(), 1);
    });
    let run = by_hand(&sandbox, "forged", json!({ "export": "sanitized" })).await.failed("Refused");
    run.says(&[key, "its MAC is wrong", "orders-sync/masking-key", "verify: restore"]);
    assert!(sandbox.s3.get(BUCKET, "exports/sanitized/latest.json").is_none());
}

/// The worker's requests of S3: as many as there are files and pages.
#[tokio::test(start_paused = true)]
async fn footers_are_read_by_ranges_and_once_though_the_worker_dies() {
    let sandbox = world().await;
    sandbox.rds.behave(|behaviour| {
        behaviour.exports.rows_a_part = 1;
        behaviour.exports.tables =
            (0..6).map(|number| ModelTable::new(&format!("shop.public.t{number}"), 50)).collect();
    });
    let kill = Fault::once(Kind::KillBefore, "s3", "GetObject").by("reconcile-export").after(270);
    sandbox.gateway.lay(kill);
    exported(&sandbox).await.succeeded();
    let files = parts(&sandbox, "/public.t").len();
    assert_eq!(files, 300);
    let reads = calls(&sandbox, "reconcile-export", "GetObject");
    assert!(reads < files + CHUNK + 40, "{reads} reads of {files} files");
    assert_eq!(manifest(&sandbox).totals.rows, 300);
}
