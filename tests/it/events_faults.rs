//! Events that come twice, a day late, in another order, of an older run, of another deployment or
//! of another account, or not at all: no second run, no second message, and nothing of another run
//! is touched. Every rule of `infra/events` that waits for an event. Model gear.

use std::{collections::BTreeSet, time::Duration};

use local_aws::ecs::{End, Fault};
use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, PRODUCTION, arn},
    deployment::Deployment,
    environments,
    faults::{self, Kind},
    orders, permissions,
    sandbox::BUCKET,
    statemachine::{PREFIX, RUNBOOKS},
    worlds::exports,
};
use serde_json::{Value, json};

use crate::{
    harness::*,
    snapshot_export_model::{TONIGHT, at, by_hand, exported},
    snapshot_export_restore,
};

/// What a further event must not change.
#[derive(Debug, PartialEq)]
struct Seen {
    changes: Vec<String>,
    /// Executions that do more than clean up after another.
    runs: BTreeSet<String>,
    reports: Vec<(String, Value)>,
    told: Vec<Value>,
    slack: usize,
    failed_tokens: usize,
}

impl Seen {
    async fn now(sandbox: &Sandbox) -> Self {
        let mut runs = BTreeSet::new();
        for (execution, is_clean_up) in executions(sandbox).await {
            if is_clean_up {
                // Its own run, which finds nothing to do.
                ended(sandbox, execution).await.succeeded();
            } else {
                runs.insert(execution);
            }
        }
        let of_runs = |key: &String| runs.iter().any(|run| key.contains(&format!("/{}/", name(run))));
        let keys = sandbox.s3.list(BUCKET, "runs/").into_iter().filter(of_runs);
        let reports = keys.filter(|key| key.ends_with("/report.json")).map(|key| {
            let report: Value = serde_json::from_slice(&sandbox.s3.get(BUCKET, &key).unwrap()).unwrap();
            let parts = ["status", "error", "cause", "steps"].map(|part| report[part].clone());
            (key, Value::from(parts.to_vec()))
        });
        let bus = arn("events", &format!("event-bus/{PREFIX}"));
        let published = sandbox.events.published().into_iter().filter(|published| published.bus == bus);
        Self {
            changes: mutations(sandbox),
            reports: reports.collect(),
            told: published.map(|published| published.event["detail"].clone()).collect(),
            slack: sandbox.beside.slack.messages().len(),
            failed_tokens: calls(sandbox, "fail-stopped-task", "SendTaskFailure"),
            runs,
        }
    }
}

fn name(execution: &str) -> &str {
    execution.rsplit(':').next().unwrap_or_default()
}

/// Every execution, and whether it only cleans up.
async fn executions(sandbox: &Sandbox) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    for runbook in RUNBOOKS {
        let machine = arn("states", &format!("stateMachine:{PREFIX}-{runbook}"));
        let listed = sandbox.sfn().list_executions().state_machine_arn(machine).send().await.unwrap();
        for execution in listed.executions() {
            let arn = execution.execution_arn();
            let described = sandbox.sfn().describe_execution().execution_arn(arn).send().await.unwrap();
            let is_clean_up = described.input().is_some_and(|input| input.starts_with("{\"after\""));
            all.push((arn.to_owned(), is_clean_up));
        }
    }
    all
}

async fn hours(sandbox: &Sandbox, hours: u64) {
    sandbox.clock.sleep(Duration::from_secs(3600 * hours)).await;
}

/// Publishes what AWS has said once more, in every way that it may come, and what others might say.
async fn nothing_comes_of_more(sandbox: &Sandbox, rules: &[&str]) {
    hours(sandbox, 1).await;
    let bus = arn("events", "event-bus/default");
    let published = sandbox.events.published().into_iter().filter(|published| published.bus == bus);
    let events: Vec<Value> = published.map(|published| published.event).collect();
    let delivered = sandbox.events.deliveries();
    for rule in rules {
        assert!(delivered.iter().any(|delivery| delivery.rule == *rule), "{rule} has met no event");
    }
    let before = Seen::now(sandbox).await;
    let publish = |event: &Value| sandbox.events.publish(&bus, event.clone());
    let changed = |change: &dyn Fn(&str) -> String| -> Vec<Value> {
        events.iter().map(|event| serde_json::from_str(&change(&event.to_string())).unwrap()).collect()
    };

    events.iter().flat_map(|event| [event, event]).for_each(publish);
    hours(sandbox, 1).await;
    assert_eq!(Seen::now(sandbox).await, before, "twice");
    events.iter().rev().for_each(publish);
    hours(sandbox, 1).await;
    assert_eq!(Seen::now(sandbox).await, before, "in another order");
    hours(sandbox, 24).await;
    events.iter().for_each(publish);
    hours(sandbox, 1).await;
    assert_eq!(Seen::now(sandbox).await, before, "a day late");

    let (deliveries, all) = (sandbox.events.deliveries().len(), executions(sandbox).await.len());
    let of_events = || sandbox.events.deliveries().len();
    let deployment = changed(&|text| text.replace(PREFIX, "acme").replace("rds:orders", "rds:invoices"));
    deployment.iter().for_each(publish);
    hours(sandbox, 1).await;
    assert_eq!(of_events(), deliveries, "another deployment's events are delivered");
    // Whole, and with our names in it.
    let account = changed(&|text| text.replace(ACCOUNT, PRODUCTION));
    account.iter().for_each(publish);
    for mut event in events.clone() {
        event["account"] = PRODUCTION.into();
        publish(&event);
    }
    hours(sandbox, 1).await;
    assert_eq!(of_events(), deliveries, "another account's events are delivered");
    assert_eq!(executions(sandbox).await.len(), all);
    assert_eq!(Seen::now(sandbox).await, before, "of others");
}

async fn called(sandbox: &Sandbox, state: &str, action: &str, times: usize) {
    while calls(sandbox, state, action) < times {
        sandbox.clock.sleep(Duration::from_secs(5)).await;
    }
}

async fn stop(sandbox: &Sandbox, execution: &str) {
    sandbox.sfn().stop_execution().execution_arn(execution).send().await.unwrap();
}

async fn quarantines(sandbox: &Sandbox) -> usize {
    let shown = sandbox.rds_client().describe_db_clusters().send().await.unwrap();
    let names = shown.db_clusters().iter().filter_map(|cluster| cluster.db_cluster_identifier());
    names.filter(|name| name.starts_with("quarantine-")).count()
}

#[tokio::test(start_paused = true)]
async fn of_syncs_nothing_comes_of_an_event_that_comes_again_late_or_from_elsewhere() {
    let (sandbox, _) = World::WHOLE.start(Options::model(1)).await;
    sync(&sandbox, "monday").await.succeeded();
    let input = json!({ "sync": environments::SYNC });
    let stopped = sandbox.start_execution("daily-sync", "tuesday", &input).await.unwrap();
    called(&sandbox, "restore-quarantine", "CreateDBInstance", 2).await;
    stop(&sandbox, &stopped).await;
    hours(&sandbox, 1).await;
    sync(&sandbox, "wednesday").await.succeeded();
    nothing_comes_of_more(&sandbox, &["sync-stopped", "execution-status-change", "worker-stopped"]).await;
}

#[tokio::test(start_paused = true)]
async fn of_exports_nothing_comes_of_an_event_that_comes_again_late_or_from_elsewhere() {
    let sandbox = snapshot_export_restore::world().await;
    exported(&sandbox).await.succeeded();
    let again = json!({ "export": exports::EXPORT, "again": true });
    let stopped = sandbox.start_execution("snapshot-export", "stopped", &again).await.unwrap();
    called(&sandbox, "restore-snapshot", "CreateDBInstance", 2).await;
    stop(&sandbox, &stopped).await;
    hours(&sandbox, 1).await;
    sandbox.rds.behave(|behaviour| {
        behaviour.exports.lose.insert("shop.public.orders".into(), 1);
    });
    by_hand(&sandbox, "failed", again).await.failed("OperationFailed");
    let rules = ["snapshot-created", "export-stopped", "export-failed", "execution-status-change"];
    nothing_comes_of_more(&sandbox, &rules).await;
}

#[tokio::test(start_paused = true)]
async fn of_upgrades_nothing_comes_of_an_event_that_comes_again_late_or_from_elsewhere() {
    let sandbox = model(1, orders::Shape::default()).await;
    let end = End::out_of_memory(Duration::from_secs(100));
    sandbox.ecs.lay("run-analyze", Fault::End(end));
    run(&sandbox, "upgrade", &to_18()).await.succeeded();
    run(&sandbox, "again", &to_18()).await.succeeded();
    assert_eq!(calls(&sandbox, "fail-stopped-task", "SendTaskFailure"), 1);
    nothing_comes_of_more(&sandbox, &["execution-status-change", "worker-stopped"]).await;
}

#[tokio::test(start_paused = true)]
async fn of_rehearsals_nothing_comes_of_an_event_that_comes_again_late_or_from_elsewhere() {
    let sandbox = model(1, orders::Shape::default()).await;
    environments::create_quarantine(&sandbox).await.unwrap();
    let arn = sandbox.start_execution("rehearse-upgrade", "stopped", &to_18()).await.unwrap();
    called(&sandbox, "clone-cluster", "CreateDBInstance", 1).await;
    stop(&sandbox, &arn).await;
    hours(&sandbox, 1).await;
    nothing_comes_of_more(&sandbox, &["execution-status-change", "rehearsal-stopped"]).await;
}

/// Every rule that waits for an event is met by one of the tests above, or by those of the
/// messages.
#[test]
fn every_rule_is_tried() {
    let rules = Deployment::of_files(&permissions::Switches::default()).unwrap().rules;
    let of_events: BTreeSet<String> =
        rules.into_iter().filter(|rule| rule.pattern.is_some()).map(|rule| rule.name).collect();
    let tried = [
        "datadog",
        "execution-status-change",
        "export-failed",
        "export-stopped",
        "rehearsal-stopped",
        "slack",
        "snapshot-created",
        "sync-stopped",
        "worker-stopped",
    ];
    assert_eq!(of_events.iter().map(String::as_str).collect::<Vec<_>>(), tried);
}

fn without(rule: &str) -> Deployment {
    let mut deployment = Deployment::of_files(&permissions::Switches::default()).unwrap();
    deployment.rules.retain(|known| known.name != rule);
    deployment
}

#[tokio::test(start_paused = true)]
async fn what_a_stopped_sync_left_whose_event_is_lost_goes_with_the_next_one() {
    let options = Options { deployment: Some(without("sync-stopped")), ..Options::model(1) };
    let (sandbox, _) = World::WHOLE.start(options).await;
    let input = json!({ "sync": environments::SYNC });
    let stopped = sandbox.start_execution("daily-sync", "monday", &input).await.unwrap();
    called(&sandbox, "restore-quarantine", "CreateDBInstance", 1).await;
    stop(&sandbox, &stopped).await;
    hours(&sandbox, 2).await;
    assert_eq!(quarantines(&sandbox).await, 1, "nobody was called");
    sync(&sandbox, "tuesday").await.succeeded();
    assert_eq!(quarantines(&sandbox).await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_or_stopped_export_left_whose_event_is_lost_goes_with_the_next_one() {
    for rule in ["export-stopped", "export-failed"] {
        let sandbox = snapshot_export_restore::world_of(Some(without(rule))).await;
        exports::take_snapshot(&sandbox, at(TONIGHT)).await.unwrap();
        let execution = exports::started(&sandbox).await.unwrap();
        called(&sandbox, "restore-snapshot", "CreateDBInstance", 1).await;
        if rule == "export-stopped" {
            stop(&sandbox, &execution).await;
        } else {
            let denied = faults::Fault::once(Kind::Denied, "rds", "DescribeDBClusters");
            sandbox.gateway.lay(denied.by("count-rows"));
            ended(&sandbox, execution).await.failed("Refused");
        }
        hours(&sandbox, 2).await;
        assert_eq!(quarantines(&sandbox).await, 1, "{rule}: nobody was called");
        let again = json!({ "export": exports::EXPORT, "again": true });
        by_hand(&sandbox, "again", again).await.succeeded();
        assert_eq!(quarantines(&sandbox).await, 0, "{rule}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_events_are_lost_ends_as_well_and_is_not_told() {
    let deployment = Some(without("execution-status-change"));
    let sandbox = Sandbox::start(Options { deployment, ..Options::model(1) }).await.unwrap();
    orders::create(&sandbox, orders::Shape::default()).await.unwrap();
    let arn = sandbox.start_execution("major-upgrade", "unheard", &to_18()).await.unwrap();
    assert_eq!(sandbox.wait(&arn).await.unwrap().status().as_str(), "SUCCEEDED");
    hours(&sandbox, 1).await;
    assert_eq!(versions(&sandbox).await, ["18.4", "18.4", "18.4"]);
    assert!(sandbox.beside.slack.messages().is_empty());
}
