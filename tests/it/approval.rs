//! A person's yes, a window and Change Calendars before an upgrade does anything that users feel.
//! Model gear.

use std::time::Duration;

use jiff::Timestamp;
use sandbox::{
    Sandbox,
    orders::{self, Shape},
};
use serde_json::{Value, json};

use crate::harness::{Ended, ended, model, mutations, redrive, run};

fn asking(more: &Value) -> Value {
    let mut input = json!({ "cluster": orders::CLUSTER, "target": "18" });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

async fn start(sandbox: &Sandbox, more: &Value) -> String {
    sandbox.start_execution("major-upgrade", "upgrade", &asking(more)).await.unwrap()
}

/// The report of a run that asks, as the minute's rule has it made; another question than `former`.
pub async fn question(sandbox: &Sandbox, former: Option<&str>) -> Value {
    for _ in 0..240 {
        sandbox.clock.sleep(Duration::from_secs(60)).await;
        sandbox.renew_reports().await.unwrap();
        let report = sandbox.s3.get(sandbox::sandbox::BUCKET, "runs/upgrade/report.json").unwrap_or_default();
        let report: Value = serde_json::from_slice(&report).unwrap_or_default();
        if report["approval"].is_object() && former != Some(&token(&report)) {
            return report;
        }
    }
    panic!("nobody is asked within four hours");
}

/// As it stands in the command that a person pastes.
pub fn token(report: &Value) -> String {
    let command = report["approval"]["approve"].as_str().unwrap();
    command.split('\'').nth(1).unwrap().to_owned()
}

pub async fn approve(sandbox: &Sandbox, token: &str) {
    let answer = sandbox.sfn().send_task_success().task_token(token).output(r#"{"by": "Ada"}"#);
    answer.send().await.unwrap();
}

/// What users would feel.
pub fn felt(sandbox: &Sandbox) -> Vec<String> {
    let of_groups = |call: &String| call.contains("ParameterGroup");
    mutations(sandbox).into_iter().filter(|call| !of_groups(call)).collect()
}

fn told(sandbox: &Sandbox, detail_type: &str) -> Vec<Value> {
    let ours = sandbox.events.published().into_iter().map(|published| published.event);
    ours.filter(|event| event["detail-type"] == detail_type).map(|event| event["detail"].clone()).collect()
}

fn entered(ended: &Ended, state: &str) -> usize {
    ended.states().into_iter().filter(|name| *name == state).count()
}

#[tokio::test(start_paused = true)]
async fn a_person_is_asked_before_anything_that_users_feel_and_a_yes_goes_on() {
    let sandbox = model(1, Shape::default()).await;
    let arn = start(&sandbox, &json!({ "approval": true })).await;
    let report = question(&sandbox, None).await;
    assert_eq!(felt(&sandbox), Vec::<String>::new());
    let outcome = report["outcome"].as_str().unwrap();
    assert!(outcome.starts_with("A person is asked: orders goes from 16."), "{outcome}");
    sandbox.renew_reports().await.unwrap();

    let asked = told(&sandbox, "ApprovalAsked");
    assert_eq!(asked.len(), 1, "once, however often the report is made");
    let message = asked[0]["slack"].to_string();
    for part in ["asks for approval", "send-task-success", "send-task-failure", &token(&report), "CloudShell"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(asked[0]["tell"], true);
    let page = sandbox.s3.get(sandbox::sandbox::BUCKET, "runs/upgrade/report.html").unwrap();
    assert!(String::from_utf8_lossy(&page).contains("Shall it begin?"));

    // Half a day later.
    sandbox.clock.sleep(Duration::from_secs(12 * 3600)).await;
    assert_eq!(felt(&sandbox), Vec::<String>::new());
    approve(&sandbox, &token(&report)).await;
    let ended = ended(&sandbox, arn).await.succeeded();
    assert_eq!((entered(&ended, "AskApproval"), entered(&ended, "InspectDatabases")), (1, 2));
    let steps = ended.report["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["state"] == "AskApproval").unwrap();
    assert_eq!(step["summary"], "approved by Ada");
    assert_eq!(ended.report.get("approval"), None);
}

#[tokio::test(start_paused = true)]
async fn a_no_stops_the_run_with_its_reason_and_a_redrive_asks_again() {
    let sandbox = model(1, Shape::default()).await;
    let arn = start(&sandbox, &json!({ "approval": true })).await;
    let first = token(&question(&sandbox, None).await);
    let no = sandbox.sfn().send_task_failure().task_token(&first).error("Refused").cause("not this week");
    no.send().await.unwrap();
    let refused = ended(&sandbox, arn.clone()).await.failed("Refused");
    refused.says(&["not this week"]);
    assert_eq!(felt(&sandbox), Vec::<String>::new());

    let (again, _) = tokio::join!(redrive(&sandbox, &refused), async {
        let second = token(&question(&sandbox, Some(&first)).await);
        let late = sandbox.sfn().send_task_success().task_token(&first).output("{}").send().await;
        assert!(late.unwrap_err().into_service_error().is_task_timed_out(), "the first is spent");
        approve(&sandbox, &second).await;
    });
    again.succeeded();
}

#[tokio::test(start_paused = true)]
async fn a_yes_to_one_plan_is_no_yes_to_another() {
    let sandbox = model(1, Shape { maintenance: false, version: "16.11", ..Shape::default() }).await;
    let arn = start(&sandbox, &json!({ "approval": true })).await;
    let first = question(&sandbox, None).await;
    // A person raises the minor version meanwhile: the upgrade begins elsewhere.
    let owner = sandbox.rds_client();
    let minor = owner.modify_db_cluster().db_cluster_identifier(orders::CLUSTER).engine_version("16.14");
    minor.apply_immediately(true).send().await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(3600)).await;
    approve(&sandbox, &token(&first)).await;
    let second = question(&sandbox, Some(&token(&first))).await;
    assert_ne!(first["outcome"], second["outcome"]);
    assert_eq!(felt(&sandbox), Vec::<String>::new());
    approve(&sandbox, &token(&second)).await;
    let ended = ended(&sandbox, arn).await.succeeded();
    assert_eq!(entered(&ended, "AskApproval"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_fails_the_run_after_a_week() {
    let sandbox = model(1, Shape::default()).await;
    let started = sandbox.clock.now();
    let arn = start(&sandbox, &json!({ "approval": true })).await;
    ended(&sandbox, arn).await.failed("States.Timeout");
    let days = sandbox.clock.now().duration_since(started).as_hours() / 24;
    assert_eq!((days, felt(&sandbox)), (7, Vec::new()));
}

/// When the first call that users feel was made.
fn begun(sandbox: &Sandbox) -> Timestamp {
    let felt =
        ["ApplyPendingMaintenanceAction", "RebootDBInstance", "ModifyDBCluster", "CreateDBClusterSnapshot"];
    let call = sandbox.gateway.calls().into_iter().find(|call| {
        felt.contains(&call.action.as_str()) && crate::harness::ours().contains(&call.principal)
    });
    call.expect("it has begun").at
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_waits_for_its_window_and_then_looks_at_everything_again() {
    let sandbox = model(1, Shape::default()).await;
    // It is Wednesday.
    let window = json!({ "window": "Sun 02:00-04:00 Europe/Berlin", "expectedDuration": "90m" });
    let ended = run(&sandbox, "upgrade", &asking(&window)).await.succeeded();
    let begun = begun(&sandbox);
    assert!((at("2026-11-29T01:00:00Z")..at("2026-11-29T01:30:00Z")).contains(&begun), "{begun}");
    assert_eq!((entered(&ended, "CheckWindow"), entered(&ended, "InspectDatabases")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_waits_until_every_change_calendar_is_open() {
    let sandbox = model(1, Shape::default()).await;
    let day = |day: u32, from: u32, until: u32| {
        (at(&format!("2026-11-{day}T{from:02}:00:00Z")), at(&format!("2026-11-{day}T{until:02}:00:00Z")))
    };
    sandbox.ssm.plant_calendar("releases", vec![day(26, 8, 16), day(27, 8, 16)]);
    sandbox.ssm.plant_calendar("databases", vec![day(27, 10, 12)]);
    let calendars = json!({ "changeCalendars": ["releases", "databases"] });
    run(&sandbox, "upgrade", &asking(&calendars)).await.succeeded();
    let begun = begun(&sandbox);
    assert!((at("2026-11-27T10:00:00Z")..at("2026-11-27T10:30:00Z")).contains(&begun), "{begun}");
    // An open one is no reason to wait, and one that is not there stops the run before anything.
    let sandbox = model(1, Shape::default()).await;
    let ended = run(&sandbox, "upgrade", &asking(&json!({ "changeCalendars": ["none"] }))).await;
    ended.failed("Ssm.InvalidDocumentException").says(&["none"]);
    assert_eq!(felt(&sandbox), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_window_or_calendar_is_refused_before_anything() {
    let sandbox = model(1, Shape::default()).await;
    for (number, (wrong, said)) in [
        (json!({ "window": "Sunday night" }), "window \\\"Sunday night\\\""),
        (json!({ "window": "Sun 02:00-03:00 UTC", "expectedDuration": "61m" }), "61 minutes"),
        (json!({ "changeCalendars": ["a calendar"] }), "changeCalendars"),
        (json!({ "changeCalendars": vec!["a"; 11] }), "changeCalendars"),
        (json!({ "approval": "yes" }), "boolean"),
    ]
    .into_iter()
    .enumerate()
    {
        let ended = run(&sandbox, &format!("wrong-{number}"), &asking(&wrong)).await.failed("Refused");
        let cause = ended.cause.replace('\\', "").replace("\"", "\\\"");
        assert!(cause.contains(said) || ended.cause.contains(said), "{said}: {}", ended.cause);
    }
    assert_eq!(mutations(&sandbox), Vec::<String>::new());
}
