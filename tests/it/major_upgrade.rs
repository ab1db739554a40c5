//! major-upgrade on real PostgreSQL, with the shipped executables.

use std::{collections::BTreeMap, time::Duration};

use sandbox::{
    Options, Sandbox,
    orders::{self, Shape},
    sandbox::BUCKET,
    worlds::findings::{self, Planted},
};
use serde_json::{Value, json};

use crate::harness::*;

async fn query(sandbox: &Sandbox, database: &str, sql: &str) -> String {
    let login = orders::login(sandbox).await.unwrap();
    let client = orders::connect(&login, database).await.unwrap();
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_is_upgraded_with_its_rows_values_extensions_and_statistics() {
    let (sandbox, resource_id) = real(Shape::default()).await;
    let rows = orders::count_rows(&sandbox).await.unwrap();
    assert!(rows.values().sum::<i64>() > 100_000, "{rows:?}");
    let outdated = "SELECT count(*)::text FROM pg_extension e JOIN pg_available_extensions a ON a.name = \
    e.extname WHERE e.extversion <> a.default_version";
    let run = run(&sandbox, "shop", &to_18()).await.succeeded();

    assert_eq!(versions(&sandbox).await, ["18.4", "18.4", "18.4"]);
    assert!(query(&sandbox, "shop", "SHOW server_version").await.starts_with("18."));
    assert_eq!(orders::count_rows(&sandbox).await.unwrap(), rows);
    // The writer's own value of its own group, and the cluster's.
    assert_eq!(query(&sandbox, "shop", "SHOW work_mem").await, "32MB");
    assert_eq!(
        query(&sandbox, "shop", "SELECT setting FROM pg_settings WHERE name = 'log_min_duration_statement'")
            .await,
        "500"
    );
    assert_eq!(query(&sandbox, "shop", outdated).await, "0", "an extension was not updated");
    let without = "SELECT count(*)::text FROM pg_stat_all_tables WHERE schemaname !~ \
    '^pg_|information_schema' AND last_analyze IS NULL";
    assert_eq!(query(&sandbox, "shop", without).await, "0", "a table was not analysed");
    assert!(
        sandbox
            .s3
            .get(BUCKET, "runs/shop/report.html")
            .is_some_and(|page| page.starts_with(b"<!DOCTYPE html>"))
    );
    assert_eq!(run.report["cause"], Value::Null);
    crate::report::is_of_a_real_upgrade(&sandbox, "shop");

    // The removed parameter is reported; the certificate was left for a person.
    let parameters: Value =
        serde_json::from_slice(&sandbox.s3.get(BUCKET, "runs/shop/parameters-18.4.json").unwrap()).unwrap();
    assert!(parameters.to_string().contains(r#""name":"old_snapshot_threshold","#), "{parameters}");
    let maintenance = run.report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["state"] == "ApplyPendingMaintenance")
        .unwrap();
    assert!(maintenance["summary"].as_str().unwrap().contains("ca-certificate-rotation on db orders-2"));
    assert!(sandbox.s3.get(BUCKET, &format!("upgrades/{resource_id}/inspection.json")).is_some());

    the_commands_of_the_report_bring_the_old_version_and_rows_back(&sandbox, &run.report, &rows).await;

    // Again: everything is there already, and what somebody has changed since is told and left.
    let values = [("max_connections", "200")];
    orders::set_cluster_values(&sandbox.rds_client(), "orders-pg18", &values).await.unwrap();
    let before = mutations(&sandbox).len();
    let again = self::run(&sandbox, "shop-again", &to_18()).await.succeeded();
    let described = sandbox.wait(&again.arn).await.unwrap();
    let output: Value = serde_json::from_str(described.output().unwrap()).unwrap();
    let warning = "parameter group orders-pg18 is pending-reboot on orders-1: somebody has changed it";
    assert!(output["warnings"].to_string().contains(warning), "{output}");
    assert_eq!(again.states(), ["ResolveUpgrade", "SyncParameterGroups", "RunAnalyze", "VerifyUpgrade"]);
    assert_eq!(mutations(&sandbox).len(), before, "the second run touched the cluster");
}

/// Types what the report says, with the AWS CLI, on the cluster that was upgraded before.
async fn the_commands_of_the_report_bring_the_old_version_and_rows_back(
    sandbox: &Sandbox,
    report: &Value,
    rows: &BTreeMap<String, i64>,
) {
    // What is written after the upgrade is not in the snapshot.
    let login = orders::login(sandbox).await.unwrap();
    let client = orders::connect(&login, "shop").await.unwrap();
    client.batch_execute("CREATE TABLE public.written_since (id int)").await.unwrap();

    let commands = report["copies"]["wayBack"].as_array().expect("the report has the way back");
    assert_eq!(commands.len(), 3);
    for command in commands {
        let mut words: Vec<&str> = command.as_str().unwrap().split(' ').collect();
        assert_eq!(words[..2], ["aws", "rds"]);
        words.splice(..1, ["-m", "awscli"]);
        crate::exports::command(sandbox, &crate::clients::PACKAGES, &words).await;
    }
    let cx = orders::context(sandbox);
    let name = commands[0].as_str().unwrap().split(' ').nth(6).unwrap();
    let restored = runbook::aurora::cluster(&cx, name).await.unwrap();
    assert_eq!(restored.version.to_string(), "16.14");
    assert_eq!(restored.shown.db_cluster_parameter_group(), Some("orders-pg16"));
    let engine = sandbox.engine.clone().unwrap();
    for (name, count) in rows {
        let (database, table) = name.split_once(' ').unwrap();
        let client = engine.connect(restored.resource_id.as_str(), "rdsadmin", database).await.unwrap();
        let counted = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap();
        assert_eq!(counted.get::<_, i64>(0), *count, "{name}");
    }
    let client = engine.connect(restored.resource_id.as_str(), "rdsadmin", "shop").await.unwrap();
    let since = "SELECT to_regclass('public.written_since')::text";
    assert_eq!(client.query_one(since, &[]).await.unwrap().get::<_, Option<String>>(0), None);
    // The upgraded one is as it was.
    assert_eq!(versions(sandbox).await, ["18.4", "18.4", "18.4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_finding_blocks_with_its_remedy_and_what_is_skipped_fails_in_words() {
    let planted = findings::findings();
    assert!(planted.len() >= 9);
    let values: Vec<(String, String)> = planted.iter().flat_map(Planted::parameters).collect();
    let values: Vec<(&str, &str)> =
        values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (sandbox, resource_id) =
        real(Shape { parameters: &values, maintenance: false, ..Shape::default() }).await;
    let engine = sandbox.engine.clone().unwrap();
    for finding in &planted {
        findings::apply(&engine, &resource_id, finding.plant)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:#}", finding.slug));
    }

    let blocked = run(&sandbox, "blocked", &to_18()).await.failed("Blocked");
    for finding in &planted {
        blocked.says(&[&format!("\n{}:", finding.slug)]);
    }
    assert_eq!(blocked.cause.matches("\n  do:  ").count(), blocked.cause.matches("\n  why: ").count());
    assert_eq!(mutations(&sandbox), Vec::<String>::new(), "nothing was changed");
    crate::blue_green::what_green_would_not_follow_is_found(&sandbox, &resource_id).await;

    // All but one are fixed. That one is skipped on purpose: then the real pg_upgrade says no.
    for finding in planted.iter().filter(|finding| finding.slug != "reg-column") {
        findings::apply(&engine, &resource_id, finding.remedy)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:#}", finding.slug));
    }
    let rows = orders::count_rows(&sandbox).await.unwrap();
    let mut skipping = to_18();
    skipping["skip"] = json!([{ "finding": "reg-column", "reason": "to see RDS refuse it" }]);
    let failed = run(&sandbox, "skipping", &skipping).await.failed("OperationFailed");
    failed.says(&[
        "runs at 16.14 as before",
        "reg* type",
        "tables_using_reg.txt",
        "In database: shop",
        "redrive",
    ]);
    assert!(query(&sandbox, "shop", "SHOW server_version").await.starts_with("16."));
    assert_eq!(orders::count_rows(&sandbox).await.unwrap(), rows);

    for finding in planted.iter().filter(|finding| finding.slug == "reg-column") {
        findings::apply(&engine, &resource_id, finding.remedy).await.unwrap();
    }
    redrive(&sandbox, &failed).await.succeeded();
    assert!(query(&sandbox, "shop", "SHOW server_version").await.starts_with("18."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_and_workers_killed_in_the_middle_are_started_again_and_the_upgrade_ends() {
    let (sandbox, _) = real(Shape { maintenance: false, ..Shape::default() }).await;
    let rows = orders::count_rows(&sandbox).await.unwrap();
    let arn = sandbox.start_execution("major-upgrade", "killed", &to_18()).await.unwrap();
    let mut killed =
        [("inspect-databases", 0), ("run-analyze", 0), ("modify-cluster-version", 0), ("take-snapshot", 0)];
    let running = |name: &str| {
        sandbox.ecs.tasks().iter().any(|task| {
            task.last_status == "RUNNING" && task.command.first().is_some_and(|word| word == name)
        })
    };
    loop {
        for (name, times) in &mut killed {
            if *times == 0 && running(name) {
                // In the middle of its work.
                tokio::time::sleep(Duration::from_millis(100)).await;
                *times += usize::from(sandbox.ecs.kill(name));
            } else if *times == 0
                && sandbox.gateway.calls().iter().any(|call| call.principal == *name && call.mutates())
            {
                *times += usize::from(sandbox.lambda.kill(name));
            }
        }
        let described = sandbox.sfn().describe_execution().execution_arn(&arn).send().await.unwrap();
        if described.status().as_str() != "RUNNING" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ended(&sandbox, arn).await.succeeded();
    assert!(killed.iter().all(|(_, times)| *times == 1), "not everyone was killed: {killed:?}");
    assert!(
        sandbox
            .ecs
            .tasks()
            .iter()
            .filter(|task| task.command.first().is_some_and(|word| word == "run-analyze"))
            .count()
            >= 2
    );
    assert_eq!(orders::count_rows(&sandbox).await.unwrap(), rows);
    assert_eq!(calls(&sandbox, "modify-cluster-version", "ModifyDBCluster"), 1);
}

/// Since 16 CREATEROLE reaches only roles on which it has ADMIN OPTION, and pg_upgrade gives nobody
/// that on a role from before (https://www.postgresql.org/docs/16/release-16.html, Migration).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_owners_from_before_16_are_named_once_with_the_statements_for_a_person() {
    let sandbox = Sandbox::start(Options { postgres_15: true, ..Options::real() }).await.unwrap();
    let shape = Shape { version: "15.18", parameters: &[], maintenance: false };
    let resource_id = orders::create(&sandbox, shape).await.unwrap();
    let login = orders::login(&sandbox).await.unwrap();
    let master = async |database, sql: &str| {
        orders::connect(&login, database).await.unwrap().batch_execute(sql).await.unwrap();
    };
    master("shop", "CREATE ROLE ann; CREATE ROLE \"Bob\"; GRANT ann, \"Bob\" TO CURRENT_USER").await;
    // The owner of a database may analyse everything in it (sql-analyze).
    master("shop", "CREATE DATABASE legacy OWNER ann").await;
    for (owner, table) in [("ann", "of_ann"), ("\"Bob\"", "of_bob")] {
        let sql = format!("CREATE TABLE public.{table} AS SELECT generate_series(1, 1000) AS id");
        let owned = format!("SET ROLE ann; {sql}; RESET ROLE; ALTER TABLE public.{table} OWNER TO {owner}");
        master("legacy", "SET ROLE ann; GRANT CREATE ON SCHEMA public TO \"Bob\"").await;
        master("legacy", &owned).await;
    }
    master("shop", "REVOKE ann, \"Bob\" FROM CURRENT_USER").await;
    let input = json!({ "cluster": "orders", "target": "16" });
    let failed = run(&sandbox, "from-15", &input).await.failed("OperationFailed");
    assert_eq!(failed.states().last(), Some(&"RunAnalyze"));
    failed.says(&[
        "2 of ",
        "The cluster is upgraded and in use.",
        "do:  ANALYZE public.of_ann;",
        "do:  ANALYZE public.of_bob;",
        "postgres may not act for these owners. Who has ADMIN OPTION on them can let it:\n  GRANT \"Bob\" TO \
         \"postgres\";\n  GRANT \"ann\" TO \"postgres\";",
    ]);
    assert_eq!(failed.cause.matches("GRANT \"ann\"").count(), 1, "{}", failed.cause);

    // The owners do what is written there.
    let engine = sandbox.engine.clone().unwrap();
    for (owner, table) in [("ann", "of_ann"), ("Bob", "of_bob")] {
        let session = engine.connect(&resource_id, "rdsadmin", "legacy").await.unwrap();
        let sql = format!("SET ROLE \"{owner}\"; ANALYZE public.{table}");
        session.batch_execute(&sql).await.unwrap();
    }
    redrive(&sandbox, &failed).await.succeeded();
    assert!(query(&sandbox, "shop", "SHOW server_version").await.starts_with("16."));
}
