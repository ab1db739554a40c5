//! daily-sync in the model gear: the whole ASL in virtual time, with faults laid on every call and
//! callers killed.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::types::DbCluster;
use sandbox::{
    Options, Sandbox,
    aws::PRODUCTION,
    environments::{DEV, SUPPORT},
    faults::Kind,
};
use serde_json::{Value, json};

use crate::harness::{CallSite, World, call_sites, ended, ours, sync};

async fn world() -> Sandbox {
    World::WHOLE.start(Options::model(1)).await.0
}

async fn clusters(sandbox: &Sandbox) -> Vec<DbCluster> {
    sandbox.rds_client().describe_db_clusters().send().await.unwrap().db_clusters.unwrap_or_default()
}

/// Where each target's clients are led: the cluster of the stable name, or the one whose host the
/// secret holds.
async fn published(sandbox: &Sandbox) -> BTreeMap<&'static str, String> {
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
async fn nothing_raw_is_left(sandbox: &Sandbox, what: &str) {
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
fn production_is_left_alone(sandbox: &Sandbox) {
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

/// Every distinct call of a whole sync, but what a worker says to Step Functions.
async fn calls_of_a_sync() -> BTreeSet<CallSite> {
    let sandbox = world().await;
    sync(&sandbox, "sites").await.succeeded();
    let mut sites = call_sites(&sandbox);
    sites.retain(|site| !site.action.starts_with("SendTask"));
    sites
}

#[tokio::test(start_paused = true)]
async fn a_denied_call_at_any_state_fails_the_run_and_leaves_nothing_raw_and_yesterdays_targets() {
    for site in calls_of_a_sync().await {
        // CleanUp itself may not be let down: what it cannot delete it names, which another test
        // shows.
        if site.service != "rds" || site.principal == "clean-up" {
            continue;
        }
        let what = format!("denied: {site}");
        let sandbox = world().await;
        let before = published(&sandbox).await;
        sandbox.gateway.lay(site.fault(Kind::Denied).times(1000));
        let run = sync(&sandbox, "denied").await;
        assert_eq!(run.status, "FAILED", "{what}: a failed step must not end SUCCEEDED");
        nothing_raw_is_left(&sandbox, &what).await;
        production_is_left_alone(&sandbox);
        let after = published(&sandbox).await;
        assert_eq!(after.len(), 2, "{what}: a target leads nowhere: {}", run.cause);
        // A target that was swapped before the failure has good data; any other still has
        // yesterday's.
        if !["swap-target", "retire-old"].contains(&site.principal.as_str()) {
            assert_eq!(after, before, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answers_and_kills_at_any_call_end_in_published_targets() {
    for kind in [Kind::TimeoutAfter, Kind::KillAfter] {
        for site in calls_of_a_sync().await {
            if site.service == "rds" && ["Describe", "List"].iter().any(|verb| site.action.starts_with(verb))
            {
                continue;
            }
            let what = format!("{kind:?} on {site}");
            let sandbox = world().await;
            let before = published(&sandbox).await;
            sandbox.gateway.lay(site.fault(kind));
            let mut run = sync(&sandbox, "first").await;
            if run.status != "SUCCEEDED" {
                nothing_raw_is_left(&sandbox, &what).await;
                run = sync(&sandbox, "again").await;
            }
            assert_eq!(run.status, "SUCCEEDED", "{what}: {}: {}", run.error, run.cause);
            nothing_raw_is_left(&sandbox, &what).await;
            let after = published(&sandbox).await;
            assert!(after.len() == 2 && after.iter().all(|(target, id)| before[target] != *id), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_stopped_by_a_person_is_cleaned_up_by_the_next() {
    let sandbox = world().await;
    let arn = sandbox.start_execution("daily-sync", "stopped", &json!({ "sync": "orders" })).await.unwrap();
    sandbox.clock.sleep(std::time::Duration::from_secs(15 * 60)).await;
    sandbox.sfn().stop_execution().execution_arn(&arn).send().await.unwrap();
    assert_eq!(ended(&sandbox, arn).await.status, "ABORTED");
    let next = sync(&sandbox, "next").await;
    assert_eq!(next.status, "SUCCEEDED", "{}", next.cause);
    let names: Vec<String> =
        clusters(&sandbox).await.into_iter().filter_map(|cluster| cluster.db_cluster_identifier).collect();
    assert!(
        !names.iter().any(|name| name.starts_with("quarantine-")),
        "the stopped run's quarantine is still there: {names:?}"
    );
}
