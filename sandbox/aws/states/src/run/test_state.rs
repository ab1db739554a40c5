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
use super::map;
use super::visit::{Step, Visit};
use crate::jsonata::Variables;
use crate::language::{Kind, State};

/// What TestState is given beside the state.
pub struct Trial {
    pub input: Value,
    pub variables: Variables,
    /// Instead of the state's work.
    pub mock: Option<Result<Value, Failure>>,
    /// What `$states.context` is instead.
    pub context_object: Option<Value>,
    pub configuration: Configuration,
    pub seed: u64,
}

/// What is said to have happened before.
pub struct Configuration {
    /// By the retrier that names the mocked error.
    pub retries_made: Option<u64>,
    pub failed_iterations: Option<u64>,
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
    visit.token = waits_for_token(state).then(|| execution.draw_token());
    visit.context_object = Some(trial.context_object.unwrap_or_else(|| alone(&visit)));
    let mut inspection = json!({"input": visit.input.to_string()});
    let outcome = match trial.mock {
        None => attempt(&mut visit).await,
        Some(mock) => mocked(&mut visit, mock, &trial.configuration, &mut inspection),
    };
    let (answer, details) = match outcome {
        Ok(step) => (step_answer("SUCCEEDED", step), None),
        Err(failure) => failed(&mut visit, &failure, trial.configuration.retries_made.unwrap_or_default()),
    };
    // Of a Map and a Parallel in JSONata no recording has them (localstack/localstack,
    // v2/test_state/test_state_configuration.snapshot.json and test_test_state_mock_scenarios).
    let shown = [("afterArguments", &visit.arguments), ("result", &visit.result)];
    for (field, value) in shown.into_iter().filter(|_| matches!(state.kind, Kind::Task(_))) {
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

fn waits_for_token(state: &State) -> bool {
    matches!(&state.kind, Kind::Task(task) if task.resource.waits_for_token())
}

/// The context of a state that is tried alone is that of an Express execution, without a role where
/// none is named (localstack/localstack, v2/test_state/test_test_state_scenarios.snapshot.json).
fn alone(visit: &Visit<'_>) -> Value {
    let mut context = visit.context(None);
    let machine = context["StateMachine"]["Id"].as_str().unwrap_or_default().to_owned();
    let execution = context["Execution"].as_object_mut().expect("a context has an execution");
    execution.remove("RedriveCount");
    let name = visit.execution.uuid();
    execution
        .insert("Id".into(), format!("{}:{name}", machine.replace(":stateMachine:", ":express:")).into());
    execution.insert("Name".into(), name.into());
    if execution["RoleArn"] == "" {
        execution.insert("RoleArn".into(), Value::Null);
    }
    context
}

/// Everything but the work itself is done as ever.
fn mocked(
    visit: &mut Visit<'_>,
    mock: Result<Value, Failure>,
    configuration: &Configuration,
    inspection: &mut Value,
) -> Result<Step, Failure> {
    match &visit.state.kind {
        Kind::Task(task) => {
            visit.arguments = Some(visit.evaluate_or_input("Arguments", task.arguments.as_ref())?);
        }
        Kind::Map(state) => {
            map::items(visit, state)?;
            let limits = map::limits(visit, state)?;
            inspection["maxConcurrency"] = limits.concurrency.into();
            for (field, value) in [
                ("toleratedFailureCount", limits.tolerated_count.map(Value::from)),
                ("toleratedFailurePercentage", limits.tolerated_percentage.map(Value::from)),
            ] {
                if let Some(value) = value {
                    inspection[field] = value;
                }
            }
            if let (Ok(result), Some(failed)) = (&mock, configuration.failed_iterations) {
                check_tolerance(&limits, failed, result.as_array().map_or(0, Vec::len))?;
            }
        }
        _ => {}
    }
    leave_with(visit, mock?)
}

/// Where nothing is tolerated explicitly the count changes nothing (localstack/localstack,
/// v2/test_state/test_state_configuration.snapshot.json, test_map_state_failure_count).
fn check_tolerance(limits: &map::Limits, failed: u64, items: usize) -> Result<(), Failure> {
    let too_many = limits.tolerated_count.is_some_and(|most| failed > most)
        || limits.tolerated_percentage.is_some_and(|most| failed as f64 * 100.0 > most * items as f64);
    if !too_many {
        return Ok(());
    }
    Err(Failure::new(
        "States.ExceedToleratedFailureThreshold",
        "The specified tolerated failure threshold was exceeded",
    ))
}

fn step_answer(status: &str, step: Step) -> Value {
    let mut answer = json!({"status": status, "output": step.output.to_string()});
    if let Some(next) = step.next {
        answer["nextState"] = next.into();
    }
    answer
}

/// The first retrier or catcher that names the error says the status; retries are not made.
fn failed(visit: &mut Visit<'_>, failure: &Failure, retries: u64) -> (Value, Option<Value>) {
    let state = visit.state;
    let mut attempts = Attempts::after(&state.retry, retries);
    let again = visit.execution.with_rng(|rng| attempts.next(&state.retry, failure, rng));
    let (mut answer, details) = if let Some(Again { retrier, delay }) = again {
        let seconds = delay.as_secs();
        let details = json!({"retryIndex": retrier, "retryBackoffIntervalSeconds": seconds});
        (json!({"status": "RETRIABLE"}), Some(details))
    } else if let Some((index, catcher)) = catch::find(&state.catch, failure) {
        match catch::step(visit, catcher, failure) {
            Ok(step) => (step_answer("CAUGHT_ERROR", step), Some(json!({"catchIndex": index}))),
            Err(failure) => return failed_for_good(&failure, None),
        }
    } else {
        // A retrier that is exhausted is named all the same.
        let details = Attempts::retrier(&state.retry, failure).map(|index| json!({"retryIndex": index}));
        return failed_for_good(failure, details);
    };
    extend(&mut answer, failure);
    (answer, details)
}

fn failed_for_good(failure: &Failure, details: Option<Value>) -> (Value, Option<Value>) {
    let mut answer = json!({"status": "FAILED"});
    extend(&mut answer, failure);
    (answer, details)
}

fn extend(answer: &mut Value, failure: &Failure) {
    if let (Some(answer), Value::Object(details)) = (answer.as_object_mut(), failure.details()) {
        answer.extend(details);
    }
}
