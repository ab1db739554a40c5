//! Faults laid on every call that a state makes, one at a time, and callers killed: running on, or
//! running again, ends in the same upgraded cluster. Model gear.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sandbox::{
    Sandbox,
    faults::{Fault, Kind},
    orders::{self, Shape},
};

use crate::harness::*;

/// A whole upgrade, for the calls that it makes.
async fn an_upgrade() -> Sandbox {
    let sandbox = model(1, Shape::default()).await;
    run(&sandbox, "sites", &to_18()).await.succeeded();
    sandbox
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
    let sites = call_sites(&an_upgrade().await);
    assert!(sites.len() > 30, "only {} call sites", sites.len());
    for &kind in kinds {
        for site in &sites {
            let sandbox = model(1, Shape::default()).await;
            sandbox.gateway.lay(site.fault(kind));
            upgraded_in_the_end(&sandbox, &format!("{kind:?} on {site}")).await;
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
    let looks = repeated_looks(&an_upgrade().await);
    assert!(looks.len() > 10, "only {} states look twice", looks.len());
    for (site, repeated) in looks {
        let sandbox = model(1, Shape::default()).await;
        // At once, in the middle, and once more: as far as that many looks go.
        for after in [0, 2, 5].into_iter().filter(|after| 2 * after < repeated) {
            sandbox.gateway.lay(site.fault(Kind::Stale).after(after));
        }
        upgraded_in_the_end(&sandbox, &format!("stale {site}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_call_is_refused_with_the_permission_and_goes_on_after_a_redrive() {
    for site in call_sites(&an_upgrade().await) {
        if site.action.starts_with("SendTask") || site.service == "s3" {
            continue;
        }
        let sandbox = model(1, Shape::default()).await;
        sandbox.gateway.lay(site.fault(Kind::Denied));
        let denied = run(&sandbox, "denied", &to_18()).await.failed("Refused");
        denied.says(&[&site.action, "is not allowed", "redrive"]);
        redrive(&sandbox, &denied).await.succeeded();
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_was_laid_and_never_fired_fails_the_test() {
    let dropped = |sandbox: Sandbox| {
        let panic = catch_unwind(AssertUnwindSafe(move || drop(sandbox))).err()?;
        panic.downcast_ref::<String>().cloned()
    };
    let sandbox = model(1, Shape::default()).await;
    sandbox.gateway.lay(Fault::once(Kind::Denied, "rds", "DeleteDBCluster").by("clean-up"));
    sandbox.ecs.never_start_next();
    assert_eq!(
        dropped(sandbox).as_deref(),
        Some("laid and never fired: Denied on rds:DeleteDBCluster of clean-up, NeverStart")
    );
    let sandbox = model(1, Shape::default()).await;
    sandbox.gateway.lay(Fault::once(Kind::Denied, "rds", "DescribeDBClusters").times(1000));
    sandbox.rds_client().describe_db_clusters().send().await.unwrap_err();
    assert_eq!(dropped(sandbox), None, "it has fired");
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
