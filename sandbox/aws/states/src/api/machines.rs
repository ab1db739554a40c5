//! The actions on state machines.

use std::sync::Arc;

use serde_json::{Value, json};

use super::arn::{entry, machine};
use super::request::{Answer, ApiError, check_name, error, paged, text};
use super::tags;
use crate::StepFunctions;
use crate::language::{self, Definition, Diagnostic};
use crate::registry::Entry;
use crate::run::execution::uuid;
use crate::run::history::epoch;
use crate::run::machine::Machine;

pub fn create(service: &StepFunctions, body: &Value) -> Answer {
    let (name, definition, role_arn) =
        (text(body, "name")?, text(body, "definition")?, text(body, "roleArn")?);
    check_name(name)?;
    check_description(body)?;
    if body["type"].as_str().is_some_and(|kind| kind != "STANDARD") {
        return error("StateMachineTypeNotSupported", "the sandbox runs STANDARD state machines");
    }
    let (parsed, tags) = (parse(definition)?, tags::read(&body["tags"])?);
    let arn = endpoint::aws::arn("states", &format!("stateMachine:{name}"));
    let now = service.world.clock.now();
    let mut registry = service.registry();
    let entry = match registry.machines.get_mut(&arn) {
        // Idempotent by name, definition and type; another role is ignored
        // (API_CreateStateMachine).
        Some(existing) if existing.current.text == definition => existing,
        Some(_) => {
            return error("StateMachineAlreadyExists", format!("State Machine Already Exists: '{arn}'"));
        }
        None => {
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
            let entry = registry.machines.entry(arn.clone()).or_insert_with(|| Entry::new(machine));
            entry.tags = tags;
            entry
        }
    };
    let mut answer = json!({"stateMachineArn": arn, "creationDate": epoch(entry.current.created)});
    publish(service, body, entry, &mut answer);
    Ok(answer)
}

/// Without a change the revision stays (localstack/localstack, v2/test_sfn_api.snapshot.json,
/// test_create_update_state_machine_same_parameters).
pub fn update(service: &StepFunctions, body: &Value) -> Answer {
    check_description(body)?;
    let settings = ["definition", "roleArn", "loggingConfiguration", "tracingConfiguration"];
    let mut registry = service.registry();
    entry(&mut registry, body)?;
    if settings.iter().all(|setting| body[*setting].is_null()) && body["publish"] != true {
        return error(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must \
            be specified",
        );
    }
    let now = service.world.clock.now();
    let revision = uuid(&mut registry.rng);
    let entry = entry(&mut registry, body)?;
    let current = &entry.current;
    let definition = body["definition"].as_str().unwrap_or(&current.text);
    let role_arn = body["roleArn"].as_str().unwrap_or(&current.role_arn);
    let parsed = parse(definition)?;
    if definition != current.text || role_arn != current.role_arn {
        entry.current = Arc::new(Machine {
            arn: current.arn.clone(),
            name: current.name.clone(),
            role_arn: role_arn.into(),
            text: definition.into(),
            definition: parsed,
            created: current.created,
            updated: now,
            revision: Some(revision),
        });
    }
    let mut answer = json!({"updateDate": epoch(now)});
    if let Some(revision) = &entry.current.revision {
        answer["revisionId"] = revision.as_str().into();
    }
    publish(service, body, entry, &mut answer);
    Ok(answer)
}

/// The text: localstack/localstack, v2/test_sfn_api_versioning.snapshot.json.
fn check_description(body: &Value) -> Result<(), ApiError> {
    if !body["versionDescription"].is_null() && body["publish"] != true {
        return error("ValidationException", "Version description can only be set when publish is true");
    }
    Ok(())
}

fn publish(service: &StepFunctions, body: &Value, entry: &mut Entry, answer: &mut Value) {
    if body["publish"] == true {
        let description = body["versionDescription"].as_str().map(str::to_owned);
        let number = entry.publish(service.world.clock.now(), description);
        answer["stateMachineVersionArn"] = format!("{}:{number}", entry.current.arn).into();
    }
}

pub fn describe(service: &StepFunctions, body: &Value) -> Answer {
    let (machine, version) = machine(service, body)?;
    let mut description = describe_machine(&machine);
    if let Some(number) = version {
        description["stateMachineArn"] = format!("{}:{number}", machine.arn).into();
        let registry = service.registry();
        let version = registry.machines.get(&machine.arn).and_then(|entry| entry.versions.get(&number));
        if let Some(version) = version {
            description["creationDate"] = json!(epoch(version.created));
            if let Some(text) = &version.description {
                description["description"] = text.as_str().into();
            }
        }
    }
    Ok(description)
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

/// As DescribeStateMachineForExecution shows it.
pub fn describe_as_run(machine: &Machine) -> Value {
    let mut description = describe_machine(machine);
    if let Some(description) = description.as_object_mut() {
        description.retain(|field, _| !matches!(field.as_str(), "status" | "type" | "creationDate"));
    }
    description["updateDate"] = json!(epoch(machine.updated));
    description
}

pub fn list(service: &StepFunctions, body: &Value) -> Answer {
    let entry = |entry: &Entry| {
        let Machine { arn, name, created, .. } = &*entry.current;
        json!({"stateMachineArn": arn, "name": name, "type": "STANDARD", "creationDate": epoch(*created)})
    };
    let machines = service.registry().machines.values().map(entry).collect();
    paged(machines, body, "stateMachines")
}

pub fn validate_definition(definition: &str) -> Value {
    let diagnostics = language::parse(definition).err().unwrap_or_default();
    let result = if diagnostics.is_empty() { "OK" } else { "FAIL" };
    let diagnostics: Vec<_> = diagnostics.iter().map(Diagnostic::to_json).collect();
    json!({"result": result, "diagnostics": diagnostics, "truncated": false})
}

pub fn parse(definition: &str) -> Result<Definition, ApiError> {
    language::parse(definition)
        .or_else(|diagnostics| error("InvalidDefinition", language::message(&diagnostics)))
}
