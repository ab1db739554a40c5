//! `verify: restore` in the model gear: rows are counted on a restored copy in quarantine, and the
//! copy is gone whatever becomes of its run.

use std::time::Duration;

use aws_sdk_rds::types::DbCluster;
use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, arn},
    deployment::Deployment,
    environments, exports,
    exports::EXPORT,
    faults::{Fault, Kind},
    orders::{self, Shape},
    production,
    rds::{EventDelivery, network::ANYWHERE},
    sandbox::BUCKET,
    statemachine::{self, PREFIX},
};
use serde_json::{Value, json};

use crate::{
    harness::{calls, ended},
    snapshot_export_model::{TONIGHT, at, by_hand, exported, latest, manifest, summary},
};

pub async fn world() -> Sandbox {
    world_of(None).await
}

/// The same, deployed otherwise.
pub async fn world_of(deployment: Option<Deployment>) -> Sandbox {
    let options = Options { roles: vec![exports::role().unwrap()], deployment, ..Options::model(1) };
    let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
    orders::create(&sandbox, Shape { maintenance: false, ..Shape::default() }).await.unwrap();
    environments::create_quarantine(&sandbox).await.unwrap();
    exports::create(&sandbox, Some(&exports::policy_that_counts().unwrap())).await.unwrap();
    sandbox
}

async fn quarantines(sandbox: &Sandbox) -> Vec<DbCluster> {
    let shown = sandbox.rds_client().describe_db_clusters().send().await.unwrap();
    let is_raw = |cluster: &DbCluster| {
        cluster.db_cluster_identifier().is_some_and(|name| name.starts_with("quarantine-"))
    };
    shown.db_clusters.unwrap_or_default().into_iter().filter(is_raw).collect()
}

async fn nothing_raw_is_left(sandbox: &Sandbox, what: &str) {
    assert!(quarantines(sandbox).await.is_empty(), "{what}: a restored copy is left");
}

async fn minutes(sandbox: &Sandbox, minutes: u64) {
    sandbox.clock.sleep(Duration::from_secs(60 * minutes)).await;
}

/// Every execution that only cleans up has ended well.
async fn cleaned_up(sandbox: &Sandbox, least: usize) {
    minutes(sandbox, 30).await;
    let mut found = 0;
    for execution in exports::executions(sandbox).await.unwrap() {
        let described = sandbox.sfn().describe_execution().execution_arn(&execution).send().await.unwrap();
        if described.input().is_some_and(|input| input.starts_with("{\"after\"")) {
            ended(sandbox, execution).await.succeeded();
            found += 1;
        }
    }
    assert!(found >= least, "{found} clean-ups were started, not {least}");
}

/// Until a state has called that action.
async fn called(sandbox: &Sandbox, state: &str, action: &str) {
    while calls(sandbox, state, action) == 0 {
        sandbox.clock.sleep(Duration::from_secs(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn rows_are_counted_on_a_restored_copy_that_is_gone_before_readers_are_led() {
    let sandbox = world().await;
    let run = exported(&sandbox).await.succeeded();
    assert_eq!(manifest(&sandbox).verified, "rows compared with a count on a restore");
    assert!(manifest(&sandbox).tables.iter().all(|table| table.source_rows == Some(table.rows)));
    assert!(summary(&run, "RestoreSnapshot").contains("in quarantine"), "{}", run.report);
    assert!(summary(&run, "CountRows").contains("190 rows"), "{}", run.report);
    nothing_raw_is_left(&sandbox, "after a good run").await;
    let order: Vec<String> = sandbox.gateway.calls().into_iter().map(|call| call.action).collect();
    let first = |action: &str| order.iter().position(|called| called == action);
    assert!(first("StartExportTask") < first("DeleteDBCluster"), "it is counted beside the export");

    // One row is lost, and AWS says COMPLETE.
    sandbox.rds.behave(|behaviour| {
        behaviour.exports.lose.insert("shop.public.orders".into(), 1);
    });
    let again = json!({ "export": EXPORT, "again": true });
    let run = by_hand(&sandbox, "lost", again).await.failed("OperationFailed");
    run.says(&["shop.public.orders has 119 rows, and the source 120", "kind: rows"]);
    nothing_raw_is_left(&sandbox, "after a run that differs").await;
}

#[tokio::test(start_paused = true)]
async fn no_snapshot_is_restored_into_a_quarantine_that_is_open_to_be_counted() {
    let sandbox = world().await;
    sandbox.rds.allow_out("sg-quarantine", ANYWHERE);
    sandbox.rds.allow("sg-quarantine", "sg-app");
    let run = exported(&sandbox).await.failed("Refused");
    run.says(&["2 things are wrong", "lets in tcp 5432 from sg-app"]);
    assert_eq!(calls(&sandbox, "restore-snapshot", "RestoreDBClusterFromSnapshot"), 0);
    assert_eq!(latest(&sandbox), None);
}

#[tokio::test(start_paused = true)]
async fn what_an_aborted_or_timed_out_export_restored_goes_without_another_run() {
    let sandbox = world().await;
    exports::take_snapshot(&sandbox, at(TONIGHT)).await.unwrap();
    let execution = exports::started(&sandbox).await.unwrap();
    called(&sandbox, "restore-snapshot", "CreateDBInstance").await;
    sandbox.sfn().stop_execution().execution_arn(&execution).send().await.unwrap();
    cleaned_up(&sandbox, 1).await;
    nothing_raw_is_left(&sandbox, "half an hour after the stop").await;

    let source = statemachine::source("snapshot-export").unwrap();
    let mut timed: Value = serde_json::from_str(&source).unwrap();
    timed["TimeoutSeconds"] = json!(12 * 60);
    let sandbox = world().await;
    sandbox.rds.behave(|behaviour| behaviour.events = EventDelivery::Missing);
    exports::take_snapshot(&sandbox, at(TONIGHT)).await.unwrap();
    for definition in [timed.to_string(), source] {
        let update =
            sandbox.sfn().update_state_machine().definition(statemachine::render(&definition).unwrap());
        let machine = arn("states", &format!("stateMachine:{PREFIX}-snapshot-export"));
        update.state_machine_arn(machine).send().await.unwrap();
        if definition.contains("\"TimeoutSeconds\":720") {
            let input = json!({ "export": EXPORT });
            sandbox.start_execution("snapshot-export", "slow", &input).await.unwrap();
            called(&sandbox, "restore-snapshot", "CreateDBInstance").await;
        }
    }
    let execution = exports::executions(&sandbox).await.unwrap().remove(0);
    assert_eq!(ended(&sandbox, execution).await.status, "TIMED_OUT");
    cleaned_up(&sandbox, 1).await;
    nothing_raw_is_left(&sandbox, "half an hour after the time-out").await;
}

#[tokio::test(start_paused = true)]
async fn a_run_removes_no_copy_that_another_one_still_counts() {
    let sandbox = world().await;
    sandbox.rds.behave(|behaviour| behaviour.events = EventDelivery::Missing);
    let (mut snapshots, mut running) = (Vec::new(), Vec::new());
    for time in ["2026-11-24T20:00:00Z", TONIGHT] {
        snapshots.push(exports::take_snapshot(&sandbox, at(time)).await.unwrap());
    }
    for (name, snapshot) in ["first", "second"].into_iter().zip(snapshots) {
        let input = json!({ "export": EXPORT, "snapshot": snapshot });
        running.push(sandbox.start_execution("snapshot-export", name, &input).await.unwrap());
        // The first comes to its RemoveLeftovers while the second one's copy stands.
        minutes(&sandbox, 2).await;
    }
    while quarantines(&sandbox).await.len() < 2 {
        sandbox.clock.sleep(Duration::from_secs(5)).await;
    }
    for execution in running {
        let run = ended(&sandbox, execution).await.succeeded();
        assert!(run.states().contains(&"CountRows"));
    }
    nothing_raw_is_left(&sandbox, "after both").await;
}

#[tokio::test(start_paused = true)]
async fn counts_that_somebody_else_wrote_are_refused() {
    let sandbox = world().await;
    exports::take_snapshot(&sandbox, at(TONIGHT)).await.unwrap();
    let execution = exports::started(&sandbox).await.unwrap();
    let counts = || sandbox.s3.list(BUCKET, "runs/").into_iter().find(|key| key.ends_with("/counts.json"));
    while counts().is_none() {
        sandbox.clock.sleep(Duration::from_secs(5)).await;
    }
    let (key, store) = (counts().unwrap(), orders::context(&sandbox).store);
    let forged = store.get_text(&key).await.unwrap().unwrap().replace("120", "119");
    store.put(&key, "application/json", forged.into_bytes()).await.unwrap();
    let run = ended(&sandbox, execution).await.failed("Conflict");
    run.says(&[&key, "is not what CountRows wrote"]);
    assert_eq!(latest(&sandbox), None);
}

/// A copy of what another account has shared holds production's data, too.
#[tokio::test(start_paused = true)]
async fn our_copy_of_a_shared_snapshot_is_named_and_goes_with_a_run_of_the_next_day() {
    let options = Options { roles: vec![exports::role().unwrap()], ..Options::model(1) };
    let sandbox = Sandbox::start(options).await.unwrap();
    production::create(&sandbox).await.unwrap();
    orders::create(&sandbox, Shape { maintenance: false, ..Shape::default() }).await.unwrap();
    let shared = exports::share_from_production(&sandbox).await.unwrap();
    exports::create(&sandbox, Some(&exports::policy_of_three().unwrap())).await.unwrap();
    sandbox.gateway.lay(Fault::once(Kind::Denied, "rds", "StartExportTask").by("export-snapshot"));
    let input = json!({ "export": "shared", "snapshot": shared });
    let failed = by_hand(&sandbox, "shared", input).await.failed("Refused");
    sandbox.rds.behave(|behaviour| behaviour.events = EventDelivery::Missing);
    let copied = summary(&failed, "CopySharedSnapshot");
    let copies = async || {
        let rds = sandbox.rds_client_in(ACCOUNT);
        let shown = rds.describe_db_cluster_snapshots().snapshot_type("manual").send().await.unwrap();
        let names =
            shown.db_cluster_snapshots().iter().filter_map(|shown| shown.db_cluster_snapshot_identifier());
        names.filter(|name| name.starts_with("export-")).map(str::to_owned).collect::<Vec<_>>()
    };
    let left = copies().await;
    assert!(left.len() == 1 && copied.contains(&left[0]), "{left:?}: {copied}");
    // A redrive would find it.
    let tonight = async |name: &str| {
        exports::take_snapshot(&sandbox, sandbox.clock.now()).await.unwrap();
        by_hand(&sandbox, name, json!({ "export": EXPORT })).await.succeeded();
    };
    tonight("soon").await;
    assert_eq!(copies().await, left);
    minutes(&sandbox, 24 * 60).await;
    tonight("next-day").await;
    assert_eq!(copies().await, Vec::<String>::new());
}
