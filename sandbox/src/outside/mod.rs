//! What there is beside AWS: a Slack that checks what it is sent, a Sentry and a Datadog that keep
//! it.

mod sentry;
pub mod slack;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use async_trait::async_trait;
use local_aws::{
    http::{Endpoint, Request, Response, respond},
    outside::Outside,
};
use parking_lot::Mutex;
use runbook::clock::Clock;
use serde_json::Value;

use crate::statemachine::PREFIX;
pub use sentry::{Item, Sentry};
pub use slack::Slack;

/// The webhook, with its secret.
pub const SLACK: &str = "https://hooks.slack.com/services/T00000000/B00000000/sandbox";
pub const DATADOG: &str = "https://http-intake.logs.datadoghq.eu/api/v2/logs";
pub const DATADOG_KEY: &str = "0123456789abcdef0123456789abcdef";
/// Of the model gear: nothing has to resolve.
pub const SENTRY: &str = "https://sandbox@sentry.invalid/1";

/// What report-run gets beside the run bucket.
pub fn variables(dsn: &str) -> BTreeMap<String, String> {
    let variables = [("EVENT_BUS", PREFIX), ("SENTRY_DSN", dsn), ("SENTRY_ENVIRONMENT", "sandbox")];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

pub struct Beside {
    pub slack: Arc<Slack>,
    pub sentry: Arc<Sentry>,
    pub datadog: Arc<Datadog>,
}

impl Beside {
    pub fn new(clock: Clock) -> (Self, Arc<Outside>) {
        let beside =
            Self { slack: Arc::new(Slack::new(clock)), sentry: Arc::default(), datadog: Arc::default() };
        let outside = Outside::default();
        outside.connect("hooks.slack.com", "/services/", beside.slack.clone());
        outside.connect("http-intake.logs.datadoghq.eu", "/api/v2/logs", beside.datadog.clone());
        outside.connect("sentry.invalid", "/api/", beside.sentry.clone());
        (beside, Arc::new(outside))
    }
}

/// Keeps the entries that come with the right key
/// (https://docs.datadoghq.com/api/latest/logs/#send-logs).
#[derive(Default)]
pub struct Datadog(Mutex<Vec<Value>>);

impl Datadog {
    pub fn entries(&self) -> Vec<Value> {
        self.0.lock().clone()
    }
}

#[async_trait]
impl Endpoint for Datadog {
    async fn call(&self, request: Request) -> Response {
        let key = request.headers().get("dd-api-key").and_then(|key| key.to_str().ok());
        if key != Some(DATADOG_KEY) {
            return respond(403, "application/json", r#"{"errors":["Forbidden"]}"#);
        }
        match serde_json::from_slice(request.body()) {
            Ok(entry) => {
                self.0.lock().push(entry);
                respond(202, "application/json", "{}")
            }
            Err(_) => respond(400, "application/json", r#"{"errors":["Invalid JSON"]}"#),
        }
    }
}

/// What a service answers next, instead of what it would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Status(u16),
    /// 429 with `Retry-After`, in seconds.
    RetryAfter(u32),
    /// For longer than anybody waits.
    Nothing,
}

#[derive(Default)]
pub struct Answers(Mutex<VecDeque<Answer>>);

impl Answers {
    pub fn lay(&self, answers: impl IntoIterator<Item = Answer>) {
        self.0.lock().extend(answers);
    }

    pub fn next(&self) -> Option<Answer> {
        self.0.lock().pop_front()
    }
}
