//! How an event reaches a target.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Events, Rule, Target, destination, rules};
use crate::aws::{arn, arn_in};
use crate::http::{Caller, Request, Response};

/// The principal of the service.
pub(super) const EVENTS: &str = "events.amazonaws.com";

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

/// An event that was not delivered, as it lies in the rule's dead-letter queue
/// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html).
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// What was to be delivered.
    pub body: Value,
    /// RULE_ARN, TARGET_ARN, ERROR_CODE, ERROR_MESSAGE, RETRY_ATTEMPTS, and after retries
    /// EXHAUSTED_RETRY_CONDITION.
    pub attributes: BTreeMap<&'static str, String>,
}

/// "By default, EventBridge retries sending the event for 24 hours and up to 185 times with an
/// exponential back off"
/// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html). Here
/// without its jitter.
const MAXIMUM_AGE: Duration = Duration::from_secs(24 * 3600);
const MAXIMUM_ATTEMPTS: u32 = 186;
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

impl Events {
    pub(super) async fn deliver(self: Arc<Self>, rule: Rule, target: Target, event: Value) {
        let event_id = event["id"].as_str().unwrap_or_default().to_owned();
        let begun = self.clock.now();
        let mut pause = Duration::from_secs(1);
        let mut attempts = 0;
        let (response, exhausted) = loop {
            let Some(gateway) = self.gateway.upgrade() else { return };
            attempts += 1;
            let response = gateway.call(self.request(&rule, &target, &event_id, &event)).await;
            drop(gateway);
            let status = response.status().as_u16();
            // A target that is not there, or that refuses the event, is not asked again
            // (eb-rule-dlq).
            let is_transient = match &target {
                Target::Destination { .. } => destination::is_transient(status),
                _ => status == 429 || status >= 500,
            };
            // "EventBridge chooses the more conservative value between the defined retry policy
            // and the Retry-After header" (eb-api-destinations).
            let asked = destination::retry_after(&response).unwrap_or_default();
            let Ok(asked) = u64::try_from(asked) else { break (response, None) };
            let next = pause.max(Duration::from_secs(asked));
            if !is_transient {
                break (response, None);
            } else if attempts == MAXIMUM_ATTEMPTS {
                break (response, Some("MaximumRetryAttempts"));
            } else if self.clock.now() + next >= begun + MAXIMUM_AGE {
                break (response, Some("MaximumEventAgeInSeconds"));
            }
            self.clock.sleep(next).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        let status = response.status().as_u16();
        if status >= 300 {
            tracing::warn!(
                rule.name,
                target = target.id(),
                event = event_id,
                status,
                "an event was not delivered"
            );
            let letter = self.dead_letter(&rule, &target, &event, &response, attempts, exhausted);
            self.dead_letters.lock().unwrap().push(letter);
        }
        let (rule, target) = (rule.name, target.id().to_owned());
        let delivery = Delivery { rule, target, event_id, attempts, at: self.clock.now(), status };
        self.deliveries.lock().unwrap().push(delivery);
    }

    fn dead_letter(
        &self,
        rule: &Rule,
        target: &Target,
        event: &Value,
        answer: &Response,
        attempts: u32,
        exhausted: Option<&str>,
    ) -> DeadLetter {
        let mut attributes = BTreeMap::from([
            ("RULE_ARN", self.rule_arn(rule)),
            ("TARGET_ARN", target.arn(&self.prefix)),
            ("ERROR_CODE", answer.status().as_str().to_owned()),
            ("ERROR_MESSAGE", String::from_utf8_lossy(answer.body()).into_owned()),
            ("RETRY_ATTEMPTS", (attempts - 1).to_string()),
        ]);
        attributes.extend(exhausted.map(|condition| ("EXHAUSTED_RETRY_CONDITION", condition.to_owned())));
        DeadLetter { body: event.clone(), attributes }
    }

    fn rule_arn(&self, rule: &Rule) -> String {
        // A rule on a bus that is not the default one has its name in its ARN
        // (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html).
        let bus = if rule.bus == "default" { String::new() } else { format!("{}/", rule.bus) };
        arn_in(&rule.account, "events", &format!("rule/{bus}{}-{}", self.prefix, rule.name))
    }

    /// A function is invoked asynchronously: when it fails, Lambda tries it again, not EventBridge.
    /// The function's own policy lets EventBridge in; a state machine is started with a role
    /// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html).
    fn request(&self, rule: &Rule, target: &Target, event_id: &str, event: &Value) -> Request {
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
            Target::Destination { destination, path, .. } => {
                let input = path.as_ref().map_or(Some(event), |path| rules::at(event, path));
                let body = json!({
                    "ApiDestination": destination::destination_arn(&self.prefix, destination),
                    "Input": input,
                });
                let request =
                    http::Request::post("/").header("x-amz-target", "AWSEvents.InvokeApiDestination");
                ("events", request, body.to_string())
            }
            Target::Bus { bus, .. } => {
                let request = http::Request::post("/").header("x-amz-target", "AWSEvents.ForwardEvent");
                ("events", request, json!({ "EventBusName": bus, "Event": event }).to_string())
            }
        };
        let rule_arn = self.rule_arn(rule);
        let caller = match target {
            Target::Function { .. } => Caller { source_arn: Some(rule_arn), ..Caller::home(EVENTS, service) },
            Target::Bus { role, .. } => Caller::service(EVENTS, (EVENTS, role), &rule_arn, service),
            Target::Destination { .. } => Caller::service(
                EVENTS,
                (EVENTS, &format!("{}-destinations", self.prefix)),
                &rule_arn,
                service,
            ),
            Target::StateMachine { .. } => {
                Caller::service(EVENTS, (EVENTS, &format!("{}-events", self.prefix)), &rule_arn, service)
            }
        };
        let caller = Caller { account: rule.account.clone(), ..caller };
        request.extension(caller).body(body.into()).expect("names of functions are valid in a URI")
    }
}
