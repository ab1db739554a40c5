//! The actions on executions.

use std::sync::Arc;

use rand::Rng;
use serde_json::{Value, json};

use super::arn::{MachineArn, machine, no_machine, to_start};
use super::request::{Answer, ApiError, arn, check_name, error, failure, invalid, paged, too_long};
use crate::StepFunctions;
use crate::run::execution::{Execution, Input, Status, uuid};
use crate::run::history::epoch;
use crate::run::{PAYLOAD_LIMIT, list_entry};

/// With the name and input of a running execution, the answer is that of its start; any other use
/// of a name that was used is refused (API_StartExecution). The 90 days after which a name is free
/// again are left out.
pub fn start(service: &StepFunctions, body: &Value) -> Answer {
    let machine_arn = arn(body, "stateMachineArn")?;
    let mut registry = service.registry();
    let (machine, by) = to_start(&mut registry, machine_arn)?;
    let text = body["input"].as_str().unwrap_or("{}");
    if text.len() > PAYLOAD_LIMIT {
        return too_long("input", PAYLOAD_LIMIT);
    }
    let Ok(value) = serde_json::from_str(text) else {
        return error(
            "InvalidExecutionInput",
            format!("Invalid State Machine Execution Input: '{text}' is not JSON"),
        );
    };
    let name = match body["name"].as_str() {
        Some(name) => name.to_owned(),
        None => uuid(&mut registry.rng),
    };
    check_name(&name)?;
    let arn = endpoint::aws::arn("states", &format!("execution:{}:{name}", machine.name));
    if let Some(existing) = registry.executions.get(&arn) {
        if existing.ledger().status == Status::Running && existing.input.text == text {
            return Ok(json!({"executionArn": arn, "startDate": epoch(existing.started)}));
        }
        return error("ExecutionAlreadyExists", format!("Execution Already Exists: '{arn}'"));
    }
    let (input, seed) = (Input { text: text.into(), value }, registry.rng.random());
    let execution = Execution::new(&service.world, machine, by, name, input, seed).start();
    let started = execution.started;
    registry.executions.insert(arn.clone(), execution);
    registry.started.push(arn.clone());
    Ok(json!({"executionArn": arn, "startDate": epoch(started)}))
}

/// The values of ExecutionStatus in botocore stepfunctions/2016-11-23.
const STATUSES: [&str; 6] = ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"];

/// Of a machine, or those that were started by one of its versions or aliases.
pub fn list(service: &StepFunctions, body: &Value) -> Answer {
    let text = arn(body, "stateMachineArn")?;
    let named = MachineArn::read(text);
    if named.alias().is_none() {
        machine(service, body)?;
    }
    let filter = body["statusFilter"].as_str();
    if let Some(status) = filter.filter(|status| !STATUSES.contains(status)) {
        let values = STATUSES.join(", ");
        return invalid("statusFilter", Some(status), &format!("satisfy enum value set: [{values}]"));
    }
    let registry = service.registry();
    let Some(entry) = registry.machines.get(&named.machine) else { return no_machine(text) };
    if named.alias().is_some_and(|alias| !entry.aliases.contains_key(alias)) {
        return no_machine(text);
    }
    let meant = |execution: &Execution| {
        let by = if named.version().is_some() { &execution.by.version_arn } else { &execution.by.alias_arn };
        execution.machine.arn == named.machine && (named.qualifier.is_none() || by.as_deref() == Some(text))
    };
    let newest_first = registry.started.iter().rev().filter_map(|arn| registry.executions.get(arn));
    let entries = newest_first.filter(|execution| meant(execution)).filter_map(|execution| {
        let ledger = execution.ledger();
        let wanted = filter.is_none_or(|status| status == ledger.status.name());
        wanted.then(|| list_entry(execution, &ledger))
    });
    paged(entries.collect(), body, "executions")
}

pub fn history(service: &StepFunctions, body: &Value) -> Answer {
    let execution = execution(service, body)?;
    let included = body["includeExecutionData"] != false;
    let ledger = execution.ledger();
    let mut events: Vec<_> = ledger.history.iter().map(|event| event.to_json(included)).collect();
    if body["reverseOrder"] == true {
        events.reverse();
    }
    paged(events, body, "events")
}

pub async fn stop(service: &StepFunctions, body: &Value) -> Answer {
    let execution = execution(service, body)?;
    execution.stop(failure(body)?);
    execution.wait_until_finished().await;
    let stopped = execution.ledger().stopped;
    Ok(json!({"stopDate": stopped.map(epoch)}))
}

pub fn execution(service: &StepFunctions, body: &Value) -> Result<Arc<Execution>, ApiError> {
    let arn = arn(body, "executionArn")?;
    let absent = || error("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'"));
    service.execution(arn).map_or_else(absent, Ok)
}
