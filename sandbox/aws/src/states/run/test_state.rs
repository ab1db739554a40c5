//! One attempt at one state, outside any execution that others see.

use std::sync::Arc;

use serde_json::{Value, json};

use super::attempts::{Again, Attempts};
use super::branch::Branch;
use super::catch;
use super::execution::{Execution, Input, World};
use super::failure::Failure;
use super::flow::{attempt, enter, leave_with};
use super::machine::{Machine, StartedBy};
use super::visit::{Step, Visit};
use crate::states::jsonata::Variables;
use crate::states::language::State;

/// What TestState is given beside the state.
pub struct Trial {
    pub input: Value,
    pub variables: Variables,
    /// Instead of the state's work.
    pub mock: Option<Result<Value, Failure>>,
    pub seed: u64,
}

/// What came of it, in the shape of TestState's answer (botocore stepfunctions/2016-11-23) without
/// its inspectionData, which is beside it.
pub struct Outcome {
    pub answer: Value,
    pub inspection: Value,
}

/// `machine` holds the state; its definition is not run.
pub async fn test(world: &Arc<World>, machine: Machine, name: &str, state: &State, trial: Trial) -> Outcome {
    let input = Input { text: trial.input.to_string(), value: trial.input.clone() };
    let by = StartedBy::default();
    let execution = Execution::new(world, Arc::new(machine), by, "test".into(), input, trial.seed);
    let mut branch = Branch::root(0);
    branch.variables = trial.variables;
    let mut visit = enter(&execution, name, state, trial.input, &mut branch);
    let outcome = match trial.mock {
        None => attempt(&mut visit).await,
        Some(Ok(result)) => leave_with(&mut visit, result),
        Some(Err(failure)) => Err(failure),
    };
    let (answer, details) = match outcome {
        Ok(step) => (step_answer("SUCCEEDED", step), None),
        Err(failure) => failed(&mut visit, &failure),
    };
    let mut inspection = json!({"input": visit.input.to_string()});
    for (field, value) in [("afterArguments", &visit.arguments), ("result", &visit.result)] {
        if let Some(value) = value {
            inspection[field] = value.to_string().into();
        }
    }
    let variables = &visit.branch.variables;
    if !variables.is_empty() {
        inspection["variables"] = json!(variables).to_string().into();
    }
    if let Some(details) = details {
        inspection["errorDetails"] = details;
    }
    Outcome { answer, inspection }
}

fn step_answer(status: &str, step: Step) -> Value {
    let mut answer = json!({"status": status, "output": step.output.to_string()});
    if let Some(next) = step.next {
        answer["nextState"] = next.into();
    }
    answer
}

/// The first retrier or catcher that names the error says the status; retries are not made.
fn failed(visit: &mut Visit<'_>, failure: &Failure) -> (Value, Option<Value>) {
    let state = visit.state;
    let again = visit.execution.with_rng(|rng| Attempts::new(&state.retry).next(&state.retry, failure, rng));
    let (mut answer, details) = if let Some(Again { retrier, delay }) = again {
        let seconds = delay.as_secs();
        let details = json!({"retryIndex": retrier, "retryBackoffIntervalSeconds": seconds});
        (json!({"status": "RETRIABLE"}), Some(details))
    } else if let Some((index, catcher)) = catch::find(&state.catch, failure) {
        match catch::step(visit, catcher, failure) {
            Ok(step) => (step_answer("CAUGHT_ERROR", step), Some(json!({"catchIndex": index}))),
            Err(failure) => return failed_for_good(&failure),
        }
    } else {
        return failed_for_good(failure);
    };
    extend(&mut answer, failure);
    (answer, details)
}

fn failed_for_good(failure: &Failure) -> (Value, Option<Value>) {
    let mut answer = json!({"status": "FAILED"});
    extend(&mut answer, failure);
    (answer, None)
}

fn extend(answer: &mut Value, failure: &Failure) {
    if let (Some(answer), Value::Object(details)) = (answer.as_object_mut(), failure.details()) {
        answer.extend(details);
    }
}
