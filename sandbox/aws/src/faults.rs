//! Faults that a test lays on calls: which call, how often, and what goes wrong.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    ec2,
    http::{Caller, Response, respond},
};

/// Kills the process of a principal.
pub type Killer = Box<dyn Fn(&str) + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Throttle,
    ServerError,
    Denied,
    /// The call never arrives.
    TimeoutBefore,
    /// The call has its effect, and its answer is lost.
    TimeoutAfter,
    /// The same call's earlier answer again: RDS's describes are eventually consistent.
    Stale,
    /// The caller dies before the call arrives.
    KillBefore,
    /// The caller dies after the call has had its effect, before it learns so.
    KillAfter,
}

#[derive(Debug, Clone)]
pub struct Fault {
    pub kind: Kind,
    service: String,
    action: String,
    /// A state's kebab-case name; any caller when `None`.
    principal: Option<String>,
    /// How many such calls pass first.
    after: u32,
    times: u32,
}

impl Fault {
    pub fn once(kind: Kind, service: impl Into<String>, action: impl Into<String>) -> Self {
        let (service, action) = (service.into(), action.into());
        Self { kind, service, action, principal: None, after: 0, times: 1 }
    }

    /// Only on that caller's calls.
    pub fn by(self, principal: impl Into<String>) -> Self {
        Self { principal: Some(principal.into()), ..self }
    }

    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    pub fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} on {}:{}", self.kind, self.service, self.action)?;
        self.principal.iter().try_for_each(|principal| write!(f, " of {principal}"))
    }
}

/// Account and service, URI, body: what makes two calls the same question.
pub type Key = (String, String, Bytes);

/// A fault, and whether it has gone off.
struct Laid {
    fault: Fault,
    fired: bool,
}

#[derive(Default)]
pub struct Faults {
    plan: Mutex<Vec<Laid>>,
    answers: Mutex<BTreeMap<Key, Vec<Bytes>>>,
}

impl Faults {
    pub fn lay(&self, fault: Fault) {
        self.plan.lock().push(Laid { fault, fired: false });
    }

    pub fn next(&self, caller: &Caller, action: &str, key: &Key) -> Option<Kind> {
        let mut plan = self.plan.lock();
        let laid = plan.iter_mut().find(|Laid { fault, .. }| {
            fault.times > 0
                && fault.service == caller.service
                && fault.action == action
                && fault.principal.as_ref().is_none_or(|principal| *principal == caller.principal)
                // Nothing is stale before it has been seen.
                && (fault.kind != Kind::Stale || self.answers.lock().contains_key(key))
        })?;
        if laid.fault.after > 0 {
            laid.fault.after -= 1;
            return None;
        }
        laid.fault.times -= 1;
        laid.fired = true;
        Some(laid.fault.kind)
    }

    /// The faults that were laid and have met no call: a test that lays one has shown nothing then.
    pub fn unfired(&self) -> Vec<String> {
        self.plan.lock().iter().filter(|laid| !laid.fired).map(|laid| laid.fault.to_string()).collect()
    }

    /// Keeps the describes' answers for [`Kind::Stale`].
    pub fn remember(&self, key: Key, response: &Response) {
        if key.0.ends_with(":rds") && response.status().is_success() && key.2.starts_with(b"Action=Describe")
        {
            let mut answers = self.answers.lock();
            let kept = answers.entry(key).or_default();
            kept.push(response.body().clone());
            if kept.len() > 3 {
                kept.remove(0);
            }
        }
    }

    pub fn earlier(&self, key: &Key) -> Option<Response> {
        Some(respond(200, "text/xml", self.answers.lock().get(key)?.first()?.clone()))
    }
}

impl Kind {
    /// As each protocol says it. Codes: the services' "Common errors" pages.
    pub fn answer(self, service: &str, action: &str) -> Response {
        let denied = format!("User is not authorized to perform: {service}:{action}");
        let (status, code, message) = match (self, service) {
            (Self::Denied, "ec2") => (403, "UnauthorizedOperation", denied),
            (Self::Denied, "rds" | "sts" | "s3") => (403, "AccessDenied", denied),
            (Self::Denied, _) => (400, "AccessDeniedException", denied),
            (Self::ServerError, "s3") => {
                (500, "InternalError", "We encountered an internal error. Please try again.".to_owned())
            }
            (Self::ServerError, "ec2") => (500, "InternalError", "An internal error has occurred".to_owned()),
            (Self::ServerError, _) => (500, "InternalFailure", "An internal error has occurred.".to_owned()),
            (_, "ec2") => (503, "RequestLimitExceeded", "Request limit exceeded.".to_owned()),
            (_, "rds" | "sts") => (400, "Throttling", "Rate exceeded".to_owned()),
            (_, "s3") => (503, "SlowDown", "Please reduce your request rate.".to_owned()),
            (_, "lambda") => (429, "TooManyRequestsException", "Rate Exceeded.".to_owned()),
            _ => (400, "ThrottlingException", "Rate exceeded".to_owned()),
        };
        match service {
            "ec2" => ec2::refusal(status, code, &message),
            "rds" | "sts" => respond(
                status,
                "text/xml",
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
                    <Message>{message}</Message></Error><RequestId>0</RequestId></ErrorResponse>"
                ),
            ),
            "s3" => respond(
                status,
                "application/xml",
                format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"),
            ),
            _ => {
                let mut response = respond(
                    status,
                    "application/x-amz-json-1.1",
                    serde_json::json!({ "__type": code, "message": message }).to_string(),
                );
                // Lambda's REST protocol names the error in a header.
                response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(code));
                response
            }
        }
    }
}
