//! What services with the AWS JSON 1.1 protocol share: the operation's name, the input, answers and
//! errors (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html).

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::http::{Request, Response, respond};

/// A modelled error: it becomes `{"__type": code, "message": message}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    /// Further members of the error's shape.
    pub details: Value,
}

pub type Answer = Result<Value, Error>;

impl Error {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into(), details: json!({}) }
    }

    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.details[member] = value;
        self
    }
}

/// `RunTask` of `X-Amz-Target: AmazonEC2ContainerServiceV20141113.RunTask`.
pub fn operation(request: &Request) -> &str {
    let target =
        request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    target.rsplit_once('.').map_or(target, |(_, operation)| operation)
}

pub fn input<T: DeserializeOwned>(request: &Request) -> Result<T, Error> {
    let body: &[u8] = if request.body().is_empty() { b"{}" } else { request.body() };
    serde_json::from_slice(body).map_err(|error| Error::new("SerializationException", error.to_string()))
}

pub fn unknown_operation(request: &Request) -> Error {
    Error::new(
        "UnknownOperationException",
        format!("The sandbox does not know the operation {:?}.", operation(request)),
    )
}

pub fn reply(answer: Answer) -> Response {
    let (status, body) = match answer {
        Ok(body) => (200, body),
        Err(Error { status, code, message, mut details }) => {
            details["__type"] = code.into();
            details["message"] = message.into();
            (status, details)
        }
    };
    respond(status, "application/x-amz-json-1.1", body.to_string())
}

/// Timestamps are seconds since 1970, with a fraction.
pub fn seconds(at: Timestamp) -> Value {
    json!(at.as_millisecond() as f64 / 1000.0)
}

/// A request as an SDK sends it, and the answer's status and body.
#[cfg(test)]
pub async fn call(service: &dyn crate::http::Endpoint, target: &str, body: Value) -> (u16, Value) {
    let request = http::Request::post("/")
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.1");
    let response = service.call(request.body(body.to_string().into()).unwrap()).await;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}
