//! Walks the states of a flow: enter, attempt, retry, catch, leave.

use std::pin::pin;

use futures::future::BoxFuture;
use serde_json::Value;

use super::attempts::{Again, Attempts};
use super::branch::Branch;
use super::execution::Execution;
use super::failure::Failure;
use super::progress::{Entered, Point};
use super::visit::{OnDrop, Step, Visit};
use super::{catch, choice, fail, history, map, parallel, pass, succeed, task, wait};
use crate::language::{Flow, Kind, State};

/// Runs a flow to its output, from its start or, in a redriven execution, from the state that was
/// not left.
pub fn run<'a>(
    execution: &'a Execution,
    flow: &'a Flow,
    mut branch: Branch,
    input: Value,
) -> BoxFuture<'a, Result<Value, Failure>> {
    Box::pin(async move {
        if let Some(output) = execution.output_of(&branch) {
            return Ok(output);
        }
        let mut resumed = execution.point_of(&branch);
        let (mut name, mut input) = (flow.start_at.clone(), input);
        loop {
            let point = resumed.take();
            if let Some(point) = &point {
                (name, input, branch.variables) =
                    (point.state.clone(), point.input.clone(), point.variables.clone());
            }
            let Some((name_of_state, state)) = flow.states.get_key_value(&name) else {
                return Err(Failure::runtime(format!("there is no state '{name}'")));
            };
            // A redriven state is not entered again: its first `…StateEntered` still waits for its
            // `…StateExited` (page "redrive-map-run"). So its EnteredTime stays, which no page
            // says; code that counts from it must mind `Execution.RedriveTime`.
            let mut visit = match point {
                Some(point) => visit(execution, name_of_state, state, input, &mut branch, point.entered),
                None => enter(execution, name_of_state, state, input, &mut branch),
            };
            let step = run_state(&mut visit).await?;
            match step.next {
                Some(next) => (name, input) = (next, step.output),
                None => {
                    execution.leave(&branch, step.output.clone());
                    return Ok(step.output);
                }
            }
        }
    })
}

pub fn enter<'a>(
    execution: &'a Execution,
    name: &'a str,
    state: &'a State,
    input: Value,
    branch: &'a mut Branch,
) -> Visit<'a> {
    let before = branch.last();
    let kind = format!("{}StateEntered", state.kind.name());
    let event = execution.record(before, &kind, history::entered(name, &input));
    branch.follow(event);
    let entered = Entered { at: execution.world.clock.now(), event, before };
    let variables = branch.variables.clone();
    execution.enter(branch, Point { state: name.to_owned(), input: input.clone(), variables, entered });
    visit(execution, name, state, input, branch, entered)
}

fn visit<'a>(
    execution: &'a Execution,
    name: &'a str,
    state: &'a State,
    input: Value,
    branch: &'a mut Branch,
    entered: Entered,
) -> Visit<'a> {
    Visit {
        execution,
        name,
        state,
        input,
        branch,
        entered,
        arguments: None,
        result: None,
        error_output: None,
        token: None,
        retries: 0,
        context_object: None,
    }
}

/// A state that waits for something leaves a trace when the branch around it is cancelled; at the
/// root, the execution's own last event is all (localstack/localstack,
/// v2/test_sfn_api.snapshot.json, test_stop_execution).
async fn run_state(visit: &mut Visit<'_>) -> Result<Step, Failure> {
    let kind = visit.state.kind.name();
    let waits = visit.state.kind.is_handled() || matches!(visit.state.kind, Kind::Wait(_));
    let (execution, branch) = (visit.execution, visit.branch.clone());
    // Dropped in the order of the recordings: this state's event, then those of the states in it.
    let mut attempts = pin!(run_attempts(visit));
    let aborted = (waits && !branch.is_root()).then(|| {
        OnDrop::new(move || {
            execution.record(branch.last(), &format!("{kind}StateAborted"), None);
        })
    });
    let outcome = attempts.as_mut().await;
    if let Some(aborted) = aborted {
        aborted.disarm();
    }
    outcome
}

async fn run_attempts(visit: &mut Visit<'_>) -> Result<Step, Failure> {
    let state = visit.state;
    let mut attempts = Attempts::new(&state.retry);
    loop {
        let failure = match attempt(visit).await {
            Ok(step) => return Ok(step),
            Err(failure) => failure,
        };
        let again = visit.execution.with_rng(|rng| attempts.next(&state.retry, &failure, rng));
        if let Some(Again { delay, .. }) = again {
            visit.execution.world.clock.sleep(delay).await;
            visit.execution.forget_inner(visit.branch);
            visit.retries += 1;
            visit.token = None;
            continue;
        }
        // Once, whatever retries went before (localstack/localstack,
        // v2/scenarios/test_base_scenarios.snapshot.json, test_parallel_state_retry).
        if matches!(state.kind, Kind::Map(_) | Kind::Parallel(_)) {
            visit.record(&format!("{}StateFailed", state.kind.name()), None);
        }
        return match catch::find(&state.catch, &failure) {
            Some((_, catcher)) => catch::step(visit, catcher, &failure),
            None => Err(failure),
        };
    }
}

/// The state's work and its way out, without Retry and Catch.
pub async fn attempt(visit: &mut Visit<'_>) -> Result<Step, Failure> {
    visit.result = None;
    let result = match &visit.state.kind {
        Kind::Pass => return pass::step(visit),
        Kind::Succeed => return succeed::step(visit),
        Kind::Choice(choice) => return choice::step(visit, choice),
        Kind::Wait(wait) => return wait::step(visit, wait).await,
        Kind::Fail(fail) => return Err(fail::failure(visit, fail)),
        Kind::Task(task) => task::run(visit, task).await?,
        Kind::Parallel(parallel) => parallel::run(visit, parallel, run).await?,
        Kind::Map(map) => map::run(visit, map, run).await?,
    };
    leave_with(visit, result)
}

pub fn leave_with(visit: &mut Visit<'_>, result: Value) -> Result<Step, Failure> {
    visit.check_size(&result)?;
    visit.result = Some(result.clone());
    visit.leave_by_common_fields(result)
}
