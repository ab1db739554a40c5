//! The ARN of a state machine, of one of its versions, or of one of its aliases.

use std::sync::Arc;

use rand::Rng;
use serde_json::Value;

use super::request::{ApiError, arn, error};
use crate::StepFunctions;
use crate::registry::{Entry, Registry};
use crate::run::machine::{Machine, StartedBy};

/// `arn:aws:states:<region>:<account>:stateMachine:<name>[:<version or alias>]`
/// (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-version.html).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineArn {
    pub machine: String,
    pub qualifier: Option<Qualifier>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Qualifier {
    Version(u64),
    Alias(String),
}

impl MachineArn {
    pub fn read(text: &str) -> Self {
        let parts: Vec<_> = text.splitn(8, ':').collect();
        let [head @ .., qualifier] = parts.as_slice() else { return Self::whole(text) };
        if head.len() != 7 {
            return Self::whole(text);
        }
        let named = match qualifier.parse() {
            Ok(number) => Qualifier::Version(number),
            Err(_) => Qualifier::Alias((*qualifier).to_owned()),
        };
        Self { machine: head.join(":"), qualifier: Some(named) }
    }

    fn whole(text: &str) -> Self {
        Self { machine: text.to_owned(), qualifier: None }
    }

    /// The number, where it is the ARN of a version.
    pub fn version(&self) -> Option<u64> {
        if let Some(Qualifier::Version(number)) = self.qualifier { Some(number) } else { None }
    }

    pub fn alias(&self) -> Option<&str> {
        if let Some(Qualifier::Alias(name)) = &self.qualifier { Some(name) } else { None }
    }
}

pub fn no_machine<T>(arn: &str) -> Result<T, ApiError> {
    error("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"))
}

/// The machine that a request names without a version or alias.
pub fn entry<'a>(registry: &'a mut Registry, body: &Value) -> Result<&'a mut Entry, ApiError> {
    let arn = arn(body, "stateMachineArn")?;
    registry.machines.get_mut(arn).map_or_else(|| no_machine(arn), Ok)
}

/// The machine or the version that a request describes.
pub fn machine(service: &StepFunctions, body: &Value) -> Result<(Arc<Machine>, Option<u64>), ApiError> {
    let text = arn(body, "stateMachineArn")?;
    let named = MachineArn::read(text);
    let registry = service.registry();
    let Some(entry) = registry.machines.get(&named.machine) else { return no_machine(text) };
    match named.qualifier {
        None => Ok((Arc::clone(&entry.current), None)),
        Some(Qualifier::Version(number)) => entry
            .versions
            .get(&number)
            .map_or_else(|| no_machine(text), |version| Ok((Arc::clone(&version.machine), Some(number)))),
        Some(Qualifier::Alias(_)) => no_machine(text),
    }
}

/// What an execution of this ARN runs: an alias chooses among its versions by their weights.
pub fn to_start(registry: &mut Registry, text: &str) -> Result<(Arc<Machine>, StartedBy), ApiError> {
    let named = MachineArn::read(text);
    let Some(entry) = registry.machines.get(&named.machine) else { return no_machine(text) };
    let version = match &named.qualifier {
        None => return Ok((Arc::clone(&entry.current), StartedBy::default())),
        Some(Qualifier::Version(number)) => *number,
        Some(Qualifier::Alias(name)) => {
            let Some(alias) = entry.aliases.get(name) else { return no_machine(text) };
            let mut drawn = registry.rng.random_range(0..100);
            let route = alias.routes.iter().find(|route| {
                let here = drawn < route.weight;
                drawn = drawn.saturating_sub(route.weight);
                here
            });
            let Some(route) = route else { return no_machine(text) };
            route.version
        }
    };
    let Some(machine) = entry.versions.get(&version).map(|version| Arc::clone(&version.machine)) else {
        return no_machine(text);
    };
    let by = StartedBy {
        version_arn: Some(format!("{}:{version}", named.machine)),
        alias_arn: named.alias().map(|_| text.to_owned()),
    };
    Ok((machine, by))
}
