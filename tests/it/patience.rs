//! Answers that look temporary and are not: how long they are believed, and what is said then.
//! Model gear.

use std::time::Duration;

use sandbox::{
    Options, Sandbox,
    faults::{Fault, Kind},
    orders::{self, Shape},
};

use crate::harness::*;

/// When a state made its first and its last call of an action, in minutes between them, and how
/// often.
fn calls_of(sandbox: &Sandbox, principal: &str, action: &str) -> (i64, usize) {
    let calls = sandbox.gateway.calls().into_iter();
    let calls: Vec<_> = calls.filter(|call| call.principal == principal && call.action == action).collect();
    let [first, .., last] = calls.as_slice() else { panic!("fewer than two calls: {calls:?}") };
    (last.at.duration_since(first.at).as_mins(), calls.len())
}

/// RDS says it with the code of "busy" as long as the change waits for its window.
#[tokio::test(start_paused = true)]
async fn what_rds_keeps_refusing_as_busy_although_all_is_available_is_refused_with_its_words() {
    let sandbox = model(1, Shape::default()).await;
    let arn = sandbox.start_execution("major-upgrade", "busy", &to_18()).await.unwrap();
    while calls(&sandbox, "take-snapshot", "CreateDBClusterSnapshot") == 0 {
        sandbox.clock.sleep(Duration::from_secs(5)).await;
    }
    let modify = sandbox.rds_client().modify_db_instance().db_instance_identifier(orders::READER);
    let modify = modify.db_instance_class("db.r6g.xlarge").apply_immediately(false);
    modify.send().await.unwrap();
    let refused = ended(&sandbox, arn).await.failed("Refused");
    refused.says(&[
        "RDS keeps refusing although nothing is busy",
        "there is a pending orderable config change for DB instance: orders-2",
        "redrive",
    ]);
    let (minutes, looks) = calls_of(&sandbox, "modify-cluster-version", "ModifyDBCluster");
    assert!((5..8).contains(&minutes) && looks >= 3, "{looks} looks in {minutes} minutes");

    let modify = sandbox.rds_client().modify_db_instance().db_instance_identifier(orders::READER);
    let modify = modify.db_instance_class("db.r6g.xlarge").apply_immediately(true);
    modify.send().await.unwrap();
    redrive(&sandbox, &refused).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_nothing_reaches_for_15_minutes_is_refused_with_what_to_check() {
    let sandbox = model(1, Shape::default()).await;
    let unreachable = Fault::once(Kind::TimeoutBefore, "rds", "DescribeDBClusterSnapshots");
    sandbox.gateway.lay(unreachable.by("take-snapshot").times(u32::MAX));
    let refused = run(&sandbox, "cut-off", &to_18()).await.failed("Refused");
    refused.says(&["no connection for 15 min", "VPC endpoint or NAT gateway, DNS", "redrive"]);
    let (minutes, _) = calls_of(&sandbox, "take-snapshot", "DescribeDBClusterSnapshots");
    assert!((15..18).contains(&minutes), "after {minutes} minutes");
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_be_assumed_is_refused_at_once_with_the_words_of_sts() {
    let (sandbox, _) = World::WHOLE.start(Options::model(1)).await;
    sandbox.gateway.lay(Fault::once(Kind::Denied, "sts", "AssumeRole").by("select-snapshot"));
    let refused = sync(&sandbox, "denied").await.failed("Refused");
    refused.says(&["sts:AssumeRole is not allowed: User is not authorized to perform: sts:AssumeRole"]);
    let asked = sandbox.gateway.calls().into_iter();
    let asked = asked.filter(|call| call.principal == "select-snapshot" && call.action == "AssumeRole");
    assert_eq!(asked.count(), 1);
}
