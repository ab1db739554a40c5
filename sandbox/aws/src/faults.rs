//! Faults that a test lays on calls: which call, how often, and what goes wrong.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    ec2,
    http::{Caller, Request, Response, respond},
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
    /// What is called does its work again with the same input, and the second answer counts.
    Twice,
    /// What is called has done its work, and says that it failed with this error.
    Fail(&'static str),
}

#[derive(Debug, Clone)]
pub struct Fault {
    pub kind: Kind,
    service: String,
    action: String,
    /// A state's kebab-case name; any caller when `None`.
    principal: Option<String>,
    /// The function that is called, by its whole name; any when `None`.
    function: Option<String>,
    /// Only on an answer, and not on the error of a function.
    when_done: bool,
    /// How many such calls pass first.
    after: u32,
    times: u32,
}

impl Fault {
    pub fn once(kind: Kind, service: impl Into<String>, action: impl Into<String>) -> Self {
        let (service, action) = (service.into(), action.into());
        Self { kind, service, action, principal: None, function: None, when_done: false, after: 0, times: 1 }
    }

    /// Only on that caller's calls.
    pub fn by(self, principal: impl Into<String>) -> Self {
        Self { principal: Some(principal.into()), ..self }
    }

    /// Only on invocations of that function.
    pub fn of(self, function: impl Into<String>) -> Self {
        Self { function: Some(function.into()), ..self }
    }

    /// Only once what is called has done what it is called for.
    pub fn when_done(self) -> Self {
        Self { when_done: true, ..self }
    }

    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    pub fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }

    fn is_on(&self, caller: &Caller, action: &str, (_, uri, _): &Key) -> bool {
        let calls = |function: &String| uri.split(['/', ':', '?']).any(|part| part == function);
        self.times > 0
            && self.service == caller.service
            && self.action == action
            && self.principal.as_ref().is_none_or(|principal| *principal == caller.principal)
            && self.function.as_ref().is_none_or(calls)
    }
}

/// A function's error, as Lambda answers it.
pub fn failed_function(error: &str) -> Response {
    let body = serde_json::json!({ "errorType": error, "errorMessage": "a fault was laid on this call" });
    let mut response = respond(200, "application/json", body.to_string());
    response.headers_mut().insert("x-amz-function-error", http::HeaderValue::from_static("Unhandled"));
    response
}

/// A worker's SendTaskSuccess as the SendTaskFailure of the same token.
pub fn as_task_failure(mut request: Request, error: &str) -> Request {
    let said: serde_json::Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let body = serde_json::json!({
        "taskToken": said["taskToken"], "error": error, "cause": "a fault was laid on this call",
    });
    *request.body_mut() = Bytes::from(body.to_string());
    let target = http::HeaderValue::from_static("AWSStepFunctions.SendTaskFailure");
    request.headers_mut().insert("x-amz-target", target);
    request
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} on {}:{}", self.kind, self.service, self.action)?;
        self.principal.iter().try_for_each(|principal| write!(f, " of {principal}"))?;
        self.function.iter().try_for_each(|function| write!(f, " to {function}"))
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

    /// What goes wrong with that call before it is answered.
    pub fn next(&self, caller: &Caller, action: &str, key: &Key) -> Option<Kind> {
        self.take(caller, action, key, false)
    }

    /// What goes wrong with that call now that it has been answered.
    pub fn when_done(&self, caller: &Caller, action: &str, key: &Key) -> Option<Kind> {
        self.take(caller, action, key, true)
    }

    /// Whether that call's answer is waited for.
    pub fn awaits(&self, caller: &Caller, action: &str, key: &Key) -> bool {
        self.plan.lock().iter().any(|laid| laid.fault.when_done && laid.fault.is_on(caller, action, key))
    }

    fn take(&self, caller: &Caller, action: &str, key: &Key, done: bool) -> Option<Kind> {
        let mut plan = self.plan.lock();
        let laid = plan.iter_mut().find(|Laid { fault, .. }| {
            fault.when_done == done
                && fault.is_on(caller, action, key)
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

    /// Takes the faults of some kinds away; answers those of them that have met no call.
    pub fn withdraw(&self, which: impl Fn(Kind) -> bool) -> Vec<String> {
        let gone: Vec<Laid> = self.plan.lock().extract_if(.., |laid| which(laid.fault.kind)).collect();
        gone.into_iter().filter(|laid| !laid.fired).map(|laid| laid.fault.to_string()).collect()
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
