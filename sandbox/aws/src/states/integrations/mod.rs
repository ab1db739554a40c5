//! The services that a Task can call, each through an ordinary HTTP request to the gateway.
//!
//! https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html

pub mod ecs;
pub mod events;
pub mod lambda;
pub mod states;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::execution::Execution;
use super::failure::Failure;
use crate::http::{Caller, Response};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Resource {
    #[serde(rename = "arn:aws:states:::lambda:invoke")]
    LambdaInvoke,
    #[serde(rename = "arn:aws:states:::ecs:runTask.waitForTaskToken")]
    EcsRunTaskWaitForTaskToken,
    #[serde(rename = "arn:aws:states:::states:startExecution.sync:2")]
    StatesStartExecutionSync,
    #[serde(rename = "arn:aws:states:::events:putEvents")]
    EventsPutEvents,
}

impl Resource {
    pub fn waits_for_token(self) -> bool {
        self == Self::EcsRunTaskWaitForTaskToken
    }

    /// `resourceType` and `resource` of the history events.
    pub fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::LambdaInvoke => ("lambda", "invoke"),
            Self::EcsRunTaskWaitForTaskToken => ("ecs", "runTask.waitForTaskToken"),
            Self::StatesStartExecutionSync => ("states", "startExecution.sync:2"),
            Self::EventsPutEvents => ("events", "putEvents"),
        }
    }

    /// The names that its Arguments may have; the service refuses others when the machine is
    /// created.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::LambdaInvoke => lambda::ARGUMENTS,
            Self::EcsRunTaskWaitForTaskToken => ecs::ARGUMENTS,
            Self::StatesStartExecutionSync => states::ARGUMENTS,
            Self::EventsPutEvents => events::ARGUMENTS,
        }
    }

    /// Those without which it cannot be called.
    pub fn required(self) -> &'static [&'static str] {
        match self {
            Self::LambdaInvoke => &["FunctionName"],
            Self::EcsRunTaskWaitForTaskToken => &["TaskDefinition"],
            Self::StatesStartExecutionSync => &["StateMachineArn"],
            Self::EventsPutEvents => &["Entries"],
        }
    }
}

/// How a service's own errors appear: prefix, the SDK's name of the service, the modelled errors;
/// others are one generic error.
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
    body: &Value,
) -> Option<Response> {
    let gateway = execution.world.gateway.upgrade()?;
    let machine = &execution.machine;
    let acts = ("states.amazonaws.com", machine.role_arn.as_str());
    let caller = Caller::service("states", acts, &machine.arn, service);
    let request = request.method("POST").extension(caller).body(Bytes::from(body.to_string())).ok()?;
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
    let response = send(execution, service, request.header("x-amz-target", target), body).await;
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
        let name = name.split(':').next().and_then(|name| name.rsplit('#').next()).unwrap_or_default();
        // The names are those of the first Java SDK, in which every error ends in Exception.
        let name = if name.ends_with("Exception") { name.to_owned() } else { format!("{name}Exception") };
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
            "{message} (Service: {}; Status Code: {status}; Error Code: {name}; Request ID: {request_id})",
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
