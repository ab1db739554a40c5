//! The history of an execution, in the shapes of GetExecutionHistory (botocore
//! stepfunctions/2016-11-23, HistoryEvent).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The longest history of an execution
/// (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html).
pub const LIMIT: usize = 25_000;

#[derive(Debug, Clone)]
pub struct Event {
    pub id: u64,
    pub previous: u64,
    pub timestamp: Timestamp,
    pub kind: String,
    pub details: Details,
}

/// The member that holds them, and its value.
pub type Details = Option<(&'static str, Value)>;

impl Event {
    /// `included` is the caller's `includeExecutionData`: without it, inputs and outputs are left
    /// out.
    pub fn to_json(&self, included: bool) -> Value {
        let mut event = json!({
            "id": self.id,
            "previousEventId": self.previous,
            "timestamp": epoch(self.timestamp),
            "type": self.kind,
        });
        if let Some((field, details)) = &self.details {
            let mut details = details.clone();
            if let (false, Some(details)) = (included, details.as_object_mut()) {
                for data in [
                    "input",
                    "inputDetails",
                    "output",
                    "outputDetails",
                    "parameters",
                    "assignedVariables",
                    "assignedVariablesDetails",
                ] {
                    // `parameters` is a required member.
                    if data == "parameters" && details.contains_key(data) {
                        details.insert(data.into(), "".into());
                    } else {
                        details.remove(data);
                    }
                }
            }
            event[*field] = details;
        }
        event
    }
}

/// Timestamps of the JSON 1.0 protocol: seconds since 1970, with milliseconds.
pub fn epoch(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

pub fn entered(name: &str, input: &Value) -> Details {
    Some((
        "stateEnteredEventDetails",
        json!({"name": name, "input": input.to_string(), "inputDetails": {"truncated": false}}),
    ))
}

pub fn exited(name: &str, output: &Value, assigned: &Map<String, Value>) -> Details {
    let mut details =
        json!({"name": name, "output": output.to_string(), "outputDetails": {"truncated": false}});
    if !assigned.is_empty() {
        // Each value as JSON text (type AssignedVariables: a map of strings).
        details["assignedVariables"] =
            assigned.iter().map(|(name, value)| (name.clone(), Value::from(value.to_string()))).collect();
        details["assignedVariablesDetails"] = json!({"truncated": false});
    }
    Some(("stateExitedEventDetails", details))
}
