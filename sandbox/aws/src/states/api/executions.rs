//! The actions on executions.

use std::sync::Arc;

use rand::Rng;
use serde_json::{Value, json};

use super::{
    Answer, check_name, error, execution, failure, invalid_page_token, machine, paged, too_long,
    with_next_token,
};
use crate::states::execution::{Execution, Ledger, Status};
use crate::states::failure::Failure;
use crate::states::flow::PAYLOAD_LIMIT;
use crate::states::history::{epoch, page};
use crate::states::{StepFunctions, uuid};

/// With the name and input of a running execution, the answer is that of its start; any other use
/// of a name that was used is refused (API_StartExecution). The 90 days after which a name is free
/// again are left out.
pub fn start_execution(service: &StepFunctions, body: &Value) -> Answer {
    let machine = machine(service, body)?;
    let input_text = body["input"].as_str().unwrap_or("{}");
    if input_text.len() > PAYLOAD_LIMIT {
        return error("ValidationException", too_long("input", PAYLOAD_LIMIT));
    }
    let Ok(input) = serde_json::from_str(input_text) else {
        return error(
            "InvalidExecutionInput",
            format!("Invalid State Machine Execution Input: '{input_text}' is not JSON"),
        );
    };
    let mut state = service.state();
    let name = match body["name"].as_str() {
        Some(name) => name.to_owned(),
        None => uuid(&mut state.rng),
    };
    check_name(&name)?;
    let arn = crate::aws::arn("states", &format!("execution:{}:{name}", machine.name));
    if let Some(existing) = state.executions.get(&arn) {
        if existing.ledger().status == Status::Running && existing.input_text == input_text {
            return Ok(json!({"executionArn": arn, "startDate": epoch(existing.started)}));
        }
        return error("ExecutionAlreadyExists", format!("Execution Already Exists: '{arn}'"));
    }
    let seed = state.rng.random();
    let execution =
        Execution::start(Arc::clone(&service.world), machine, name, input_text.into(), input, seed);
    let started = execution.started;
    state.executions.insert(arn.clone(), execution);
    state.started.push(arn.clone());
    Ok(json!({"executionArn": arn, "startDate": epoch(started)}))
}

pub fn describe(execution: &Execution) -> Value {
    let ledger = execution.ledger();
    let mut description = list_entry(execution, &ledger);
    description["input"] = execution.input_text.as_str().into();
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

fn list_entry(execution: &Execution, ledger: &Ledger) -> Value {
    let mut entry = json!({
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine.arn,
        "name": execution.name,
        "status": ledger.status.name(),
        "startDate": epoch(execution.started),
        "redriveCount": ledger.redrives,
    });
    for (field, date) in [("stopDate", ledger.stopped), ("redriveDate", ledger.redriven)] {
        if let Some(date) = date {
            entry[field] = json!(epoch(date));
        }
    }
    entry
}

pub fn list_executions(service: &StepFunctions, body: &Value) -> Answer {
    let machine = machine(service, body)?;
    let state = service.state();
    let newest_first = state.started.iter().rev().filter_map(|arn| state.executions.get(arn));
    let entries =
        newest_first.filter(|execution| execution.machine.arn == machine.arn).filter_map(|execution| {
            let ledger = execution.ledger();
            let wanted = body["statusFilter"].as_str().is_none_or(|status| status == ledger.status.name());
            wanted.then(|| list_entry(execution, &ledger))
        });
    paged(entries.collect(), body, "executions")
}

pub fn get_execution_history(service: &StepFunctions, body: &Value) -> Answer {
    let execution = execution(service, body)?;
    let ledger = execution.ledger();
    let mut events: Vec<_> = ledger.history.iter().collect();
    if body["reverseOrder"] == true {
        events.reverse();
    }
    let included = body["includeExecutionData"] != false;
    let Some((events, next)) = page(events, body) else { return invalid_page_token() };
    with_next_token(
        json!({"events": events.into_iter().map(|event| event.to_json(included)).collect::<Vec<_>>()}),
        next,
    )
}

pub async fn stop_execution(service: &StepFunctions, body: &Value) -> Answer {
    let execution = execution(service, body)?;
    execution.stop(failure(body)?);
    execution.wait_until_finished().await;
    let stopped = execution.ledger().stopped;
    Ok(json!({"stopDate": stopped.map(epoch)}))
}
