//! Faults laid on every call that a state makes, one at a time, and callers killed: running on, or
//! running again, ends in the same upgraded cluster. Model gear.

use std::collections::BTreeSet;

use sandbox::{
    Sandbox,
    faults::{Fault, Kind},
    orders::{self, Shape},
};

use crate::harness::*;

/// Every distinct call that functions and workers make in a whole upgrade.
async fn call_sites() -> Vec<(&'static str, &'static str, &'static str)> {
    let sandbox = model(1, Shape::default()).await;
    run(&sandbox, "sites", &to_18()).await.succeeded();
    let ours: BTreeSet<String> =
        functions::STATES.iter().chain(workers::STATES).map(|state| runbook::state::kebab(state)).collect();
    let mut sites = BTreeSet::new();
    for call in sandbox.gateway.calls() {
        if ours.contains(&call.principal) {
            sites.insert((call.principal, call.service, call.action));
        }
    }
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    sites
        .into_iter()
        .map(|(principal, service, action)| (leak(principal), leak(service), leak(action)))
        .collect()
}

/// Runs on, and if a person must act, does what the message says: redrives.
async fn upgraded_in_the_end(sandbox: &Sandbox, what: &str) {
    let mut ended = run(sandbox, "faulty", &to_18()).await;
    for _ in 0..3 {
        if ended.status == "SUCCEEDED" {
            break;
        }
        assert_ne!(ended.error, "Unexpected", "{what}: {}", ended.cause);
        ended = redrive(sandbox, &ended).await;
    }
    assert_eq!(ended.status, "SUCCEEDED", "{what}: {}: {}", ended.error, ended.cause);
    assert_eq!(versions(sandbox).await, ["18.4", "18.4", "18.4"], "{what}");
    let upgrades = upgrades_begun(sandbox).await;
    assert_eq!(upgrades, 1, "{what}: an upgrade is begun once");
}

/// RDS's own pre-upgrade snapshots tell how many upgrades it began.
async fn upgrades_begun(sandbox: &Sandbox) -> usize {
    let answer = sandbox
        .rds_client()
        .describe_db_cluster_snapshots()
        .db_cluster_identifier(orders::CLUSTER)
        .send()
        .await
        .unwrap();
    answer
        .db_cluster_snapshots()
        .iter()
        .filter(|snapshot| {
            snapshot.db_cluster_snapshot_identifier().is_some_and(|id| id.starts_with("preupgrade-"))
        })
        .count()
}

async fn every_call(kinds: &[Kind]) {
    let sites = call_sites().await;
    assert!(sites.len() > 30, "only {} call sites", sites.len());
    for &kind in kinds {
        for &(principal, service, action) in &sites {
            let sandbox = model(1, Shape::default()).await;
            sandbox.gateway.lay(Fault { principal: Some(principal), ..Fault::once(kind, service, action) });
            upgraded_in_the_end(&sandbox, &format!("{kind:?} on {principal} {action}")).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_or_a_server_error_is_only_a_delay() {
    every_call(&[Kind::Throttle, Kind::ServerError]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_lost_before_or_after_its_effect_is_only_a_delay() {
    every_call(&[Kind::TimeoutBefore, Kind::TimeoutAfter]).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_killed_before_or_after_any_call_leaves_nothing_that_running_again_does_not_finish() {
    every_call(&[Kind::KillBefore, Kind::KillAfter]).await;
}

#[tokio::test(start_paused = true)]
async fn stale_describes_start_nothing_twice() {
    let sites = call_sites().await;
    for (principal, service, action) in
        sites.into_iter().filter(|(_, service, action)| *service == "rds" && action.starts_with("Describe"))
    {
        let sandbox = model(1, Shape::default()).await;
        for after in [2, 5, 9] {
            sandbox.gateway.lay(
                Fault { principal: Some(principal), ..Fault::once(Kind::Stale, service, action) }
                    .after(after),
            );
        }
        upgraded_in_the_end(&sandbox, &format!("stale {principal} {action}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_call_is_refused_with_the_permission_and_goes_on_after_a_redrive() {
    for (principal, service, action) in call_sites().await {
        if action.starts_with("SendTask") || service == "s3" {
            continue;
        }
        let sandbox = model(1, Shape::default()).await;
        sandbox
            .gateway
            .lay(Fault { principal: Some(principal), ..Fault::once(Kind::Denied, service, action) });
        let denied = run(&sandbox, "denied", &to_18()).await.failed("Refused");
        denied.says(&[action, "is not allowed", "redrive"]);
        redrive(&sandbox, &denied).await.succeeded();
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_never_starts_shows_within_minutes_and_another_is_started() {
    let sandbox = model(1, Shape::default()).await;
    sandbox.ecs.never_start_next();
    let run = run(&sandbox, "never", &to_18()).await.succeeded();
    let step = run.report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["state"] == "InspectDatabases")
        .unwrap();
    let at = |field: &str| step[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let minutes = at("exited").duration_since(at("entered")).as_mins();
    assert!((5..20).contains(&minutes), "it took {minutes} minutes");
}

#[tokio::test(start_paused = true)]
async fn no_capacity_for_a_worker_is_only_a_delay() {
    let sandbox = model(1, Shape::default()).await;
    sandbox.ecs.fail_next_run("RESOURCE:MEMORY");
    run(&sandbox, "capacity", &to_18()).await.succeeded();
}
