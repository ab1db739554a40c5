//! The API: JSON 1.0, the action in `X-Amz-Target: AWSStepFunctions.<Action>`, shapes as in
//! botocore stepfunctions/2016-11-23.

mod aliases;
mod arn;
mod executions;
mod machines;
mod mock;
mod request;
mod tags;
mod test_state;
#[cfg(test)]
mod tests;
mod versions;

use serde_json::{Value, json};

use super::StepFunctions;
use super::run::history::epoch;
use super::run::tokens::{Refusal, Signal};
use super::run::{PAYLOAD_LIMIT, describe};
use endpoint::http::{Request, Response, respond};
use executions::execution;
use request::{Answer, ApiError, arn, error, failure, text, too_long};

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
        "CreateStateMachine" => machines::create(service, body),
        "UpdateStateMachine" => machines::update(service, body),
        "DescribeStateMachine" => machines::describe(service, body),
        "ListStateMachines" => machines::list(service, body),
        "DeleteStateMachine" => {
            let arn = arn(body, "stateMachineArn")?;
            service.registry().machines.remove(arn);
            Ok(json!({}))
        }
        "ValidateStateMachineDefinition" => Ok(machines::validate_definition(text(body, "definition")?)),
        "TestState" => test_state::test_state(service, body).await,
        "PublishStateMachineVersion" => versions::publish(service, body),
        "ListStateMachineVersions" => versions::list(service, body),
        "DeleteStateMachineVersion" => versions::delete(service, body),
        "CreateStateMachineAlias" => aliases::create(service, body),
        "UpdateStateMachineAlias" => aliases::update(service, body),
        "DescribeStateMachineAlias" => aliases::describe(service, body),
        "ListStateMachineAliases" => aliases::list(service, body),
        "DeleteStateMachineAlias" => aliases::delete(service, body),
        "TagResource" => tags::tag(service, body),
        "UntagResource" => tags::untag(service, body),
        "ListTagsForResource" => tags::list(service, body),
        "StartExecution" => executions::start(service, body),
        "DescribeExecution" => Ok(describe(execution(service, body)?.as_ref())),
        "DescribeStateMachineForExecution" => {
            Ok(machines::describe_as_run(&execution(service, body)?.machine))
        }
        "ListExecutions" => executions::list(service, body),
        "GetExecutionHistory" => executions::history(service, body),
        "StopExecution" => executions::stop(service, body).await,
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
                Ok(_) => too_long("output", PAYLOAD_LIMIT),
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
