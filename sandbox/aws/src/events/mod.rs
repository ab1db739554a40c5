//! EventBridge: events meet rules, and rules call their targets through the gateway.
//!
//! JSON 1.1, 2015-10-07, shapes from botocore events 1.43.11.

mod delivery;
mod destination;
mod pattern;
mod rules;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use clock::Clock;
use jiff::{Timestamp, Unit};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::aws::{ACCOUNT, REGION, account_of, arn_in};
use crate::http::{Caller, Endpoint, Request, Response};
use crate::ids::Ids;
use crate::json::{self, Answer, Error};
use crate::outside::Outside;
pub use delivery::{DeadLetter, Delivery};
pub use destination::{Destination, Header, load_destinations};
use pattern::Pattern;
pub use rules::{Rule, Target, Transform, load_rules};

pub struct Events {
    /// A delivery is a task and outlives the request that caused it.
    me: Weak<Self>,
    clock: Clock,
    gateway: Weak<dyn Endpoint>,
    /// What stands before the names of functions and state machines.
    prefix: String,
    rules: Vec<(Rule, Option<Pattern>)>,
    destinations: Vec<Destination>,
    /// When each destination may be called next.
    turns: Mutex<BTreeMap<String, Timestamp>>,
    outside: Arc<Outside>,
    ids: Ids,
    published: Mutex<Vec<Published>>,
    deliveries: Mutex<Vec<Delivery>>,
    dead_letters: Mutex<Vec<DeadLetter>>,
}

/// An event on a bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The ARN.
    pub bus: String,
    pub event: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    time: Option<f64>,
    event_bus_name: Option<String>,
}

impl Events {
    pub fn new(
        clock: Clock,
        gateway: Weak<dyn Endpoint>,
        prefix: &str,
        (rules, destinations): (Vec<Rule>, Vec<Destination>),
        outside: Arc<Outside>,
    ) -> anyhow::Result<Arc<Self>> {
        let parsed = rules.into_iter().map(|rule| {
            let pattern = rule.parse_pattern()?;
            Ok((rule, pattern))
        });
        let rules = parsed.collect::<anyhow::Result<_>>()?;
        Ok(Arc::new_cyclic(|me| Self {
            me: me.clone(),
            clock,
            gateway,
            prefix: prefix.into(),
            rules,
            destinations,
            turns: Mutex::default(),
            outside,
            ids: Ids::new("events"),
            published: Mutex::default(),
            deliveries: Mutex::default(),
            dead_letters: Mutex::default(),
        }))
    }

    /// Publishes what the services send to the default bus, until the last of them is gone.
    pub async fn run(self: Arc<Self>, mut events: UnboundedReceiver<Value>) {
        while let Some(event) = events.recv().await {
            self.publish(&bus_arn(ACCOUNT, "default"), event);
        }
    }

    /// Every event so far, of every bus.
    pub fn published(&self) -> Vec<Published> {
        self.published.lock().unwrap().clone()
    }

    /// Every delivery that was accepted or given up so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.lock().unwrap().clone()
    }

    /// Forgets them: those of a fleet's month do not fit into memory.
    pub fn forget(&self) {
        self.published.lock().unwrap().clear();
        self.deliveries.lock().unwrap().clear();
    }

    /// What was given up: every rule has the same dead-letter queue.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.dead_letters.lock().unwrap().clone()
    }

    /// On a bus, by its ARN. Must run within a tokio runtime: each delivery is a task.
    pub fn publish(&self, bus: &str, event: Value) {
        self.published.lock().unwrap().push(Published { bus: bus.to_owned(), event: event.clone() });
        let Some(me) = self.me.upgrade() else { return };
        for (rule, pattern) in &self.rules {
            if bus_arn(&rule.account, &rule.bus) == bus
                && pattern.as_ref().is_some_and(|pattern| pattern.matches(&event))
            {
                for target in &rule.targets {
                    tokio::spawn(me.clone().deliver(rule.clone(), target.clone(), event.clone()));
                }
            }
        }
    }

    fn put_events(&self, account: &str, PutEvents { entries }: PutEvents) -> Answer {
        if entries.is_empty() || entries.len() > 10 {
            let message = "1 validation error detected: Value at 'entries' failed to satisfy constraint: \
                           Member must have length less than or equal to 10";
            return Err(Error::new("ValidationException", message));
        }
        let results: Vec<_> = entries
            .into_iter()
            .map(|entry| match self.accept(account, entry) {
                Ok((bus, event)) => {
                    let id = event["id"].clone();
                    self.publish(&bus, event);
                    json!({ "EventId": id })
                }
                Err((code, message)) => json!({ "ErrorCode": code, "ErrorMessage": message }),
            })
            .collect();
        let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
        Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
    }

    /// The bus and the envelope of an entry, or its error
    /// (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html).
    fn accept(&self, account: &str, entry: Entry) -> Result<(String, Value), (&'static str, String)> {
        let required = |value: Option<String>, name: &str| {
            let message = || {
                (
                    "InvalidArgument",
                    format!("Parameter {name} is not valid. Reason: {name} is a required argument."),
                )
            };
            value.filter(|value| !value.is_empty()).ok_or_else(message)
        };
        let source = required(entry.source, "Source")?;
        let detail_type = required(entry.detail_type, "DetailType")?;
        let detail = required(entry.detail, "Detail")?;
        if source.starts_with("aws.") {
            return Err(("NotAuthorizedForSourceException", "Not authorized for the source.".into()));
        }
        let detail: Value = serde_json::from_str(&detail)
            .ok()
            .filter(Value::is_object)
            .ok_or(("MalformedDetail", "Detail is malformed.".to_owned()))?;
        let time = entry.time.and_then(|seconds| Timestamp::from_millisecond((seconds * 1000.0) as i64).ok());
        let bus = of_entry(account, entry.event_bus_name.as_deref());
        let time = time.unwrap_or_else(|| self.clock.now());
        let mut event = envelope(&self.ids, time, &source, &detail_type, entry.resources, detail);
        // The sender's, whosever the bus is.
        event["account"] = account.into();
        Ok((bus, event))
    }

    /// Of a rule whose target is a bus.
    fn forward(&self, request: &Request) -> Answer {
        let mut input: Value = json::input(request)?;
        let event = input["Event"].take();
        self.publish(input["EventBusName"].as_str().unwrap_or_default(), event);
        Ok(json!({}))
    }

    fn describe(&self, rule: &Rule) -> Value {
        let arn = arn_in(&rule.account, "events", &format!("rule/{}", rule.name));
        let mut description = json!({
            "Name": rule.name, "Arn": arn, "State": "ENABLED",
            "Description": rule.description, "EventBusName": rule.bus,
        });
        if let Some(pattern) = &rule.pattern {
            description["EventPattern"] = json!(pattern.to_string());
        }
        if let Some(schedule) = &rule.schedule {
            description["ScheduleExpression"] = json!(schedule);
        }
        description
    }

    fn describe_rule(&self, input: Value) -> Answer {
        let name = input["Name"].as_str().unwrap_or_default();
        let rule = self.rules.iter().map(|(rule, _)| rule).find(|rule| rule.name == name);
        let not_found = || {
            Error::new(
                "ResourceNotFoundException",
                format!("Rule {name} does not exist on EventBus default."),
            )
        };
        rule.map(|rule| self.describe(rule)).ok_or_else(not_found)
    }
}

fn bus_arn(account: &str, name: &str) -> String {
    arn_in(account, "events", &format!("event-bus/{name}"))
}

/// The bus that an entry names by name or ARN: the sender's, or another account's.
pub(crate) fn of_entry(account: &str, bus: Option<&str>) -> String {
    match bus.unwrap_or("default") {
        arn if account_of(arn).is_some() => arn.to_owned(),
        name => bus_arn(account, name),
    }
}

/// An event as services send it
/// (https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html).
pub fn envelope(
    ids: &Ids,
    time: Timestamp,
    source: &str,
    detail_type: &str,
    resources: Vec<String>,
    detail: Value,
) -> Value {
    json!({
        "version": "0",
        "id": ids.uuid(),
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT,
        "time": time.round(Unit::Second).unwrap_or(time).to_string(),
        "region": REGION,
        "resources": resources,
        "detail": detail,
    })
}

#[async_trait]
impl Endpoint for Events {
    async fn call(&self, request: Request) -> Response {
        let caller = request.extensions().get::<Caller>();
        let account = caller.map_or(ACCOUNT, |caller| &caller.account);
        // Both are no calls of the API: EventBridge does them by itself, with the role of a target.
        let is_eventbridge = caller
            .and_then(|caller| caller.session.as_ref()?.service)
            .is_some_and(|service| service == delivery::EVENTS);
        json::reply(match json::operation(&request) {
            "InvokeApiDestination" if is_eventbridge => return self.invoke(&request).await,
            "ForwardEvent" if is_eventbridge => self.forward(&request),
            "PutEvents" => json::input(&request).and_then(|input| self.put_events(account, input)),
            "ListRules" => Ok(json!({
                "Rules": self.rules.iter().map(|(rule, _)| self.describe(rule)).collect::<Vec<_>>(),
            })),
            "DescribeRule" => json::input(&request).and_then(|input| self.describe_rule(input)),
            _ => Err(json::unknown_operation(&request)),
        })
    }
}

#[cfg(test)]
mod tests;
