//! An execution in the shapes of DescribeExecution and ListExecutions (botocore
//! stepfunctions/2016-11-23).

use serde_json::{Value, json};

use super::execution::{Execution, Ledger};
use super::failure::Failure;
use super::history::epoch;

pub fn describe(execution: &Execution) -> Value {
    let ledger = execution.ledger();
    let mut description = list_entry(execution, &ledger);
    description["input"] = execution.input.text.as_str().into();
    description["inputDetails"] = json!({"included": true});
    if let Some(output) = &ledger.output {
        description["output"] = output.to_string().into();
        description["outputDetails"] = json!({"included": true});
    }
    if let (Some(Value::Object(details)), Some(description)) =
        (ledger.failure.as_ref().map(Failure::details), description.as_object_mut())
    {
        description.extend(details);
    }
    description["redriveStatus"] = ledger.redrive_status().into();
    if let Some(reason) = ledger.not_redrivable() {
        description["redriveStatusReason"] = reason.into();
    }
    description
}

pub fn list_entry(execution: &Execution, ledger: &Ledger) -> Value {
    let mut entry = json!({
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine.arn,
        "name": execution.name,
        "status": ledger.status.name(),
        "startDate": epoch(execution.started),
        "redriveCount": ledger.redrives,
    });
    let by = &execution.by;
    for (field, arn) in [("stateMachineVersionArn", &by.version_arn), ("stateMachineAliasArn", &by.alias_arn)]
    {
        if let Some(arn) = arn {
            entry[field] = arn.as_str().into();
        }
    }
    for (field, date) in [("stopDate", ledger.stopped), ("redriveDate", ledger.redriven)] {
        if let Some(date) = date {
            entry[field] = json!(epoch(date));
        }
    }
    entry
}
