//! daily-sync in the model gear: the whole ASL in virtual time, stopped and cleaned up after.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_rds::types::DbCluster;
use runbook::daily_sync::POLICY_KEY;
use sandbox::{
    Options, Sandbox,
    aws::{PRODUCTION, arn},
    environments::{DEV, SUPPORT, SYNC},
    faults::{Fault, Kind},
    orders, production,
    statemachine::{self, PREFIX},
};
use serde_json::{Value, json};

use crate::harness::{World, calls, ended, ours, sync};

async fn world() -> Sandbox {
    World::WHOLE.start(Options::model(1)).await.0
}

async fn clusters(sandbox: &Sandbox) -> Vec<DbCluster> {
    sandbox.rds_client().describe_db_clusters().send().await.unwrap().db_clusters.unwrap_or_default()
}

/// Where each target's clients are led: the cluster of the stable name, or the one whose host the
/// secret holds.
pub async fn published(sandbox: &Sandbox) -> BTreeMap<&'static str, String> {
    let secret: Value =
        serde_json::from_str(&sandbox.secrets.value("orders-support/connection").unwrap()).unwrap();
    let clusters = clusters(sandbox).await;
    let id = |cluster: &DbCluster| cluster.db_cluster_resource_id().unwrap_or_default().to_owned();
    let dev = clusters.iter().find(|cluster| cluster.db_cluster_identifier() == Some(DEV)).map(&id);
    let support = clusters.iter().find(|cluster| {
        cluster.endpoint() == secret["host"].as_str()
            && cluster.port().map(i64::from) == secret["port"].as_i64()
    });
    [(DEV, dev), (SUPPORT, support.map(&id))]
        .into_iter()
        .filter_map(|(target, id)| Some((target, id?)))
        .collect()
}

/// What must hold however a run ended.
pub async fn nothing_raw_is_left(sandbox: &Sandbox, what: &str) {
    let names: Vec<String> =
        clusters(sandbox).await.into_iter().filter_map(|cluster| cluster.db_cluster_identifier).collect();
    assert!(!names.iter().any(|name| name.starts_with("quarantine-")), "{what}: {names:?}");
    let snapshots = sandbox
        .rds_client_in(PRODUCTION)
        .describe_db_cluster_snapshots()
        .snapshot_type("manual")
        .send()
        .await
        .unwrap();
    let ours: Vec<_> = snapshots
        .db_cluster_snapshots()
        .iter()
        .filter_map(|snapshot| snapshot.db_cluster_snapshot_identifier())
        .collect();
    assert!(ours.is_empty(), "{what}: our copies stay in production: {ours:?}");
}

/// Production is only read, but for our own copy of a snapshot.
pub fn production_is_left_alone(sandbox: &Sandbox) {
    let ours = ours();
    for call in sandbox.gateway.calls() {
        if call.account == PRODUCTION
            && call.service == "rds"
            && ours.contains(&call.principal)
            && call.mutates()
        {
            let allowed = [
                "CopyDBClusterSnapshot",
                "ModifyDBClusterSnapshotAttribute",
                "DeleteDBClusterSnapshot",
                "AddTagsToResource",
            ];
            assert!(
                allowed.contains(&call.action.as_str()),
                "{} called {} in production",
                call.principal,
                call.action
            );
            assert!(call.form.contains("sync-orders-"), "{} {}: {}", call.principal, call.action, call.form);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_targets_get_yesterdays_data_and_the_old_copy_is_kept() {
    let sandbox = world().await;
    let before = published(&sandbox).await;
    assert_eq!(before.len(), 2);
    let run = sync(&sandbox, "tuesday").await.succeeded();
    let after = published(&sandbox).await;
    assert_eq!(after.len(), 2);
    for target in [DEV, SUPPORT] {
        assert_ne!(before[target], after[target], "{target} was not replaced");
    }
    nothing_raw_is_left(&sandbox, "after a good run").await;
    production_is_left_alone(&sandbox);
    let attested: Vec<_> = sandbox.s3.list(sandbox::sandbox::BUCKET, "attestations/");
    assert_eq!(attested.len(), 1);
    for state in
        ["SelectSnapshot", "CopySnapshot", "SanitizeDatabases", "AttestSanitized", "SwapTarget", "CleanUp"]
    {
        assert!(run.states().contains(&state), "{state} is not in the report: {:?}", run.states());
    }
    assert_eq!(run.states().iter().filter(|state| **state == "SwapTarget").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_fitting_snapshot_the_run_fails_and_touches_nothing() {
    let (sandbox, _) = World { snapshot: false, ..World::WHOLE }.start(Options::model(1)).await;
    let before = published(&sandbox).await;
    let run = sync(&sandbox, "nothing").await;
    assert_eq!(run.status, "FAILED", "{}", run.cause);
    assert!(run.cause.contains("snapshot"), "{}", run.cause);
    assert_eq!(published(&sandbox).await, before);
    production_is_left_alone(&sandbox);
}

pub async fn minutes(sandbox: &Sandbox, minutes: u64) {
    sandbox.clock.sleep(Duration::from_mins(minutes)).await;
}

async fn put_policy(sandbox: &Sandbox, policy: &str) {
    let store = orders::context(sandbox).store;
    store.put(POLICY_KEY, "application/yaml", policy.as_bytes().to_vec()).await.unwrap();
}

async fn has_quarantine(sandbox: &Sandbox) -> bool {
    let clusters = clusters(sandbox).await;
    let mut names = clusters.iter().filter_map(|cluster| cluster.db_cluster_identifier());
    names.any(|name| name.starts_with("quarantine-"))
}

/// Starts a sync; answers when its quarantine stands.
pub async fn in_quarantine(sandbox: &Sandbox, name: &str) -> String {
    let arn = sandbox.start_execution("daily-sync", name, &json!({ "sync": SYNC })).await.unwrap();
    while !has_quarantine(sandbox).await {
        minutes(sandbox, 1).await;
    }
    arn
}

pub async fn stop(sandbox: &Sandbox, arn: &str) {
    sandbox.sfn().stop_execution().execution_arn(arn).send().await.unwrap();
}

/// The executions that the rule on stopped ones has started, the first one first.
pub async fn clean_ups(sandbox: &Sandbox) -> Vec<String> {
    let machine = arn("states", &format!("stateMachine:{PREFIX}-daily-sync"));
    let all = sandbox.sfn().list_executions().state_machine_arn(machine).send().await.unwrap().executions;
    let mut found = Vec::new();
    for execution in all.into_iter().rev() {
        let describe = sandbox.sfn().describe_execution().execution_arn(&execution.execution_arn);
        if describe.send().await.unwrap().input().unwrap().contains("after") {
            found.push(execution.execution_arn);
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn a_run_stopped_by_a_person_leaves_no_raw_data_without_another_run() {
    let sandbox = world().await;
    let before = published(&sandbox).await;
    let stopped = in_quarantine(&sandbox, "stopped").await;
    stop(&sandbox, &stopped).await;
    assert_eq!(ended(&sandbox, stopped).await.status, "ABORTED");
    minutes(&sandbox, 30).await;
    nothing_raw_is_left(&sandbox, "half an hour after the stop").await;
    let clean_ups = clean_ups(&sandbox).await;
    assert_eq!(clean_ups.len(), 1);
    let clean_up = ended(&sandbox, clean_ups[0].clone()).await.succeeded();
    assert_eq!(clean_up.states(), ["SelectSnapshot", "CleanUp"]);
    assert_eq!(published(&sandbox).await, before);
    sync(&sandbox, "next").await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn a_run_stopped_while_a_rename_is_under_way_gives_the_name_back() {
    let sandbox = world().await;
    sync(&sandbox, "monday").await.succeeded();
    minutes(&sandbox, 24 * 60).await;
    production::take_snapshot(&sandbox).await.unwrap();
    let before = published(&sandbox).await;
    let input = json!({ "sync": "orders" });
    let stopped = sandbox.start_execution("daily-sync", "stopped", &input).await.unwrap();
    let seen = sandbox.gateway.calls().len();
    while !sandbox.gateway.calls()[seen..]
        .iter()
        .any(|call| call.form.contains("NewDBClusterIdentifier=orders-dev-old"))
    {
        sandbox.clock.sleep(Duration::from_secs(1)).await;
    }
    stop(&sandbox, &stopped).await;
    minutes(&sandbox, 120).await;
    for clean_up in clean_ups(&sandbox).await {
        ended(&sandbox, clean_up).await.succeeded();
    }
    assert_eq!(published(&sandbox).await.get(DEV), before.get(DEV));
    nothing_raw_is_left(&sandbox, "two hours after the stop").await;
}

#[tokio::test(start_paused = true)]
async fn a_timed_out_run_leaves_no_raw_data_without_another_run() {
    let sandbox = world().await;
    let mut timed: Value = serde_json::from_str(&statemachine::source("daily-sync").unwrap()).unwrap();
    timed["TimeoutSeconds"] = json!(20 * 60);
    for definition in [timed.to_string(), statemachine::source("daily-sync").unwrap()] {
        let update =
            sandbox.sfn().update_state_machine().definition(statemachine::render(&definition).unwrap());
        let machine = arn("states", &format!("stateMachine:{PREFIX}-daily-sync"));
        update.state_machine_arn(machine).send().await.unwrap();
        if definition.contains("\"TimeoutSeconds\":1200") {
            in_quarantine(&sandbox, "slow").await;
        }
    }
    let slow = arn("states", &format!("execution:{PREFIX}-daily-sync:slow"));
    assert_eq!(ended(&sandbox, slow).await.status, "TIMED_OUT");
    minutes(&sandbox, 30).await;
    nothing_raw_is_left(&sandbox, "half an hour after the time-out").await;
    for clean_up in clean_ups(&sandbox).await {
        ended(&sandbox, clean_up).await.succeeded();
    }
}

#[tokio::test(start_paused = true)]
async fn a_clean_up_that_is_stopped_is_cleaned_up_after_and_goes_by_the_first_runs_policy() {
    let sandbox = world().await;
    let stopped = in_quarantine(&sandbox, "stopped").await;
    // Today's policy knows the sync no more: it is not what the run went by.
    put_policy(&sandbox, "syncs: {}").await;
    stop(&sandbox, &stopped).await;
    minutes(&sandbox, 1).await;
    let first = clean_ups(&sandbox).await.remove(0);
    stop(&sandbox, &first).await;
    minutes(&sandbox, 30).await;
    nothing_raw_is_left(&sandbox, "half an hour after the second stop").await;
    let all = clean_ups(&sandbox).await;
    assert_eq!(all.len(), 2);
    ended(&sandbox, all[1].clone()).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn what_a_stopped_run_left_goes_with_a_next_one_that_finds_no_snapshot() {
    let sandbox = world().await;
    // The rule's event never arrives.
    let lost = Fault::once(Kind::Denied, "states", "StartExecution").by("events.amazonaws.com");
    sandbox.gateway.lay(lost);
    let stopped = in_quarantine(&sandbox, "stopped").await;
    stop(&sandbox, &stopped).await;
    minutes(&sandbox, 30).await;
    assert!(has_quarantine(&sandbox).await, "nobody has cleaned up yet");
    let input = json!({ "sync": SYNC, "at": "2020-01-01T00:00:00Z" });
    let next = sandbox.start_execution("daily-sync", "next", &input).await.unwrap();
    let next = ended(&sandbox, next).await.failed("OperationFailed");
    next.says(&["no snapshot of orders fits"]);
    nothing_raw_is_left(&sandbox, "after a run that found no snapshot").await;
}

#[tokio::test(start_paused = true)]
async fn a_clean_up_touches_nothing_while_a_run_works_and_after_no_execution_of_ours() {
    let sandbox = world().await;
    let works = in_quarantine(&sandbox, "works").await;
    let elsewhere = arn("states", "execution:invoices:one");
    let own = arn("states", &format!("execution:{PREFIX}-daily-sync:circle"));
    // An input is whatever somebody typed.
    let typed = json!({ "sync": ["orders"], "after": "x" });
    let odd = sandbox.start_execution("daily-sync", "odd", &typed).await.unwrap();
    let odd = ended(&sandbox, odd).await.failed("Refused").arn;
    for (name, after, error) in [
        ("early", &works, "Conflict"),
        ("elsewhere", &elsewhere, "Refused"),
        ("circle", &own, "Refused"),
        ("nonsense", &odd, "Refused"),
    ] {
        let input = json!({ "after": after });
        let execution = sandbox.start_execution("daily-sync", name, &input).await.unwrap();
        ended(&sandbox, execution).await.failed(error);
    }
    assert_eq!(calls(&sandbox, "clean-up", "DeleteDBCluster"), 0);
    ended(&sandbox, works).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn what_a_restore_does_not_carry_by_itself_is_carried() {
    let (sandbox, _) = World { snapshot: false, ..World::WHOLE }.start(Options::model(1)).await;
    let rds = sandbox.rds_client_in(PRODUCTION);
    let modify = rds.modify_db_cluster().db_cluster_identifier("orders").storage_type("aurora-iopt1");
    modify.apply_immediately(true).send().await.unwrap();
    minutes(&sandbox, 30).await;
    production::take_snapshot(&sandbox).await.unwrap();
    sync(&sandbox, "optimized").await.succeeded();
    let fresh = published(&sandbox).await;
    for cluster in clusters(&sandbox).await {
        let id = cluster.db_cluster_resource_id().unwrap().to_owned();
        if !fresh.values().any(|published| *published == id) {
            continue;
        }
        assert_eq!(cluster.storage_type(), Some("aurora-iopt1"));
        let scaling = cluster.serverless_v2_scaling_configuration();
        let scaling = scaling.and_then(|scaling| scaling.max_capacity());
        assert_eq!(scaling, (id == fresh[SUPPORT]).then_some(8.0));
    }
}
