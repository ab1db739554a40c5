//! The services that a Task can call, each through an ordinary HTTP request to the gateway.
//!
//! https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html

pub mod ecs;
pub mod events;
pub mod lambda;
pub mod ssm;
pub mod states;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::execution::Execution;
use super::failure::Failure;
use endpoint::http::{Caller, Response};

/// How a service's own errors appear: prefix, the SDK's name of the service, the modelled errors;
/// others are one generic error. The cause is that of the first Java SDK (localstack/localstack,
/// v2/error_handling/test_task_service_lambda.snapshot.json, test_no_such_function).
struct Errors {
    prefix: &'static str,
    service: &'static str,
    generic: &'static str,
    modelled: &'static [&'static str],
}

/// Sends in a task of its own: a Task that times out or is cancelled abandons its request, it does
/// not undo it.
async fn send(
    execution: &Execution,
    service: &str,
    request: http::request::Builder,
    body: String,
) -> Option<Response> {
    let gateway = execution.world.gateway.upgrade()?;
    let machine = &execution.machine;
    let acts = ("states.amazonaws.com", machine.role_arn.as_str());
    let caller = Caller::service("states", acts, &machine.arn, service);
    let request = request.method("POST").extension(caller).body(Bytes::from(body)).ok()?;
    tokio::spawn(async move { gateway.call(request).await }).await.ok()
}

/// A call of the JSON 1.0 or 1.1 protocol.
async fn send_json(
    execution: &Execution,
    service: &str,
    version: &str,
    target: &str,
    body: &Value,
    errors: &Errors,
) -> Result<Value, Failure> {
    let request =
        http::Request::builder().uri("/").header("content-type", format!("application/x-amz-json-{version}"));
    let response = send(execution, service, request.header("x-amz-target", target), body.to_string()).await;
    let response = response.ok_or_else(|| errors.unreachable())?;
    if response.status() != 200 {
        return Err(errors.failure(&response));
    }
    serde_json::from_slice(response.body()).map_err(|_| errors.unreachable())
}

impl Errors {
    fn unreachable(&self) -> Failure {
        Failure::new(format!("{}.SdkClientException", self.prefix), "Unable to execute HTTP request")
    }

    fn failure(&self, response: &Response) -> Failure {
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let header = response.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let name = header.or(body["__type"].as_str()).or(body["Code"].as_str()).unwrap_or_default();
        let code = name.split(':').next().and_then(|name| name.rsplit('#').next()).unwrap_or_default();
        // The names are those of the first Java SDK, in which every error ends in Exception.
        let name = if code.ends_with("Exception") { code.to_owned() } else { format!("{code}Exception") };
        let known = self.modelled.iter().find(|modelled| **modelled == name).copied().unwrap_or(self.generic);
        let message =
            ["message", "Message"].iter().find_map(|field| body[*field].as_str()).unwrap_or_default();
        let request_id = response
            .headers()
            .get("x-amzn-requestid")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let status = response.status().as_u16();
        let cause = format!(
            "{message} (Service: {}; Status Code: {status}; Error Code: {code}; Request ID: {request_id}; \
            Proxy: null)",
            self.service
        );
        Failure::new(format!("{}.{known}", self.prefix), cause)
    }
}

/// Renames every member of every object inside: ECS speaks camelCase, the arguments of a Task
/// PascalCase.
fn rename(value: Value, first: fn(&char) -> char) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| rename(item, first)).collect(),
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| {
                let mut letters = name.chars();
                let name = letters
                    .next()
                    .map(|letter| first(&letter))
                    .into_iter()
                    .chain(letters)
                    .collect::<String>();
                (name, rename(value, first))
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::Fake;

    /// localstack/localstack, v2/error_handling/test_task_service_sfn.snapshot.json.
    #[tokio::test(start_paused = true)]
    async fn the_name_ends_in_exception_and_the_code_is_the_one_on_the_wire() {
        let fake = Fake::alone();
        let machine = endpoint::aws::arn("states", "stateMachine:absent");
        let start = json!({"Start": {"Type": "Task",
                    "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "End": true, "Arguments": {"StateMachineArn": machine}}});
        let run = fake.run(start, "Start", json!({})).await;
        assert_eq!(run["error"], "StepFunctions.StateMachineDoesNotExistException");
        let cause = format!(
            "State Machine Does Not Exist: '{machine}' (Service: AWSStepFunctions; Status Code: 400; Error \
            Code: StateMachineDoesNotExist; Request ID: "
        );
        assert!(run["cause"].as_str().unwrap().starts_with(&cause), "{run}");
    }
}
