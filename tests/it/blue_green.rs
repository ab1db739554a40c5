//! major-upgrade by Blue/Green: green beside the cluster, and the switchover. Most of it in the
//! model gear.

use std::time::Duration;

use runbook::{
    aurora::{deployment_named, identifier},
    major_upgrade::deployment_name,
};
use sandbox::{
    Sandbox,
    orders::{self, Shape},
};
use serde_json::{Value, json};

use crate::{
    approval,
    harness::{Ended, calls, causes, ended, model, mutations, real, redrive, run, versions},
};

const ON: (&str, &str) = ("rds.logical_replication", "1");

pub const WHOLE_WAY: [&str; 11] = [
    "ResolveUpgrade",
    "InspectDatabases",
    "PrepareParameterGroups",
    "CreateGreen",
    "PrepareGreen",
    "AnalyzeGreen",
    "SwitchOver",
    "ResolveUpgrade",
    "SyncParameterGroups",
    "RunAnalyze",
    "VerifyUpgrade",
];

/// The orders with a master password of their owner's, which RDS does not manage.
pub async fn world(shape: Shape<'_>) -> Sandbox {
    let sandbox = model(1, Shape { maintenance: false, ..shape }).await;
    orders::own_password(&sandbox).await.unwrap();
    sandbox
}

/// Logical replication is on, and nothing stands in the way.
pub async fn ready() -> Sandbox {
    world(Shape { parameters: &[ON], ..Shape::default() }).await
}

pub fn by_blue_green() -> Value {
    json!({ "cluster": orders::CLUSTER, "target": "18", "method": "blue-green" })
}

async fn resource_id(sandbox: &Sandbox) -> String {
    let cx = orders::context(sandbox);
    runbook::aurora::cluster(&cx, orders::CLUSTER).await.unwrap().resource_id.to_string()
}

pub async fn clusters(sandbox: &Sandbox) -> Vec<String> {
    let cx = orders::context(sandbox);
    let mut names: Vec<_> =
        runbook::aurora::clusters(&cx).await.unwrap().into_iter().map(|cluster| cluster.id).collect();
    names.sort();
    names
}

/// The deployment that a run makes, by its name.
async fn deployment(sandbox: &Sandbox) -> Option<runbook::aurora::Deployment> {
    let cx = orders::context(sandbox);
    let cluster = runbook::aurora::cluster(&cx, orders::CLUSTER).await.unwrap();
    let name = deployment_name(orders::CLUSTER, &cluster.resource_id, &"18.4".parse().unwrap());
    deployment_named(&cx, &name).await.unwrap()
}

/// Waits until that worker is started.
async fn started(sandbox: &Sandbox, worker: &str) {
    for _ in 0..6 * 3600 {
        if sandbox.ecs.tasks().into_iter().any(|task| task.command == [worker]) {
            return;
        }
        sandbox.clock.sleep(Duration::from_secs(1)).await;
    }
    panic!("{worker} is not started within six hours");
}

fn step<'a>(ended: &'a Ended, state: &str) -> &'a Value {
    let steps = ended.report["steps"].as_array().unwrap();
    steps.iter().find(|step| step["state"] == state).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_cluster_comes_to_18_by_a_green_one_that_takes_its_name() {
    let sandbox = ready().await;
    let before = resource_id(&sandbox).await;
    let run = run(&sandbox, "whole", &by_blue_green()).await.succeeded();
    assert_eq!(run.states(), WHOLE_WAY);
    assert_eq!(versions(&sandbox).await, ["18.4", "18.4", "18.4"]);
    assert_ne!(resource_id(&sandbox).await, before);
    assert_eq!(clusters(&sandbox).await, ["orders", "orders-old1"], "the way back is kept");
    // Each member has the group of its own, as its twin had.
    let cx = orders::context(&sandbox);
    let cluster = runbook::aurora::cluster(&cx, orders::CLUSTER).await.unwrap();
    for member in runbook::aurora::members(&cx, &cluster).await.unwrap() {
        assert_eq!(member.parameter_group().unwrap(), format!("{}-pg18", member.id));
    }
    assert_eq!(calls(&sandbox, "sync-parameter-groups", "RebootDBInstance"), 0, "production is left");
    assert_eq!(calls(&sandbox, "switch-over", "SwitchoverBlueGreenDeployment"), 1);
    let said = step(&run, "SwitchOver")["summary"].as_str().unwrap();
    assert!(said.starts_with("orders is at 18.4"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_person_says_yes_to_the_reboot_and_again_to_the_switchover() {
    let sandbox = world(Shape::default()).await;
    let mut input = by_blue_green();
    input["approval"] = true.into();
    let arn = sandbox.start_execution("major-upgrade", "upgrade", &input).await.unwrap();
    let first = approval::question(&sandbox, None).await;
    let outcome = first["outcome"].as_str().unwrap();
    assert!(outcome.contains("rebooted"), "{outcome}");
    assert_eq!(approval::felt(&sandbox), Vec::<String>::new());
    approval::approve(&sandbox, &approval::token(&first)).await;
    let second = approval::question(&sandbox, Some(&approval::token(&first))).await;
    let outcome = second["outcome"].as_str().unwrap();
    assert!(outcome.contains("switchover"), "{outcome}");
    assert_eq!(calls(&sandbox, "enable-logical-replication", "RebootDBInstance"), 2, "each member once");
    assert_eq!(calls(&sandbox, "switch-over", "SwitchoverBlueGreenDeployment"), 0);
    approval::approve(&sandbox, &approval::token(&second)).await;
    let ended = ended(&sandbox, arn).await.succeeded();
    let asked = ended.states().into_iter().filter(|state| *state == "AskApproval").count();
    assert_eq!((asked, calls(&sandbox, "create-green", "CreateBlueGreenDeployment")), (2, 1));
    assert_eq!(versions(&sandbox).await, ["18.4", "18.4", "18.4"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_anywhere_is_gone_on_with_by_the_next() {
    for minutes in [4, 9, 13, 17, 22, 27, 35, 45, 55, 60, 65] {
        let sandbox = ready().await;
        let arn = sandbox.start_execution("major-upgrade", "first", &by_blue_green()).await.unwrap();
        sandbox.clock.sleep(Duration::from_secs(60 * minutes)).await;
        // One that is over cannot be stopped.
        let _ = sandbox.sfn().stop_execution().execution_arn(arn).send().await;
        let second = run(&sandbox, "second", &by_blue_green()).await;
        assert_eq!(second.status, "SUCCEEDED", "after {minutes} minutes: {}", second.cause);
        assert_eq!(versions(&sandbox).await, ["18.4", "18.4", "18.4"], "after {minutes} minutes");
        let made = calls(&sandbox, "create-green", "CreateBlueGreenDeployment");
        let switched = calls(&sandbox, "switch-over", "SwitchoverBlueGreenDeployment");
        assert_eq!((made, switched), (1, 1), "after {minutes} minutes");
        assert_eq!(clusters(&sandbox).await, ["orders", "orders-old1"], "after {minutes} minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_rds_cannot_make_is_deleted_and_its_reason_told() {
    let sandbox = ready().await;
    let why = "Creation of blue/green deployment failed due to incompatible parameter settings";
    sandbox.rds.behave(|behaviour| behaviour.blue_green.fail_next_creation = Some(why.into()));
    let failed = run(&sandbox, "fails", &by_blue_green()).await.failed("OperationFailed");
    failed.says(&[why, "nothing of the cluster", "redrive"]);
    assert_eq!(clusters(&sandbox).await, ["orders"], "no green is paid for");
    assert!(deployment(&sandbox).await.is_none());
    redrive(&sandbox, &failed).await.succeeded();
    assert_eq!(calls(&sandbox, "create-green", "CreateBlueGreenDeployment"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_switchover_that_rds_takes_back_changes_nothing_and_a_redrive_asks_once_more() {
    for (refused_is_failed, name) in [(false, "available"), (true, "failed")] {
        let sandbox = ready().await;
        sandbox.rds.behave(|behaviour| {
            behaviour.blue_green.refused_is_failed = refused_is_failed;
            behaviour.blue_green.refuse_next_switchover = Some("a long-running write".into());
        });
        let failed = run(&sandbox, name, &by_blue_green()).await.failed("OperationFailed");
        failed.says(&["everything is as before", "a long-running write", "switchoverTimeout"]);
        assert_eq!(versions(&sandbox).await, ["16.14", "16.14", "16.14"]);
        assert_eq!(calls(&sandbox, "switch-over", "SwitchoverBlueGreenDeployment"), 1, "not by itself");
        redrive(&sandbox, &failed).await.succeeded();
        assert_eq!(calls(&sandbox, "switch-over", "SwitchoverBlueGreenDeployment"), 2);
        assert_eq!(versions(&sandbox).await, ["18.4", "18.4", "18.4"]);
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_deployment_of_the_needed_name_is_a_conflict_and_is_left() {
    let sandbox = ready().await;
    let cx = orders::context(&sandbox);
    let cluster = runbook::aurora::cluster(&cx, orders::CLUSTER).await.unwrap();
    let name = deployment_name(orders::CLUSTER, &cluster.resource_id, &"18.4".parse().unwrap());
    let theirs = cx.rds.create_blue_green_deployment().blue_green_deployment_name(&name);
    theirs.source(cluster.arn.as_str()).send().await.unwrap();
    let conflict = run(&sandbox, "theirs", &by_blue_green()).await.failed("Conflict");
    conflict.says(&[&name, "is not a run's", "delete it"]);
    assert!(deployment(&sandbox).await.is_some());
    assert_eq!(calls(&sandbox, "create-green", "DeleteBlueGreenDeployment"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_switchover_that_a_person_makes_is_found_and_not_made_again() {
    // While green is analysed, and while the run would begin itself.
    for wait in [0, 250, 400] {
        let sandbox = ready().await;
        let arn = sandbox.start_execution("major-upgrade", "first", &by_blue_green()).await.unwrap();
        started(&sandbox, "analyze-green").await;
        sandbox.clock.sleep(Duration::from_secs(wait)).await;
        let id = deployment(&sandbox).await.unwrap().id;
        let call = sandbox.rds_client().switchover_blue_green_deployment();
        call.blue_green_deployment_identifier(id).send().await.unwrap();
        let ended = ended(&sandbox, arn).await.succeeded();
        assert_eq!(versions(&sandbox).await, ["18.4", "18.4", "18.4"]);
        assert_eq!(calls(&sandbox, "switch-over", "SwitchoverBlueGreenDeployment"), 0, "after {wait} s");
        let said = step(&ended, "SwitchOver")["summary"].as_str().unwrap();
        assert!(said.ends_with("was not measured"), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_a_person_deletes_ends_the_run_and_a_new_one_makes_another() {
    let sandbox = ready().await;
    let arn = sandbox.start_execution("major-upgrade", "first", &by_blue_green()).await.unwrap();
    started(&sandbox, "switch-over").await;
    let id = deployment(&sandbox).await.unwrap().id;
    let delete = sandbox.rds_client().delete_blue_green_deployment().blue_green_deployment_identifier(id);
    delete.delete_target(true).send().await.unwrap();
    ended(&sandbox, arn).await.failed("Conflict").says(&["somebody has deleted it"]);
    assert_eq!(versions(&sandbox).await, ["16.14", "16.14", "16.14"]);
    run(&sandbox, "second", &by_blue_green()).await.succeeded();
    assert_eq!(calls(&sandbox, "create-green", "CreateBlueGreenDeployment"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_switchover_waits_for_an_instance_that_comes_after_its_deployment() {
    let sandbox = ready().await;
    sandbox.rds.behave(|behaviour| {
        behaviour.blue_green.late_instance = Duration::from_secs(40 * 60);
    });
    run(&sandbox, "late", &by_blue_green()).await.succeeded();
    assert_eq!(calls(&sandbox, "switch-over", "SwitchoverBlueGreenDeployment"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_report_says_what_is_left_and_how_to_go_back() {
    let sandbox = ready().await;
    let run = run(&sandbox, "left", &by_blue_green()).await.succeeded();
    let left = run.report["left"].to_string();
    for part in ["orders-old1", "orders-1-old1", "delete-blue-green-deployment", "resource id", "Terraform"] {
        assert!(left.contains(part), "{part}: {left}");
    }
    let back = run.report["switchover"]["wayBack"].to_string();
    assert!(
        back.contains("--db-cluster-identifier orders-old1 --new-db-cluster-identifier orders "),
        "{back}"
    );
    assert_eq!(run.report["switchover"]["downtime"], Value::Null, "no server, no measure");
    let page = sandbox.s3.get(sandbox::sandbox::BUCKET, "runs/left/report.html").unwrap();
    assert!(String::from_utf8_lossy(&page).contains("The switchover"));
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_way_of_green_on_the_aws_side_blocks_before_anything_and_can_be_skipped() {
    // A master password that RDS manages, maintenance, a group that stops green.
    let sandbox = model(1, Shape { parameters: &[("synchronous_commit", "off")], ..Shape::default() }).await;
    let blocked = run(&sandbox, "blocked", &by_blue_green()).await.failed("Blocked");
    blocked.says(&[
        "managed-master-password:orders",
        "--no-manage-master-user-password",
        "synchronous-commit:orders-pg16",
        "pending-maintenance:arn:aws:rds:",
    ]);
    assert_eq!(mutations(&sandbox), Vec::<String>::new());
    let mut input = by_blue_green();
    let finding = |name: &str| json!({ "finding": name, "reason": "as the owner wants it" });
    input["skip"] = json!([finding("pending-maintenance"), finding("synchronous-commit")]);
    let blocked = run(&sandbox, "skipped", &input).await.failed("Blocked");
    blocked.says(&["1 thing must be fixed first", "managed-master-password:orders"]);
}

#[tokio::test(start_paused = true)]
async fn proxies_and_auto_scaling_of_the_cluster_are_told_of_before_green_is_made() {
    let sandbox = ready().await;
    let cx = orders::context(&sandbox);
    let users = cx.rds.create_db_cluster().db_cluster_identifier("users").engine("aurora-postgresql");
    users.master_username("root").master_user_password("long-enough").send().await.unwrap();
    for (proxy, target) in [("app", orders::CLUSTER), ("batch", "orders-2"), ("theirs", "users")] {
        sandbox.rds.plant_proxy(proxy, target).unwrap();
    }
    for cluster in [orders::CLUSTER, "users"] {
        sandbox.scaling.plant_target(cluster, 1, 8);
    }
    let run = run(&sandbox, "told", &by_blue_green()).await.succeeded();
    let told = ["rds-proxy:app", "rds-proxy:batch", "scaling-policy:orders"];
    let said = step(&run, "ResolveUpgrade")["summary"].as_str().unwrap();
    assert!(said.ends_with(&format!(". Worth knowing: {}", told.join(", "))), "{said}");
    let findings: Vec<runbook::Finding> = serde_json::from_value(run.report["findings"].clone()).unwrap();
    for id in told {
        let found: Vec<_> = findings.iter().filter(|finding| finding.id() == id).collect();
        assert!(found.len() == 1 && found[0].level == runbook::Level::Warn, "{id}: {findings:#?}");
    }
    assert!(!findings.iter().any(|finding| finding.object == "theirs"), "{findings:#?}");
    let page = sandbox.s3.get(sandbox::sandbox::BUCKET, "runs/told/report.html").unwrap();
    assert!(String::from_utf8_lossy(&page).contains("describe-db-proxy-targets --db-proxy-name app "));
    // Once there is green nothing of it can be changed, and nobody asks any more.
    assert_eq!(calls(&sandbox, "resolve-upgrade", "DescribeDBProxies"), 1);
    assert_eq!(calls(&sandbox, "resolve-upgrade", "DescribeDBProxyTargets"), 3);
    assert_eq!(calls(&sandbox, "resolve-upgrade", "DescribeScalableTargets"), 1);
    let targets = cx.rds.describe_db_proxy_targets().db_proxy_name("app").send().await.unwrap();
    let shown: Vec<_> = targets.targets().iter().filter_map(|target| target.rds_resource_id()).collect();
    assert_eq!(shown, ["orders", "orders-1", "orders-2"], "it leads to the new cluster");
}

#[tokio::test(start_paused = true)]
async fn a_custom_endpoint_stops_the_run_until_its_owner_has_looked_at_it_and_then_moves() {
    let sandbox = ready().await;
    let rds = sandbox.rds_client();
    let make = rds.create_db_cluster_endpoint().db_cluster_identifier(orders::CLUSTER);
    let make = make.db_cluster_endpoint_identifier("reports").endpoint_type("READER");
    let address = make.send().await.unwrap().endpoint.unwrap();
    let id = format!("custom-endpoint:{address}");
    run(&sandbox, "blocked", &by_blue_green()).await.failed("Blocked").says(&[&id]);
    assert_eq!(mutations(&sandbox), Vec::<String>::new());
    let mut input = by_blue_green();
    input["skip"] = json!([{ "finding": "custom-endpoint", "reason": "it has no list of instances" }]);
    let run = run(&sandbox, "skipped", &input).await.succeeded();
    assert_eq!(run.states(), WHOLE_WAY);
    let findings = run.report["findings"].to_string();
    assert!(findings.contains("[skipped: it has no list of instances]"), "{findings}");
    let inspected = step(&run, "InspectDatabases")["summary"].to_string();
    assert!(!inspected.contains("though to be skipped"), "{inspected}");
    for (cluster, endpoint) in [(orders::CLUSTER, "reports"), ("orders-old1", "reports-old1")] {
        let found = rds.describe_db_cluster_endpoints().db_cluster_identifier(cluster).send().await.unwrap();
        let names = found.db_cluster_endpoints().iter();
        let names: Vec<_> = names.filter_map(|one| one.db_cluster_endpoint_identifier()).collect();
        assert_eq!(names, [endpoint], "{cluster}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_asks_for_proxies_in_place_and_the_other_way_is_told_until_it_is_done() {
    let sandbox = world(Shape::default()).await;
    sandbox.rds.plant_proxy("app", orders::CLUSTER).unwrap();
    let input = json!({ "cluster": orders::CLUSTER, "target": "18", "approval": true });
    let arn = sandbox.start_execution("major-upgrade", "upgrade", &input).await.unwrap();
    let asked = approval::question(&sandbox, None).await;
    let way = asked["otherWay"].as_str().unwrap();
    assert!(way.starts_with("Blue/Green"), "{way}");
    let page = sandbox.s3.get(sandbox::sandbox::BUCKET, "runs/upgrade/report.html").unwrap();
    assert!(String::from_utf8_lossy(&page).contains("The other way"));
    approval::approve(&sandbox, &approval::token(&asked)).await;
    let ended = ended(&sandbox, arn).await.succeeded();
    assert_eq!(ended.report["otherWay"], Value::Null, "there is nothing left to choose");
    assert_eq!(calls(&sandbox, "resolve-upgrade", "DescribeDBProxies"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_path_of_several_hops_is_refused_with_the_first_of_them() {
    let sandbox = world(Shape { version: "13.9", ..Shape::default() }).await;
    let refused = run(&sandbox, "hops", &by_blue_green()).await.failed("Refused");
    refused.says(&["goes one step", "as the target first, or upgrade in place"]);
    assert_eq!(mutations(&sandbox), Vec::<String>::new());
}

/// With the shipped workers on real PostgreSQL, after the question: green is late, then blue has
/// what green has not, then green no longer takes what comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn green_that_is_late_or_no_longer_follows_is_not_switched_over_to() {
    let parameters = [ON, ("max_logical_replication_workers", "6")];
    let shape = Shape { parameters: &parameters, maintenance: false, ..Shape::default() };
    let (sandbox, blue) = real(shape).await;
    let engine = sandbox.engine.clone().unwrap();
    // The one table of the shop without a key.
    let billing = engine.connect(&blue, "rdsadmin", "billing").await.unwrap();
    billing.batch_execute("ALTER TABLE ledger.rates REPLICA IDENTITY FULL").await.unwrap();
    let mut input = by_blue_green();
    input["secretArn"] = orders::own_password(&sandbox).await.unwrap().into();
    input["approval"] = true.into();
    let arn = sandbox.start_execution("major-upgrade", "upgrade", &input).await.unwrap();
    let asked = tokio::select! {
        asked = approval::question(&sandbox, None) => asked,
        ended = ended(&sandbox, arn.clone()) => panic!("nobody is asked: {}: {}", ended.error, ended.cause),
    };

    let target = deployment(&sandbox).await.unwrap().target.unwrap();
    let green = runbook::aurora::cluster(&orders::context(&sandbox), identifier(&target)).await.unwrap();
    let green = engine.connect(green.resource_id.as_str(), "rdsadmin", "shop").await.unwrap();
    let shop = engine.connect(&blue, "rdsadmin", "shop").await.unwrap();
    // Green waits for its own lock, and behind it is more than a moment's work.
    green.batch_execute("BEGIN; LOCK TABLE customers IN EXCLUSIVE MODE").await.unwrap();
    shop.batch_execute("UPDATE customers SET city = city WHERE id = 1").await.unwrap();
    let bulk = "SELECT pg_logical_emit_message(false, 'bulk', repeat('x', 20000000))";
    shop.query(bulk, &[]).await.unwrap();
    approval::approve(&sandbox, &approval::token(&asked)).await;
    let late = async {
        while !causes(&sandbox, &arn, "NotReady").await.iter().any(|cause| cause.contains("catch up")) {
            sandbox.clock.sleep(Duration::from_secs(20)).await;
        }
    };
    tokio::select! {
        () = late => {}
        ended = ended(&sandbox, arn.clone()) => panic!("green is not late: {}: {}", ended.error, ended.cause),
    }

    shop.batch_execute("ALTER TABLE customers ADD COLUMN hurried int").await.unwrap();
    green.batch_execute("ROLLBACK").await.unwrap();
    let blocked = ended(&sandbox, arn).await.failed("Blocked");
    blocked.says(&["ddl-on-blue:shop/public.customers", "delete the deployment with its green"]);

    // A row of that column is on its way, and the column gone again: both look the same.
    shop.batch_execute("UPDATE customers SET hurried = 1 WHERE id = 1").await.unwrap();
    shop.batch_execute("ALTER TABLE customers DROP COLUMN hurried").await.unwrap();
    let blocked = redrive(&sandbox, &blocked).await.failed("Blocked");
    blocked.says(&["green-degraded:shop/rds", "green no longer follows"]);
    assert_eq!(calls(&sandbox, "switch-over", "SwitchoverBlueGreenDeployment"), 0);
    assert_eq!(versions(&sandbox).await, ["16.14", "16.14", "16.14"]);
}

/// In a real cluster: what PostgreSQL shows that green would not follow, each once.
pub async fn what_green_would_not_follow_is_found(sandbox: &Sandbox, resource_id: &str) {
    let engine = sandbox.engine.clone().unwrap();
    let admin = engine.connect(resource_id, "rdsadmin", "shop").await.unwrap();
    for statement in [
        "CREATE TABLE public.keyless (a int)",
        "CREATE TABLE public.identified (a int)",
        "ALTER TABLE public.identified REPLICA IDENTITY FULL",
        "CREATE UNLOGGED TABLE public.scratch (a int PRIMARY KEY)",
        "SELECT lo_create(0)",
        "CREATE PUBLICATION theirs FOR TABLE public.identified",
        "CREATE PUBLICATION rds_bgd_0 FOR TABLE public.identified",
        "CREATE ROLE writes_anyway",
        "ALTER ROLE writes_anyway IN DATABASE shop SET default_transaction_read_only = off",
        "CREATE MATERIALIZED VIEW public.counted AS SELECT 1 AS one",
        "CREATE FUNCTION public.fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER fires AFTER INSERT ON public.identified EXECUTE FUNCTION public.fires()",
        "ALTER TABLE public.identified ENABLE ALWAYS TRIGGER fires",
        "ALTER TABLE public.keyless OWNER TO postgres",
        "ALTER TABLE public.identified OWNER TO postgres",
        "ALTER TABLE public.scratch OWNER TO postgres",
        "ALTER MATERIALIZED VIEW public.counted OWNER TO postgres",
        "CREATE EXTENSION IF NOT EXISTS postgres_fdw",
        "CREATE SERVER warehouse FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '10.0.0.9')",
    ] {
        admin.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let cx = orders::context(sandbox);
    let execution = sandbox::aws::arn("states", "execution:aurora-runbooks-major-upgrade:green");
    let payload = json!({
        "run": { "execution": execution, "entered": sandbox.clock.now() },
        "input": { "cluster": orders::CLUSTER, "from": "16.14", "target": "18.4", "method": "blue-green" },
    });
    let blocked = workers::call("inspect-databases", &cx, payload).await.unwrap().unwrap_err();
    assert_eq!(blocked.name(), "Blocked", "{blocked}");
    let findings: Vec<runbook::Finding> =
        cx.store.get_json("runs/green/findings.json").await.unwrap().unwrap();
    let found = |id: &str| findings.iter().filter(|finding| finding.id() == id).count();
    for id in [
        "no-replica-identity:shop/public.keyless",
        "unlogged-table:shop/public.scratch",
        "unreplicated-large-object:shop/pg_largeobject",
        "publisher:shop/theirs",
        "read-only-switched-off:shop/writes_anyway",
        "materialized-view:shop/public.counted",
        "always-trigger:shop/fires on public.identified",
        "foreign-server:shop/warehouse",
        // A plain server's defaults are too few for the shop's databases.
        "replication-slots:max_logical_replication_workers",
        "worker-processes:max_worker_processes",
    ] {
        assert_eq!(found(id), 1, "{id}: {findings:#?}");
    }
    let foreign = findings.iter().find(|finding| finding.check == "foreign-slot");
    let foreign = foreign.expect("the planted slot is somebody else's");
    assert!(foreign.reason.contains("DMS"), "{}", foreign.reason);
    let strange = findings.iter().filter(|finding| finding.object.starts_with("rds_bgd_0"));
    assert_eq!(strange.count(), 0, "what RDS makes for green is its own");
    let schema = "SELECT to_regnamespace('aurora_runbooks_statistics')::text";
    let schema = admin.query_one(schema, &[]).await.unwrap().get::<_, Option<String>>(0);
    assert_eq!(schema, None, "a schema would be a change that green does not follow");
}
