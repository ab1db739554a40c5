//! `events:putEvents`:
//! https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html

use serde_json::{Value, json};

use super::{Errors, send_json};
use crate::run::failure::Failure;
use crate::run::visit::Visit;

const ERRORS: Errors = Errors {
    prefix: "EventBridge",
    service: "AmazonEventBridge",
    generic: "AmazonEventBridgeException",
    modelled: &["InternalException", "OperationDisabledException"],
};

pub async fn put_events(visit: &Visit<'_>, mut arguments: Value) -> Result<Value, Failure> {
    let execution = visit.execution;
    for entry in arguments["Entries"].as_array_mut().into_iter().flatten() {
        if let Some(detail) = entry.get_mut("Detail").filter(|detail| !detail.is_string()) {
            *detail = detail.to_string().into();
        }
        // The service appends both ARNs (page "connect-eventbridge").
        let mut resources = entry["Resources"].as_array().cloned().unwrap_or_default();
        resources.extend([json!(execution.arn), json!(execution.machine.arn)]);
        entry["Resources"] = resources.into();
    }
    let answer = send_json(execution, "events", "1.1", "AWSEvents.PutEvents", &arguments, &ERRORS).await?;
    if answer["FailedEntryCount"].as_u64().unwrap_or_default() > 0 {
        return Err(Failure::new("EventBridge.FailedEntry", answer.to_string()));
    }
    Ok(answer)
}
