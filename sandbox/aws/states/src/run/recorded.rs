//! Histories as AWS wrote them: which events there are, and which follows which. Each names its
//! recording in localstack/localstack, tests/aws/services/stepfunctions/v2.

use serde_json::{Value, json};

use crate::fake::{Fake, function_error, invoke, ok};

async fn trail(fake: &Fake, states: Value, start_at: &str, input: Value) -> Vec<String> {
    let run = fake.run(states, start_at, input).await;
    fake.trail(run["executionArn"].as_str().unwrap()).await
}

fn failing() -> Fake {
    Fake::new(|_| async { function_error("Conflict", "taken") })
}

/// states_variables/test_error_output.snapshot.json, test_parallel_catch_error
/// \[PARALLEL_CATCH_ERROR_OUTPUT_WITH_RETRY\].
#[tokio::test(start_paused = true)]
async fn a_parallel_that_is_retried_fails_once_and_its_task_is_aborted() {
    let branch = json!({"StartAt": "Look", "States": {"Look": invoke(json!({"End": true}))}});
    let both = json!({"Type": "Parallel", "End": true, "Branches": [branch],
        "Retry": [{"ErrorEquals": ["Conflict"], "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Fallback"}]});
    let states = json!({"Both": both, "Fallback": {"Type": "Pass", "End": true}});
    assert_eq!(
        trail(&failing(), states, "Both", json!({})).await,
        [
            "1 <- 0 ExecutionStarted",
            "2 <- 0 ParallelStateEntered",
            "3 <- 2 ParallelStateStarted",
            "4 <- 3 TaskStateEntered",
            "5 <- 4 TaskScheduled",
            "6 <- 5 TaskStarted",
            "7 <- 6 TaskFailed",
            "8 <- 7 TaskStateAborted",
            "9 <- 7 ParallelStateStarted",
            "10 <- 9 TaskStateEntered",
            "11 <- 10 TaskScheduled",
            "12 <- 11 TaskStarted",
            "13 <- 12 TaskFailed",
            "14 <- 13 TaskStateAborted",
            "15 <- 13 ParallelStateFailed",
            "16 <- 15 ParallelStateExited",
            "17 <- 16 PassStateEntered",
            "18 <- 17 PassStateExited",
            "19 <- 18 ExecutionSucceeded",
        ]
    );
}

/// scenarios/test_base_scenarios.snapshot.json, test_parallel_state_retry.
#[tokio::test(start_paused = true)]
async fn a_branch_that_ends_in_fail_is_not_aborted() {
    let branch = json!({"StartAt": "In", "States": {"In": {"Type": "Fail", "Error": "Conflict"}}});
    let both = json!({"Type": "Parallel", "End": true, "Branches": [branch],
        "Retry": [{"ErrorEquals": ["Conflict"], "MaxAttempts": 1}]});
    assert_eq!(
        trail(&Fake::alone(), json!({"Both": both}), "Both", json!({})).await,
        [
            "1 <- 0 ExecutionStarted",
            "2 <- 0 ParallelStateEntered",
            "3 <- 2 ParallelStateStarted",
            "4 <- 3 FailStateEntered",
            "5 <- 4 ParallelStateStarted",
            "6 <- 5 FailStateEntered",
            "7 <- 6 ParallelStateFailed",
            "8 <- 7 ExecutionFailed",
        ]
    );
}

/// scenarios/test_base_scenarios.snapshot.json, test_map_state_nested.
#[tokio::test(start_paused = true)]
async fn the_iterations_of_a_map_follow_each_other() {
    let inner = json!({"Type": "Map", "MaxConcurrency": 1, "End": true, "ItemProcessor":
        {"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": true}}}});
    let outer = json!({"Type": "Map", "MaxConcurrency": 1, "End": true, "ItemProcessor":
        {"StartAt": "Inner", "States": {"Inner": inner}}});
    assert_eq!(
        trail(&Fake::alone(), json!({"Outer": outer}), "Outer", json!([[1, 2], [3]])).await,
        [
            "1 <- 0 ExecutionStarted",
            "2 <- 0 MapStateEntered",
            "3 <- 2 MapStateStarted",
            "4 <- 3 MapIterationStarted",
            "5 <- 4 MapStateEntered",
            "6 <- 5 MapStateStarted",
            "7 <- 6 MapIterationStarted",
            "8 <- 7 PassStateEntered",
            "9 <- 8 PassStateExited",
            "10 <- 9 MapIterationSucceeded",
            "11 <- 9 MapIterationStarted",
            "12 <- 11 PassStateEntered",
            "13 <- 12 PassStateExited",
            "14 <- 13 MapIterationSucceeded",
            "15 <- 14 MapStateSucceeded",
            "16 <- 14 MapStateExited",
            "17 <- 16 MapIterationSucceeded",
            "18 <- 16 MapIterationStarted",
            "19 <- 18 MapStateEntered",
            "20 <- 19 MapStateStarted",
            "21 <- 20 MapIterationStarted",
            "22 <- 21 PassStateEntered",
            "23 <- 22 PassStateExited",
            "24 <- 23 MapIterationSucceeded",
            "25 <- 24 MapStateSucceeded",
            "26 <- 24 MapStateExited",
            "27 <- 26 MapIterationSucceeded",
            "28 <- 27 MapStateSucceeded",
            "29 <- 27 MapStateExited",
            "30 <- 29 ExecutionSucceeded",
        ]
    );
}

/// timeouts/test_timeouts.snapshot.json, test_service_lambda_map_timeout: of several that run, the
/// first one fails the Map. Ours enters a state before it starts the next iteration, AWS after.
#[tokio::test(start_paused = true)]
async fn an_iteration_that_fails_aborts_the_others_after_itself() {
    let fake = Fake::new(|call| async move {
        if call.body == json!(1) {
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            return function_error("Conflict", "taken");
        }
        std::future::pending().await
    });
    let processor = json!({"StartAt": "Look", "States": {"Look": invoke(json!({"End": true}))}});
    let map = json!({"Type": "Map", "ItemProcessor": processor, "End": true});
    let trail = trail(&fake, json!({"Each": map}), "Each", json!([1, 2, 3])).await;
    assert_eq!(
        trail[3..],
        [
            "4 <- 3 MapIterationStarted",
            "5 <- 4 TaskStateEntered",
            "6 <- 5 TaskScheduled",
            "7 <- 6 TaskStarted",
            "8 <- 3 MapIterationStarted",
            "9 <- 8 TaskStateEntered",
            "10 <- 9 TaskScheduled",
            "11 <- 10 TaskStarted",
            "12 <- 3 MapIterationStarted",
            "13 <- 12 TaskStateEntered",
            "14 <- 13 TaskScheduled",
            "15 <- 14 TaskStarted",
            "16 <- 7 TaskFailed",
            "17 <- 16 MapIterationFailed",
            "18 <- 16 TaskStateAborted",
            "19 <- 16 MapIterationAborted",
            "20 <- 16 TaskStateAborted",
            "21 <- 16 MapIterationAborted",
            "22 <- 16 TaskStateAborted",
            "23 <- 16 MapStateFailed",
            "24 <- 23 ExecutionFailed",
        ]
    );
}

/// scenarios/test_base_scenarios.snapshot.json, test_map_state_retry_multiple_retriers.
#[tokio::test(start_paused = true)]
async fn a_map_that_is_retried_fails_once() {
    let processor = json!({"StartAt": "In", "States": {"In": {"Type": "Fail", "Error": "Conflict"}}});
    let map = json!({"Type": "Map", "ItemProcessor": processor, "End": true,
        "Retry": [{"ErrorEquals": ["Conflict"], "MaxAttempts": 1}]});
    let trail = trail(&Fake::alone(), json!({"Each": map}), "Each", json!([1])).await;
    assert_eq!(
        trail[2..],
        [
            "3 <- 2 MapStateStarted",
            "4 <- 3 MapIterationStarted",
            "5 <- 4 FailStateEntered",
            "6 <- 5 MapIterationFailed",
            "7 <- 5 MapStateStarted",
            "8 <- 7 MapIterationStarted",
            "9 <- 8 FailStateEntered",
            "10 <- 9 MapIterationFailed",
            "11 <- 9 MapStateFailed",
            "12 <- 11 ExecutionFailed",
        ]
    );
}

/// scenarios/test_base_scenarios.snapshot.json, test_parallel_state.
#[tokio::test(start_paused = true)]
async fn the_exit_of_a_parallel_follows_its_last_branch() {
    let branch = |name: &str| json!({"StartAt": name, "States": {name: {"Type": "Pass", "End": true}}});
    let both = json!({"Type": "Parallel", "Branches": [branch("A"), branch("B")], "End": true});
    let trail = trail(&Fake::alone(), json!({"Both": both}), "Both", json!({})).await;
    assert_eq!(
        trail[2..],
        [
            "3 <- 2 ParallelStateStarted",
            "4 <- 3 PassStateEntered",
            "5 <- 4 PassStateExited",
            "6 <- 3 PassStateEntered",
            "7 <- 6 PassStateExited",
            "8 <- 7 ParallelStateSucceeded",
            "9 <- 7 ParallelStateExited",
            "10 <- 9 ExecutionSucceeded",
        ]
    );
}

/// assign/test_assign_reference_variables.snapshot.json, test_undefined_reference.
#[tokio::test(start_paused = true)]
async fn an_expression_that_fails_is_reported_with_its_place_and_its_state() {
    let place = |state: Value| async move {
        let fake = Fake::new(|_| async { ok(json!({})) });
        let states = json!({"First": {"Type": "Pass", "Next": "State"}, "State": state});
        let run = fake.run(states, "First", json!({})).await;
        let arn = run["executionArn"].as_str().unwrap();
        let failed =
            fake.history(arn).await.into_iter().find(|event| event["type"] == "EvaluationFailed").unwrap();
        (fake.trail(arn).await, failed["evaluationFailedEventDetails"].clone())
    };
    for (state, location) in [
        (json!({"Type": "Pass", "Output": "{% $nobody %}", "End": true}), "Output"),
        (json!({"Type": "Pass", "Output": {"result": "{% $nobody %}"}, "End": true}), "Output/result"),
        (json!({"Type": "Pass", "Assign": {"result": "{% $nobody %}"}, "End": true}), "Assign/result"),
        (
            invoke(json!({"Arguments": {"FunctionName": "{% $nobody %}"}, "End": true})),
            "Arguments/FunctionName",
        ),
    ] {
        let (trail, details) = place(state).await;
        let cause = format!(
            "An error occurred while executing the state 'State' (entered at the event id #4). The JSONata \
            expression '$nobody' specified for the field '{location}' returned nothing (undefined)."
        );
        assert_eq!(
            details,
            json!({"error": "States.QueryEvaluationError", "cause": cause, "location": location,
                "state": "State"})
        );
        assert_eq!(trail[4..], ["5 <- 3 EvaluationFailed", "6 <- 5 ExecutionFailed"]);
    }
}

/// scenarios/test_base_scenarios.snapshot.json, test_map_state_items_eval_jsonata_fail.
#[tokio::test(start_paused = true)]
async fn a_result_of_another_type_is_reported_with_its_value() {
    for (items, problem) in [
        ("1", "unexpected result type. Expected 'array', but was 'number' for value: 1"),
        ("'string'", "unexpected result type. Expected 'array', but was 'string' for value: \"string\""),
        ("null", "unexpected result type. Expected 'array', but was 'null' for value: null"),
        ("$fn := function($x){$x}", "unsupported result type."),
    ] {
        let fake = Fake::alone();
        let map = json!({"Type": "Map", "Items": format!("{{% {items} %}}"), "End": true,
            "ItemProcessor": {"StartAt": "In", "States": {"In": {"Type": "Succeed"}}}});
        let run = fake.run(json!({"Each": map}), "Each", json!({})).await;
        let cause = format!(
            "An error occurred while executing the state 'Each' (entered at the event id #2). The JSONata \
            expression '{items}' specified for the field 'Items' returned an {problem}"
        );
        assert_eq!(run["cause"], cause);
    }
}
