//! What report-run tells the others, through the local EventBridge to a Slack that checks what it
//! is sent, a Sentry and a Datadog: the model gear.

use std::{collections::BTreeMap, time::Duration};

use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, PRODUCTION, arn, arn_in},
    environments::{DEV, SUPPORT, SYNC},
    events::{Published, Rule, Target},
    executables::root,
    faults::{Fault, Kind},
    golden,
    iam::{Role, policy::Policy},
    orders,
    outside::{Answer, slack},
    statemachine::PREFIX,
};
use serde_json::{Value, json};

use crate::harness::{Ended, World, calls, ended, model, run, sync, to_18};

/// Without a cluster.
async fn empty() -> Sandbox {
    Sandbox::start(Options::model(1)).await.expect("the sandbox starts")
}

/// A run of a moment: it is refused, for there is no such cluster. It has ended when report-run
/// first hears of it, so that its end alone is told.
fn nowhere() -> Value {
    json!({ "cluster": "nowhere", "target": "18" })
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
    let failed = run(&sandbox, "saturday", &to_18()).await.failed("Refused");
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

/// What Slack answers, in which order; after how many calls the message is there, or that it lies
/// in the queue of dead letters.
#[tokio::test(start_paused = true)]
async fn slack_that_refuses_delays_or_says_nothing_loses_no_message_and_fails_no_run() {
    use Answer::{Nothing, RetryAfter, Status};
    let sandbox = empty().await;
    let cases: [(&str, Vec<Answer>, bool); 9] = [
        ("ok", vec![], true),
        ("once-500", vec![Status(500)], true),
        ("often-503", vec![Status(503); 12], true),
        ("slow-down", vec![RetryAfter(30), RetryAfter(600)], true),
        ("no-answer", vec![Nothing, Nothing], true),
        ("invalid-payload", vec![Status(400)], false),
        ("forbidden", vec![Status(403)], false),
        ("no-webhook", vec![Status(404)], false),
        ("archived", vec![Status(410)], false),
    ];
    for (name, answers, arrives) in cases {
        let (shown, dead) = (sandbox.beside.slack.messages().len(), sandbox.events.dead_letters().len());
        let begun = sandbox.clock.now();
        let calls = sandbox.beside.slack.calls();
        let expected = answers.len() + usize::from(arrives);
        sandbox.beside.slack.answers.lay(answers);
        let arn = sandbox.start_execution("major-upgrade", name, &nowhere()).await.unwrap();
        ended(&sandbox, arn).await.failed("Refused");
        sandbox.clock.sleep(Duration::from_hours(2)).await;
        let letters = sandbox.events.dead_letters();
        assert_eq!(sandbox.beside.slack.messages().len() - shown, usize::from(arrives), "{name}");
        assert_eq!(letters.len() - dead, usize::from(!arrives), "{name}: {letters:#?}");
        assert_eq!((sandbox.beside.slack.calls() - calls) as usize, expected, "{name}: calls");
        assert!(begun < sandbox.clock.now());
        if let Some(letter) = letters.last().filter(|_| !arrives) {
            // What a person needs to send it by hand.
            slack::check(&letter.body["detail"]["slack"]).unwrap();
            assert_eq!(letter.attributes["RETRY_ATTEMPTS"], "0");
            assert!(letter.attributes["RULE_ARN"].ends_with("-slack"), "{letter:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slack_that_is_away_for_a_day_leaves_the_message_in_the_queue_of_dead_letters() {
    let sandbox = empty().await;
    sandbox.beside.slack.answers.lay(vec![Answer::Status(500); 1000]);
    run(&sandbox, "one", &nowhere()).await.failed("Refused");
    sandbox.clock.sleep(Duration::from_hours(25)).await;
    let letters = sandbox.events.dead_letters();
    let [letter] = &letters[..] else { panic!("one letter: {letters:#?}") };
    assert_eq!(letter.attributes["EXHAUSTED_RETRY_CONDITION"], "MaximumEventAgeInSeconds");
    assert!(letter.attributes["RETRY_ATTEMPTS"].parse::<u32>().unwrap() > 100, "{letter:?}");
}

/// A throttled, lost or denied call of report-run, and Lambda's retries after it.
#[tokio::test(start_paused = true)]
async fn a_message_survives_whatever_call_of_report_run_is_lost() {
    let sandbox = empty().await;
    run(&sandbox, "sites", &nowhere()).await.failed("Refused");
    settle(&sandbox).await;
    let sites: std::collections::BTreeSet<(String, String)> = sandbox
        .gateway
        .calls()
        .into_iter()
        .filter(|call| call.principal == functions::REPORT_RUN)
        .map(|call| (call.service, call.action))
        .collect();
    assert!(sites.contains(&("events".to_owned(), "PutEvents".to_owned())), "{sites:?}");
    assert!(sites.len() >= 4, "{sites:?}");
    let mut doubled = BTreeMap::new();
    for (service, action) in sites {
        for kind in [Kind::ServerError, Kind::TimeoutBefore, Kind::TimeoutAfter, Kind::KillAfter] {
            let name = format!("{}-{kind:?}", action.to_lowercase());
            let before = texts(&sandbox).len();
            sandbox.gateway.lay(Fault::once(kind, &service, &action).by(functions::REPORT_RUN));
            let arn = sandbox.start_execution("major-upgrade", &name, &nowhere()).await.unwrap();
            ended(&sandbox, arn).await.failed("Refused");
            settle(&sandbox).await;
            let shown = texts(&sandbox)[before..].to_vec();
            let of = |word: &str| shown.iter().filter(|text| text.contains(word)).count();
            assert!(of("has failed") >= 1, "{name}: {shown:?}");
            if shown.len() > 2 {
                doubled.insert(name, shown.len());
            }
        }
    }
    // PutEvents has no token: when its answer is lost, or its caller dies, nobody knows.
    assert!(doubled.keys().all(|name| name.starts_with("putevents-")), "{doubled:?}");
    no_delivery_was_lost(&sandbox);
}

#[tokio::test(start_paused = true)]
async fn two_calls_at_the_same_moment_send_one_message() {
    let sandbox = empty().await;
    run(&sandbox, "twins", &nowhere()).await.failed("Refused");
    settle(&sandbox).await;
    // As if nobody had been called at all.
    let key = |name: String| name.starts_with("runs/twins/told/").then_some(name);
    let told: Vec<String> =
        sandbox.s3.list(sandbox::sandbox::BUCKET, "runs/twins/").into_iter().filter_map(key).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    for key in told {
        orders::context(&sandbox).store.delete(&key).await.unwrap();
    }
    let before = texts(&sandbox).len();
    for _ in 0..4 {
        again(&sandbox);
    }
    settle(&sandbox).await;
    assert_eq!(texts(&sandbox)[before..].len(), 1);
    assert!(calls(&sandbox, functions::REPORT_RUN, "PutEvents") >= 2);
}

fn allow(principal: Value, action: &str, resource: &str, condition: Value) -> Policy {
    let statement = json!([{ "Effect": "Allow", "Principal": principal, "Action": action,
        "Resource": resource, "Condition": condition }]);
    Policy::parse(&statement).unwrap()
}

async fn put(
    sandbox: &Sandbox,
    account: &str,
    bus: &str,
    source: &str,
    detail_type: &str,
    detail: &Value,
) -> bool {
    let client = aws_sdk_eventbridge::Client::new(&sandbox.sdk_in(account, "mallory"));
    let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(source)
        .detail_type(detail_type)
        .detail(detail.to_string())
        .build();
    let answer = client.put_events().entries(entry).send().await;
    answer.is_ok_and(|answer| answer.failed_entry_count() == 0)
}

#[tokio::test(start_paused = true)]
async fn a_forged_event_does_nothing_wherever_it_comes_from() {
    let bus = arn("events", &format!("event-bus/{PREFIX}"));
    // As the module lets production in, and as somebody might let in too much.
    let of_rds = allow(
        json!({ "AWS": PRODUCTION }),
        "events:PutEvents",
        &bus,
        json!({ "StringEquals": { "events:source": "aws.rds" } }),
    );
    let too_much = allow(json!({ "AWS": PRODUCTION }), "events:PutEvents", &bus, json!({}));
    for (policy, lets_in) in [(None, false), (Some(of_rds), false), (Some(too_much), true)] {
        let bus_policies = policy.map(|policy| (bus.clone(), policy)).into_iter().collect();
        let sandbox = Sandbox::start(Options { bus_policies, ..Options::model(1) }).await.unwrap();
        run(&sandbox, "real", &nowhere()).await.failed("Refused");
        settle(&sandbox).await;
        let (shown, looked) =
            (texts(&sandbox).len(), calls(&sandbox, functions::REPORT_RUN, "DescribeExecution"));
        let (_, detail) = ours(&sandbox).pop().unwrap();
        // Another account, with our source.
        let taken = put(&sandbox, PRODUCTION, &bus, "aurora-runbooks", "RunFailed", &detail).await;
        assert_eq!(taken, lets_in, "the bus's policy decides");
        // Our account, with another source; and with a source that is AWS's alone.
        assert!(put(&sandbox, ACCOUNT, &bus, "aurora.runbooks", "RunFailed", &detail).await);
        let change = json!({ "status": "FAILED", "executionArn": detail["execution"],
            "stateMachineArn": detail["stateMachine"] });
        let status = "Step Functions Execution Status Change";
        for account in [ACCOUNT, PRODUCTION] {
            let default = arn("events", "event-bus/default");
            assert!(!put(&sandbox, account, &default, "aws.states", status, &change).await);
        }
        settle(&sandbox).await;
        assert_eq!(texts(&sandbox).len(), shown);
        assert_eq!(calls(&sandbox, functions::REPORT_RUN, "DescribeExecution"), looked);
    }
}

#[tokio::test(start_paused = true)]
async fn another_accounts_rule_receives_our_events() {
    let central = arn_in(PRODUCTION, "events", "event-bus/central");
    let role = format!("{PREFIX}-forward");
    // What whoever owns the two accounts makes: a rule on our bus with a role, a policy on theirs.
    let forward = Rule {
        name: "forward".to_owned(),
        description: String::new(),
        account: ACCOUNT.to_owned(),
        bus: PREFIX.to_owned(),
        pattern: Some(json!({ "source": ["aurora-runbooks"], "detail-type": ["RunFailed"] })),
        schedule: None,
        targets: vec![Target::Bus { id: "central".to_owned(), bus: central.clone(), role: role.clone() }],
    };
    let trust = json!([{ "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": { "Service": "events.amazonaws.com" } }]);
    let may = json!([{ "Effect": "Allow", "Action": "events:PutEvents", "Resource": central }]);
    let role = Role {
        arn: format!("arn:aws:iam::{ACCOUNT}:role/{role}"),
        trust: Policy::parse(&trust).unwrap(),
        policy: Policy::parse(&may).unwrap(),
    };
    let lets_in = allow(json!({ "AWS": ACCOUNT }), "events:PutEvents", &central, json!({}));
    let sandbox = Sandbox::start(Options {
        rules: vec![forward],
        roles: vec![role],
        bus_policies: vec![(central.clone(), lets_in)],
        ..Options::model(1)
    });
    let sandbox = sandbox.await.unwrap();
    run(&sandbox, "real", &nowhere()).await.failed("Refused");
    settle(&sandbox).await;
    let there: Vec<Value> = sandbox
        .events
        .published()
        .into_iter()
        .filter(|published| published.bus == central)
        .map(|published| published.event)
        .collect();
    let [event] = &there[..] else { panic!("one event is there: {there:#?}") };
    assert_eq!((&event["account"], &event["detail-type"]), (&json!(ACCOUNT), &json!("RunFailed")));
    no_delivery_was_lost(&sandbox);
}

/// A Sentry that is away takes nothing from the others.
#[tokio::test(start_paused = true)]
async fn sentry_that_answers_an_error_fails_neither_the_report_nor_the_message() {
    let sandbox = model(1, orders::Shape::default()).await;
    sandbox.beside.sentry.answers.lay([Answer::Status(500)]);
    sandbox.gateway.lay(Fault::once(Kind::Denied, "rds", "CreateDBClusterSnapshot").times(100));
    let Ended { .. } = run(&sandbox, "one", &to_18()).await.failed("Refused");
    settle(&sandbox).await;
    assert_eq!(sandbox.beside.sentry.items(), []);
    assert_eq!(texts(&sandbox).len(), 2);
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
        DatabaseRefreshed, ExportPublished, RunBlocked, RunFailed, RunStarted, RunSucceeded, UpgradeFinished,
    };
    fn schema<T: schemars::JsonSchema>() -> (String, Value) {
        let schema = serde_json::to_value(schemars::schema_for!(T)).unwrap();
        (schema["title"].as_str().unwrap().to_owned(), schema)
    }
    let schemas = BTreeMap::from([
        schema::<RunStarted>(),
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
    let mut seen = BTreeMap::new();
    for (name, detail) in ours(&sync_world).into_iter().chain(ours(&upgrade_world)) {
        let validator = jsonschema::validator_for(&schemas[&name]).unwrap();
        let errors: Vec<String> = validator.iter_errors(&detail).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}\n{detail:#}");
        *seen.entry(name).or_insert(0) += 1;
    }
    let seen: Vec<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(seen, ["DatabaseRefreshed", "RunFailed", "RunStarted", "RunSucceeded", "UpgradeFinished"]);
}
