//! What CreateStateMachine refuses, and what it does not.

use serde_json::{Value, json};

use super::{message, parse};
use crate::fake::{invoke, worker};

fn refusals(states: Value) -> String {
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": states});
    parse(&definition.to_string())
        .err()
        .map_or_else(|| "accepted".to_owned(), |diagnostics| message(&diagnostics))
}

/// What is wrong, and a part of the message that names the place.
#[test]
fn what_the_service_refuses_is_refused() {
    let end = || json!({"Type": "Succeed"});
    let parallel = |branch: Value| json!({"A": {"Type": "Parallel", "End": true, "Branches": [branch]}});
    let retry = |retry: Value| json!({"A": invoke(json!({"End": true, "Retry": retry}))});
    for (what, states, place) in [
        (
            "dangling Next",
            json!({"A": {"Type": "Pass", "Next": "B"}}),
            "Missing 'Next' target: B at /States/A/Next",
        ),
        (
            "dangling Default",
            json!({"A": {"Type": "Choice", "Choices": [{"Condition": true, "Next": "B"}], "Default": "C"},
                "B": end()}),
            "Missing 'Default' target: C",
        ),
        (
            "dangling choice",
            json!({"A": {"Type": "Choice", "Choices": [{"Condition": true, "Next": "C"}]}}),
            "Missing 'Next' target: C at /States/A/Choices[0]/Next",
        ),
        (
            "dangling Catch",
            json!({"A": invoke(json!({"End": true, "Catch": [{"ErrorEquals": ["States.ALL"],
                "Next": "B"}]}))}),
            "Missing 'Next' target: B at /States/A/Catch[0]/Next",
        ),
        (
            "dangling StartAt",
            json!({"B": end()}),
            "MISSING_TRANSITION_TARGET: Missing 'Next' target: A at /StartAt",
        ),
        (
            "unreachable",
            json!({"A": end(), "B": end()}),
            "MISSING_TRANSITION_TARGET: State \"B\" is not reachable. at /States/B",
        ),
        ("no way out", json!({"A": {"Type": "Pass"}}), "Next or End must be there at /States/A"),
        (
            "two ways out",
            json!({"A": {"Type": "Pass", "Next": "B", "End": true}, "B": end()}),
            "Next and End cannot both be there at /States/A",
        ),
        (
            "unknown field",
            json!({"A": {"Type": "Pass", "Nxt": "B"}}),
            "The field 'Nxt' is not supported by Step Functions at /States/A",
        ),
        (
            "unknown field inside",
            parallel(json!({"StartAt": "B", "States": {"B": {"Type": "Wait", "Second": 1}}})),
            "The field 'Second' is not supported by Step Functions at /States/A/Branches[0]/States/B",
        ),
        (
            "field of another type",
            json!({"A": {"Type": "Succeed", "Next": "B"}}),
            "The field 'Next' is not supported",
        ),
        (
            "unknown type",
            json!({"A": {"Type": "Loop"}}),
            "[Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map] at /States/A/Type",
        ),
        (
            "unknown resource",
            json!({"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:call", "End": true}}),
            "The resource provided arn:aws:states:::lambda:call is not recognized.",
        ),
        (
            "unknown argument",
            json!({"A": invoke(json!({"Arguments": {"FunctionName": "f", "PayLoad": 1}, "End": true}))}),
            "\"PayLoad\" is not supported by Step Functions at /States/A/Arguments",
        ),
        (
            "missing argument",
            json!({"A": invoke(json!({"Arguments": {"Payload": 1}, "End": true}))}),
            "\"FunctionName\" is required",
        ),
        (
            "bad JSONata",
            json!({"A": {"Type": "Pass", "Output": "{% 1 + %}", "End": true}}),
            "the JSONata expression '1 +' cannot be parsed",
        ),
        ("$eval", json!({"A": {"Type": "Pass", "Output": "{% $eval('1') %}", "End": true}}), "calls $eval"),
        (
            "InputPath",
            json!({"A": {"Type": "Pass", "InputPath": "$.a", "End": true}}),
            "InputPath belongs to JSONPath and is not supported when the QueryLanguage is JSONata at",
        ),
        (
            "Parameters",
            json!({"A": {"Type": "Pass", "Parameters": {}, "End": true}}),
            "Parameters belongs to JSONPath",
        ),
        (
            "heartbeat",
            json!({"A": worker(json!({"End": true, "HeartbeatSeconds": 60, "TimeoutSeconds": 60}))}),
            "HeartbeatSeconds must be smaller than TimeoutSeconds at /States/A/HeartbeatSeconds",
        ),
        (
            "timeout 0",
            json!({"A": invoke(json!({"End": true, "TimeoutSeconds": 0}))}),
            "from 1 to 99999999, found 0 at /States/A/TimeoutSeconds",
        ),
        (
            "States.ALL first",
            retry(json!([{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["B"]}])),
            "States.ALL must stand alone and in the last Retry at /States/A/Retry[0]/ErrorEquals",
        ),
        (
            "States.ALL with others",
            retry(json!([{"ErrorEquals": ["B", "States.ALL"]}])),
            "States.ALL must stand alone",
        ),
        (
            "no errors",
            retry(json!([{"ErrorEquals": []}])),
            "must not be empty at /States/A/Retry[0]/ErrorEquals",
        ),
        (
            "backoff",
            retry(json!([{"ErrorEquals": ["B"], "BackoffRate": 0.5}])),
            "must be at least 1.0 at /States/A/Retry[0]/BackoffRate",
        ),
        (
            "delay",
            retry(json!([{"ErrorEquals": ["B"], "IntervalSeconds": 60, "MaxDelaySeconds": 60}])),
            "must be greater than IntervalSeconds at /States/A/Retry[0]/MaxDelaySeconds",
        ),
        (
            "interval",
            retry(json!([{"ErrorEquals": ["B"], "IntervalSeconds": 0}])),
            "must be a whole number from 1 to 99999999, found 0 at /States/A/Retry[0]/IntervalSeconds",
        ),
        (
            "jitter",
            retry(json!([{"ErrorEquals": ["B"], "JitterStrategy": "HALF"}])),
            "must be FULL or NONE, found \"HALF\"",
        ),
        (
            "empty Choices",
            json!({"A": {"Type": "Choice", "Choices": [], "Default": "B"}, "B": end()}),
            "Value cannot be empty at /States/A/Choices",
        ),
        (
            "JSONPath choice",
            json!({"A": {"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEquals": 1,
                "Next": "B"}]}, "B": end()}),
            "The field 'Variable' is not supported",
        ),
        (
            "empty Branches",
            json!({"A": {"Type": "Parallel", "End": true, "Branches": []}}),
            "Value cannot be empty at /States/A/Branches",
        ),
        (
            "same name inside",
            parallel(json!({"StartAt": "A", "States": {"A": end()}})),
            "DUPLICATE_STATE_NAME: Duplicate state name: A",
        ),
        (
            "jump out of a branch",
            parallel(json!({"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "A"}}})),
            "Missing 'Next' target: A at /States/A/Branches[0]/States/B/Next",
        ),
        (
            "both waits",
            json!({"A": {"Type": "Wait", "Seconds": 1, "Timestamp": "2026-01-01T00:00:00Z", "End": true}}),
            "exactly one of Seconds and Timestamp",
        ),
        (
            "no time",
            json!({"A": {"Type": "Wait", "Timestamp": "tomorrow", "End": true}}),
            "String does not match RFC3339 timestamp at /States/A/Timestamp",
        ),
        (
            "a time without T",
            json!({"A": {"Type": "Wait", "Timestamp": "2016-12-05 21:29:29Z", "End": true}}),
            "String does not match RFC3339 timestamp at /States/A/Timestamp",
        ),
        (
            "a time without an offset",
            json!({"A": {"Type": "Wait", "Timestamp": "2016-12-05T21:29:29", "End": true}}),
            "String does not match RFC3339 timestamp",
        ),
        (
            "no end",
            json!({"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Wait", "Seconds": 1, "Next": "A"}}),
            "MISSING_END_STATE: there is no terminal state: one with End, a Succeed or a Fail at /States",
        ),
        (
            "a regular expression with look-ahead",
            json!({"A": {"Type": "Pass", "Output": "{% $match('ab', /a(?=b)/) %}", "End": true}}),
            "look-around or a back-reference, which the sandbox does not interpret at /States/A/Output",
        ),
        (
            "a variable of another state's Catch",
            json!({"A": invoke(json!({"Next": "P", "Catch": [{"ErrorEquals": ["States.ALL"],
                "Assign": {"v": 1}, "Next": "P"}]})),
                "P": {"Type": "Parallel", "End": true,
                "Branches": [{"StartAt": "B", "States": {"B": {"Type": "Pass", "Assign": {"v": 2},
                    "End": true}}}]}}),
            "'v' belongs to an outer scope",
        ),
        (
            "a share above all",
            json!({"A": {"Type": "Map", "End": true, "ToleratedFailurePercentage": 101, "ItemProcessor":
                {"StartAt": "B", "States": {"B": end()}}}}),
            "must be a number from 0 to 100, found 101 at /States/A/ToleratedFailurePercentage",
        ),
        (
            "reserved variable",
            json!({"A": {"Type": "Pass", "Assign": {"states": 1}, "End": true}}),
            "'states' is not a name for a variable at /States/A/Assign",
        ),
        (
            "outer variable",
            json!({"A": {"Type": "Pass", "Assign": {"v": 1}, "Next": "P"}, "P": {"Type": "Parallel",
                "End": true,
            "Branches": [{"StartAt": "B", "States": {"B": {"Type": "Pass", "Assign": {"v": 2},
                "End": true}}}]}}),
            "'v' belongs to an outer scope",
        ),
        (
            "distributed map",
            json!({"A": {"Type": "Map", "End": true, "ItemProcessor":
            {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, "StartAt": "B", "States": {"B": end()}}}}),
            "the sandbox has no distributed Map at /States/A/ItemProcessor/ProcessorConfig/Mode",
        ),
    ] {
        let refusals = refusals(states);
        assert!(refusals.contains(place), "{what}: {refusals}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let states =
        json!({"A": {"Type": "Pass", "Nxt": "B"}, "B": {"Type": "Wait", "Seconds": -1, "End": true}});
    let refusals = refusals(states);
    for place in ["Next or End must be there at /States/A", "'Nxt'", "found -1 at /States/B/Seconds"] {
        assert!(refusals.contains(place), "{refusals}");
    }
}

/// Recorded: localstack/localstack, v2/test_sfn_api_validation.snapshot.json.
#[test]
fn what_is_no_definition_at_all_has_the_code_of_the_service() {
    for (text, code, message) in [
        ("not a definition", "INVALID_JSON_DESCRIPTION", "line: 1"),
        ("[]", "SCHEMA_VALIDATION_FAILED", "Definition must be a valid JSON object"),
        (
            "{\"QueryLanguage\": \"JSONata\"}",
            "SCHEMA_VALIDATION_FAILED",
            "These fields are required: [States, StartAt] at /",
        ),
    ] {
        let found = parse(text).unwrap_err();
        assert_eq!(found[0].code, code);
        assert!(found[0].to_string().contains(message), "{}", found[0]);
    }
}

/// Recorded: localstack/localstack,
/// v2/evaluate_jsonata/test_base_evaluate_expressions.snapshot.json (test_base_map) and
/// v2/services/test_lambda_task_service.snapshot.json (LogType).
#[test]
fn what_the_service_accepts_is_accepted() {
    let branch = json!({"StartAt": "B", "States": {"B": {"Type": "Pass", "Assign": {"v": 2}, "End": true}}});
    let processor = json!({"StartAt": "B", "States": {"B": {"Type": "Succeed"}}});
    for states in [
        json!({"A": {"Type": "Map", "End": true, "ItemProcessor": processor, "ToleratedFailureCount": 1,
            "ToleratedFailurePercentage": "{% 50.5 %}"}}),
        json!({"A": {"Type": "Parallel", "Branches": [branch], "End": true,
            "Catch": [{"ErrorEquals": ["States.ALL"], "Assign": {"v": 1}, "Next": "C"}]},
                "C": {"Type": "Succeed"}}),
        json!({"A": invoke(json!({"Arguments": {"FunctionName": "f", "LogType": "Tail"}, "End": true}))}),
    ] {
        assert_eq!(refusals(states), "accepted");
    }
}

#[test]
fn a_definition_must_be_jsonata() {
    for (definition, place) in [
        (
            json!({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
            "must be \"JSONata\" at the top of the definition",
        ),
        (
            json!({"QueryLanguage": "JSONPath", "StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
            "must be \"JSONata\" at the top",
        ),
        (
            json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed",
                "QueryLanguage": "JSONPath"}}}),
            "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine at /States/A",
        ),
        (
            json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed"}},
                "Stats": 1}),
            "The field 'Stats' is not supported by Step Functions at /",
        ),
        (
            json!({"QueryLanguage": "JSONata", "StartAt": "A", "TimeoutSeconds": "1",
                "States": {"A": {"Type": "Succeed"}}}),
            "must be a whole number from 1 to 99999999, found \"1\" at /TimeoutSeconds",
        ),
    ] {
        let message = message(&parse(&definition.to_string()).unwrap_err());
        assert!(message.contains(place), "{message}");
    }
}
