//! How an event reaches a target.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Events, Target};
use crate::aws::arn;
use crate::http::{Caller, Request};

/// The principal of the service.
const EVENTS: &str = "events.amazonaws.com";

/// One event on its way to one target of one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub rule: String,
    pub target: String,
    pub event_id: String,
    pub attempts: u32,
    /// When the last attempt was answered.
    pub at: Timestamp,
    /// The status of the last answer: 2xx means delivered.
    pub status: u16,
}

/// "By default, EventBridge retries sending the event for 24 hours and up to 185 times with an
/// exponential back off"
/// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html). Here
/// without its jitter.
const MAXIMUM_AGE: Duration = Duration::from_secs(24 * 3600);
const MAXIMUM_ATTEMPTS: u32 = 186;
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

impl Events {
    pub(super) async fn deliver(self: Arc<Self>, rule: String, target: Target, event: Value) {
        let event_id = event["id"].as_str().unwrap_or_default().to_owned();
        let begun = self.clock.now();
        let mut pause = Duration::from_secs(1);
        let mut attempts = 0;
        let status = loop {
            let Some(gateway) = self.gateway.upgrade() else { return };
            attempts += 1;
            let status =
                gateway.call(self.request(&rule, &target, &event_id, &event)).await.status().as_u16();
            drop(gateway);
            // A target that is not there, or that refuses the event, is not asked again
            // (eb-rule-dlq).
            let is_transient = status == 429 || status >= 500;
            let too_old = self.clock.now() >= begun + MAXIMUM_AGE;
            if !is_transient || too_old || attempts == MAXIMUM_ATTEMPTS {
                break status;
            }
            self.clock.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        let (Target::Function { id, .. } | Target::StateMachine { id, .. }) = target;
        if status >= 300 {
            tracing::warn!(rule, target = id, event = event_id, status, "an event was not delivered");
        }
        let delivery = Delivery { rule, target: id, event_id, attempts, at: self.clock.now(), status };
        self.deliveries.lock().unwrap().push(delivery);
    }

    /// A function is invoked asynchronously: when it fails, Lambda tries it again, not EventBridge.
    /// The function's own policy lets EventBridge in; a state machine is started with a role
    /// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html).
    fn request(&self, rule: &str, target: &Target, event_id: &str, event: &Value) -> Request {
        let (service, request, body) = match target {
            Target::Function { function, input, .. } => {
                let uri = format!("/2015-03-31/functions/{}-{function}/invocations", self.prefix);
                (
                    "lambda",
                    http::Request::post(uri).header("x-amz-invocation-type", "Event"),
                    input.as_ref().unwrap_or(event).to_string(),
                )
            }
            Target::StateMachine { statemachine, alias, input, transform, .. } => {
                let transformed = transform.as_ref().map(|transform| transform.apply(event));
                let alias = alias.as_ref().map(|alias| format!(":{alias}")).unwrap_or_default();
                let machine = format!("stateMachine:{}-{statemachine}{alias}", self.prefix);
                let body = json!({
                    "stateMachineArn": arn("states", &machine),
                    // The same event starts the same execution, however often it is delivered.
                    "name": event_id,
                    "input": transformed.unwrap_or_else(|| input.as_ref().unwrap_or(event).to_string()),
                });
                let request =
                    http::Request::post("/").header("x-amz-target", "AWSStepFunctions.StartExecution");
                ("states", request.header("content-type", "application/x-amz-json-1.0"), body.to_string())
            }
        };
        let rule = arn("events", &format!("rule/{}-{rule}", self.prefix));
        let caller = match target {
            Target::Function { .. } => Caller { source_arn: Some(rule), ..Caller::home(EVENTS, service) },
            Target::StateMachine { .. } => {
                Caller::service(EVENTS, (EVENTS, &format!("{}-events", self.prefix)), &rule, service)
            }
        };
        request.extension(caller).body(body.into()).expect("names of functions are valid in a URI")
    }
}
