//! What travels between clients, the gateway and its services: plain HTTP messages, and who sent
//! them.

use async_trait::async_trait;
use bytes::Bytes;

use crate::aws::{ACCOUNT, REGION};

pub type Request = http::Request<Bytes>;
pub type Response = http::Response<Bytes>;

/// Who calls what, read from the SigV4 credential scope `AKID/date/region/service/aws4_request`
/// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
/// The gateway puts it into the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The access key. Each of our executables has its own, so that the call log and the fault plan
    /// can name it.
    pub principal: String,
    /// The home account, unless the access key is of an assumed role of the other.
    pub account: String,
    pub region: String,
    /// `ec2`, `rds`, `states`, `lambda`, `ecs`, `events`, `s3`, `secretsmanager`, `sts`, …
    pub service: String,
    /// Of a role that was assumed, or that a service of AWS acts with.
    pub session: Option<Session>,
    /// For which of its resources a service of AWS calls: `aws:SourceArn`.
    pub source_arn: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub role: String,
    pub name: String,
    /// The session policy that came with AssumeRole, as JSON: nothing is allowed that it does not
    /// allow, too.
    pub policy: Option<String>,
    /// The service of AWS that acts: it must be trusted with the role at every call.
    pub service: Option<&'static str>,
}

impl Caller {
    /// A caller of the home account.
    pub fn home(principal: &str, service: &str) -> Self {
        Self {
            principal: principal.to_owned(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            service: service.to_owned(),
            session: None,
            source_arn: None,
        }
    }

    /// A service of AWS that acts with a role of the home account, on behalf of one of its
    /// resources.
    pub fn service(principal: &str, acts: (&'static str, &str), source_arn: &str, service: &str) -> Self {
        let (acting, role) = acts;
        let role = role.rsplit('/').next().unwrap_or(role).to_owned();
        let name = source_arn.rsplit(':').next().unwrap_or_default().to_owned();
        let session = Some(Session { role, name, policy: None, service: Some(acting) });
        Self { session, source_arn: Some(source_arn.to_owned()), ..Self::home(principal, service) }
    }

    /// `<principal>` or, for an assumed role, `<principal>.<account>`: the principal stays the one
    /// that assumed it.
    pub fn of_key(access_key: &str, region: &str, service: &str) -> Self {
        let (principal, account) = access_key.split_once('.').unwrap_or((access_key, ACCOUNT));
        Self { account: account.to_owned(), region: region.to_owned(), ..Self::home(principal, service) }
    }
}

/// What [`Caller::of_key`] reads.
pub fn access_key(principal: &str, account: &str) -> String {
    if account == ACCOUNT { principal.to_owned() } else { format!("{principal}.{account}") }
}

/// A service of the local AWS, or the gateway in front of all of them.
#[async_trait]
pub trait Endpoint: Send + Sync {
    async fn call(&self, request: Request) -> Response;
}

/// The events that services send to the default bus: whole EventBridge envelopes (`source`,
/// `detail-type`, `detail`, ...).
pub type EventSender = tokio::sync::mpsc::UnboundedSender<serde_json::Value>;

pub fn respond(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response {
    http::Response::builder()
        .status(status)
        .header("content-type", content_type)
        .header("x-amzn-requestid", uuid::Uuid::new_v4().to_string())
        .body(body.into())
        .expect("a status and two headers make a response")
}
