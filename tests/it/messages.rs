//! What report-run tells the others, through the local EventBridge to a Slack that checks what it
//! is sent, a Sentry and a Datadog: the model gear.

use std::{collections::BTreeMap, time::Duration};

use sandbox::{
    Options, Sandbox,
    aws::arn,
    environments::{self, DEV, SUPPORT, SYNC},
    events::Published,
    executables::root,
    faults::{Fault, Kind},
    golden, orders,
    statemachine::PREFIX,
};
use serde_json::{Value, json};

use crate::harness::{World, ended, model, run, sync, to_18};

mod delivery;

/// Without a cluster.
async fn empty() -> Sandbox {
    Sandbox::start(Options::model(1)).await.expect("the sandbox starts")
}

/// A run of a moment: it is refused, for there is no such cluster. It has ended when report-run
/// first hears of it, so that its end alone is told.
fn nowhere() -> Value {
    json!({ "cluster": "nowhere", "target": "18" })
}

/// An upgrade whose input says what is told.
fn with(tell: Value) -> Value {
    let mut input = to_18();
    input["tell"] = tell;
    input
}

/// Deliveries and retries come to rest.
async fn settle(sandbox: &Sandbox) {
    sandbox.clock.sleep(Duration::from_mins(10)).await;
}

/// Our own events, by their type, in order.
fn ours(sandbox: &Sandbox) -> Vec<(String, Value)> {
    let bus = arn("events", &format!("event-bus/{PREFIX}"));
    let published = sandbox.events.published().into_iter().filter(|published| published.bus == bus);
    published
        .map(|Published { event, .. }| {
            (event["detail-type"].as_str().unwrap().to_owned(), event["detail"].clone())
        })
        .collect()
}

fn types(sandbox: &Sandbox) -> Vec<String> {
    ours(sandbox).into_iter().map(|(name, _)| name).collect()
}

/// What notifications of Slack's messages show.
fn texts(sandbox: &Sandbox) -> Vec<String> {
    let messages = sandbox.beside.slack.messages();
    messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn no_delivery_was_lost(sandbox: &Sandbox) {
    assert_eq!(sandbox.events.dead_letters(), [], "every event arrived");
}

/// The execution's own events once more, as EventBridge may deliver them.
fn again(sandbox: &Sandbox) {
    for Published { bus, event } in sandbox.events.published() {
        if event["source"] == "aws.states" {
            sandbox.events.publish(&bus, event);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sync_is_told_to_slack_sentry_datadog_and_the_bus_once_however_often_it_is_said() {
    let (sandbox, _) = World::WHOLE.start(Options::model(1)).await;
    let arn = sandbox.start_execution("daily-sync", "tuesday", &json!({ "sync": SYNC })).await.unwrap();
    // Also while it runs.
    sandbox.clock.sleep(Duration::from_mins(1)).await;
    again(&sandbox);
    ended(&sandbox, arn).await.succeeded();
    for _ in 0..3 {
        again(&sandbox);
        again(&sandbox);
        settle(&sandbox).await;
    }
    let told = types(&sandbox);
    assert_eq!(told, ["RunStarted", "RunSucceeded", "DatabaseRefreshed", "DatabaseRefreshed"]);
    let refreshed: Vec<_> = ours(&sandbox)
        .into_iter()
        .filter_map(|(_, detail)| detail["target"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(refreshed, [DEV, SUPPORT]);

    let shown = texts(&sandbox);
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown[0].contains("daily-sync orders has started"), "{shown:?}");
    assert!(shown[1].contains("daily-sync orders has succeeded"), "{shown:?}");
    assert_eq!(sandbox.beside.datadog.entries().len(), told.len());

    let check_ins = sandbox.beside.sentry.of("check_in");
    let statuses: Vec<_> = check_ins.iter().map(|check_in| &check_in["status"]).collect();
    assert_eq!(statuses, ["in_progress", "ok"]);
    assert_eq!(check_ins[0]["check_in_id"], check_ins[1]["check_in_id"]);
    for check_in in &check_ins {
        assert_eq!(check_in["monitor_slug"], "daily-sync-orders");
        let config = &check_in["monitor_config"];
        assert_eq!(config["schedule"], json!({ "type": "crontab", "value": "30 3 * * MON-FRI" }));
        assert_eq!(config["timezone"], "Europe/Berlin");
    }
    assert_eq!(sandbox.beside.sentry.of("event"), Vec::<Value>::new());
    no_delivery_was_lost(&sandbox);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_with_its_error_its_state_and_the_command_that_goes_on() {
    let sandbox = model(1, orders::Shape::default()).await;
    sandbox.gateway.lay(Fault::once(Kind::Denied, "rds", "CreateDBClusterSnapshot").times(100));
    let failed = run(&sandbox, "friday", &to_18()).await.failed("Refused");
    settle(&sandbox).await;
    assert_eq!(types(&sandbox), ["RunStarted", "RunFailed"]);
    let (_, detail) = ours(&sandbox).pop().unwrap();
    assert_eq!((&detail["error"], &detail["state"]), (&json!("Refused"), &json!("TakeSnapshot")));
    let next = detail["next"].as_str().unwrap();
    assert_eq!(next, format!("aws stepfunctions redrive-execution --execution-arn {}", failed.arn));
    let message = sandbox.beside.slack.messages().pop().unwrap();
    for words in [next, "Refused", "CreateDBClusterSnapshot"] {
        assert!(message.to_string().contains(words), "{words} is not in {message:#}");
    }

    let [event] = &sandbox.beside.sentry.of("event")[..] else { panic!("Sentry has one event") };
    assert_eq!(event["fingerprint"], json!(["major-upgrade", "Refused", "TakeSnapshot"]));
    assert_eq!(event["environment"], "sandbox");
    assert!(event["release"].as_str().unwrap().starts_with("aurora-runbooks@"));
    let tags = &event["tags"];
    let tags: Vec<_> = ["runbook", "state", "execution", "cluster"].iter().map(|tag| &tags[tag]).collect();
    assert_eq!(tags, ["major-upgrade", "TakeSnapshot", "friday", orders::CLUSTER]);
    let crumbs = event["breadcrumbs"]["values"].as_array().unwrap();
    assert!(crumbs.iter().any(|crumb| crumb["message"].as_str().unwrap().starts_with("ResolveUpgrade: ")));
    assert_eq!(event["exception"]["values"][0]["type"], "Refused");
}

/// After a redrive the same run fails or ends again, and that is another thing to say.
#[tokio::test(start_paused = true)]
async fn each_redrive_is_told_and_a_run_that_a_person_stops_is_too() {
    let sandbox = model(1, orders::Shape::default()).await;
    sandbox.gateway.lay(Fault::once(Kind::Denied, "rds", "CreateDBClusterSnapshot"));
    let failed = run(&sandbox, "saturday", &with(json!(["started"]))).await.failed("Refused");
    settle(&sandbox).await;
    crate::harness::redrive(&sandbox, &failed).await.succeeded();
    settle(&sandbox).await;
    again(&sandbox);
    settle(&sandbox).await;
    assert_eq!(types(&sandbox), ["RunStarted", "RunFailed", "RunStarted", "RunSucceeded", "UpgradeFinished"]);
    let shown = texts(&sandbox);
    assert!(shown[2].contains("goes on"), "{shown:?}");
    let (_, finished) = ours(&sandbox).pop().unwrap();
    assert!(finished["to"].as_str().unwrap().starts_with("18."), "{finished:#}");

    let arn = sandbox.start_execution("major-upgrade", "sunday", &to_18()).await.unwrap();
    sandbox.sfn().stop_execution().execution_arn(&arn).send().await.unwrap();
    ended(&sandbox, arn).await;
    settle(&sandbox).await;
    assert_eq!(types(&sandbox).pop().as_deref(), Some("RunFailed"));
    assert!(texts(&sandbox).pop().unwrap().contains("was stopped"));
}

/// Blocked by a value that the new family does not take.
#[tokio::test(start_paused = true)]
async fn the_input_of_an_upgrade_says_what_slack_hears_of_and_its_end_is_always_told() {
    let parameters = &[("password_encryption", "md5")];
    let sandbox = model(1, orders::Shape { parameters, ..orders::Shape::default() }).await;
    for (name, input, heard) in [
        ("silent", to_18(), vec!["waits for a person"]),
        ("all", with(json!(["started", "blocked"])), vec!["has started", "waits for a person"]),
        ("none", with(json!([])), vec![]),
    ] {
        let before = texts(&sandbox).len();
        run(&sandbox, name, &input).await.failed("Blocked");
        settle(&sandbox).await;
        let shown = texts(&sandbox)[before..].to_vec();
        assert_eq!(shown.len(), heard.len(), "{name}: {shown:?}");
        assert!(shown.iter().zip(&heard).all(|(text, word)| text.contains(word)), "{name}: {shown:?}");
    }
    // The bus hears of everything, and whether it is a message.
    let of = |kind: &str| {
        let events = ours(&sandbox).into_iter().filter(|(name, _)| name == kind);
        events.map(|(_, detail)| detail["tell"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("RunStarted"), [json!(false), json!(true), json!(false)]);
    assert_eq!(of("RunBlocked"), [json!(true), json!(true), json!(false)]);

    let (before, leases) = (texts(&sandbox).len(), crate::harness::mutations(&sandbox).len());
    let refused = run(&sandbox, "unknown", &with(json!(["begun"]))).await.failed("Refused");
    refused.says(&["tell: unknown variant `begun`, expected `started` or `blocked`"]);
    settle(&sandbox).await;
    assert!(texts(&sandbox)[before].contains("has failed"), "{:?}", texts(&sandbox));
    assert_eq!(crate::harness::mutations(&sandbox).len(), leases);
    no_delivery_was_lost(&sandbox);
}

#[tokio::test(start_paused = true)]
async fn the_policy_says_what_slack_hears_of_a_sync_and_its_report_whether_the_data_came_in_time() {
    let (sandbox, _) = World::WHOLE.start(Options::model(1)).await;
    let store = orders::context(&sandbox).store;
    let policy = environments::example_policy().unwrap();
    let put = async |text: String| {
        store.put("policy.yaml", "application/yaml", text.into_bytes()).await.unwrap();
    };
    // It is 03:00 in Berlin when the run begins, and a sync takes an hour or two.
    let silent = policy.replace("    tell: [started, blocked]\n", "");
    put(silent.replace("fresh-by: \"07:00\"", "fresh-by: \"03:10\"")).await;
    let late = sync(&sandbox, "silent").await.succeeded().report;
    settle(&sandbox).await;
    assert_eq!((&late["freshBy"]["outcome"], &late["tell"]), (&json!("late"), &json!(["blocked"])));
    let [shown] = &texts(&sandbox)[..] else { panic!("its end alone is told") };
    assert!(shown.contains("has succeeded"), "{shown}");
    let message = sandbox.beside.slack.messages().pop().unwrap().to_string();
    assert!(message.contains("03:10 Europe/Berlin: missed by "), "{message}");

    put(policy.replace("tell: [started, blocked]", "tell: [begun]")).await;
    let refused = sync(&sandbox, "unknown").await.failed("Refused");
    refused.says(&["syncs.orders.tell[0]: \"begun\" is not one of started, blocked"]);
}

/// The shipped function, over HTTP: an envelope for Sentry, a line of metrics, a log of JSON.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_function_reaches_sentry_and_writes_a_line_of_metrics_into_its_log() {
    let sandbox = Sandbox::start(Options::real()).await.unwrap();
    run(&sandbox, "real", &nowhere()).await.failed("Refused");
    let begun = std::time::Instant::now();
    while sandbox.beside.slack.messages().is_empty() {
        assert!(begun.elapsed() < Duration::from_mins(1), "no message came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let [event] = &sandbox.beside.sentry.of("event")[..] else { panic!("Sentry has one event") };
    assert_eq!(event["tags"]["execution"], "real");
    // The line is written before the function has ended.
    let metric = loop {
        let lines = logs(&sandbox).into_iter();
        let line = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        if let Some(line) = line.into_iter().find(|line| line.get("_aws").is_some()) {
            break line;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "no metric was written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((&metric["Runbook"], &metric["Failed"]), (&json!("major-upgrade"), &json!(1.0)));
    let logged = logs(&sandbox);
    let error = logged.iter().filter(|line| line.contains("\"ERROR\"")).collect::<Vec<_>>();
    let [error] = &error[..] else { panic!("one failure is logged once: {error:#?}") };
    let error: Value = serde_json::from_str(error).unwrap();
    assert_eq!(
        (&error["span"]["state"], &error["span"]["execution"]),
        (&json!("ResolveUpgrade"), &json!("real"))
    );
    assert_eq!(error["span"]["runbook"], format!("{PREFIX}-major-upgrade"));
}

/// What functions and workers have logged.
fn logs(sandbox: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(&sandbox.logs).into_iter().flatten().flatten();
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Of every event: a schema file that is made of the type, and that what is sent satisfies.
#[tokio::test(start_paused = true)]
async fn what_is_sent_satisfies_the_schemas_of_infra() {
    use functions::report_run::events::{
        ApprovalAsked, DatabaseRefreshed, ExportPublished, RunBlocked, RunFailed, RunStarted, RunSucceeded,
        UpgradeFinished,
    };
    fn schema<T: schemars::JsonSchema>() -> (String, Value) {
        let schema = serde_json::to_value(schemars::schema_for!(T)).unwrap();
        (schema["title"].as_str().unwrap().to_owned(), schema)
    }
    let schemas = BTreeMap::from([
        schema::<RunStarted>(),
        schema::<ApprovalAsked>(),
        schema::<RunBlocked>(),
        schema::<RunSucceeded>(),
        schema::<RunFailed>(),
        schema::<DatabaseRefreshed>(),
        schema::<UpgradeFinished>(),
        schema::<ExportPublished>(),
    ]);
    for (name, schema) in &schemas {
        let path = root().join(format!("infra/events/schemas/{name}.json"));
        golden::file(&path, &(serde_json::to_string_pretty(schema).unwrap() + "\n"));
    }
    let (sync_world, _) = World::WHOLE.start(Options::model(1)).await;
    sync(&sync_world, "tuesday").await.succeeded();
    settle(&sync_world).await;
    let upgrade_world = model(1, orders::Shape::default()).await;
    upgrade_world.gateway.lay(Fault::once(Kind::Denied, "rds", "CreateDBClusterSnapshot"));
    let failed = run(&upgrade_world, "friday", &to_18()).await.failed("Refused");
    settle(&upgrade_world).await;
    crate::harness::redrive(&upgrade_world, &failed).await.succeeded();
    settle(&upgrade_world).await;
    let asking = json!({ "cluster": orders::CLUSTER, "target": "18", "approval": true });
    let asking_world = model(1, orders::Shape::default()).await;
    asking_world.start_execution("major-upgrade", "asks", &asking).await.unwrap();
    asking_world.clock.sleep(Duration::from_secs(4 * 3600)).await;
    asking_world.renew_reports().await.unwrap();
    let mut seen = BTreeMap::new();
    let sent = [&sync_world, &upgrade_world, &asking_world].into_iter().flat_map(ours);
    for (name, detail) in sent {
        let validator = jsonschema::validator_for(&schemas[&name]).unwrap();
        let errors: Vec<String> = validator.iter_errors(&detail).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}\n{detail:#}");
        *seen.entry(name).or_insert(0) += 1;
    }
    let seen: Vec<&str> = seen.keys().map(String::as_str).collect();
    let all = "ApprovalAsked DatabaseRefreshed RunFailed RunStarted RunSucceeded UpgradeFinished";
    assert_eq!(seen.join(" "), all);
}
