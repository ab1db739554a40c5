//! Answers, errors, timers and tokens of a Task.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::fake::{Fake, function_error, invoke, ok, service_error, worker};

fn running() -> endpoint::http::Response {
    ok(json!({"tasks": [{"taskArn": "arn:aws:ecs:eu-west-1:444455556666:task/1"}], "failures": []}))
}

#[tokio::test(start_paused = true)]
async fn a_function_answers_and_its_payload_is_the_output() {
    let fake = Fake::new(|call| async move { ok(json!({"got": call.body})) });
    let run =
        fake.run(json!({"Look": invoke(json!({"End": true}))}), "Look", json!({"cluster": "orders"})).await;
    assert_eq!(run["output"], json!({"got": {"cluster": "orders"}}).to_string());
    assert_eq!(fake.calls()[0].target, "/2015-03-31/functions/look/invocations");
    let arn = run["executionArn"].as_str().unwrap();
    let types = fake.event_types(arn).await;
    assert_eq!(
        types,
        [
            "ExecutionStarted",
            "TaskStateEntered",
            "TaskScheduled",
            "TaskStarted",
            "TaskSucceeded",
            "TaskStateExited",
            "ExecutionSucceeded"
        ]
    );
    let previous: Vec<_> =
        fake.history(arn).await.iter().map(|event| event["previousEventId"].clone()).collect();
    assert_eq!(previous, [0, 0, 2, 3, 4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_function_error_is_named_by_its_type_and_its_cause_is_the_answer() {
    let fake = Fake::new(|_| async { function_error("Blocked", "a prepared transaction") });
    let run = fake.run(json!({"Look": invoke(json!({"End": true}))}), "Look", json!({})).await;
    assert_eq!((&run["status"], &run["error"]), (&json!("FAILED"), &json!("Blocked")));
    let cause: Value = serde_json::from_str(run["cause"].as_str().unwrap()).unwrap();
    assert_eq!(cause["errorMessage"], "a prepared transaction");
}

#[tokio::test(start_paused = true)]
async fn errors_of_a_service_have_its_prefix() {
    for (status, code, expected) in [
        (429, "TooManyRequestsException", "Lambda.TooManyRequestsException"),
        (500, "ServiceException", "Lambda.ServiceException"),
        (503, "Whatever", "Lambda.AWSLambdaException"),
    ] {
        let fake = Fake::new(move |_| async move { service_error(status, code) });
        let run = fake.run(json!({"Look": invoke(json!({"End": true}))}), "Look", json!({})).await;
        assert_eq!(run["error"], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_not_ready_is_called_again_as_its_retry_says() {
    let calls = AtomicU32::new(0);
    let fake = Fake::new(move |_| {
        let ready = calls.fetch_add(1, Ordering::Relaxed) == 4;
        async move { if ready { ok(json!("done")) } else { function_error("NotReady", "modifying") } }
    });
    let retry = json!([{"ErrorEquals": ["NotReady"], "IntervalSeconds": 5, "BackoffRate": 2,
        "MaxDelaySeconds": 15, "MaxAttempts": 9}]);
    let arguments = json!({"FunctionName": "look", "Payload": {
        "entered": "{% $states.context.State.EnteredTime %}",
            "retries": "{% $states.context.State.RetryCount %}"
    }});
    let look = invoke(json!({"Next": "End", "Retry": retry, "Arguments": arguments}));
    let states = json!({"Wait": {"Type": "Wait", "Seconds": 3, "Next": "Look"}, "Look": look,
        "End": {"Type": "Succeed"}});
    let run = fake.run(states, "Wait", json!({})).await;
    assert_eq!(run["output"], "\"done\"");
    let at: Vec<_> = fake.calls().iter().map(|call| call.at).collect();
    assert_eq!(at, [3.0, 8.0, 18.0, 33.0, 48.0]);
    // EnteredTime is that of the state, not of the attempt.
    let payloads: Vec<_> = fake.calls().iter().map(|call| call.body.clone()).collect();
    assert_eq!(payloads[0], json!({"entered": "1970-01-01T00:00:03.000Z", "retries": 0}));
    assert_eq!(payloads[4], json!({"entered": "1970-01-01T00:00:03.000Z", "retries": 4}));
}

#[tokio::test(start_paused = true)]
async fn six_hours_of_polling_cost_nothing() {
    let began = std::time::Instant::now();
    let fake = Fake::new(|_| async { function_error("NotReady", "upgrading") });
    let retry = json!([{"ErrorEquals": ["NotReady"], "IntervalSeconds": 60, "BackoffRate": 1,
        "MaxAttempts": 5000}]);
    let run =
        fake.run(json!({"Look": invoke(json!({"End": true, "Retry": retry}))}), "Look", json!({})).await;
    assert_eq!((run["error"].clone(), fake.elapsed()), (json!("NotReady"), 300_000.0));
    assert_eq!(fake.calls().len(), 5001);
    assert!(began.elapsed().as_secs() < 120, "took {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_slower_than_the_timeout_fails_the_state_and_is_not_cancelled() {
    static FINISHED: AtomicU32 = AtomicU32::new(0);
    let fake = Fake::new(|_| async {
        tokio::time::sleep(std::time::Duration::from_secs(30)).await;
        FINISHED.fetch_add(1, Ordering::Relaxed);
        ok(json!(null))
    });
    let catch = json!([{"ErrorEquals": ["States.TaskFailed"], "Next": "Wrong"},
        {"ErrorEquals": ["States.Timeout"], "Next": "Late"}]);
    let look = invoke(json!({"End": true, "TimeoutSeconds": "{% $states.input.limit %}", "Catch": catch}));
    let states = json!({"Look": look, "Wrong": {"Type": "Fail"}, "Late": {"Type": "Pass", "End": true}});
    let run = fake.run(states, "Look", json!({"limit": 10})).await;
    assert_eq!((run["status"].clone(), fake.elapsed()), (json!("SUCCEEDED"), 10.0));
    assert!(
        fake.event_types(run["executionArn"].as_str().unwrap()).await.contains(&"TaskTimedOut".to_owned())
    );
    fake.sleep(60).await;
    assert_eq!(FINISHED.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_beating_is_told_from_one_that_is_slow() {
    let states = json!({"Work": worker(json!({"End": true, "HeartbeatSeconds": 30, "TimeoutSeconds": 100}))});
    let fake = Fake::new(|_| async { running() });
    let run = fake.run(states.clone(), "Work", json!({})).await;
    assert_eq!((run["error"].clone(), fake.elapsed()), (json!("States.Timeout"), 30.0));
    let catch = json!([{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "Silent"}]);
    let more = json!({"End": true, "HeartbeatSeconds": 30, "TimeoutSeconds": 100, "Catch": catch});
    let caught = json!({"Work": worker(more), "Silent": {"Type": "Pass", "Output": "silent", "End": true}});
    let fake = Fake::new(|_| async { running() });
    assert_eq!(fake.run(caught, "Work", json!({})).await["output"], "\"silent\"");

    let fake = Fake::new(|_| async { running() });
    let arn = fake.start(states, "Work", json!({})).await;
    for _ in 0..6 {
        fake.sleep(20).await;
        let answer = fake.api("SendTaskHeartbeat", json!({"taskToken": fake.token(0)})).await;
        assert_eq!(answer.get("__type").is_some(), fake.elapsed() > 100.0, "{answer}");
    }
    let run = fake.finish(&arn).await;
    assert_eq!((run["error"].clone(), run["stopDate"].clone()), (json!("States.Timeout"), json!(100.0)));
}

#[tokio::test(start_paused = true)]
async fn a_worker_answers_by_its_token_once() {
    let fake = Fake::new(|_| async { running() });
    let work = worker(json!({"End": true}));
    let arn = fake.start(json!({"Work": work}), "Work", json!({})).await;
    fake.sleep(1).await;
    assert_eq!(fake.calls()[0].target, "AmazonEC2ContainerServiceV20141113.RunTask");
    let token = fake.token(0);
    let send = async |action: &str, token: &str, output: &str| {
        fake.api(action, json!({"taskToken": token, "output": output})).await
    };
    assert_eq!(send("SendTaskSuccess", "nonsense", "1").await["__type"], "InvalidToken");
    assert_eq!(send("SendTaskSuccess", &token, "{no json").await["__type"], "InvalidOutput");
    assert_eq!(send("SendTaskSuccess", &token, "{\"tables\":3}").await, json!({}));
    assert_eq!(fake.finish(&arn).await["output"], "{\"tables\":3}");
    assert_eq!(send("SendTaskSuccess", &token, "1").await["__type"], "TaskTimedOut");
    assert_eq!(send("SendTaskHeartbeat", &token, "1").await["__type"], "TaskTimedOut");
    assert!(fake.event_types(&arn).await.contains(&"TaskSubmitted".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_worker_fails_with_an_error_of_its_own() {
    let fake = Fake::new(|_| async { running() });
    let arn = fake.start(json!({"Work": worker(json!({"End": true}))}), "Work", json!({})).await;
    fake.sleep(1).await;
    fake.api("SendTaskFailure", json!({"taskToken": fake.token(0), "error": "Blocked", "cause": "why"}))
        .await;
    let run = fake.finish(&arn).await;
    assert_eq!((&run["error"], &run["cause"]), (&json!("Blocked"), &json!("why")));
}

/// The worker answers while the answer of RunTask is on its way, or when that answer is lost.
#[tokio::test(start_paused = true)]
async fn a_worker_that_is_faster_than_the_answer_of_run_task_is_heard() {
    for lost in [false, true] {
        let fake = Fake::new(move |_| async move {
            tokio::time::sleep(std::time::Duration::from_secs(10)).await;
            if lost { service_error(500, "ServerException") } else { running() }
        });
        let arn = fake.start(json!({"Work": worker(json!({"End": true}))}), "Work", json!({})).await;
        fake.sleep(1).await;
        fake.api("SendTaskSuccess", json!({"taskToken": fake.token(0), "output": "7"})).await;
        assert_eq!(fake.finish(&arn).await["output"], "7");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ecs_cannot_place_fails_the_state() {
    let fake = Fake::new(|_| async {
        ok(json!({"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time"}]}))
    });
    let run = fake.run(json!({"Work": worker(json!({"End": true}))}), "Work", json!({})).await;
    assert_eq!(run["error"], "AmazonECS.Unknown");
    assert!(run["cause"].as_str().unwrap().contains("Capacity is unavailable"));
}

#[tokio::test(start_paused = true)]
async fn every_attempt_has_a_token_of_its_own() {
    let fake = Fake::new(|_| async { running() });
    let retry = json!([{"ErrorEquals": ["States.HeartbeatTimeout"], "IntervalSeconds": 1}]);
    let work = worker(json!({"End": true, "HeartbeatSeconds": 10, "Retry": retry}));
    let arn = fake.start(json!({"Work": work}), "Work", json!({})).await;
    fake.sleep(12).await;
    assert_eq!(
        fake.api("SendTaskHeartbeat", json!({"taskToken": fake.token(0)})).await["__type"],
        "TaskTimedOut"
    );
    assert_eq!(
        fake.api("SendTaskSuccess", json!({"taskToken": fake.token(1), "output": "1"})).await,
        json!({})
    );
    assert_eq!(fake.finish(&arn).await["status"], "SUCCEEDED");
}

#[tokio::test(start_paused = true)]
async fn a_child_execution_gives_its_output_parsed_or_fails_the_task() {
    let fake = Fake::alone();
    let child = json!({"Choose": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.good %}",
        "Next": "Good"}], "Default": "Bad"},
        "Good": {"Type": "Succeed", "Output": {"made": "{% $states.context.Execution.Name %}"}},
            "Bad": {"Type": "Fail", "Error": "Mine"}});
    let child = fake.create("child", child, "Choose").await;
    let start = |good: bool| {
        json!({"Start": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "End": true,
        "Arguments": {"StateMachineArn": child, "Name": format!("child-{good}"), "Input": {"good": good}}}})
    };
    let run = fake.run(start(true), "Start", json!({})).await;
    let output: Value = serde_json::from_str(run["output"].as_str().unwrap()).unwrap();
    assert_eq!((&output["Output"], &output["Status"]), (&json!({"made": "child-true"}), &json!("SUCCEEDED")));

    let other = fake.create("other", start(false), "Start").await;
    let answer = fake.api("StartExecution", json!({"stateMachineArn": other})).await;
    let run = fake.finish(answer["executionArn"].as_str().unwrap()).await;
    assert_eq!(run["error"], "States.TaskFailed");
    assert!(run["cause"].as_str().unwrap().contains("\"Error\":\"Mine\""));
}

#[tokio::test(start_paused = true)]
async fn events_are_put_with_their_detail_as_text_and_failed_entries_fail_the_task() {
    for failed in [0, 1] {
        let fake = Fake::new(move |_| async move { ok(json!({"FailedEntryCount": failed, "Entries": []})) });
        let entry = json!({"Source": "runbook", "DetailType": "done", "Detail": {"n": "{% 1 + 1 %}"}});
        let put = json!({"Type": "Task", "Resource": "arn:aws:states:::events:putEvents",
            "Arguments": {"Entries": [entry]}, "End": true});
        let run = fake.run(json!({"Put": put}), "Put", json!({})).await;
        let call = &fake.calls()[0];
        assert_eq!(
            (call.target.as_str(), &call.body["Entries"][0]["Detail"]),
            ("AWSEvents.PutEvents", &json!("{\"n\":2}"))
        );
        assert_eq!(call.body["Entries"][0]["Resources"][0], run["executionArn"]);
        assert_eq!(run["error"].as_str(), (failed == 1).then_some("EventBridge.FailedEntry"));
    }
}

/// localstack/localstack, v2/error_handling/test_states_errors.snapshot.json.
#[tokio::test(start_paused = true)]
async fn a_result_beyond_the_payload_limit_fails_the_task_and_is_caught_by_all() {
    let fake = Fake::new(|_| async { ok(json!("x".repeat(262_200))) });
    let catch = json!([{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]);
    let states = json!({"Look": invoke(json!({"End": true, "Catch": catch})), "Caught": {"Type": "Succeed"}});
    let run = fake.run(states, "Look", json!({})).await;
    let cause = "The state/task 'lambda' returned a result with a size exceeding the maximum number of bytes \
        service limit.";
    assert_eq!(run["output"], json!({"Error": "States.DataLimitExceeded", "Cause": cause}).to_string());
    let history = fake.history(run["executionArn"].as_str().unwrap()).await;
    assert_eq!(
        history[4]["taskFailedEventDetails"],
        json!({"resourceType": "lambda", "resource": "invoke", "error": "States.DataLimitExceeded",
            "cause": cause})
    );
}

/// "A terminal error that can't be caught by the States.ALL error type" (page
/// "concepts-error-handling"): that of a state, as here, of its input after Arguments.
#[tokio::test(start_paused = true)]
async fn an_argument_beyond_the_payload_limit_ends_the_execution() {
    let fake = Fake::alone();
    let catch = json!([{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]);
    let twice = json!({"FunctionName": "look", "Payload": "{% [$states.input, $states.input] %}"});
    let look = invoke(json!({"End": true, "Catch": catch, "Arguments": twice}));
    let states = json!({"Look": look, "Caught": {"Type": "Succeed"}});
    let run = fake.run(states, "Look", json!("x".repeat(200_000))).await;
    assert_eq!((&run["status"], &run["error"]), (&json!("FAILED"), &json!("States.DataLimitExceeded")));
}

/// By analogy with the Payload of lambda:invoke.
#[tokio::test(start_paused = true)]
async fn a_child_without_an_input_gets_an_empty_object() {
    let fake = Fake::alone();
    let child = fake.create("child", json!({"In": {"Type": "Succeed"}}), "In").await;
    let start = json!({"Start": {"Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": true,
        "Arguments": {"StateMachineArn": child, "Input": null}, "Output": "{% $states.result.Output %}"}});
    assert_eq!(fake.run(start, "Start", json!({"own": 1})).await["output"], "{}");
}
