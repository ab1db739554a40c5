//! major-upgrade in the model gear: virtual time, no PostgreSQL, our code in this process.

use std::time::Duration;

use sandbox::{
    Sandbox,
    faults::{Fault, Kind},
    orders::{self, Shape},
    rds::{Tie, behaviour::EventDelivery, engine::UpgradeFailure},
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
        // Lambda gives each call an id of its own.
        let mut steps = run.report["steps"].clone();
        for step in steps.as_array_mut().unwrap() {
            for answer in step["answers"].as_array_mut().unwrap() {
                let said = answer["said"].as_str().unwrap_or_default();
                answer["said"] = said.split("Request ID").next().into();
            }
        }
        (steps, calls.collect::<Vec<_>>())
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
        .says(&["buffers_backend", "drop the view or function"]);
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
        ("odd-name", json!({ "cluster": "orders; DROP", "target": "18" }), "is not a DB cluster identifier"),
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

#[tokio::test(start_paused = true)]
async fn what_ties_a_cluster_to_more_than_itself_is_refused_with_what_to_do() {
    let arn = sandbox::aws::arn("rds", "cluster:orders");
    for (tie, error, says) in [
        (Tie::GlobalCluster, "Refused", ["the global cluster orders-global", "use ModifyGlobalCluster"]),
        (Tie::ServerlessV1, "Refused", ["engine mode serverless", "--engine-mode provisioned"]),
        (Tie::Babelfish, "Refused", ["rds.babelfish_status = on", "babelfish-information-upgrading.html"]),
        (
            Tie::ActivityStream,
            "Blocked",
            ["activity-stream:orders", "aws rds stop-activity-stream --apply-immediately --resource-arn"],
        ),
        (
            Tie::BlueGreenDeployment,
            "Blocked",
            ["blue-green-deployment:bgd-", "aws rds delete-blue-green-deployment"],
        ),
        (
            Tie::ZeroEtlIntegration,
            "Blocked",
            ["zero-etl-integration:arn:aws:rds:", "aws rds delete-integration --integration-identifier arn:"],
        ),
    ] {
        let sandbox = model(1, Shape::default()).await;
        sandbox.rds.tie(orders::CLUSTER, tie).unwrap();
        let refused = run(&sandbox, "tied", &to_18()).await.failed(error);
        refused.says(&says);
        if tie == Tie::ActivityStream {
            refused.says(&[&arn]);
        }
        assert_eq!(mutations(&sandbox), Vec::<String>::new(), "{tie:?}");
    }
}

/// Somebody has changed a static parameter, of the cluster's group or of an instance's.
async fn change_a_static_parameter(sandbox: &Sandbox) {
    let rds = sandbox.rds_client();
    let group = runbook::aurora::cluster(&orders::context(sandbox), orders::CLUSTER).await.unwrap();
    let group = group.shown.db_cluster_parameter_group().unwrap().to_owned();
    orders::set_cluster_values(&rds, &group, &[("max_connections", "500")]).await.unwrap();
    let cluster = runbook::aurora::cluster(&orders::context(sandbox), orders::CLUSTER).await.unwrap();
    for member in cluster.shown.db_cluster_members() {
        assert_eq!(member.db_cluster_parameter_group_status(), Some("pending-reboot"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_at_the_target_is_not_rebooted_for_somebody_elses_change() {
    let sandbox = model(1, Shape { version: "18.4", maintenance: false, ..Shape::default() }).await;
    change_a_static_parameter(&sandbox).await;
    run(&sandbox, "pending-reboot", &to_18()).await.succeeded();
    assert_eq!(mutations(&sandbox), Vec::<String>::new());

    // Nor is one that a run has upgraded, by the next run.
    let sandbox = model(1, Shape::default()).await;
    run(&sandbox, "upgrade", &to_18()).await.succeeded();
    change_a_static_parameter(&sandbox).await;
    let before = mutations(&sandbox);
    run(&sandbox, "again", &to_18()).await.succeeded();
    assert_eq!(mutations(&sandbox), before);
}

#[tokio::test(start_paused = true)]
async fn a_minor_upgrade_makes_no_group_and_reboots_nothing() {
    let sandbox = model(1, Shape { version: "16.11", maintenance: false, ..Shape::default() }).await;
    change_a_static_parameter(&sandbox).await;
    let input = json!({ "cluster": orders::CLUSTER, "target": "16.14" });
    let run = run(&sandbox, "minor", &input).await.succeeded();
    assert_eq!(run.states(), EVERY_STATE);
    assert_eq!(versions(&sandbox).await, ["16.14", "16.14", "16.14"]);
    assert_eq!(
        mutations(&sandbox),
        ["take-snapshot CreateDBClusterSnapshot", "modify-cluster-version ModifyDBCluster"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_apply_status_that_comes_late_causes_no_second_reboot() {
    let sandbox = model(1, Shape::default()).await;
    sandbox.rds.behave(|behaviour| behaviour.apply_status_delay = Duration::from_secs(4 * 60));
    run(&sandbox, "late-status", &to_18()).await.succeeded();
    assert_eq!(calls(&sandbox, "sync-parameter-groups", "RebootDBInstance"), 2, "one of each member");
}

#[tokio::test(start_paused = true)]
async fn logs_that_the_pre_checks_write_while_the_cluster_is_online_are_not_a_failure() {
    let sandbox = model(1, Shape::default()).await;
    sandbox.rds.behave(|behaviour| behaviour.events = EventDelivery::Missing);
    let arn = sandbox.start_execution("major-upgrade", "online", &to_18()).await.unwrap();
    while calls(&sandbox, "modify-cluster-version", "ModifyDBCluster") == 0 {
        sandbox.clock.sleep(Duration::from_secs(1)).await;
    }
    let log = "Checking for reg* data types in user tables                 ok\n";
    sandbox.rds.plant_log_file(orders::WRITER, "error/pg_upgrade_internal.log.1795572000", log).unwrap();
    // For a while nothing but the log shows that the upgrade goes on: no event, no pending version.
    let unseen = Fault::once(Kind::Stale, "rds", "DescribeDBClusters").by("modify-cluster-version");
    sandbox.gateway.lay(unseen.times(6));
    ended(&sandbox, arn).await.succeeded();
    assert_eq!(versions(&sandbox).await, ["18.4", "18.4", "18.4"]);
    let read = sandbox.gateway.calls().into_iter();
    let read = read.filter(|call| call.action == "DownloadDBLogFilePortion").count();
    assert!(read >= 2, "the log was looked at {read} times");
}

#[tokio::test(start_paused = true)]
async fn without_an_event_logs_are_a_failure_when_nothing_happens_for_five_minutes() {
    let sandbox = model(1, Shape::default()).await;
    sandbox.rds.behave(|behaviour| {
        behaviour.events = EventDelivery::Missing;
        behaviour.fail_next_upgrade = Some(UpgradeFailure {
            reason: "fatal : pg_upgrade reported failure for check_for_reg_data_type_usage".into(),
            files: vec![("tables_using_reg.txt".into(), "In database: shop\n  public.t.c\n".into())],
        });
    });
    run(&sandbox, "no-event", &to_18()).await.failed("OperationFailed").says(&["public.t.c"]);
    let looks = sandbox.gateway.calls().into_iter();
    let looks: Vec<_> = looks.filter(|call| call.action == "DownloadDBLogFilePortion").collect();
    let [first, .., last] = looks.as_slice() else { panic!("fewer than two looks: {looks:?}") };
    let minutes = last.at.duration_since(first.at).as_mins();
    assert!((5..7).contains(&minutes), "after {minutes} minutes");
}

#[tokio::test(start_paused = true)]
async fn the_longest_names_of_a_cluster_and_an_execution_make_a_snapshot_that_rds_takes() {
    let sandbox = model(1, Shape::default()).await;
    let longest = format!("o{}", "-0".repeat(31));
    let rename = sandbox.rds_client().modify_db_cluster().db_cluster_identifier(orders::CLUSTER);
    let rename = rename.new_db_cluster_identifier(&longest).apply_immediately(true);
    rename.send().await.unwrap();
    orders::wait_available(&orders::context(&sandbox), &longest).await.unwrap_or(());
    sandbox.clock.sleep(Duration::from_secs(15 * 60)).await;
    let input = json!({ "cluster": longest, "target": "18" });
    run(&sandbox, &"e".repeat(80), &input).await.succeeded();
    let snapshots = sandbox.rds_client().describe_db_cluster_snapshots().send().await.unwrap();
    let names = snapshots.db_cluster_snapshots().iter();
    let names: Vec<_> = names.filter_map(|snapshot| snapshot.db_cluster_snapshot_identifier()).collect();
    let ours = names.iter().find(|name| name.starts_with("before-upgrade-"));
    assert!(ours.is_some_and(|name| name.len() <= 63 && name.contains("-16-14-")), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn tags_that_rds_copies_onto_the_snapshot_do_not_make_it_somebody_elses() {
    let sandbox = model(1, Shape::default()).await;
    let rds = sandbox.rds_client();
    let modify = rds.modify_db_cluster().db_cluster_identifier(orders::CLUSTER).copy_tags_to_snapshot(true);
    modify.send().await.unwrap();
    let arn = sandbox::aws::arn("rds", "cluster:orders");
    let tag = rds.add_tags_to_resource().resource_name(arn);
    let execution = "arn:aws:states:eu-west-1:444455556666:execution:daily-sync:yesterday";
    tag.tags(runbook::daily_sync::tags::tag("execution", execution)).send().await.unwrap();
    run(&sandbox, "published", &to_18()).await.succeeded();
    assert_eq!(calls(&sandbox, "take-snapshot", "CreateDBClusterSnapshot"), 1);
}
