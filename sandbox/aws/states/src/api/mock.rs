//! What TestState is given instead of the work: `mock`, `context` and `stateConfiguration`.
//!
//! https://docs.aws.amazon.com/step-functions/latest/apireference/API_TestState.html; the words are
//! those of localstack/localstack, v2/test_state/*.snapshot.json, where nothing else is said.

use serde_json::Value;

use super::request::{ApiError, error, invalid};
use super::test_state::json_text;
use crate::language::{Kind, Resource, State};
use crate::run::failure::Failure;
use crate::run::test_state::Configuration;

type Read<T> = Result<Option<T>, ApiError>;

fn refuse<T>(message: impl Into<String>) -> Result<T, ApiError> {
    error("ValidationException", message)
}

pub fn mock(body: &Value, state: &State) -> Read<Result<Value, Failure>> {
    let kind = state.kind.name();
    let mock = &body["mock"];
    if mock.is_null() {
        return match &state.kind {
            Kind::Map(_) | Kind::Parallel(_) => error(
                "InvalidDefinition",
                "TestState API does not support Map or Parallel states. Supported state types include: \
                [Task, Wait, Pass, Succeed, Fail, Choice]",
            ),
            // Nobody answers for a token that only the mock could give: no page says how the
            // service words it.
            Kind::Task(task) if task.resource.waits_for_token() => {
                refuse("TestState does not support .waitForTaskToken without a mock")
            }
            _ => Ok(None),
        };
    }
    if !state.kind.is_handled() {
        return refuse(format!("State type '{kind}' is not supported when a mock is specified"));
    }
    if body["revealSecrets"] == true {
        return refuse("TestState does not support RevealSecrets when a mock is specified.");
    }
    let (result, failure) = (json_text(mock, "result")?, &mock["errorOutput"]);
    match (result, failure) {
        (Some(_), failure) if !failure.is_null() => {
            refuse("A test mock should have only one of the following fields: [result, errorOutput].")
        }
        (None, failure) => {
            let text = |field: &str| failure[field].as_str().map(str::to_owned);
            Ok(Some(Err(Failure::of(text("error"), text("cause")))))
        }
        (Some(result), _) => match (&state.kind, result.as_array()) {
            (Kind::Map(_) | Kind::Parallel(_), None) => refuse("Mocked result must be an array."),
            (Kind::Parallel(parallel), Some(items)) if items.len() != parallel.branches.len() => {
                refuse("Mocked result must contain the same number of items as number of Parallel branches.")
            }
            (Kind::Task(task), _) => {
                check_fields(mock, task.resource, &result)?;
                Ok(Some(Ok(result)))
            }
            _ => Ok(Some(Ok(result))),
        },
    }
}

/// The types of an API's answer, as far as a mock can break them. Its lengths are not looked at.
#[derive(Clone, Copy)]
enum Type {
    Number,
    Text,
    List(Fields),
}

/// By name.
type Fields = &'static [(&'static str, Type)];

/// lambda/2015-03-31 InvocationResponse. A Payload is a blob, so a text, though the real answer of
/// the integration is the parsed JSON (met in localstack/localstack, v2/test_state/*.py).
const INVOKED: Fields = &[
    ("StatusCode", Type::Number),
    ("FunctionError", Type::Text),
    ("LogResult", Type::Text),
    ("Payload", Type::Text),
    ("ExecutedVersion", Type::Text),
    ("DurableExecutionArn", Type::Text),
];

/// events/2015-10-07 PutEventsResponse.
const PUT: Fields = &[
    ("FailedEntryCount", Type::Number),
    (
        "Entries",
        Type::List(&[("EventId", Type::Text), ("ErrorCode", Type::Text), ("ErrorMessage", Type::Text)]),
    ),
];

/// ssm/2014-11-06 GetCalendarStateResponse.
const CALENDAR: Fields = &[("State", Type::Text), ("AtTime", Type::Text), ("NextTransitionTime", Type::Text)];

/// STRICT and PRESENT are one here: neither model requires a field. A task that waits, for a token
/// or for an execution, ends with something else than the API's answer; no page or recording says
/// what that is compared with, so it is taken as it is.
fn check_fields(mock: &Value, resource: Resource, result: &Value) -> Result<(), ApiError> {
    match mock["fieldValidationMode"].as_str() {
        None | Some("STRICT" | "PRESENT") => {}
        Some("NONE") => return Ok(()),
        Some(other) => {
            let values = "satisfy enum value set: [STRICT, PRESENT, NONE]";
            return invalid("mock.fieldValidationMode", Some(other), values);
        }
    }
    let fields = match resource {
        Resource::LambdaInvoke => INVOKED,
        Resource::EventsPutEvents => PUT,
        Resource::SsmGetCalendarState => CALENDAR,
        Resource::LambdaInvokeWaitForTaskToken
        | Resource::EcsRunTaskWaitForTaskToken
        | Resource::StatesStartExecutionSync => return Ok(()),
    };
    check(result, fields)
}

/// What the model does not know is let through.
fn check(value: &Value, fields: Fields) -> Result<(), ApiError> {
    for (name, expected) in fields {
        let Some(found) = value.get(name) else { continue };
        let (fits, called) = match expected {
            Type::Number => (found.is_i64() || found.is_u64(), "a number"),
            Type::Text => (found.is_string(), "a string"),
            Type::List(_) => (found.is_array(), "an array"),
        };
        if !fits {
            return refuse(format!("Mock result schema validation error: Field '{name}' must be {called}"));
        }
        if let Type::List(inner) = expected {
            found.as_array().into_iter().flatten().try_for_each(|item| check(item, inner))?;
        }
    }
    Ok(())
}

/// The parts of a context object and their fields; those that are numbers or any JSON stand apart
/// (page input-output-contextobject).
const CONTEXT: [(&str, &[&str]); 4] = [
    ("Execution", &["Id", "Name", "RoleArn", "StartTime", "Input", "RedriveCount", "RedriveTime"]),
    ("State", &["EnteredTime", "Name", "RetryCount"]),
    ("StateMachine", &["Id", "Name"]),
    ("Task", &["Token"]),
];

/// It is seen exactly as it is given: what is not in it is not there.
pub fn context(body: &Value, state: &State) -> Read<Value> {
    let Some(text) = body["context"].as_str() else { return Ok(None) };
    if body["mock"].is_null() {
        // The model says that it needs one; no recording has the words.
        return refuse("TestState does not support Context when a mock is not specified.");
    }
    let wrong = |what: String| refuse(format!("Invalid Context object provided: {what}"));
    let Ok(Value::Object(parts)) = serde_json::from_str(text) else {
        return wrong("it must be a JSON object".into());
    };
    for (part, value) in &parts {
        if part == "Map" {
            return wrong("'Map' field is not supported when mocking a Context object".into());
        }
        let Some((_, known)) = CONTEXT.iter().find(|(name, _)| name == part) else {
            return wrong(format!("Field '{part}' is not allowed"));
        };
        let Some(fields) = value.as_object() else { return wrong(format!("{part} must be an object")) };
        for (field, value) in fields {
            let (fits, called) = match field.as_str() {
                _ if !known.contains(&field.as_str()) => {
                    return wrong(format!("Field '{field}' is not allowed"));
                }
                "Input" => (true, "any JSON"),
                "RetryCount" | "RedriveCount" => (value.is_u64(), "an integer"),
                _ => (value.is_string(), "a string"),
            };
            if !fits {
                return wrong(format!("{part}.{field} must be {called}"));
            }
        }
    }
    let waits = matches!(&state.kind, Kind::Task(task) if task.resource.waits());
    if parts.contains_key("Task") && !waits {
        return wrong(
            "Context object contains 'Task' when state is not a Task state with a '.sync' or \
            '.waitForTaskToken' service integration pattern"
                .into(),
        );
    }
    Ok(Some(Value::Object(parts)))
}

pub fn configuration(body: &Value, state: &State) -> Result<Configuration, ApiError> {
    let given = &body["stateConfiguration"];
    let count = |field: &str| match &given[field] {
        Value::Null => Ok(None),
        value => match value.as_u64() {
            Some(count) => Ok(Some(count)),
            None => invalid(
                &format!("stateConfiguration.{field}"),
                Some(&value.to_string()),
                "have value greater than or equal to 0",
            ),
        },
    };
    let configuration = Configuration {
        retries_made: count("retrierRetryCount")?,
        failed_iterations: count("mapIterationFailureCount")?,
    };
    for (field, name) in [
        ("mapIterationFailureCount", "MapIterationFailureCount"),
        // As the one above; no recording has the words.
        ("retrierRetryCount", "RetrierRetryCount"),
        ("errorCausedByState", "ErrorCausedByState"),
    ] {
        if !given[field].is_null() && body["mock"].is_null() {
            return refuse(format!("TestState does not support {name} when a mock is not specified."));
        }
    }
    if !given["mapItemReaderData"].is_null() {
        return refuse("the sandbox has no distributed Map, whose ItemReader mapItemReaderData stands for");
    }
    if let Some(name) = given["errorCausedByState"].as_str()
        && !holds(state, name)
    {
        // That the name is looked up, and these words, are assumed: it changes nothing else.
        return refuse(format!("State '{name}' not found in definition"));
    }
    let items = json_text(&body["mock"], "result")?;
    let items = items.as_ref().and_then(Value::as_array).map(Vec::len);
    if configuration.failed_iterations.zip(items).is_some_and(|(failed, items)| failed > items as u64) {
        return refuse(
            "Map iteration failure count must be less than or equal to the number of Map iterations",
        );
    }
    Ok(configuration)
}

/// Whether a Map or a Parallel has a state of that name in it.
fn holds(state: &State, name: &str) -> bool {
    let flows = match &state.kind {
        Kind::Map(map) => std::slice::from_ref(&map.processor),
        Kind::Parallel(parallel) => parallel.branches.as_slice(),
        _ => return false,
    };
    flows.iter().flat_map(|flow| &flow.states).any(|(known, inner)| known == name || holds(inner, name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::{Fake, ROLE, invoke, worker};

    async fn test(state: &Value, more: Value) -> Value {
        let mut body = json!({"definition": state.to_string(), "roleArn": ROLE, "inspectionLevel": "TRACE"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Fake::alone().api("TestState", body).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_context_is_seen_as_it_is_given() {
        let state = worker(json!({"Output": "{% $states.context %}", "End": true}));
        let context = json!({"Execution": {"Name": "e", "Input": {"n": 1}}, "State": {"RetryCount": 3},
            "StateMachine": {}, "Task": {"Token": "t"}});
        let mock = json!({"result": "{}"});
        let answer = test(&state, json!({"mock": mock, "context": context.to_string()})).await;
        assert_eq!(serde_json::from_str::<Value>(answer["output"].as_str().unwrap()).unwrap(), context);
        assert!(answer["inspectionData"]["afterArguments"].as_str().unwrap().contains("\"t\""), "{answer}");

        let invoke = invoke(json!({"End": true}));
        for (state, context, words) in [
            (&state, json!({"Execution": {"Id": 1}}), "Execution.Id must be a string"),
            (&state, json!({"Map": {}}), "'Map' field is not supported when mocking a Context object"),
            (&state, json!({"Execution": {"pokemon": "x"}}), "Field 'pokemon' is not allowed"),
            (&state, json!({"Pokedex": {}}), "Field 'Pokedex' is not allowed"),
            (&invoke, json!({"Task": {"Token": "t"}}), "contains 'Task' when state is not a Task state with"),
        ] {
            let answer = test(state, json!({"mock": mock, "context": context.to_string()})).await;
            let message = answer["message"].as_str().unwrap_or_else(|| panic!("{answer}"));
            assert!(message.starts_with("Invalid Context object provided: "), "{message}");
            assert!(message.contains(words), "{message}");
        }
        let answer = test(&invoke, json!({"context": "{}"})).await;
        assert_eq!(answer["message"], "TestState does not support Context when a mock is not specified.");
    }

    #[tokio::test(start_paused = true)]
    async fn a_mocked_answer_has_the_types_of_the_apis() {
        let invoke = invoke(json!({"End": true}));
        let events = json!({"Type": "Task", "Resource": "arn:aws:states:::events:putEvents",
            "Arguments": {"Entries": []}, "End": true});
        let said = async |state: &Value, result: Value, mode: Value| {
            let mock = json!({"result": result.to_string(), "fieldValidationMode": mode});
            let answer = test(state, json!({"mock": mock})).await;
            answer["message"].as_str().unwrap_or("taken").to_owned()
        };
        for (state, result, words) in [
            (&events, json!({"random": "json"}), "taken"),
            (&events, json!({"Entries": "x"}), "Field 'Entries' must be an array"),
            (
                &events,
                json!({"Entries": [{"EventId": "a"}, {"EventId": []}]}),
                "Field 'EventId' must be a string",
            ),
            (&invoke, json!({"StatusCode": "200"}), "Field 'StatusCode' must be a number"),
            (&invoke, json!({"Payload": {"a": 1}}), "Field 'Payload' must be a string"),
            (&invoke, json!({"Payload": "{}", "StatusCode": 200}), "taken"),
        ] {
            for mode in [Value::Null, json!("STRICT"), json!("PRESENT")] {
                let said = said(state, result.clone(), mode).await;
                assert_eq!(said.trim_start_matches("Mock result schema validation error: "), words);
            }
            assert_eq!(said(state, result, json!("NONE")).await, "taken");
        }
        let odd = said(&invoke, json!({}), json!("LAX")).await;
        assert!(odd.contains("[STRICT, PRESENT, NONE]"), "{odd}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_exhausted_retrier_says_so() {
        let retry =
            json!([{"ErrorEquals": ["Mine"], "BackoffRate": 2, "IntervalSeconds": 1, "MaxAttempts": 5}]);
        let state = invoke(json!({"End": true, "Retry": retry}));
        let after = async |retries: u64| {
            let mock = json!({"errorOutput": {"error": "Mine", "cause": "why"}});
            let configuration = json!({"retrierRetryCount": retries});
            let answer = test(&state, json!({"mock": mock, "stateConfiguration": configuration})).await;
            assert_eq!(
                answer["inspectionData"]["afterArguments"],
                "{\"FunctionName\":\"look\",\"Payload\":{}}"
            );
            (answer["status"].clone(), answer["inspectionData"]["errorDetails"].clone())
        };
        let details = json!({"retryIndex": 0, "retryBackoffIntervalSeconds": 16});
        assert_eq!(after(4).await, (json!("RETRIABLE"), details));
        assert_eq!(after(5).await, (json!("FAILED"), json!({"retryIndex": 0})));
    }

    #[tokio::test(start_paused = true)]
    async fn a_map_tolerates_as_many_failures_as_it_says() {
        let processor = json!({"StartAt": "In", "States": {"In": {"Type": "Pass", "End": true}}});
        let map = |more: Value| {
            let mut map = json!({"Type": "Map", "Items": "{% $states.input %}", "ItemProcessor": processor,
                "End": true, "Catch": [{"ErrorEquals": ["States.ExceedToleratedFailureThreshold"],
                "Output": "{% $states.errorOutput.Cause %}", "Next": "B"}]});
            map.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            map
        };
        let with = async |state: Value, failed: u64| {
            test(
                &state,
                json!({"input": "[1,2,3]", "mock": {"result": "[1,1,0]"},
                "stateConfiguration": {"mapIterationFailureCount": failed}}),
            )
            .await
        };
        for (tolerated, failed, status) in [
            (json!({}), 3, "SUCCEEDED"),
            (json!({"ToleratedFailureCount": 1}), 1, "SUCCEEDED"),
            (json!({"ToleratedFailureCount": 1}), 2, "CAUGHT_ERROR"),
            (json!({"ToleratedFailurePercentage": 50}), 1, "SUCCEEDED"),
            (json!({"ToleratedFailurePercentage": 50}), 2, "CAUGHT_ERROR"),
        ] {
            let answer = with(map(tolerated.clone()), failed).await;
            assert_eq!(answer["status"], status, "{tolerated} {failed}: {answer}");
            if status == "CAUGHT_ERROR" {
                assert_eq!(answer["output"], "\"The specified tolerated failure threshold was exceeded\"");
            }
        }
        let answer = with(map(json!({"ToleratedFailureCount": 2, "MaxConcurrency": 7})), 1).await;
        let data = json!({"input": "[1,2,3]", "maxConcurrency": 7, "toleratedFailureCount": 2});
        assert_eq!(answer["inspectionData"], data);
        let answer = with(map(json!({})), 4).await;
        assert!(answer["message"].as_str().unwrap().starts_with("Map iteration failure count"), "{answer}");
        let mock = json!({"errorOutput": {"error": "Mine", "cause": "why"}});
        let caused = |name: &str| {
            let configuration = json!({"errorCausedByState": name});
            json!({"mock": mock, "input": "[]", "stateConfiguration": configuration})
        };
        assert_eq!(test(&map(json!({})), caused("In")).await["error"], "Mine");
        assert!(test(&map(json!({})), caused("Out")).await["message"].is_string());
        let state = invoke(json!({"End": true}));
        for field in ["mapIterationFailureCount", "retrierRetryCount"] {
            let answer = test(&state, json!({"stateConfiguration": {field: 1}})).await;
            assert!(
                answer["message"].as_str().unwrap().ends_with("when a mock is not specified."),
                "{answer}"
            );
        }
    }
}
