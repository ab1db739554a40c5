//! A worker whose task stops without an answer: ECS's event fails its token at once; where the
//! event is lost, its heartbeat does after five minutes.

use std::time::Duration;

use local_aws::ecs::Task;
use sandbox::{
    Options, Sandbox,
    aws::{PRODUCTION, arn},
    deployment::Deployment,
    orders, permissions,
};
use serde_json::{Value, json};

use crate::harness::{calls, ended, to_18};

mod every_worker;

async fn world(deployment: Option<Deployment>) -> Sandbox {
    let sandbox = Sandbox::start(Options { deployment, ..Options::model(1) }).await.unwrap();
    orders::create(&sandbox, orders::Shape::default()).await.unwrap();
    sandbox
}

fn inspections(sandbox: &Sandbox) -> Vec<Task> {
    let is_inspection = |task: &Task| task.command == ["inspect-databases"];
    sandbox.ecs.tasks().into_iter().filter(is_inspection).collect()
}

/// Starts an upgrade, and waits until its first worker is in the middle of its work.
async fn in_inspection(sandbox: &Sandbox) -> String {
    let arn = sandbox.start_execution("major-upgrade", "upgrade", &to_18()).await.unwrap();
    next_inspection(sandbox, 1).await;
    arn
}

async fn next_inspection(sandbox: &Sandbox, number: usize) {
    let mut seconds = 0;
    while inspections(sandbox).get(number - 1).is_none_or(|task| task.last_status != "RUNNING") {
        sandbox.clock.sleep(Duration::from_secs(1)).await;
        seconds += 1;
        assert!(seconds < 3600, "no inspection number {number} within an hour");
    }
    sandbox.clock.sleep(Duration::from_secs(31)).await;
}

/// Seconds from the death of the first inspection to the start of the second.
async fn seconds_to_the_next(sandbox: &Sandbox) -> i64 {
    let died = sandbox.clock.now();
    assert!(sandbox.ecs.kill("inspect-databases"));
    next_inspection(sandbox, 2).await;
    inspections(sandbox)[1].created_at.duration_since(died).as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_killed_worker_is_followed_by_another_at_once_and_the_run_says_why() {
    let sandbox = world(None).await;
    let arn = in_inspection(&sandbox).await;
    let seconds = seconds_to_the_next(&sandbox).await;
    assert!(seconds < 60, "it took {seconds} s");
    ended(&sandbox, arn.clone()).await.succeeded();

    let history = sandbox.sfn().get_execution_history().execution_arn(&arn).into_paginator().items();
    let history = history.send().try_collect().await.unwrap();
    let failures = history.iter().filter_map(|event| event.task_failed_event_details());
    let stopped: Vec<_> = failures.filter(|failure| failure.error() == Some("WorkerStopped")).collect();
    let [failure] = stopped[..] else { panic!("{stopped:?}") };
    let cause = failure.cause().unwrap_or_default();
    for part in ["Essential container in task exited", "exit code 137", "the worker's log"] {
        assert!(cause.contains(part), "{part}: {cause}");
    }
    // The workers that had answered stopped, too, and nothing came of it.
    let asked = sandbox.gateway.calls().into_iter().filter(|call| call.principal == "fail-stopped-task");
    assert!(asked.count() >= 3);
    assert_eq!(calls(&sandbox, "fail-stopped-task", "SendTaskFailure"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_killed_worker_whose_event_is_lost_is_followed_by_another_after_its_heartbeat() {
    let mut deployment = Deployment::of_files(&permissions::Switches::default()).unwrap();
    deployment.rules.retain(|rule| rule.name != "worker-stopped");
    let sandbox = world(Some(deployment)).await;
    let arn = in_inspection(&sandbox).await;
    let seconds = seconds_to_the_next(&sandbox).await;
    assert!((240..360).contains(&seconds), "it took {seconds} s");
    ended(&sandbox, arn).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_dies_every_time_fails_the_run_with_its_reason() {
    let sandbox = world(None).await;
    let arn = in_inspection(&sandbox).await;
    for number in 2..=7 {
        assert!(sandbox.ecs.kill("inspect-databases"));
        next_inspection(&sandbox, number).await;
    }
    assert!(sandbox.ecs.kill("inspect-databases"));
    ended(&sandbox, arn).await.failed("WorkerStopped").says(&["has stopped", "exit code 137", "Next:"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_account_or_cluster_fails_no_token() {
    let bus = arn("events", "event-bus/default");
    let sandbox = world(None).await;
    let execution = in_inspection(&sandbox).await;
    // What ECS said of the running worker, token and all, as if it had stopped.
    let mut events = sandbox.events.published().into_iter().rev().map(|published| published.event);
    let mut event = events.find(|event| event["detail-type"] == "ECS Task State Change").unwrap();
    event["detail"]["lastStatus"] = "STOPPED".into();
    let with = |path: &str, value: Value| {
        let mut forged = event.clone();
        *forged.pointer_mut(path).unwrap() = value;
        forged
    };
    sandbox.events.publish(&bus, with("/account", PRODUCTION.into()));
    sandbox.events.publish(&bus, with("/source", "acme.ecs".into()));
    let other = event["detail"]["clusterArn"].as_str().unwrap().replace("aurora-runbooks", "acme");
    sandbox.events.publish(&bus, with("/detail/clusterArn", other.into()));
    let token = "/detail/overrides/containerOverrides/0/environment/0";
    sandbox.events.publish(&bus, with(token, json!({"name": "TASK_TOKEN", "value": "guessed"})));
    sandbox.clock.sleep(Duration::from_secs(30)).await;
    assert_eq!(calls(&sandbox, "fail-stopped-task", "SendTaskFailure"), 0);
    assert_eq!(inspections(&sandbox).len(), 1, "the worker works on");

    // The event itself would have done it.
    sandbox.events.publish(&bus, event);
    next_inspection(&sandbox, 2).await;
    assert_eq!(calls(&sandbox, "fail-stopped-task", "SendTaskFailure"), 1);
    ended(&sandbox, execution).await.succeeded();
}
