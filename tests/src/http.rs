//! What travels between clients, the gateway and its services: plain HTTP messages, and who sent them.

use async_trait::async_trait;
use bytes::Bytes;

pub type Request = http::Request<Bytes>;
pub type Response = http::Response<Bytes>;

/// Who calls what, read from the SigV4 credential scope `AKID/date/region/service/aws4_request`
/// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). The gateway puts it into
/// the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The access key. Each of our executables has its own, so that the call log and the fault plan can name it.
    pub principal: String,
    pub region: String,
    /// `rds`, `states`, `lambda`, `ecs`, `events`, `s3`, `secretsmanager`, `sts`.
    pub service: String,
}

/// A service of the local AWS, or the gateway in front of all of them.
#[async_trait]
pub trait Endpoint: Send + Sync {
    async fn call(&self, request: Request) -> Response;
}

/// The events that services send to the default bus: whole EventBridge envelopes (`source`, `detail-type`, `detail`, ...).
pub type EventSender = tokio::sync::mpsc::UnboundedSender<serde_json::Value>;

pub fn respond(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response {
    http::Response::builder()
        .status(status)
        .header("content-type", content_type)
        .header("x-amzn-requestid", uuid::Uuid::new_v4().to_string())
        .body(body.into())
        .expect("a status and two headers make a response")
}
