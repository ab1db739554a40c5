//! An upgrade rehearsed on a clone, which goes whatever happens. Model gear.

use std::{collections::BTreeSet, time::Duration};

use runbook::{Run, daily_sync::names, rehearse_upgrade::Rehearsal};
use sandbox::{
    Sandbox, environments,
    orders::{self, Shape},
    sandbox::BUCKET,
};
use serde_json::{Value, json};

use crate::harness::{self, Ended, calls, ended, model, mutations, to_18};

async fn world() -> Sandbox {
    let sandbox = model(7, Shape { maintenance: false, ..Shape::default() }).await;
    environments::create_quarantine(&sandbox).await.unwrap();
    sandbox
}

async fn rehearse(sandbox: &Sandbox, name: &str, input: &Value) -> Ended {
    let arn = sandbox.start_execution("rehearse-upgrade", name, input).await.unwrap();
    ended(sandbox, arn).await
}

/// What of a rehearsal stands: clusters, snapshots and groups.
pub async fn left(sandbox: &Sandbox) -> BTreeSet<String> {
    let rds = sandbox.rds_client();
    let clusters = rds.describe_db_clusters().send().await.unwrap();
    let clusters = clusters.db_clusters().iter().filter_map(|one| one.db_cluster_identifier());
    let snapshots = rds.describe_db_cluster_snapshots().snapshot_type("manual").send().await.unwrap();
    let snapshots = snapshots.db_cluster_snapshots().iter();
    let snapshots = snapshots.filter_map(|one| one.db_cluster_snapshot_identifier());
    let groups = rds.describe_db_cluster_parameter_groups().send().await.unwrap();
    let groups = groups.db_cluster_parameter_groups().iter();
    let groups = groups.filter_map(|one| one.db_cluster_parameter_group_name());
    let of_instances = rds.describe_db_parameter_groups().send().await.unwrap();
    let of_instances = of_instances.db_parameter_groups().iter();
    let of_instances = of_instances.filter_map(|one| one.db_parameter_group_name());
    let all = clusters.chain(snapshots).chain(groups).chain(of_instances);
    // `quarantine-pg16` is the account's own.
    let ours = |name: &&str| name.contains("quarantine-orders");
    all.filter(ours).map(str::to_owned).collect()
}

fn record(sandbox: &Sandbox, ended: &Ended) -> Rehearsal {
    let id = ended.report["rehearsal"]["resourceId"].as_str().unwrap_or_default();
    let bytes = sandbox.s3.get(BUCKET, &format!("upgrades/{id}/rehearsal.json"));
    serde_json::from_slice(&bytes.expect("the record is there")).unwrap()
}

/// Calls that change something of what is no clone's.
pub fn of_the_cluster(sandbox: &Sandbox) -> Vec<String> {
    let ours = harness::ours();
    let calls = sandbox.gateway.calls().into_iter();
    let changes =
        calls.filter(|call| call.service == "rds" && call.mutates() && ours.contains(&call.principal));
    let of_clones = |form: &str| form.contains("quarantine-orders");
    changes
        .filter(|call| !of_clones(&call.form))
        .map(|call| format!("{} {}", call.principal, call.action))
        .collect()
}

/// On real PostgreSQL, with the shipped executables under the deployed policies.
pub async fn a_shop_is_rehearsed(sandbox: &Sandbox, id: &str) {
    let application = sandbox.engine.as_ref().unwrap().connect(id, "postgres", "shop").await.unwrap();
    for query in ["SELECT count(*) FROM public.orders", "SELECT * FROM public.customers WHERE id = 7"] {
        application.simple_query(query).await.unwrap();
    }
    environments::create_quarantine(sandbox).await.unwrap();
    let ended = rehearse(sandbox, "rehearsal", &to_18()).await.succeeded();
    assert_eq!(left(sandbox).await, BTreeSet::new());
    assert_eq!(of_the_cluster(sandbox), Vec::<String>::new());
    let record = record(sandbox, &ended);
    assert!(record.downtime.is_some() && record.phases.len() > 6, "{record:?}");
    let plans = record.plans.expect("pg_stat_statements is loaded");
    assert!(plans.compared > 0, "{:#}", ended.report["plans"]);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_rehearsed_and_nothing_is_left_but_its_record() {
    let sandbox = world().await;
    let ended = rehearse(&sandbox, "monday", &to_18()).await.succeeded();
    assert_eq!(left(&sandbox).await, BTreeSet::new());
    assert_eq!(of_the_cluster(&sandbox), Vec::<String>::new());
    let record = record(&sandbox, &ended);
    assert_eq!((record.cluster.as_str(), record.from.to_string()), (orders::CLUSTER, "16.14".to_owned()));
    assert_eq!(record.path.last().unwrap().to_string(), "18.4");
    let downtime = record.downtime.expect("RDS's events show it");
    assert!(downtime.measured > 60 && downtime.at_most == 2 * downtime.measured, "{downtime:?}");
    let states: Vec<&str> = record.phases.iter().map(|phase| phase.state.as_str()).collect();
    for state in ["InspectDatabases", "TakeSnapshot", "ModifyClusterVersion", "RunAnalyze", "VerifyUpgrade"] {
        assert!(states.contains(&state), "{state} is missing in {states:?}");
    }
    // The clone was raw, and an upgrade of it is nobody's news.
    let outcome = ended.report["outcome"].as_str().unwrap();
    assert!(outcome.contains("orders was rehearsed to 18.4: expect"), "{outcome}");
    let told = sandbox.events.published().into_iter().map(|published| published.event);
    let told: Vec<Value> = told.filter(|event| event["detail"]["runbook"] == "major-upgrade").collect();
    assert_eq!(told, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_needs_a_rehearsal_has_one_and_says_what_to_expect() {
    let sandbox = world().await;
    let mut input = to_18();
    input["requireRehearsal"] = json!("7d");
    let refused = harness::run(&sandbox, "too-soon", &input).await.failed("Refused");
    refused.says(&["nobody has rehearsed the upgrade of orders from 16.14 to 18.4", "\"rehearse\": true"]);
    assert_eq!(mutations(&sandbox), Vec::<String>::new());

    let mut rehearsed = to_18();
    rehearsed["rehearse"] = json!(true);
    rehearsed["approval"] = json!(true);
    let said = harness::run(&sandbox, "rehearsed", &rehearsed).await.succeeded();
    assert_eq!(said.states(), ["Rehearse"]);
    assert_eq!(of_the_cluster(&sandbox), Vec::<String>::new());

    let upgraded = harness::run(&sandbox, "upgrade", &input).await.succeeded();
    let plan = upgraded.report["steps"][0]["summary"].as_str().unwrap();
    assert!(plan.contains("; rehearsed on 2026-") && plan.contains("of downtime"), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn what_the_bucket_says_of_a_rehearsal_is_not_believed() {
    let sandbox = world().await;
    let ended = rehearse(&sandbox, "monday", &to_18()).await.succeeded();
    let mut forged = record(&sandbox, &ended);
    let key = format!("upgrades/{}/rehearsal.json", forged.resource_id);
    forged.execution = forged.execution.as_str().replace("monday", "never").try_into().unwrap();
    let cx = orders::context(&sandbox);
    cx.store.put_json(&key, &forged).await.unwrap();
    let mut input = to_18();
    input["requireRehearsal"] = json!("7d");
    harness::run(&sandbox, "forged", &input).await.failed("Refused").says(&["nobody has rehearsed"]);

    // A week later the true one is too old.
    forged.execution = forged.execution.as_str().replace("never", "monday").try_into().unwrap();
    cx.store.put_json(&key, &forged).await.unwrap();
    sandbox.clock.sleep(Duration::from_hours(24 * 7)).await;
    harness::run(&sandbox, "late", &input).await.failed("Refused").says(&["the last rehearsal of orders"]);
}

#[tokio::test(start_paused = true)]
async fn a_clone_goes_with_a_rehearsal_that_fails_and_the_failure_is_the_upgrades_own() {
    let sandbox = world().await;
    let mut input = to_18();
    input["parameters"] = json!([{ "name": "work_mem", "value": "lots", "reason": "a test" }]);
    let ended = rehearse(&sandbox, "monday", &input).await;
    assert_eq!(ended.status, "FAILED");
    assert_ne!(ended.error, "States.TaskFailed", "{}", ended.cause);
    assert!(!ended.cause.contains("redrive-execution"), "{}", ended.cause);
    assert_eq!(left(&sandbox).await, BTreeSet::new());
    assert!(ended.report["next"].as_str().unwrap().contains("start-execution"), "{:#}", ended.report);
}

#[tokio::test(start_paused = true)]
async fn a_clone_goes_with_a_rehearsal_that_a_person_stops() {
    let sandbox = world().await;
    let arn = sandbox.start_execution("rehearse-upgrade", "stopped", &to_18()).await.unwrap();
    while calls(&sandbox, "take-snapshot", "CreateDBClusterSnapshot") == 0 {
        sandbox.clock.sleep(Duration::from_secs(20)).await;
    }
    assert!(!left(&sandbox).await.is_empty());
    sandbox.sfn().stop_execution().execution_arn(&arn).send().await.unwrap();
    sandbox.clock.sleep(Duration::from_mins(30)).await;
    assert_eq!(left(&sandbox).await, BTreeSet::new());
    assert_eq!(of_the_cluster(&sandbox), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_open_quarantine_and_a_clone_of_a_clone_are_refused() {
    let sandbox = world().await;
    sandbox.rds.allow("sg-quarantine", "sg-anybody");
    let refused = rehearse(&sandbox, "open", &to_18()).await.failed("Refused");
    refused.says(&["the quarantine is not set up as it has to be"]);
    assert_eq!(calls(&sandbox, "clone-cluster", "RestoreDBClusterToPointInTime"), 0);
    assert_eq!(left(&sandbox).await, BTreeSet::new());

    let sandbox = world().await;
    let first = sandbox.start_execution("rehearse-upgrade", "first", &to_18()).await.unwrap();
    while calls(&sandbox, "clone-cluster", "CreateDBInstance") == 0 {
        sandbox.clock.sleep(Duration::from_secs(20)).await;
    }
    let clone = names::quarantine(orders::CLUSTER, &Run::of(&first));
    let of_clone = rehearse(&sandbox, "second", &json!({ "cluster": clone, "target": "18" })).await;
    of_clone.failed("Refused").says(&["is the clone of a rehearsal itself"]);
    ended(&sandbox, first).await.succeeded();
}

/// An owner's cluster was called as a clone is, and is not any more: what its upgrade took to go
/// back to outlives every rehearsal.
#[tokio::test(start_paused = true)]
async fn the_way_back_of_an_owners_cluster_is_never_taken_for_a_clones() {
    let sandbox = world().await;
    let owner = sandbox.rds_client();
    let rename = async |from: &str, to: &str| {
        let rename = owner.modify_db_cluster().db_cluster_identifier(from).apply_immediately(true);
        rename.new_db_cluster_identifier(to).send().await.unwrap();
        sandbox.clock.sleep(Duration::from_hours(1)).await;
    };
    rename(orders::CLUSTER, "quarantine-orders").await;
    let input = json!({ "cluster": "quarantine-orders", "target": "18" });
    harness::run(&sandbox, "owners", &input).await.succeeded();
    rename("quarantine-orders", orders::CLUSTER).await;
    let before = left(&sandbox).await;
    assert!(before.iter().any(|name| name.starts_with("before-upgrade-")), "{before:?}");
    rehearse(&sandbox, "rehearsal", &to_18()).await;
    assert_eq!(left(&sandbox).await, before);
}
