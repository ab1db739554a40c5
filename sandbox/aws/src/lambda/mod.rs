//! Lambda: functions are invoked through the shipped executable, or as a Rust function in this
//! process.
//!
//! REST JSON, 2015-03-31, shapes from botocore lambda 1.43.11.

mod environment;
mod invoker;
mod processes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use clock::Clock;
use futures::future::BoxFuture;
use http::Method;
use serde_json::{Value, json};

use crate::aws::{ACCOUNT, arn};
use crate::http::{Endpoint, Request, Response, respond};
use crate::ids::Ids;
use crate::json::Error;
pub use environment::{Ended, Environment};
use invoker::{Invoker, Outcome};
pub use processes::Processes;

/// What a function written in Rust answers to an event: the name of the handler, and the payload.
pub type Handler =
    Arc<dyn Fn(String, Value) -> BoxFuture<'static, Result<Value, FunctionError>> + Send + Sync>;

#[derive(Debug, Clone, PartialEq)]
pub struct FunctionError {
    pub error_type: String,
    pub error_message: String,
}

pub enum Runtime {
    Processes(Processes),
    InProcess(Handler),
}

/// The functions that exist: `<prefix>-<name>` for each name.
pub struct Functions {
    pub prefix: String,
    pub names: BTreeSet<String>,
    pub timeout: Duration,
    pub memory_mb: u32,
    /// The account's concurrent executions.
    pub concurrency: usize,
}

impl Functions {
    pub fn new(prefix: &str, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        // The default quota
        // (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
        Self {
            prefix: prefix.into(),
            names,
            timeout: Duration::from_secs(60),
            memory_mb: 256,
            concurrency: 1000,
        }
    }

    fn full_name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn arn(&self, name: &str) -> String {
        arn("lambda", &format!("function:{}", self.full_name(name)))
    }

    /// The name of the handler behind `aurora-runbooks-take-snapshot`, its ARN or its partial ARN,
    /// with or without a qualifier.
    fn find(&self, function: &str) -> Result<&str, Error> {
        let function = function.replace("%3A", ":").replace("%3a", ":").replace("%24", "$");
        let parts: Vec<_> = function.split(':').collect();
        let full_name = parts
            .iter()
            .position(|part| *part == "function")
            .map_or(parts.first(), |at| parts.get(at + 1))
            .unwrap_or(&"");
        let name = full_name.strip_prefix(&self.prefix).and_then(|rest| rest.strip_prefix('-'));
        let known = name.and_then(|name| self.names.get(name)).map(String::as_str);
        known.ok_or_else(|| {
            let message = format!("Function not found: {}", arn("lambda", &format!("function:{full_name}")));
            Error {
                status: 404,
                ..Error::new("ResourceNotFoundException", message).with("Type", json!("User"))
            }
        })
    }

    fn configuration(&self, name: &str) -> Value {
        json!({
            "FunctionName": self.full_name(name),
            "FunctionArn": self.arn(name),
            "Runtime": "provided.al2023",
            "Role": format!("arn:aws:iam::{ACCOUNT}:role/{}", self.full_name(name)),
            "Handler": name,
            "Timeout": self.timeout.as_secs(),
            "MemorySize": self.memory_mb,
            "Version": "$LATEST",
            "PackageType": "Zip",
            "State": "Active",
            "LastUpdateStatus": "Successful",
        })
    }
}

pub struct Lambda {
    invoker: Arc<Invoker>,
    ids: Ids,
}

impl Lambda {
    pub fn new(clock: Clock, functions: Functions, runtime: Runtime) -> Arc<Self> {
        Arc::new(Self { invoker: Arc::new(Invoker::new(clock, functions, runtime)), ids: Ids::new("lambda") })
    }

    /// Kills one execution environment of a function, given by its handler's name: a busy one
    /// rather than an idle one. Answers whether there was one.
    pub fn kill(&self, function: &str) -> bool {
        self.invoker.kill(function)
    }

    async fn invoke(&self, function: &str, request: &Request) -> Result<Response, Error> {
        let name = self.invoker.functions.find(function)?.to_owned();
        let payload =
            if request.body().is_empty() { Bytes::from_static(b"{}") } else { request.body().clone() };
        serde_json::from_slice::<serde::de::IgnoredAny>(&payload).map_err(|error| {
            Error::new(
                "InvalidRequestContentException",
                format!("Could not parse request body into json: {error}"),
            )
            .with("Type", json!("User"))
        })?;
        let invocation_type = request
            .headers()
            .get("x-amz-invocation-type")
            .map_or(&b"RequestResponse"[..], |value| value.as_bytes());
        // "the maximum payload size is 6 MB. For asynchronous invocations, the maximum payload size
        // is 1 MB" (Invoke).
        let limit = if invocation_type == b"Event" { 1 << 20 } else { 6 << 20 };
        if payload.len() > limit {
            let message =
                format!("Request must be smaller than {limit} bytes for the InvokeFunction operation");
            return Err(Error {
                status: 413,
                ..Error::new("RequestTooLargeException", message).with("Type", json!("User"))
            });
        }
        let id = self.ids.uuid();
        match invocation_type {
            b"Event" => {
                tokio::spawn(self.invoker.clone().run_queued(name, id, payload));
                Ok(respond(202, "application/json", ""))
            }
            b"DryRun" => Ok(respond(204, "application/json", "")),
            _ => {
                let permit = self.invoker.concurrency.clone().try_acquire_owned().map_err(|_| {
                    Error { status: 429, ..Error::new("TooManyRequestsException", "Rate Exceeded.") }
                        .with("Type", json!("User"))
                        .with("Reason", json!("ConcurrentInvocationLimitExceeded"))
                })?;
                // A task of its own: the function runs on when its caller goes away.
                let running = tokio::spawn(self.invoker.clone().run(name, id.clone(), payload, permit));
                Ok(answer(
                    running.await.unwrap_or_else(|panic| Err(invoker::exited(&id, &panic.to_string()))),
                ))
            }
        }
    }
}

fn answer(outcome: Outcome) -> Response {
    let failed = outcome.is_err();
    let mut response = respond(200, "application/json", outcome.unwrap_or_else(|error| error));
    response.headers_mut().insert("x-amz-executed-version", http::HeaderValue::from_static("$LATEST"));
    if failed {
        response.headers_mut().insert("x-amz-function-error", http::HeaderValue::from_static("Unhandled"));
    }
    response
}

/// The REST JSON protocol names the error in a header; the members' names are not the same for
/// every error of Lambda.
fn refuse(Error { status, code, message, mut details }: Error) -> Response {
    let member = if code == "ResourceNotFoundException" { "Message" } else { "message" };
    details[member] = message.into();
    let mut response = respond(status, "application/json", details.to_string());
    response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(code));
    response
}

#[async_trait]
impl Endpoint for Lambda {
    async fn call(&self, request: Request) -> Response {
        let functions = &self.invoker.functions;
        let path = request.uri().path().trim_end_matches('/').to_owned();
        let segments: Vec<_> = path.split('/').skip(1).collect();
        let answer = match (request.method(), segments.as_slice()) {
            (&Method::POST, ["2015-03-31", "functions", function, "invocations"]) => {
                self.invoke(function, &request).await
            }
            (&Method::GET, ["2015-03-31", "functions"]) => {
                let functions: Vec<_> =
                    functions.names.iter().map(|name| functions.configuration(name)).collect();
                Ok(respond(200, "application/json", json!({ "Functions": functions }).to_string()))
            }
            (&Method::GET, ["2015-03-31", "functions", function]) => functions.find(function).map(|name| {
                respond(
                    200,
                    "application/json",
                    json!({ "Configuration": functions.configuration(name) }).to_string(),
                )
            }),
            (&Method::GET, ["2015-03-31", "functions", function, "configuration"]) => functions
                .find(function)
                .map(|name| respond(200, "application/json", functions.configuration(name).to_string())),
            _ => Err(Error {
                status: 404,
                ..Error::new("UnknownOperationException", format!("{} {path}", request.method()))
            }),
        };
        answer.unwrap_or_else(refuse)
    }
}

#[cfg(test)]
mod tests;
