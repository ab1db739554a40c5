//! The API: JSON 1.0, the action in `X-Amz-Target: AWSStepFunctions.<Action>`, shapes as in botocore stepfunctions/2016-11-23.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::execution::{Execution, Status};
use super::failure::Failure;
use super::flow::PAYLOAD_LIMIT;
use super::history::{epoch, page};
use super::tokens::{Refusal, Signal};
use super::{Machine, StepFunctions, uuid, validate};
use crate::http::{Request, Response, respond};

struct ApiError {
    code: &'static str,
    message: String,
}

type Answer = Result<Value, ApiError>;

fn error<T>(code: &'static str, message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError { code, message: message.into() })
}

pub async fn answer(service: &StepFunctions, request: &Request) -> Response {
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let action = target.strip_prefix("AWSStepFunctions.").unwrap_or_default();
    let answer = match serde_json::from_slice::<Value>(request.body()) {
        Ok(body) if body.is_object() => act(service, action, &body).await,
        _ => error("SerializationException", "the body is not a JSON object"),
    };
    let (status, body) = match answer {
        Ok(body) => (200, body),
        Err(ApiError { code, message }) => (400, json!({"__type": code, "message": message})),
    };
    respond(status, "application/x-amz-json-1.0", body.to_string())
}

async fn act(service: &StepFunctions, action: &str, body: &Value) -> Answer {
    match action {
        "CreateStateMachine" => create_state_machine(service, body),
        "UpdateStateMachine" => update_state_machine(service, body),
        "DescribeStateMachine" => Ok(describe_machine(&*machine(service, body)?)),
        "ListStateMachines" => list_state_machines(service, body),
        "DeleteStateMachine" => {
            let arn = arn(body, "stateMachineArn")?;
            service.state().machines.remove(arn);
            Ok(json!({}))
        }
        "ValidateStateMachineDefinition" => Ok(validate_definition(text(body, "definition")?)),
        "StartExecution" => start_execution(service, body),
        "DescribeExecution" => Ok(describe(&*execution(service, body)?)),
        "DescribeStateMachineForExecution" => {
            let mut description = describe_machine(&execution(service, body)?.machine);
            if let Some(description) = description.as_object_mut() {
                description.retain(|field, _| !matches!(field.as_str(), "status" | "type" | "creationDate"));
            }
            description["updateDate"] = json!(epoch(execution(service, body)?.machine.updated));
            Ok(description)
        }
        "ListExecutions" => list_executions(service, body),
        "GetExecutionHistory" => get_execution_history(service, body),
        "StopExecution" => stop_execution(service, body).await,
        "RedriveExecution" => match execution(service, body)?.redrive() {
            Ok(date) => Ok(json!({"redriveDate": epoch(date)})),
            Err(reason) => error("ExecutionNotRedrivable", reason),
        },
        "SendTaskSuccess" => {
            let output = text(body, "output")?;
            match serde_json::from_str(output) {
                Ok(value) if output.len() <= PAYLOAD_LIMIT => send_task(service, body, Signal::Success(value)),
                Ok(_) => error("ValidationException", too_long("output", PAYLOAD_LIMIT)),
                Err(e) => error("InvalidOutput", format!("Invalid output: '{e}'")),
            }
        }
        "SendTaskFailure" => send_task(service, body, Signal::Failure(failure(body)?)),
        "SendTaskHeartbeat" => send_task(service, body, Signal::Heartbeat),
        _ => error("UnknownOperationException", format!("the sandbox has no action {action:?}")),
    }
}

fn create_state_machine(service: &StepFunctions, body: &Value) -> Answer {
    let (name, definition, role_arn) = (text(body, "name")?, text(body, "definition")?, text(body, "roleArn")?);
    check_name(name)?;
    if body["type"].as_str().is_some_and(|kind| kind != "STANDARD") {
        return error("StateMachineTypeNotSupported", "the sandbox runs STANDARD state machines");
    }
    let parsed = parse(definition)?;
    let arn = crate::aws::arn("states", &format!("stateMachine:{name}"));
    let now = service.world.clock.now();
    let mut state = service.state();
    if let Some(existing) = state.machines.get(&arn) {
        // "CreateStateMachine is an idempotent API", by name, definition, type and role among others.
        if existing.text != definition || existing.role_arn != role_arn {
            return error("StateMachineAlreadyExists", format!("State Machine Already Exists: '{arn}'"));
        }
        return Ok(json!({"stateMachineArn": arn, "creationDate": epoch(existing.created)}));
    }
    let machine = Machine {
        arn: arn.clone(),
        name: name.into(),
        role_arn: role_arn.into(),
        text: definition.into(),
        definition: parsed,
        created: now,
        updated: now,
        revision: None,
    };
    state.machines.insert(arn.clone(), Arc::new(machine));
    Ok(json!({"stateMachineArn": arn, "creationDate": epoch(now)}))
}

fn update_state_machine(service: &StepFunctions, body: &Value) -> Answer {
    let current = machine(service, body)?;
    if body["definition"].is_null() && body["roleArn"].is_null() {
        return error("MissingRequiredParameter", "Either the definition, the role ARN, or another setting must be specified");
    }
    let definition = body["definition"].as_str().unwrap_or(&current.text);
    let parsed = parse(definition)?;
    let now = service.world.clock.now();
    let mut state = service.state();
    let revision = uuid(&mut state.rng);
    let machine = Machine {
        arn: current.arn.clone(),
        name: current.name.clone(),
        role_arn: body["roleArn"].as_str().unwrap_or(&current.role_arn).into(),
        text: definition.into(),
        definition: parsed,
        created: current.created,
        updated: now,
        revision: Some(revision.clone()),
    };
    state.machines.insert(current.arn.clone(), Arc::new(machine));
    Ok(json!({"updateDate": epoch(now), "revisionId": revision}))
}

fn describe_machine(machine: &Machine) -> Value {
    let mut description = json!({
        "stateMachineArn": machine.arn,
        "name": machine.name,
        "status": "ACTIVE",
        "definition": machine.text,
        "roleArn": machine.role_arn,
        "type": "STANDARD",
        "creationDate": epoch(machine.created),
        "loggingConfiguration": {"level": "OFF", "includeExecutionData": false},
        "tracingConfiguration": {"enabled": false},
    });
    if let Some(revision) = &machine.revision {
        description["revisionId"] = revision.as_str().into();
    }
    description
}

fn list_state_machines(service: &StepFunctions, body: &Value) -> Answer {
    let entry = |machine: &Arc<Machine>| {
        let machine = &**machine;
        json!({"stateMachineArn": machine.arn, "name": machine.name, "type": "STANDARD", "creationDate": epoch(machine.created)})
    };
    let machines = service.state().machines.values().map(entry).collect();
    paged(machines, body, "stateMachines")
}

fn validate_definition(definition: &str) -> Value {
    match validate::parse(definition) {
        Ok(_) => json!({"result": "OK", "diagnostics": [], "truncated": false}),
        Err(diagnostics) => json!({"result": "FAIL", "diagnostics": validate::to_json(&diagnostics), "truncated": false}),
    }
}

fn parse(definition: &str) -> Result<super::Definition, ApiError> {
    validate::parse(definition).or_else(|diagnostics| error("InvalidDefinition", validate::message(&diagnostics)))
}

/// "If StartExecution is called with the same name and input as a running execution, the call succeeds and returns the same response";
/// otherwise a name that was used is refused (API_StartExecution).
fn start_execution(service: &StepFunctions, body: &Value) -> Answer {
    let machine = machine(service, body)?;
    let input_text = body["input"].as_str().unwrap_or("{}");
    if input_text.len() > PAYLOAD_LIMIT {
        return error("ValidationException", too_long("input", PAYLOAD_LIMIT));
    }
    let Ok(input) = serde_json::from_str(input_text) else {
        return error("InvalidExecutionInput", format!("Invalid State Machine Execution Input: '{input_text}' is not JSON"));
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
    let seed = rand::Rng::random(&mut state.rng);
    let execution = Execution::start(Arc::clone(&service.world), machine, name, input_text.into(), input, seed);
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
    if let (Some(Value::Object(details)), Some(description)) = (ledger.failure.as_ref().map(Failure::details), description.as_object_mut()) {
        description.extend(details);
    }
    description["redriveStatus"] = ledger.redrive_status().into();
    if let Some(reason) = ledger.not_redrivable() {
        description["redriveStatusReason"] = reason.into();
    }
    description
}

fn list_entry(execution: &Execution, ledger: &super::execution::Ledger) -> Value {
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

fn list_executions(service: &StepFunctions, body: &Value) -> Answer {
    let machine = machine(service, body)?;
    let state = service.state();
    let newest_first = state.started.iter().rev().filter_map(|arn| state.executions.get(arn));
    let entries = newest_first.filter(|execution| execution.machine.arn == machine.arn).filter_map(|execution| {
        let ledger = execution.ledger();
        let wanted = body["statusFilter"].as_str().is_none_or(|status| status == ledger.status.name());
        wanted.then(|| list_entry(execution, &ledger))
    });
    paged(entries.collect(), body, "executions")
}

fn get_execution_history(service: &StepFunctions, body: &Value) -> Answer {
    let execution = execution(service, body)?;
    let ledger = execution.ledger();
    let mut events: Vec<_> = ledger.history.iter().collect();
    if body["reverseOrder"] == true {
        events.reverse();
    }
    let included = body["includeExecutionData"] != false;
    let Some((events, next)) = page(events, body) else { return invalid_page_token() };
    with_next_token(json!({"events": events.into_iter().map(|event| event.to_json(included)).collect::<Vec<_>>()}), next)
}

async fn stop_execution(service: &StepFunctions, body: &Value) -> Answer {
    let execution = execution(service, body)?;
    execution.stop(failure(body)?);
    execution.wait_until_finished().await;
    let stopped = execution.ledger().stopped;
    Ok(json!({"stopDate": stopped.map(epoch)}))
}

fn send_task(service: &StepFunctions, body: &Value, signal: Signal) -> Answer {
    match service.world.tokens.send(text(body, "taskToken")?, signal) {
        Ok(()) => Ok(json!({})),
        Err(Refusal::InvalidToken) => error("InvalidToken", "Invalid Token: 'Invalid token'"),
        Err(Refusal::TaskTimedOut) => error("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'"),
    }
}

/// The lengths are those of SensitiveError and SensitiveCause.
fn failure(body: &Value) -> Result<Failure, ApiError> {
    let read = |field: &str, most: usize| match body[field].as_str() {
        Some(text) if text.chars().count() > most => error("ValidationException", too_long(field, most)),
        text => Ok(text.map(str::to_owned)),
    };
    Ok(Failure { error: read("error", 256)?, cause: read("cause", 32_768)? })
}

fn too_long(field: &str, most: usize) -> String {
    format!("1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must have length less than or equal to {most}")
}

fn text<'a>(body: &'a Value, field: &str) -> Result<&'a str, ApiError> {
    match body[field].as_str() {
        Some(text) => Ok(text),
        None => error("ValidationException", format!("1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must not be null")),
    }
}

fn arn<'a>(body: &'a Value, field: &str) -> Result<&'a str, ApiError> {
    let arn = text(body, field)?;
    if arn.starts_with("arn:aws:states:") { Ok(arn) } else { error("InvalidArn", format!("Invalid Arn: '{arn}'")) }
}

fn machine(service: &StepFunctions, body: &Value) -> Result<Arc<Machine>, ApiError> {
    let arn = arn(body, "stateMachineArn")?;
    let machine = service.state().machines.get(arn).cloned();
    machine.map_or_else(|| error("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'")), Ok)
}

fn execution(service: &StepFunctions, body: &Value) -> Result<Arc<Execution>, ApiError> {
    let arn = arn(body, "executionArn")?;
    service.execution(arn).map_or_else(|| error("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'")), Ok)
}

/// The characters that API_StartExecution and API_CreateStateMachine forbid in a name.
fn check_name(name: &str) -> Result<(), ApiError> {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    if (1..=80).contains(&name.chars().count()) && !name.contains(forbidden) {
        return Ok(());
    }
    error("InvalidName", format!("Invalid Name: '{name}'"))
}

fn paged(entries: Vec<Value>, body: &Value, field: &str) -> Answer {
    let Some((entries, next)) = page(entries, body) else { return invalid_page_token() };
    with_next_token(Value::Object(Map::from_iter([(field.to_owned(), entries.into())])), next)
}

fn with_next_token(mut answer: Value, next: Option<String>) -> Answer {
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}

fn invalid_page_token<T>() -> Result<T, ApiError> {
    error("InvalidToken", "Invalid Token: 'Invalid page token'")
}
