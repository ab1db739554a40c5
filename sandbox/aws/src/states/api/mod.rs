//! The API: JSON 1.0, the action in `X-Amz-Target: AWSStepFunctions.<Action>`, shapes as in
//! botocore stepfunctions/2016-11-23.

mod executions;
mod machines;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::execution::Execution;
use super::failure::Failure;
use super::flow::PAYLOAD_LIMIT;
use super::history::{epoch, page};
use super::tokens::{Refusal, Signal};
use super::{Machine, StepFunctions};
use crate::http::{Request, Response, respond};
pub use executions::describe;
use executions::{get_execution_history, list_executions, start_execution, stop_execution};
use machines::{
    create_state_machine, describe_machine, list_state_machines, update_state_machine, validate_definition,
};

struct ApiError {
    code: &'static str,
    message: String,
}

type Answer = Result<Value, ApiError>;

fn error<T>(code: &'static str, message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError { code, message: message.into() })
}

pub async fn answer(service: &StepFunctions, request: &Request) -> Response {
    let target =
        request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let action = target.strip_prefix("AWSStepFunctions.").unwrap_or_default();
    let answer = match serde_json::from_slice::<Value>(request.body()) {
        Ok(body) if body.is_object() => act(service, action, &body).await,
        _ => error("SerializationException", "the body is not a JSON object"),
    };
    let (status, body) = match answer {
        Ok(body) => (200, body),
        Err(ApiError { code, message }) => (400, json!({"__type": code, "message": message})),
    };
    respond(status, "application/x-amz-json-1.0", body.to_string())
}

async fn act(service: &StepFunctions, action: &str, body: &Value) -> Answer {
    match action {
        "CreateStateMachine" => create_state_machine(service, body),
        "UpdateStateMachine" => update_state_machine(service, body),
        "DescribeStateMachine" => Ok(describe_machine(machine(service, body)?.as_ref())),
        "ListStateMachines" => list_state_machines(service, body),
        "DeleteStateMachine" => {
            let arn = arn(body, "stateMachineArn")?;
            service.state().machines.remove(arn);
            Ok(json!({}))
        }
        "ValidateStateMachineDefinition" => Ok(validate_definition(text(body, "definition")?)),
        "StartExecution" => start_execution(service, body),
        "DescribeExecution" => Ok(describe(execution(service, body)?.as_ref())),
        "DescribeStateMachineForExecution" => {
            let machine = &execution(service, body)?.machine;
            let mut description = describe_machine(machine);
            if let Some(description) = description.as_object_mut() {
                description.retain(|field, _| !matches!(field.as_str(), "status" | "type" | "creationDate"));
            }
            description["updateDate"] = json!(epoch(machine.updated));
            Ok(description)
        }
        "ListExecutions" => list_executions(service, body),
        "GetExecutionHistory" => get_execution_history(service, body),
        "StopExecution" => stop_execution(service, body).await,
        "RedriveExecution" => match execution(service, body)?.redrive() {
            Ok(date) => Ok(json!({"redriveDate": epoch(date)})),
            Err(reason) => error("ExecutionNotRedrivable", reason),
        },
        "SendTaskSuccess" => {
            let output = text(body, "output")?;
            match serde_json::from_str(output) {
                Ok(value) if output.len() <= PAYLOAD_LIMIT => {
                    send_task(service, body, Signal::Success(value))
                }
                Ok(_) => error("ValidationException", too_long("output", PAYLOAD_LIMIT)),
                Err(e) => error("InvalidOutput", format!("Invalid output: '{e}'")),
            }
        }
        "SendTaskFailure" => send_task(service, body, Signal::Failure(failure(body)?)),
        "SendTaskHeartbeat" => send_task(service, body, Signal::Heartbeat),
        _ => error("UnknownOperationException", format!("the sandbox has no action {action:?}")),
    }
}

fn send_task(service: &StepFunctions, body: &Value, signal: Signal) -> Answer {
    match service.world.tokens.send(text(body, "taskToken")?, signal) {
        Ok(()) => Ok(json!({})),
        Err(Refusal::InvalidToken) => error("InvalidToken", "Invalid Token: 'Invalid token'"),
        Err(Refusal::TaskTimedOut) => {
            error("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        }
    }
}

/// The lengths are those of SensitiveError and SensitiveCause.
fn failure(body: &Value) -> Result<Failure, ApiError> {
    let read = |field: &str, most: usize| match body[field].as_str() {
        Some(text) if text.chars().count() > most => error("ValidationException", too_long(field, most)),
        text => Ok(text.map(str::to_owned)),
    };
    Ok(Failure { error: read("error", 256)?, cause: read("cause", 32_768)? })
}

fn too_long(field: &str, most: usize) -> String {
    format!(
        "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must have \
        length less than or equal to {most}"
    )
}

fn text<'a>(body: &'a Value, field: &str) -> Result<&'a str, ApiError> {
    match body[field].as_str() {
        Some(text) => Ok(text),
        None => error(
            "ValidationException",
            format!(
                "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must \
                not be null"
            ),
        ),
    }
}

fn arn<'a>(body: &'a Value, field: &str) -> Result<&'a str, ApiError> {
    let arn = text(body, field)?;
    if arn.starts_with("arn:aws:states:") {
        Ok(arn)
    } else {
        error("InvalidArn", format!("Invalid Arn: '{arn}'"))
    }
}

fn machine(service: &StepFunctions, body: &Value) -> Result<Arc<Machine>, ApiError> {
    let arn = arn(body, "stateMachineArn")?;
    let machine = service.state().machines.get(arn).cloned();
    machine.map_or_else(
        || error("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'")),
        Ok,
    )
}

fn execution(service: &StepFunctions, body: &Value) -> Result<Arc<Execution>, ApiError> {
    let arn = arn(body, "executionArn")?;
    service
        .execution(arn)
        .map_or_else(|| error("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'")), Ok)
}

/// The characters that API_StartExecution and API_CreateStateMachine forbid in a name.
fn check_name(name: &str) -> Result<(), ApiError> {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    if (1..=80).contains(&name.chars().count()) && !name.contains(forbidden) {
        return Ok(());
    }
    error("InvalidName", format!("Invalid Name: '{name}'"))
}

fn paged(entries: Vec<Value>, body: &Value, field: &str) -> Answer {
    let Some((entries, next)) = page(entries, body) else { return invalid_page_token() };
    with_next_token(Value::Object(Map::from_iter([(field.to_owned(), entries.into())])), next)
}

fn with_next_token(mut answer: Value, next: Option<String>) -> Answer {
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}

fn invalid_page_token<T>() -> Result<T, ApiError> {
    error("InvalidToken", "Invalid Token: 'Invalid page token'")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::states::fake::{Fake, ROLE};

    fn pause() -> Value {
        json!({"Pause": {"Type": "Wait", "Seconds": 60, "End": true}})
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_starts_once() {
        let fake = Fake::alone();
        let machine = fake.create("machine", pause(), "Pause").await;
        let start = async |input: &str| {
            fake.api("StartExecution", json!({"stateMachineArn": machine, "name": "n", "input": input})).await
        };
        let first = start("{}").await;
        fake.sleep(1).await;
        assert_eq!(start("{}").await, first);
        assert_eq!(start("{\"other\":1}").await["__type"], "ExecutionAlreadyExists");
        fake.finish(first["executionArn"].as_str().unwrap()).await;
        assert_eq!(start("{}").await["__type"], "ExecutionAlreadyExists");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_start_is_refused() {
        let fake = Fake::alone();
        let machine = fake.create("machine", pause(), "Pause").await;
        for (body, code) in [
            (json!({"stateMachineArn": machine, "name": "with space"}), "InvalidName"),
            (json!({"stateMachineArn": machine, "name": "x".repeat(81)}), "InvalidName"),
            (json!({"stateMachineArn": machine, "name": "a:b"}), "InvalidName"),
            (json!({"stateMachineArn": machine, "input": "{"}), "InvalidExecutionInput"),
            (
                json!({"stateMachineArn": machine, "input": json!("x".repeat(262_143)).to_string()}),
                "ValidationException",
            ),
            (json!({"stateMachineArn": format!("{machine}s")}), "StateMachineDoesNotExist"),
            (json!({"stateMachineArn": "machine"}), "InvalidArn"),
            (json!({}), "ValidationException"),
        ] {
            assert_eq!(fake.api("StartExecution", body.clone()).await["__type"], code, "{body}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn creating_is_idempotent_and_a_running_execution_keeps_its_definition() {
        let fake = Fake::alone();
        let machine = fake.create("machine", pause(), "Pause").await;
        assert_eq!(fake.create("machine", pause(), "Pause").await, machine);
        let other =
            json!({"QueryLanguage": "JSONata", "StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
                .to_string();
        let create = json!({"name": "machine", "roleArn": ROLE, "definition": other});
        assert_eq!(fake.api("CreateStateMachine", create).await["__type"], "StateMachineAlreadyExists");

        let arn =
            fake.api("StartExecution", json!({"stateMachineArn": machine})).await["executionArn"].clone();
        fake.api("UpdateStateMachine", json!({"stateMachineArn": machine, "definition": other})).await;
        assert_eq!(
            fake.api("DescribeStateMachine", json!({"stateMachineArn": machine})).await["definition"],
            json!(other)
        );
        let of_execution = fake.api("DescribeStateMachineForExecution", json!({"executionArn": arn})).await;
        assert!(of_execution["definition"].as_str().unwrap().contains("Pause"));
        assert_eq!(fake.finish(arn.as_str().unwrap()).await["stopDate"], 60.0);
    }

    #[tokio::test(start_paused = true)]
    async fn lists_come_in_pages_newest_first() {
        let fake = Fake::alone();
        let machine = fake.create("machine", pause(), "Pause").await;
        for n in 0..5 {
            fake.api("StartExecution", json!({"stateMachineArn": machine, "name": format!("n{n}")})).await;
            fake.sleep(31).await;
        }
        let list = async |more: Value| {
            let mut body = json!({"stateMachineArn": machine, "maxResults": 2});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let answer = fake.api("ListExecutions", body).await;
            let names = answer["executions"]
                .as_array()
                .map(|l| l.iter().map(|e| e["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
            (names, answer["nextToken"].clone())
        };
        let (first, token) = list(json!({})).await;
        assert_eq!(first.unwrap(), ["n4", "n3"]);
        let (second, token) = list(json!({"nextToken": token})).await;
        assert_eq!(second.unwrap(), ["n2", "n1"]);
        assert_eq!(list(json!({"nextToken": token})).await, (Some(vec!["n0".to_owned()]), Value::Null));
        assert_eq!(
            list(json!({"statusFilter": "RUNNING"})).await,
            (Some(vec!["n4".to_owned()]), Value::Null)
        );
        assert_eq!(list(json!({"nextToken": "x"})).await.0, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_history_is_read_in_pages_and_without_data_when_asked() {
        let fake = Fake::alone();
        let run = fake.run(pause(), "Pause", json!({"secret": 1})).await;
        let arn = &run["executionArn"];
        let page = fake
            .api(
                "GetExecutionHistory",
                json!({"executionArn": arn, "maxResults": 3, "includeExecutionData": false}),
            )
            .await;
        assert_eq!(page["events"].as_array().unwrap().len(), 3);
        assert!(!page.to_string().contains("secret"));
        let rest = fake
            .api("GetExecutionHistory", json!({"executionArn": arn, "nextToken": page["nextToken"]}))
            .await;
        assert_eq!(rest["events"][0]["id"], 4);
        assert_eq!(rest["events"][0]["executionSucceededEventDetails"]["output"], "{\"secret\":1}");
        assert_eq!((&rest["events"][0]["timestamp"], &rest["nextToken"]), (&json!(60.0), &Value::Null));
    }
}
