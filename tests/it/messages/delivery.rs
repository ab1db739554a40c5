//! What becomes of what report-run tells, whoever answers an error, sends twice or forges it.

use std::{collections::BTreeMap, time::Duration};

use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, PRODUCTION, arn, arn_in},
    events::{Rule, Target},
    faults::{Fault, Kind},
    iam::{Role, policy::Policy},
    orders,
    outside::{Answer, slack},
    statemachine::PREFIX,
};
use serde_json::{Value, json};

use super::{again, empty, no_delivery_was_lost, nowhere, ours, settle, texts};
use crate::harness::{calls, ended, model, run, to_18};

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
    run(&sandbox, "one", &to_18()).await.failed("Refused");
    settle(&sandbox).await;
    assert_eq!(sandbox.beside.sentry.items(), []);
    assert_eq!(texts(&sandbox).len(), 1);
}
