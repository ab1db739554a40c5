//! The actions on state machines.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, ApiError, check_name, error, machine, paged, text};
use crate::states::definition::Definition;
use crate::states::history::epoch;
use crate::states::{Machine, StepFunctions, uuid, validate};

pub fn create_state_machine(service: &StepFunctions, body: &Value) -> Answer {
    let (name, definition, role_arn) =
        (text(body, "name")?, text(body, "definition")?, text(body, "roleArn")?);
    check_name(name)?;
    if body["type"].as_str().is_some_and(|kind| kind != "STANDARD") {
        return error("StateMachineTypeNotSupported", "the sandbox runs STANDARD state machines");
    }
    let parsed = parse(definition)?;
    let arn = crate::aws::arn("states", &format!("stateMachine:{name}"));
    let now = service.world.clock.now();
    let mut state = service.state();
    if let Some(existing) = state.machines.get(&arn) {
        // Idempotent by name, definition and type; another role is ignored
        // (API_CreateStateMachine).
        if existing.text != definition {
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

pub fn update_state_machine(service: &StepFunctions, body: &Value) -> Answer {
    let current = machine(service, body)?;
    if body["definition"].is_null() && body["roleArn"].is_null() {
        return error(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, or another setting must be specified",
        );
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

pub fn describe_machine(machine: &Machine) -> Value {
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

pub fn list_state_machines(service: &StepFunctions, body: &Value) -> Answer {
    let entry = |machine: &Arc<Machine>| {
        let machine = &**machine;
        json!({"stateMachineArn": machine.arn, "name": machine.name, "type": "STANDARD", "creationDate": epoch(machine.created)})
    };
    let machines = service.state().machines.values().map(entry).collect();
    paged(machines, body, "stateMachines")
}

pub fn validate_definition(definition: &str) -> Value {
    match validate::parse(definition) {
        Ok(_) => json!({"result": "OK", "diagnostics": [], "truncated": false}),
        Err(diagnostics) => {
            json!({"result": "FAIL", "diagnostics": validate::to_json(&diagnostics), "truncated": false})
        }
    }
}

fn parse(definition: &str) -> Result<Definition, ApiError> {
    validate::parse(definition)
        .or_else(|diagnostics| error("InvalidDefinition", validate::message(&diagnostics)))
}
