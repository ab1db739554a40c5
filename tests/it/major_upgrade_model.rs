//! major-upgrade in the model gear: virtual time, no PostgreSQL, our code in this process.

use std::time::Duration;

use sandbox::{
    faults::{Fault, Kind},
    orders::{self, Shape},
    rds::{behaviour::EventDelivery, engine::UpgradeFailure},
};
use serde_json::json;

use crate::harness::*;

const EVERY_STATE: [&str; 10] = [
    "ResolveUpgrade",
    "InspectDatabases",
    "PrepareParameterGroups",
    "ApplyPendingMaintenance",
    "TakeSnapshot",
    "ModifyClusterVersion",
    "ResolveUpgrade",
    "SyncParameterGroups",
    "RunAnalyze",
    "VerifyUpgrade",
];

#[tokio::test(start_paused = true)]
async fn a_cluster_is_upgraded_from_16_to_18() {
    let sandbox = model(1, Shape::default()).await;
    let run = run(&sandbox, "happy", &to_18()).await.succeeded();
    assert_eq!(run.states(), EVERY_STATE);
    assert_eq!(versions(&sandbox).await, ["18.4", "18.4", "18.4"]);
    assert_eq!(calls(&sandbox, "modify-cluster-version", "ModifyDBCluster"), 1);
    assert_eq!(
        calls(&sandbox, "sync-parameter-groups", "RebootDBInstance"),
        2,
        "each member is rebooted once"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cluster_at_the_target_succeeds_saying_so_and_is_not_touched() {
    let sandbox = model(1, Shape { version: "18.4", maintenance: false, ..Shape::default() }).await;
    let run = run(&sandbox, "again", &to_18()).await.succeeded();
    assert_eq!(run.states(), ["ResolveUpgrade", "SyncParameterGroups", "RunAnalyze", "VerifyUpgrade"]);
    assert_eq!(run.report["steps"][0]["summary"], "orders is at 18.4: nothing to upgrade");
    assert_eq!(mutations(&sandbox), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_path_of_several_hops_is_gone_through_hop_by_hop() {
    let sandbox = model(1, Shape { version: "13.9", ..Shape::default() }).await;
    let run = run(&sandbox, "hops", &to_18()).await.succeeded();
    assert_eq!(versions(&sandbox).await, ["18.4", "18.4", "18.4"]);
    let raised = run.states().iter().filter(|state| **state == "ModifyClusterVersion").count();
    assert_eq!(
        (
            raised,
            calls(&sandbox, "modify-cluster-version", "ModifyDBCluster"),
            calls(&sandbox, "take-snapshot", "CreateDBClusterSnapshot")
        ),
        (2, 2, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let history = async |seed| {
        let sandbox = model(seed, Shape::default()).await;
        sandbox.gateway.lay(Fault::once(Kind::Throttle, "lambda", "Invoke").times(3));
        let run = run(&sandbox, "seeded", &to_18()).await.succeeded();
        let calls = sandbox
            .gateway
            .calls()
            .into_iter()
            .map(|call| format!("{} {} {} {}", call.at, call.principal, call.action, call.status));
        (run.report["steps"].clone(), calls.collect::<Vec<_>>())
    };
    assert_eq!(history(7).await, history(7).await);
}

#[tokio::test(start_paused = true)]
async fn a_failed_upgrade_is_reported_in_words_and_works_after_a_redrive() {
    let sandbox = model(1, Shape::default()).await;
    sandbox.rds.behave(|behaviour| {
        behaviour.fail_next_upgrade = Some(UpgradeFailure {
            reason: "fatal : pg_upgrade reported failure for check_for_reg_data_type_usage".into(),
            files: vec![("tables_using_reg.txt".into(), "In database: shop\n  public.t.c\n".into())],
        });
    });
    let failed = run(&sandbox, "fails", &to_18()).await.failed("OperationFailed");
    failed.says(&[
        "runs at 16.14 as before",
        "reg* type",
        "public.t.c",
        "check_for_reg_data_type_usage",
        "redrive",
    ]);
    assert_eq!(
        calls(&sandbox, "modify-cluster-version", "ModifyDBCluster"),
        1,
        "a failed upgrade is not started again by itself"
    );
    redrive(&sandbox, &failed).await.succeeded();
    assert_eq!(versions(&sandbox).await, ["18.4", "18.4", "18.4"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_any_event_is_read_from_the_log_files() {
    let sandbox = model(1, Shape::default()).await;
    sandbox.rds.behave(|behaviour| {
        behaviour.events = EventDelivery::Missing;
        let files = vec![(
            "pg_upgrade_dump_16401.log".into(),
            "pg_restore: error: could not execute query: ERROR:  column \"buffers_backend\" does not exist\n"
                .into(),
        )];
        behaviour.fail_next_upgrade = Some(UpgradeFailure {
            reason: "fatal : pg_upgrade reported failure for create_new_objects".into(),
            files,
        });
    });
    run(&sandbox, "silent", &to_18())
        .await
        .failed("OperationFailed")
        .says(&["buffers_backend", "Next: drop the view"]);
}

#[tokio::test(start_paused = true)]
async fn events_that_are_missing_late_twice_or_out_of_order_change_nothing() {
    for delivery in
        [EventDelivery::Missing, EventDelivery::Late, EventDelivery::Duplicated, EventDelivery::Reordered]
    {
        let sandbox = model(1, Shape::default()).await;
        sandbox.rds.behave(|behaviour| behaviour.events = delivery);
        run(&sandbox, "events", &to_18()).await.succeeded();
    }
}

#[tokio::test(start_paused = true)]
async fn five_hours_of_waiting_are_waited_and_a_passed_deadline_is_reported() {
    let sandbox = model(1, Shape::default()).await;
    sandbox.rds.behave(|behaviour| behaviour.upgrade_snapshot = Duration::from_secs(5 * 3600));
    let input = json!({ "cluster": "orders", "target": "18", "deadline": "2h" });
    let late = run(&sandbox, "late", &input).await.failed("DeadlineExceeded");
    late.says(&["ModifyClusterVersion has waited for", "longer than the deadline of 120 min", "redrive"]);
    // The next two attempts wait two hours each, and the upgrade that RDS goes on with is not
    // started again.
    let late = redrive(&sandbox, &late).await.failed("DeadlineExceeded");
    redrive(&sandbox, &late).await.succeeded();
    assert_eq!(calls(&sandbox, "modify-cluster-version", "ModifyDBCluster"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_second_of_two_executions_on_one_cluster_is_a_conflict() {
    let sandbox = model(1, Shape::default()).await;
    let first = sandbox.start_execution("major-upgrade", "first", &to_18()).await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(60)).await;
    let second = run(&sandbox, "second", &to_18()).await.failed("Conflict");
    second.says(&[&first, "Changed: nothing", "stop-execution"]);
    ended(&sandbox, first).await.succeeded();
    // The lease of an execution that has ended is taken over.
    run(&sandbox, "third", &to_18()).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn an_execution_redriven_while_another_one_works_is_a_conflict_before_it_disturbs_the_cluster() {
    let sandbox = model(1, Shape::default()).await;
    let first = sandbox.start_execution("major-upgrade", "first", &to_18()).await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(11 * 60)).await;
    sandbox.sfn().stop_execution().execution_arn(&first).send().await.unwrap();
    let stopped = ended(&sandbox, first).await;
    let second = sandbox.start_execution("major-upgrade", "second", &to_18()).await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(60)).await;
    redrive(&sandbox, &stopped).await.failed("Conflict").says(&[&second]);
    ended(&sandbox, second).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_never_started_without_a_snapshot_to_go_back_to() {
    let sandbox = model(1, Shape::default()).await;
    let execution = "arn:aws:states:eu-west-1:444455556666:execution:m:by-hand";
    let run = json!({ "execution": execution, "entered": sandbox.clock.now() });
    let input = json!({ "cluster": "orders", "version": "18.4", "snapshot": "not-there" });
    let refused = functions::handle(
        "modify-cluster-version",
        &orders::context(&sandbox),
        json!({ "run": run, "input": input }),
    )
    .await
    .unwrap_err();
    assert_eq!(refused.name(), "Conflict", "{refused}");
    assert!(refused.to_string().contains("not-there is gone"), "{refused}");
    assert_eq!(calls(&sandbox, "owner", "ModifyDBCluster"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_token_is_spent_stops_and_says_so() {
    let sandbox = model(1, Shape::default()).await;
    let arn = sandbox.start_execution("major-upgrade", "spent", &to_18()).await.unwrap();
    let inspecting = || sandbox.ecs.tasks().into_iter().find(|task| task.command == ["inspect-databases"]);
    while inspecting().is_none_or(|task| task.last_status != "RUNNING") {
        sandbox.clock.sleep(Duration::from_secs(5)).await;
    }
    sandbox.sfn().stop_execution().execution_arn(&arn).send().await.unwrap();
    // Within one beat, and before its work would have ended.
    sandbox.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(
        inspecting().and_then(|task| task.exit_code),
        Some(runbook::worker::Ending::Fenced.exit_code())
    );
}

#[tokio::test(start_paused = true)]
async fn bad_input_is_refused_and_nothing_is_touched() {
    let sandbox = model(1, Shape::default()).await;
    for (name, input, said) in [
        ("unknown-field", json!({ "cluster": "orders", "target": "18", "dryRun": true }), "dryRun"),
        ("no-target", json!({ "cluster": "orders" }), "target"),
        ("a-number", json!({ "cluster": "orders", "target": 18 }), "string"),
        ("no-such-cluster", json!({ "cluster": "nobody", "target": "18" }), "no cluster \"nobody\""),
        ("lower", json!({ "cluster": "orders", "target": "15" }), "no way from 16.14 to 15"),
        ("future", json!({ "cluster": "orders", "target": "19" }), "no way from 16.14 to 19"),
        ("odd-name", json!({ "cluster": "orders; DROP", "target": "18" }), "not a DB cluster identifier"),
        (
            "no-reason",
            json!({ "cluster": "orders", "target": "18", "skip": [{ "finding": "x", "reason": "" }] }),
            "has no reason",
        ),
        (
            "no-such-parameter",
            json!({
                "cluster": "orders",
                "target": "18",
                "parameters": [{ "name": "work_memory", "value": "1", "reason": "typo" }],
            }),
            "work_memory",
        ),
    ] {
        let refused = run(&sandbox, name, &input).await.failed("Refused");
        refused.says(&[said]);
    }
    let on_the_cluster =
        mutations(&sandbox).into_iter().filter(|call| !call.contains("ParameterGroup")).collect::<Vec<_>>();
    assert_eq!(on_the_cluster, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_class_change_that_waits_for_the_window_blocks_with_its_remedy() {
    let sandbox = model(1, Shape::default()).await;
    let modify = sandbox
        .rds_client()
        .modify_db_instance()
        .db_instance_identifier(orders::READER)
        .db_instance_class("db.r6g.xlarge");
    modify.apply_immediately(false).send().await.unwrap();
    let blocked = run(&sandbox, "pending", &to_18()).await.failed("Blocked");
    blocked.says(&[
        "pending-modification:orders-2",
        "aws rds modify-db-instance --db-instance-identifier orders-2 --apply-immediately",
    ]);
    assert_eq!(mutations(&sandbox), Vec::<String>::new());
    let modify = sandbox
        .rds_client()
        .modify_db_instance()
        .db_instance_identifier(orders::READER)
        .db_instance_class("db.r6g.xlarge");
    modify.apply_immediately(true).send().await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(15 * 60)).await;
    redrive(&sandbox, &blocked).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn a_value_out_of_the_new_familys_range_blocks_until_the_input_says_another() {
    let sandbox = model(1, Shape { parameters: &[("password_encryption", "md5")], ..Shape::default() }).await;
    let blocked = run(&sandbox, "range", &to_18()).await.failed("Blocked");
    blocked.says(&["parameter-out-of-range", "password_encryption = md5", "\"parameters\""]);
    let mut input = to_18();
    let reason = "every client can";
    input["parameters"] =
        json!([{ "name": "password_encryption", "value": "scram-sha-256", "reason": reason }]);
    run(&sandbox, "range-2", &input).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn groups_that_a_person_or_terraform_made_are_used_as_they_are() {
    let sandbox = model(1, Shape::default()).await;
    let rds = sandbox.rds_client();
    let create = rds
        .create_db_cluster_parameter_group()
        .db_cluster_parameter_group_name("orders-pg18")
        .db_parameter_group_family("aurora-postgresql18");
    create.description("by Terraform").send().await.unwrap();
    run(&sandbox, "theirs", &to_18()).await.succeeded();
    assert_eq!(calls(&sandbox, "prepare-parameter-groups", "ModifyDBClusterParameterGroup"), 0);
    let cluster = runbook::aurora::cluster(&orders::context(&sandbox), "orders").await.unwrap();
    assert_eq!(cluster.shown.db_cluster_parameter_group(), Some("orders-pg18"));
}

#[tokio::test(start_paused = true)]
async fn a_group_of_the_wrong_family_under_the_needed_name_is_a_conflict() {
    let sandbox = model(1, Shape::default()).await;
    let create = sandbox
        .rds_client()
        .create_db_parameter_group()
        .db_parameter_group_name("orders-1-pg18")
        .db_parameter_group_family("aurora-postgresql17");
    create.description("a mistake").send().await.unwrap();
    let conflict = run(&sandbox, "family", &to_18()).await.failed("Conflict");
    conflict.says(&["orders-1-pg18", "aurora-postgresql17", "rename or delete it"]);
    sandbox
        .rds_client()
        .delete_db_parameter_group()
        .db_parameter_group_name("orders-1-pg18")
        .send()
        .await
        .unwrap();
    redrive(&sandbox, &conflict).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn members_with_groups_of_their_own_keep_them() {
    let sandbox = model(1, Shape::default()).await;
    run(&sandbox, "own", &to_18()).await.succeeded();
    let cx = orders::context(&sandbox);
    let cluster = runbook::aurora::cluster(&cx, "orders").await.unwrap();
    for member in runbook::aurora::members(&cx, &cluster).await.unwrap() {
        assert_eq!(member.parameter_group().unwrap(), format!("{}-pg18", member.id));
        let group = &member.shown.db_parameter_groups()[0];
        assert_eq!(group.parameter_apply_status(), Some("in-sync"));
    }
    assert!(
        cluster
            .shown
            .db_cluster_members()
            .iter()
            .all(|member| member.db_cluster_parameter_group_status() == Some("in-sync"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_version_is_raised_only_when_the_last_reader_has_it() {
    let sandbox = model(1, Shape::default()).await;
    sandbox.rds.behave(|behaviour| behaviour.reader_lag = Duration::from_secs(3600));
    let run = run(&sandbox, "late-reader", &to_18()).await.succeeded();
    let step = run.report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["state"] == "ModifyClusterVersion")
        .unwrap();
    let at = |field: &str| step[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(at("exited").duration_since(at("entered")).as_mins() > 60, "{step}");
}

#[tokio::test(start_paused = true)]
async fn maintenance_of_instances_is_applied_to_the_reader_before_the_writer() {
    let sandbox = model(1, Shape { maintenance: false, ..Shape::default() }).await;
    for instance in [orders::WRITER, orders::READER] {
        sandbox.rds.plant_maintenance(
            &sandbox::aws::arn("rds", &format!("db:{instance}")),
            "system-update",
            "New Operating System update is available",
        );
    }
    run(&sandbox, "instances", &to_18()).await.succeeded();
    let applied = sandbox
        .gateway
        .calls()
        .into_iter()
        .filter(|call| call.action == "ApplyPendingMaintenanceAction" && call.status == 200);
    let applied: Vec<String> = applied
        .map(|call| call.form.split("db%3A").nth(1).unwrap_or_default().chars().take(8).collect())
        .collect();
    assert_eq!(applied, [orders::READER, orders::WRITER]);
}

#[tokio::test(start_paused = true)]
async fn a_failover_in_the_middle_of_the_run_does_not_matter() {
    let sandbox = model(1, Shape::default()).await;
    let arn = sandbox.start_execution("major-upgrade", "failover", &to_18()).await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(4 * 60)).await;
    sandbox
        .rds_client()
        .failover_db_cluster()
        .db_cluster_identifier("orders")
        .target_db_instance_identifier(orders::READER)
        .send()
        .await
        .unwrap();
    ended(&sandbox, arn).await.succeeded();
    assert_eq!(versions(&sandbox).await, ["18.4", "18.4", "18.4"]);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_a_person_stops_is_reported_and_a_new_one_goes_on() {
    let sandbox = model(1, Shape::default()).await;
    let arn = sandbox.start_execution("major-upgrade", "stopped", &to_18()).await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(25 * 60)).await;
    sandbox
        .sfn()
        .stop_execution()
        .execution_arn(&arn)
        .error("Stopped")
        .cause("by hand")
        .send()
        .await
        .unwrap();
    let stopped = ended(&sandbox, arn).await;
    assert_eq!((stopped.status.as_str(), stopped.report["status"].as_str()), ("ABORTED", Some("ABORTED")));
    run(&sandbox, "goes-on", &to_18()).await.succeeded();
    assert_eq!(calls(&sandbox, "modify-cluster-version", "ModifyDBCluster"), 1);
}
