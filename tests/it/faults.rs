//! Faults under every runbook in the model gear. What is laid on a run, how it goes on and what is
//! watched meanwhile stand in the modules below; here are the faults of workers' starts.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sandbox::{
    Sandbox,
    faults::{Fault, Kind},
    orders::Shape,
};

use crate::harness::*;

mod calls;
mod driver;
mod figures;
mod lineage;
mod observer;
mod plan;
mod planted;
mod runbooks;
mod seeds;
mod states;
mod watched;

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
