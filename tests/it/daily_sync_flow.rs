//! The flow of daily-sync: its real ASL, with functions and workers that answer as the test says.

use std::sync::Arc;

use serde_json::{Value, json};

use local_aws::states::fake::{Fake, function_error, ok};
use sandbox::statemachine;

/// The machine, with every worker called as a function: what a worker does is not the matter here.
fn machine() -> Value {
    let mut machine: Value = serde_json::from_str(&statemachine::source("daily-sync").unwrap()).unwrap();
    call_workers(&mut machine);
    machine
}

fn call_workers(flow: &mut Value) {
    for (name, state) in flow["States"].as_object_mut().unwrap() {
        if state["Resource"].as_str().is_some_and(|resource| resource.contains("ecs:runTask")) {
            let environment = &state["Arguments"]["Overrides"]["ContainerOverrides"][0]["Environment"];
            let object = |variable: usize| {
                environment[variable]["Value"].as_str().unwrap().replacen("{% $string(", "{% (", 1)
            };
            let payload = json!({"run": object(1), "input": object(2)});
            state["Resource"] = "arn:aws:states:::lambda:invoke".into();
            state["Arguments"] =
                json!({"FunctionName": runbook::state::kebab(name).replace('-', "_"), "Payload": payload});
            state["Output"] = "{% $states.result.Payload %}".into();
            state.as_object_mut().unwrap().remove("HeartbeatSeconds");
        }
        if let Some(function) = state["Arguments"]["FunctionName"].as_str() {
            state["Arguments"]["FunctionName"] =
                function.trim_start_matches("${").trim_end_matches('}').into();
        }
        let inner = state.as_object_mut().unwrap();
        if let Some(branches) = inner.get_mut("Branches") {
            branches.as_array_mut().unwrap().iter_mut().for_each(call_workers);
        }
        if let Some(processor) = inner.get_mut("ItemProcessor") {
            call_workers(processor);
        }
    }
}

fn answer(state: &str, input: &Value) -> Value {
    match state {
        "select_snapshot" => json!({
            "summary": "s", "sync": "orders", "deadline": "28800s", "skipped": false,
            "snapshot": "arn:snapshot", "taken": "2026-01-05T02:00:00Z",
            "engineVersion": "16.8", "storageType": null, "source": "orders", "sanitized": false,
            "quarantine": "q",
            "targets": ["orders-dev", "orders-support"]
        }),
        "copy_snapshot" => json!({"summary": "s", "snapshot": "arn:copy"}),
        "restore_quarantine" => {
            json!({"summary": "s", "cluster": "q", "resourceId": "cluster-Q", "secretArn": "arn:secret"})
        }
        "snapshot_sanitized" => json!({"summary": "s", "snapshot": "sanitized"}),
        "restore_target" => {
            json!({
                "summary": "s",
                "target": input["target"],
                "cluster": "fresh",
                "resourceId": "cluster-F",
                "former": null,
            })
        }
        "clean_up" => json!({"summary": "clean", "left": []}),
        other => json!({"summary": other}),
    }
}

/// A state's answer, or its error's name and message, instead of the usual answer.
type Change = Option<Result<Value, (&'static str, &'static str)>>;

/// Runs the machine. `change` may fail a state or change its answer: by its name and the input that
/// it got.
async fn run(change: impl Fn(&str, &Value) -> Change + Send + Sync + 'static) -> (Value, Vec<String>, Fake) {
    let change = Arc::new(change);
    let fake = Fake::new(move |call| {
        let change = change.clone();
        async move {
            let state = name(&call.target);
            match change(&state, &call.body["input"]) {
                Some(Ok(body)) => ok(body),
                Some(Err((error, message))) => function_error(error, message),
                None => ok(answer(&state, &call.body["input"])),
            }
        }
    });
    let definition = machine();
    let arn = fake.create_machine("daily-sync", definition).await;
    let start = fake
        .api(
            "StartExecution",
            json!({"stateMachineArn": arn, "name": "run", "input": json!({"sync": "orders"}).to_string()}),
        )
        .await;
    let ended = fake.finish(start["executionArn"].as_str().unwrap()).await;
    let called = fake.calls().iter().map(|call| name(&call.target)).collect();
    (ended, called, fake)
}

/// `/2015-03-31/functions/clean_up/invocations` → `clean_up`.
fn name(target: &str) -> String {
    target.split('/').nth(3).unwrap_or(target).to_owned()
}

fn count(called: &[String], state: &str) -> usize {
    called.iter().filter(|name| *name == state).count()
}

#[tokio::test(start_paused = true)]
async fn a_sync_goes_through_every_state_and_cleans_up() {
    let (ended, called, fake) = run(|_, _| None).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let before = [
        "select_snapshot",
        "copy_snapshot",
        "share_snapshot",
        "restore_quarantine",
        "sanitize_databases",
        "attest_sanitized",
    ];
    assert_eq!(called[..6], before);
    assert_eq!(called[6..8], ["snapshot_sanitized", "delete_quarantine"]);
    for state in ["restore_target", "prepare_target", "swap_target", "retire_old"] {
        assert_eq!(count(&called, state), 2, "{state} in {called:?}");
    }
    assert_eq!((called.last().unwrap().as_str(), count(&called, "clean_up")), ("clean_up", 1));
    let swap = fake.calls().into_iter().find(|call| name(&call.target) == "swap_target").unwrap();
    assert_eq!(
        swap.body["input"],
        json!({"sync": "orders", "target": "orders-dev", "resourceId": "cluster-F", "former": null})
    );
    let sanitize = fake.calls().into_iter().find(|call| name(&call.target) == "sanitize_databases").unwrap();
    assert_eq!(sanitize.body["input"], json!({"sync": "orders", "cluster": "q", "resourceId": "cluster-Q"}));
    assert_eq!(sanitize.body["run"]["deadline"], "28800s");
}

#[tokio::test(start_paused = true)]
async fn a_failure_anywhere_is_cleaned_up_after_and_fails_the_execution() {
    for failing in [
        "copy_snapshot",
        "share_snapshot",
        "restore_quarantine",
        "sanitize_databases",
        "attest_sanitized",
        "snapshot_sanitized",
        "delete_quarantine",
    ] {
        let (ended, called, _) = run(move |state, _| {
            (state == failing).then_some(Err(("Blocked", "public.customers.new is not classified")))
        })
        .await;
        assert_eq!(
            (&ended["status"], &ended["error"]),
            (&json!("FAILED"), &json!("Blocked")),
            "{failing}: {ended}"
        );
        assert_eq!(ended["cause"], "public.customers.new is not classified", "{failing}");
        assert_eq!(called.last().unwrap(), "clean_up", "{failing}");
        assert_eq!(count(&called, "restore_target"), 0, "{failing}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_fails_does_not_stop_anothers_swap_and_fails_the_execution() {
    for failing in ["restore_target", "swap_target", "retire_old"] {
        let (ended, called, _) = run(move |state, input| {
            (state == failing && input["target"] == "orders-dev")
                .then_some(Err(("OperationFailed", "it went wrong")))
        })
        .await;
        assert_eq!(
            (&ended["status"], &ended["error"]),
            (&json!("FAILED"), &json!("OperationFailed")),
            "{ended}"
        );
        assert_eq!(ended["cause"], "orders-dev: it went wrong");
        assert_eq!(
            count(&called, "retire_old"),
            if failing == "retire_old" { 2 } else { 1 },
            "the other target in {called:?}"
        );
        assert_eq!(called.last().unwrap(), "clean_up");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_fails_the_execution_and_is_named() {
    let (ended, ..) = run(|state, _| {
        (state == "clean_up").then(|| Ok(json!({"summary": "s", "left": ["cluster q: not allowed"]})))
    })
    .await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("OperationFailed")), "{ended}");
    assert!(ended["cause"].as_str().unwrap().contains("cluster q: not allowed"), "{ended}");
}

#[tokio::test(start_paused = true)]
async fn a_clean_up_that_fails_hides_no_failure_before_it() {
    let broken = |state: &str| (state == "clean_up").then_some(Err(("Unexpected", "S3 is gone")));
    let (ended, ..) = run(move |state, _| {
        (state == "copy_snapshot").then_some(Err(("Refused", "no such key"))).or(broken(state))
    })
    .await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("Refused")), "{ended}");
    assert_eq!(ended["cause"], "no such key\n\nCleanUp failed, with Unexpected: S3 is gone");

    let (ended, ..) = run(move |state, _| broken(state)).await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("Unexpected")), "{ended}");
    assert_eq!(ended["cause"], "CleanUp failed, with Unexpected: S3 is gone");
}

fn skipped(state: &str, input: &Value) -> Change {
    let mut plan = answer(state, input);
    plan["skipped"] = true.into();
    plan["snapshot"] = Value::Null;
    (state == "select_snapshot").then_some(Ok(plan))
}

#[tokio::test(start_paused = true)]
async fn a_day_without_a_snapshot_may_be_no_failure_and_cleans_up() {
    let (ended, called, _) = run(skipped).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    assert_eq!(called, ["select_snapshot", "clean_up"]);
    let (ended, ..) = run(|state, input| {
        let left = json!({"summary": "s", "left": ["cluster q: not allowed"]});
        (state == "clean_up").then_some(Ok(left)).or(skipped(state, input))
    })
    .await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("OperationFailed")), "{ended}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_choice_is_cleaned_up_after_and_stays_the_failure() {
    let (ended, called, fake) =
        run(|state, _| (state == "select_snapshot").then_some(Err(("OperationFailed", "no snapshot fits"))))
            .await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("OperationFailed")), "{ended}");
    assert_eq!(ended["cause"], "no snapshot fits");
    assert_eq!(called, ["select_snapshot", "clean_up"]);
    let clean_up = &fake.calls()[1].body;
    assert_eq!(clean_up["input"], json!({"sync": "orders"}));
    assert_eq!(clean_up["run"].get("deadline"), None, "CleanUp takes the default");
}

#[tokio::test(start_paused = true)]
async fn while_another_run_works_nothing_is_touched_and_nothing_cleaned() {
    let (ended, called, _) =
        run(|state, _| (state == "select_snapshot").then_some(Err(("Conflict", "another run goes on"))))
            .await;
    assert_eq!(
        (&ended["status"], &ended["error"], called.len()),
        (&json!("FAILED"), &json!("Conflict"), 1),
        "{ended}"
    );
    assert_eq!(ended["cause"], "another run goes on");
}
