//! Nothing is granted in vain: bad days and weeks use all of it.

use super::*;
use crate::{another_account, blue_green, rehearsal, reindex};
use sandbox::worlds::findings;

/// The worker whose RDS is the same in the model gear.
const SWITCH_OVER: &str = "switch-over";
/// Does what RunAnalyze does.
const ANALYZE_GREEN: &str = "analyze-green";

const ENGINE: &str = "aurora-postgresql";

/// The lease is always another's whose execution is over, so that every state takes it over.
async fn rob(sandbox: &Sandbox, over: &str) {
    let store = orders::context(sandbox).store;
    loop {
        for key in sandbox.s3.list(BUCKET, "leases/") {
            let lease = json!({ "execution": over, "taken": sandbox.clock.now() });
            store.put_json(&key, &lease).await.unwrap();
        }
        sandbox.clock.sleep(Duration::from_secs(7)).await;
    }
}

/// What Lambda and S3 ask of a role beside the calls that the sandbox sees: a function's log, and
/// an object that is not there.
async fn play_the_services(sandbox: &Sandbox) {
    for (name, document) in documents() {
        let log = arn("logs", &format!("log-group:/aws/lambda/{PREFIX}-{name}:log-stream:a"));
        for action in ["logs:CreateLogStream", "logs:PutLogEvents"] {
            let is_function = document.trust.to_string().contains("lambda.amazonaws.com");
            assert_eq!(decide(sandbox, &name, action, &log), is_function, "{name} {action}");
        }
        // An installation without a policy is a_bad_day_of_an_upgrade's.
        if granted(&document).contains("s3:GetObject") && name != functions::WATCH_RAW_COPIES {
            assert_eq!(role(sandbox, &name).store.get_text("runs/none").await.unwrap(), None, "{name}");
        }
    }
}

/// An upgrade that RDS first refuses and then fails, while the lease is always another's.
async fn a_bad_day_of_an_upgrade() -> Sandbox {
    let sandbox = world_of_upgrade(Options { customer_keys: true, ..Options::model(1) }).await;
    let bad = json!({ "cluster": "orders", "target": "15" });
    let over = run(&sandbox, "over", &bad).await.failed("Refused").arn;
    let none = json!({ "cluster": "orders", "target": "18", "changeCalendars": ["none"] });
    run(&sandbox, "calendar", &none).await.failed("Ssm.InvalidDocumentException");
    let asking = json!({ "cluster": "orders", "target": "18", "approval": true });
    let asks = sandbox.start_execution("major-upgrade", "asks", &asking).await.unwrap();
    while sandbox.s3.get(BUCKET, "runs/asks/question.json").is_none() {
        sandbox.clock.sleep(Duration::from_secs(60)).await;
    }
    sandbox.sfn().stop_execution().execution_arn(asks).send().await.unwrap();
    let refused = Fault::once(Kind::Denied, "rds", "ModifyDBCluster").by("modify-cluster-version");
    sandbox.gateway.lay(refused);
    sandbox.rds.behave(|behaviour| {
        let files = vec![("loadable_libraries.txt".into(), "could not load library".into())];
        behaviour.fail_next_upgrade = Some(UpgradeFailure { reason: "fatal".into(), files });
    });
    let upgrade = async {
        let refused = run(&sandbox, "upgrade", &to_18()).await.failed("Refused");
        let failed = redrive(&sandbox, &refused).await.failed("OperationFailed");
        redrive(&sandbox, &failed).await.succeeded();
    };
    tokio::select! {
        () = upgrade => {}
        () = rob(&sandbox, &over) => unreachable!("it never ends"),
    }
    sandbox.renew_reports().await.unwrap();
    sandbox.raw_copies().await.unwrap();
    sandbox
}

/// An upgrade by Blue/Green whose green RDS first cannot make and whose switchover it first
/// refuses, while the lease is always another's.
async fn a_bad_day_of_blue_green() -> Sandbox {
    let sandbox = Sandbox::start(Options { customer_keys: true, ..Options::model(1) }).await.unwrap();
    orders::create(&sandbox, Shape { maintenance: false, ..Shape::default() }).await.unwrap();
    orders::own_password(&sandbox).await.unwrap();
    let role = sandbox.rds_client().add_role_to_db_cluster().db_cluster_identifier(orders::CLUSTER);
    let role = role.role_arn(arn("iam", "role/imports").replace(":eu-west-1:", "::"));
    role.feature_name("s3Import").send().await.unwrap();
    sandbox.rds.plant_proxy("app", orders::CLUSTER).unwrap();
    let bad = json!({ "cluster": "orders", "target": "15" });
    let over = run(&sandbox, "over", &bad).await.failed("Refused").arn;
    sandbox.rds.behave(|behaviour| behaviour.blue_green.fail_next_creation = Some("why".into()));
    let refused = Fault::once(Kind::Denied, "rds", "SwitchoverBlueGreenDeployment").by("switch-over");
    sandbox.gateway.lay(refused);
    let upgrade = async {
        let failed = run(&sandbox, "upgrade", &blue_green::by_blue_green()).await.failed("OperationFailed");
        let refused = redrive(&sandbox, &failed).await.failed("Refused");
        redrive(&sandbox, &refused).await.succeeded();
    };
    tokio::select! {
        () = upgrade => {}
        () = rob(&sandbox, &over) => unreachable!("it never ends"),
    }
    sandbox
}

async fn stop_clusters(sandbox: &Sandbox, which: &str) {
    let owner = sandbox.rds_client();
    for cluster in owner.describe_db_clusters().send().await.unwrap().db_clusters.unwrap_or_default() {
        let name = cluster.db_cluster_identifier().unwrap_or_default();
        if name.starts_with(which) && cluster.status() == Some("available") {
            owner.stop_db_cluster().db_cluster_identifier(name).send().await.unwrap();
        }
    }
    sandbox.clock.sleep(Duration::from_secs(3600)).await;
}

/// Syncs day by day whose replaced copies a person has stopped, one that fails while the quarantine
/// is there, and one that a person stops in the middle of a swap; the rule's clean-up follows it.
async fn a_bad_week_of_syncs() -> Sandbox {
    let sandbox = world_of_sync(Options { customer_keys: true, ..Options::model(1) }).await;
    for day in ["monday", "tuesday", "wednesday"] {
        sync(&sandbox, day).await.succeeded();
        stop_clusters(&sandbox, "orders-dev-old").await;
        sandbox.clock.sleep(Duration::from_secs(23 * 3600)).await;
        production::take_snapshot(&sandbox).await.unwrap();
    }
    sandbox.raw_copies().await.unwrap();
    let fails = || {
        let fault = Fault::once(Kind::Denied, "rds", "CreateDBClusterSnapshot");
        sandbox.gateway.lay(fault.by("snapshot-sanitized"));
    };
    fails();
    let failed = sync(&sandbox, "thursday").await.failed("Refused").arn;

    let input = json!({ "sync": "orders" });
    let stopped = sandbox.start_execution("daily-sync", "friday", &input).await.unwrap();
    let renamed = |sandbox: &Sandbox| {
        let call = sandbox.gateway.calls().into_iter().rev().find(|call| call.action == "ModifyDBCluster");
        call.is_some_and(|call| call.form.contains("NewDBClusterIdentifier=orders-dev-old"))
    };
    while !renamed(&sandbox) {
        sandbox.clock.sleep(Duration::from_secs(1)).await;
    }
    sandbox.sfn().stop_execution().execution_arn(&stopped).send().await.unwrap();
    // Before the clean-up that the rule starts comes to it.
    let short = runbook::Run::of(&stopped).short_id();
    stop_clusters(&sandbox, &format!("orders-dev-{short}")).await;
    fails();
    tokio::select! {
        run = sync(&sandbox, "saturday") => drop(run.failed("Refused")),
        () = rob(&sandbox, &failed) => unreachable!("it never ends"),
    }
    sandbox
}

/// An export by event that differs from its source, one of a snapshot that production has shared,
/// one that deletes what is too old, one that is stopped while the restored copy stands, and one
/// whose copy of a shared snapshot is left; each while the claim is another's.
async fn a_bad_week_of_exports() -> Sandbox {
    let options = Options { customer_keys: true, roles: vec![exports::role().unwrap()], ..Options::model(1) };
    let sandbox = Sandbox::start(options).await.unwrap();
    production::create(&sandbox).await.unwrap();
    orders::create(&sandbox, Shape { maintenance: false, ..Shape::default() }).await.unwrap();
    let shared = exports::share_from_production(&sandbox).await.unwrap();
    environments::create_quarantine(&sandbox).await.unwrap();
    let policy = exports::policy_of_three().unwrap().replace("verify: aws", exports::COUNTED);
    exports::create(&sandbox, Some(&policy)).await.unwrap();
    let skip = |sandbox: &Sandbox, skipped: bool| {
        sandbox.rds.behave(|behaviour| {
            let skip = &mut behaviour.exports.skip;
            skip.clear();
            skip.extend(skipped.then(|| ("shop.public.orders".to_owned(), "x".to_owned())));
        });
    };
    skip(&sandbox, true);
    let now = sandbox.clock.now();
    exports::take_snapshot(&sandbox, now - jiff::SignedDuration::from_hours(3)).await.unwrap();
    let failed = ended(&sandbox, exports::started(&sandbox).await.unwrap()).await.failed("OperationFailed");
    skip(&sandbox, false);
    let export = async |name: &str, input: Value| {
        let arn = sandbox.start_execution("snapshot-export", name, &input).await.unwrap();
        ended(&sandbox, arn).await.succeeded()
    };
    let week = async {
        export("again", json!({ "export": "orders", "again": true })).await;
        sandbox.clock.sleep(Duration::from_secs(3600)).await;
        export("once-more", json!({ "export": "orders", "again": true })).await;
        sandbox.clock.sleep(Duration::from_secs(24 * 3600)).await;
        exports::take_snapshot(&sandbox, sandbox.clock.now() - jiff::SignedDuration::from_mins(1))
            .await
            .unwrap();
        export("next-day", json!({ "export": "orders" })).await;
        stop_while_it_counts(&sandbox).await;
        let fault = Fault::once(Kind::Denied, "rds", "StartExportTask").by("export-snapshot");
        sandbox.gateway.lay(fault);
        let shared = json!({ "export": "shared", "snapshot": shared });
        let arn = sandbox.start_execution("snapshot-export", "left", &shared).await.unwrap();
        ended(&sandbox, arn).await.failed("Refused");
        sandbox.clock.sleep(Duration::from_secs(25 * 3600)).await;
        export("shared", shared).await;
        let rows =
            [("public.customers", 40), ("public.events", 30), ("public.orders", 120), ("public.refunds", 0)];
        exports::sanitized(&sandbox, &rows).await.unwrap();
        export("sanitized", json!({ "export": "sanitized" })).await;
    };
    tokio::select! {
        () = week => {}
        () = rob(&sandbox, &failed.arn) => unreachable!("it never ends"),
    }
    sandbox
}

/// Somebody has protected and stopped the restored copy before its run is stopped.
async fn stop_while_it_counts(sandbox: &Sandbox) {
    let again = json!({ "export": "orders", "again": true });
    let stopped = sandbox.start_execution("snapshot-export", "stopped", &again).await.unwrap();
    let copy = runbook::daily_sync::names::quarantine("orders", &runbook::Run::of(&stopped));
    let owner = sandbox.rds_client();
    let is_counted = async || {
        let shown = owner.describe_db_instances().db_instance_identifier(format!("{copy}-1")).send().await;
        shown.is_ok_and(|shown| {
            shown.db_instances().iter().any(|shown| shown.db_instance_status() == Some("available"))
        })
    };
    while !is_counted().await {
        sandbox.clock.sleep(Duration::from_secs(5)).await;
    }
    let protect = owner.modify_db_cluster().db_cluster_identifier(&copy).deletion_protection(true);
    protect.apply_immediately(true).send().await.unwrap();
    owner.stop_db_cluster().db_cluster_identifier(&copy).send().await.unwrap();
    sandbox.sfn().stop_execution().execution_arn(&stopped).send().await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(2 * 3600)).await;
    let left = owner.describe_db_clusters().db_cluster_identifier(&copy).send().await;
    assert!(left.is_err(), "{copy} is left");
}

/// A sync of what another account has sanitised.
async fn a_day_of_another_account() -> Sandbox {
    let options = Options { customer_keys: true, ..Options::model(1) };
    let sandbox = another_account::world_with_their_snapshot(options).await;
    another_account::sync(&sandbox, "sync").await.succeeded();
    sandbox
}

/// A rehearsal of a cluster with a customer's key, which is asked for as an upgrade, and one that a
/// person stops, whose upgrade another one redrives and whose clone a third has protected and
/// stopped.
async fn a_day_of_rehearsals() -> Sandbox {
    let sandbox = world_of_upgrade(Options { customer_keys: true, ..Options::model(1) }).await;
    environments::create_quarantine(&sandbox).await.unwrap();
    let owner = sandbox.rds_client();
    let snapshot = owner.create_db_cluster_snapshot().db_cluster_identifier(orders::CLUSTER);
    snapshot.db_cluster_snapshot_identifier("of-orders").send().await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(3600)).await;
    let keyed = owner.restore_db_cluster_from_snapshot().db_cluster_identifier("keyed").engine(ENGINE);
    let keyed = keyed.snapshot_identifier("of-orders").engine_version("16.14");
    keyed.kms_key_id("alias/aurora-runbooks-environments").send().await.unwrap();
    let writer = owner.create_db_instance().db_instance_identifier("keyed-1").engine(ENGINE);
    writer.db_cluster_identifier("keyed").db_instance_class("db.r6g.large").send().await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(3600)).await;

    let rehearsal = arn("states", &format!("execution:{PREFIX}-rehearse-upgrade:keyed-rehearsal"));
    let upgrade = runbook::rehearse_upgrade::upgrade_name(&runbook::Run::of(&rehearsal));
    let store = orders::context(&sandbox).store;
    store.put_json(&format!("runs/{upgrade}/findings.json"), &json!([])).await.unwrap();
    let input = json!({ "cluster": "keyed", "target": "18", "rehearse": true });
    run(&sandbox, "keyed", &input).await.succeeded();
    let stopped = sandbox.start_execution("rehearse-upgrade", "stopped", &to_18()).await.unwrap();
    let rehearsal = runbook::Run::of(&stopped);
    let clone = runbook::daily_sync::names::quarantine(orders::CLUSTER, &rehearsal);
    let upgrade = runbook::rehearse_upgrade::upgrade_of(&rehearsal).unwrap();
    let is_snapshot = async || {
        let taken = owner.describe_db_cluster_snapshots().db_cluster_identifier(&clone).send().await;
        taken.is_ok_and(|taken| !taken.db_cluster_snapshots().is_empty())
    };
    while !is_snapshot().await {
        sandbox.clock.sleep(Duration::from_secs(5)).await;
    }
    sandbox.sfn().stop_execution().execution_arn(&stopped).send().await.unwrap();
    sandbox.redrive(upgrade.as_str()).await.unwrap();
    let protect = owner.modify_db_cluster().db_cluster_identifier(&clone).deletion_protection(true);
    protect.apply_immediately(true).send().await.unwrap();
    owner.stop_db_cluster().db_cluster_identifier(&clone).send().await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(2 * 3600)).await;
    let left = owner.describe_db_clusters().db_cluster_identifier(&clone).send().await;
    assert!(left.is_err(), "{clone} is left");
    sandbox
}

/// A fleet of one whose rehearsal fails, that a person stops while its upgrade is at work, and
/// starts again: the rehearsal is there already.
async fn a_day_of_a_fleet() -> Sandbox {
    let sandbox = world_of_upgrade(Options { customer_keys: true, ..Options::model(1) }).await;
    environments::create_quarantine(&sandbox).await.unwrap();
    let input = json!({ "clusters": [orders::CLUSTER], "target": "18" });
    let resolve = format!("{PREFIX}-resolve-rehearsal");
    sandbox.gateway.lay(Fault::once(Kind::Fail("OperationFailed"), "lambda", "Invoke").of(resolve));
    let failed = sandbox.start_execution("upgrade-fleet", "failed", &input).await.unwrap();
    ended(&sandbox, failed).await.failed("OperationFailed");
    let stopped = sandbox.start_execution("upgrade-fleet", "stopped", &input).await.unwrap();
    let machine = arn("states", &format!("stateMachine:{PREFIX}-major-upgrade"));
    let has_begun = async || {
        let listed = sandbox.sfn().list_executions().state_machine_arn(&machine).send().await.unwrap();
        listed.executions().iter().any(|run| run.name().starts_with("fleet-"))
    };
    while !has_begun().await {
        sandbox.clock.sleep(Duration::from_secs(60)).await;
    }
    sandbox.sfn().stop_execution().execution_arn(stopped).send().await.unwrap();
    let again = sandbox.start_execution("upgrade-fleet", "again", &input).await.unwrap();
    ended(&sandbox, again).await.succeeded();
    sandbox
}

#[tokio::test(start_paused = true)]
async fn the_functions_use_all_that_they_are_granted() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for sandbox in [
        a_bad_day_of_an_upgrade().await,
        a_bad_day_of_blue_green().await,
        a_bad_week_of_syncs().await,
        a_bad_week_of_exports().await,
        a_day_of_another_account().await,
        a_day_of_rehearsals().await,
        a_day_of_a_fleet().await,
    ] {
        assert_eq!(sandbox.iam.denied(), []);
        play_the_services(&sandbox).await;
        for (role, actions) in sandbox.iam.used() {
            used.entry(role).or_default().extend(actions);
        }
    }
    // The model's workers have no login.
    let logs_in = ["secretsmanager:GetSecretValue", "kms:Decrypt"];
    let of_switch_over = used.entry(permissions::role_arn(SWITCH_OVER, ACCOUNT)).or_default();
    of_switch_over.extend(logs_in.map(str::to_owned));
    let documents = documents();
    assert_eq!(granted(&documents[ANALYZE_GREEN]), granted(&documents["run-analyze"]));
    report(used, |name, trust| {
        ["reconcile-export", SWITCH_OVER].contains(&name)
            || ["lambda", "states", "root"].iter().any(|by| trust.contains(by))
    });
}

/// In real time, with the shipped workers, because they speak SQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_workers_use_all_that_they_are_granted() {
    let options =
        || Options { customer_keys: true, roles: vec![exports::role().unwrap()], ..Options::real() };
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut note = async |sandbox: &Sandbox| {
        assert_eq!(sandbox.iam.denied(), []);
        play_the_services(sandbox).await;
        for (role, actions) in sandbox.iam.used() {
            used.entry(role).or_default().extend(actions);
        }
    };
    let sandbox = Sandbox::start(options()).await.unwrap();
    let id = orders::create(&sandbox, orders::Shape::default()).await.unwrap();
    rehearsal::a_shop_is_rehearsed(&sandbox, &id).await;
    run(&sandbox, "upgrade", &to_18()).await.succeeded();
    findings::apply(sandbox.engine.as_ref().unwrap(), &id, reindex::WORN_CLUSTER).await.unwrap();
    let again = run(&sandbox, "again", &to_18()).await.succeeded();
    assert!(again.states().contains(&"ReindexCollations"), "{:?}", again.states());
    note(&sandbox).await;
    drop(sandbox);
    let sandbox = world_of_sync(options()).await;
    exports::create(&sandbox, Some(&exports::policy_of_three().unwrap())).await.unwrap();
    // It is started, because its kept table is read.
    stop_clusters(&sandbox, environments::DEV).await;
    let synced = sync(&sandbox, "sync").await.succeeded();
    export_what_was_synced(&sandbox, &synced).await;
    note(&sandbox).await;
    for name in workers::STATES.iter().map(|state| runbook::state::kebab(state)) {
        let used = used.entry(permissions::role_arn(&name, ACCOUNT)).or_default();
        // One function of the kit answers for every worker, and a bad day is another test's
        // (major_upgrade.rs: a planted finding blocks).
        if used.contains("states:SendTaskSuccess") {
            used.insert("states:SendTaskFailure".to_owned());
        }
    }
    // One speaks no SQL: the functions' test has it. The other's is that of snapshot_export.rs.
    let elsewhere = ["count-rows", "reconcile-export", SWITCH_OVER, ANALYZE_GREEN];
    report(used, |name, trust| trust.contains("ecs-tasks") && !elsewhere.contains(&name));
}

/// As its event asks for it: the rows of every table are those that the sync recorded under its
/// key.
async fn export_what_was_synced(sandbox: &Sandbox, synced: &Ended) {
    let name = runbook::daily_sync::names::sanitized("orders", &runbook::Run::of(&synced.arn));
    let input = json!({ "snapshot": arn("rds", &format!("cluster-snapshot:{name}")) });
    let execution = sandbox.start_execution("snapshot-export", "sanitized", &input).await.unwrap();
    let exported = ended(sandbox, execution).await.succeeded();
    let export = &exported.report["export"];
    assert_eq!(export["verified"], "rows compared with the rows that sync counted", "{}", exported.report);
    let (tables, rows) = (export["tables"].as_u64().unwrap(), export["rows"].as_u64().unwrap());
    assert!(tables > 8 && rows > 1000, "{export}");
    let latest = sandbox.s3.get(exports::BUCKET, "exports/sanitized/latest.json").unwrap();
    assert!(String::from_utf8_lossy(&latest).contains(&name));
}

/// The number of actions granted and used a role; nothing is granted in vain.
fn report(mut used: BTreeMap<String, BTreeSet<String>>, looked_at: impl Fn(&str, &str) -> bool) {
    let mut table = format!("{:<28}{:>8}{:>8}\n", "role", "granted", "used");
    let mut never = Vec::new();
    for (name, document) in documents() {
        let trust = document.trust.to_string();
        // ECS pulls and logs with it: its test is that of the roles that services act with.
        if name == "task-execution" || !looked_at(&name, &trust) {
            continue;
        }
        let (granted, used) = (granted(&document), used.remove(&document.arn).unwrap_or_default());
        table += &format!("{name:<28}{:>8}{:>8}\n", granted.len(), used.len());
        let of_step_functions =
            |action: &str| BY_STEP_FUNCTIONS.contains(&action) || TO_WAIT_FOR_AN_EXECUTION.contains(&action);
        let by_itself = |action: &str| trust.contains("states.amazonaws.com") && of_step_functions(action);
        let unused: Vec<_> = granted.difference(&used).filter(|action| !by_itself(action)).cloned().collect();
        if !unused.is_empty() {
            never.push(format!("{name}: {}", unused.join(", ")));
        }
    }
    // Shown by `cargo test -p tests --test it -- iam --nocapture`.
    std::io::stderr().write_all(table.as_bytes()).unwrap();
    assert!(never.is_empty(), "granted and used by no scenario:\n{}", never.join("\n"));
}
