//! The execution's history, read once: each entry into a state with its answers, and what the
//! states answered in the end.

use std::collections::BTreeMap;

use aws_sdk_sfn::{primitives::DateTime, types::HistoryEvent};
use jiff::Timestamp;
use runbook::upgrade_fleet;
use serde_json::Value;

use super::report::{Answer, Place, Step};

/// Names of errors that no state machine of ours retries: they end a state.
const FINAL: [&str; 6] =
    ["Blocked", "Refused", "Conflict", "OperationFailed", "DeadlineExceeded", "Unexpected"];

#[derive(Debug, Default)]
pub struct History {
    pub steps: Vec<Step>,
    /// What the step of that number answered when it was done.
    pub outputs: BTreeMap<usize, Value>,
    /// When the execution was redriven.
    pub redriven: Vec<Timestamp>,
    /// As Step Functions counts them for its price: every entry into a state, and every retry
    /// (https://aws.amazon.com/step-functions/pricing/).
    pub transitions: u64,
    /// When workers were at work, in seconds.
    pub worker_seconds: f64,
}

pub fn timestamp(at: &DateTime) -> Timestamp {
    at.to_millis().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default()
}

/// Branches run side by side, so each event belongs to the step that its predecessor belongs to.
pub fn read(events: &[HistoryEvent]) -> History {
    let mut reader = Reader::default();
    for event in events {
        reader.add(event);
    }
    reader.history
}

#[derive(Default)]
struct Reader {
    history: History,
    owners: BTreeMap<i64, usize>,
    /// Of the step of that number: when its present try was scheduled.
    scheduled: BTreeMap<usize, Timestamp>,
    /// The event with which the last try of the step failed.
    failed: BTreeMap<usize, i64>,
}

impl Reader {
    fn add(&mut self, event: &HistoryEvent) {
        let at = timestamp(event.timestamp());
        let kind = event.r#type().as_str();
        self.history.transitions += u64::from(kind.ends_with("StateEntered"));
        if kind == "ExecutionRedriven" {
            self.history.redriven.push(at);
        }
        // A state that only steers takes no time and does nothing: it is no step for a reader.
        if let Some(details) = event.state_entered_event_details().filter(|_| kind == "TaskStateEntered") {
            self.owners.insert(event.id(), self.history.steps.len());
            self.history.steps.push(Step::entered(details.name(), at));
            return;
        }
        let Some(&owner) = self.owners.get(&event.previous_event_id()) else { return };
        self.owners.insert(event.id(), owner);
        let step = &mut self.history.steps[owner];
        if let Some(scheduled) = event.task_scheduled_event_details() {
            step.of = target(scheduled.parameters());
            step.place = if scheduled.resource_type() == "ecs" { Place::Worker } else { Place::Function };
            let again = self.scheduled.insert(owner, at).is_some();
            self.history.transitions += u64::from(again);
            let polled = step.answers.last().is_none_or(|answer| answer.error == "NotReady");
            step.retries += u32::from(again && !polled);
        } else if let Some((error, cause)) = failure(event) {
            self.failed.insert(owner, event.id());
            self.end_try(owner, at);
            self.history.steps[owner].answer(at, error, cause);
        } else if let Some(succeeded) = event.task_succeeded_event_details() {
            let output: Value =
                succeeded.output().and_then(|output| serde_json::from_str(output).ok()).unwrap_or_default();
            let output = output.get("Payload").cloned().unwrap_or(output);
            // Of another execution, what that has answered.
            let summary = output.get("summary").or_else(|| output.pointer("/Output/summary"));
            step.summary = summary.and_then(Value::as_str).map(str::to_owned);
            self.history.outputs.insert(owner, output);
            self.end_try(owner, at);
        } else if let Some(details) =
            event.state_exited_event_details().filter(|details| details.name() == step.state)
        {
            step.exited = Some(at);
            // A person or a service has answered, and the machine has put it into words.
            if step.summary.is_none() {
                let output: Option<Value> =
                    details.output().and_then(|output| serde_json::from_str(output).ok());
                step.summary = output.and_then(|output| Some(output.get("summary")?.as_str()?.to_owned()));
            }
            // Left by a Catch: the last try failed, and this is what came of it.
            step.caught = self.failed.get(&owner) == Some(&event.previous_event_id());
            if !step.caught {
                step.error = None;
            }
        }
    }

    fn end_try(&mut self, owner: usize, at: Timestamp) {
        if self.history.steps[owner].place == Place::Worker
            && let Some(from) = self.scheduled.get(&owner)
        {
            self.history.worker_seconds += at.duration_since(*from).as_secs_f64();
        }
    }
}

/// The error's name and its text, of whatever ends a try.
fn failure(event: &HistoryEvent) -> Option<(String, String)> {
    let (error, cause) = if let Some(failed) = event.task_failed_event_details() {
        (failed.error(), failed.cause())
    } else if let Some(timed_out) = event.task_timed_out_event_details() {
        (timed_out.error(), timed_out.cause())
    } else if let Some(failed) = event.task_submit_failed_event_details() {
        (failed.error(), failed.cause())
    } else if let Some(failed) = event.task_start_failed_event_details() {
        (failed.error(), failed.cause())
    } else {
        return None;
    };
    let (error, cause) = (error.unwrap_or_default(), cause.unwrap_or_default());
    Some(of_execution(error, cause).unwrap_or_else(|| (error.to_owned(), plain_cause(cause))))
}

/// Of another execution that has failed, what stopped it: the cause is what DescribeExecution says
/// (https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html).
fn of_execution(error: &str, cause: &str) -> Option<(String, String)> {
    let described: Value = serde_json::from_str(cause).ok().filter(|_| error == "States.TaskFailed")?;
    described.get("ExecutionArn")?;
    let text = |name: &str| described.get(name).and_then(Value::as_str);
    let cause = text("Cause").map_or("it was stopped".to_owned(), plain_cause);
    Some((text("Error").unwrap_or("OperationFailed").to_owned(), cause))
}

impl Step {
    pub fn entered(state: &str, at: Timestamp) -> Self {
        Self {
            state: state.to_owned(),
            of: None,
            place: Place::Function,
            entered: at,
            exited: None,
            caught: false,
            polls: 0,
            retries: 0,
            answers: Vec::new(),
            summary: None,
            error: None,
            progress: None,
        }
    }

    fn answer(&mut self, at: Timestamp, error: String, cause: String) {
        self.polls += u32::from(error == "NotReady");
        let whole = format!("{error}: {cause}");
        // A sentence that is said at every poll is kept once.
        let said = (self.error.as_ref() != Some(&whole)).then_some(cause);
        self.error = Some(whole);
        self.answers.push(Answer { at, error, said });
    }

    /// When it failed for good, if it did. While the run goes on, only by an error that nothing
    /// retries: another may be on its way to the next try.
    pub fn failed_at(&self, run_is_over: bool) -> Option<Timestamp> {
        if self.exited.is_some() && !self.caught {
            return None;
        }
        let last = self.answers.last()?;
        let is_final = FINAL.contains(&last.error.as_str());
        (is_final || self.caught || (run_is_over && last.error != "NotReady")).then_some(last.at)
    }
}

/// Which of several targets a state works for: its input says so, a function's as payload, a
/// worker's in its environment.
fn target(parameters: &str) -> Option<String> {
    let parameters: Value = serde_json::from_str(parameters).ok()?;
    let is_of_fleet = parameters["Name"].as_str().is_some_and(|name| name.starts_with(upgrade_fleet::CHILD));
    if is_of_fleet {
        return parameters.pointer("/Input/cluster")?.as_str().map(str::to_owned);
    }
    let environment =
        parameters.pointer("/Overrides/ContainerOverrides/0/Environment").and_then(Value::as_array);
    let of_worker =
        environment.and_then(|variables| variables.iter().find(|variable| variable["Name"] == "INPUT"));
    let input: Value = match of_worker {
        Some(variable) => serde_json::from_str(variable["Value"].as_str()?).ok()?,
        None => parameters.pointer("/Payload/input")?.clone(),
    };
    // The target of an upgrade is a version, of a sync a cluster: only the second tells states
    // apart.
    let target = input.get("target")?.as_str()?;
    target.starts_with(|c: char| c.is_ascii_alphabetic()).then(|| target.to_owned())
}

/// Lambda wraps the text in JSON
/// (https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html shows the members).
pub fn plain_cause(cause: &str) -> String {
    let wrapped: Option<Value> = serde_json::from_str(cause).ok();
    let message = wrapped.as_ref().and_then(|json| json.get("errorMessage")).and_then(Value::as_str);
    message.unwrap_or(cause).to_owned()
}

/// The states of a machine that do something, in the order in which they are written.
pub fn tasks(definition: &str) -> Vec<String> {
    fn collect(machine: &Value, found: &mut Vec<String>) {
        let Some(states) = machine.get("States").and_then(Value::as_object) else { return };
        for (name, state) in states {
            if state.get("Type").and_then(Value::as_str) == Some("Task") {
                found.push(name.clone());
            }
            for branch in state.get("Branches").and_then(Value::as_array).into_iter().flatten() {
                collect(branch, found);
            }
            if let Some(items) = state.get("ItemProcessor") {
                collect(items, found);
            }
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(definition).unwrap_or_default(), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tasks_of_a_machine_are_found_in_branches_and_in_maps_too() {
        let upgrade = tasks(include_str!("../../../statemachines/major-upgrade/statemachine.asl.json"));
        assert_eq!((upgrade[0].as_str(), upgrade.last().unwrap().as_str()), ("Rehearse", "VerifyUpgrade"));
        let sync = tasks(include_str!("../../../statemachines/daily-sync/statemachine.asl.json"));
        assert_eq!(sync.last().unwrap(), "CleanUp");
        assert!(sync.contains(&"SwapTarget".to_owned()), "{sync:?}");
        assert!(tasks("no JSON").is_empty());
    }

    #[test]
    fn a_sentence_that_is_said_again_is_kept_once_and_counted() {
        let at = Timestamp::UNIX_EPOCH;
        let mut step = Step::entered("TakeSnapshot", at);
        for _ in 0..3 {
            step.answer(at, "NotReady".into(), "waiting for the snapshot".into());
        }
        step.answer(at, "Lambda.Unknown".into(), "lost".into());
        assert_eq!((step.polls, step.answers.iter().filter(|answer| answer.said.is_some()).count()), (3, 2));
        assert_eq!(step.failed_at(false), None, "it may be tried again");
        assert_eq!(step.failed_at(true), Some(at));
    }
}
