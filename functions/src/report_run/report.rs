//! What a run did, from the execution's history: each state with its times, polls and summary, and
//! the outcome in a sentence.

use std::collections::BTreeMap;

use aws_sdk_sfn::{operation::describe_execution::DescribeExecutionOutput, types::HistoryEvent};
use jiff::Timestamp;
use runbook::Arn;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The execution's name.
    pub name: String,
    pub execution: String,
    pub state_machine: String,
    pub runbook: String,
    pub status: String,
    /// In a sentence.
    pub outcome: String,
    pub input: Value,
    pub started: Timestamp,
    pub stopped: Option<Timestamp>,
    pub error: Option<String>,
    pub cause: Option<String>,
    pub redrives: i32,
    pub steps: Vec<Step>,
}

/// One entry into a state; a loop enters it again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub state: String,
    /// For which of several targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    pub entered: Timestamp,
    pub exited: Option<Timestamp>,
    /// How often it was not ready and was called again.
    pub polls: u32,
    pub summary: Option<String>,
    /// What it said last, when it did not end well.
    pub error: Option<String>,
}

impl Step {
    pub fn label(&self) -> String {
        match &self.of {
            Some(target) => format!("{} {target}", self.state),
            None => self.state.clone(),
        }
    }
}

impl Report {
    pub fn new(execution: &DescribeExecutionOutput, history: &[HistoryEvent]) -> Self {
        let steps = steps(history);
        let arn = execution.execution_arn();
        // arn:…:execution:<machine>:<execution>
        let parsed = Arn::try_from(arn.to_owned()).ok();
        let (runbook, name) =
            parsed.as_ref().and_then(|arn| arn.name().split_once(':')).unwrap_or((arn, arn));
        let input = execution.input().and_then(|input| serde_json::from_str(input).ok()).unwrap_or_default();
        let mut report = Self {
            name: name.to_owned(),
            execution: arn.to_owned(),
            state_machine: execution.state_machine_arn().to_owned(),
            runbook: runbook.to_owned(),
            status: execution.status().as_str().to_owned(),
            outcome: String::new(),
            input,
            started: timestamp(execution.start_date()),
            stopped: execution.stop_date().map(timestamp),
            error: execution.error().map(str::to_owned),
            cause: execution.cause().map(plain_cause),
            redrives: execution.redrive_count().unwrap_or_default(),
            steps,
        };
        let output: Value =
            execution.output().and_then(|output| serde_json::from_str(output).ok()).unwrap_or_default();
        report.outcome = report.sentence(output["summary"].as_str().map(str::to_owned));
        report
    }

    /// What to type when what stopped the run is fixed. A sync has cleaned up behind itself, so it
    /// begins again; an upgrade goes on.
    pub fn again(&self) -> String {
        if self.runbook.ends_with("daily-sync") {
            format!(
                "aws stepfunctions start-execution --state-machine-arn {} --input '{}'",
                self.state_machine, self.input
            )
        } else {
            format!("aws stepfunctions redrive-execution --execution-arn {}", self.execution)
        }
    }

    fn sentence(&self, summary: Option<String>) -> String {
        let last = self.steps.last();
        // After a failure a run may clean up: what it did not leave is where it stopped.
        let state = self
            .steps
            .iter()
            .find(|step| step.exited.is_none())
            .or(last)
            .map_or("no state".to_owned(), Step::label);
        match self.status.as_str() {
            "SUCCEEDED" => {
                summary.or_else(|| last?.summary.clone()).unwrap_or_else(|| "The run succeeded.".to_owned())
            }
            "RUNNING" => format!("The run is in {state}."),
            "FAILED" => {
                format!("{state} stopped the run with {}.", self.error.as_deref().unwrap_or("an error"))
            }
            "TIMED_OUT" => format!("The run timed out in {state}."),
            "ABORTED" => format!("The run was stopped by a person or a tool in {state}."),
            other => format!("The run is {other} in {state}."),
        }
    }
}

fn timestamp(at: &aws_sdk_sfn::primitives::DateTime) -> Timestamp {
    at.to_millis().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default()
}

/// Branches run side by side, so each event belongs to the state that its predecessor belongs to.
fn steps(history: &[HistoryEvent]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut owners: BTreeMap<i64, usize> = BTreeMap::new();
    for event in history {
        let at = timestamp(event.timestamp());
        if let Some(details) = event.state_entered_event_details()
            // A state that only steers takes no time and does nothing: it is no step for a reader.
            && event.r#type().as_str() == "TaskStateEntered"
        {
            owners.insert(event.id(), steps.len());
            steps.push(Step {
                state: details.name().to_owned(),
                of: None,
                entered: at,
                exited: None,
                polls: 0,
                summary: None,
                error: None,
            });
            continue;
        }
        let Some(&owner) = owners.get(&event.previous_event_id()) else { continue };
        owners.insert(event.id(), owner);
        let step = &mut steps[owner];
        if let Some(scheduled) = event.task_scheduled_event_details() {
            step.of = target(scheduled.parameters());
        } else if let Some(failed) = event.task_failed_event_details() {
            step.polls += u32::from(failed.error() == Some("NotReady"));
            step.error = Some(format!(
                "{}: {}",
                failed.error().unwrap_or_default(),
                failed.cause().map(plain_cause).unwrap_or_default()
            ));
        } else if let Some(timed_out) = event.task_timed_out_event_details() {
            step.error = Some(format!(
                "{}: {}",
                timed_out.error().unwrap_or_default(),
                timed_out.cause().unwrap_or_default()
            ));
        } else if let Some(succeeded) = event.task_succeeded_event_details() {
            let output: Value =
                succeeded.output().and_then(|output| serde_json::from_str(output).ok()).unwrap_or_default();
            let summary = output.pointer("/Payload/summary").or_else(|| output.get("summary"));
            step.summary = summary.and_then(Value::as_str).map(str::to_owned);
        } else if event.state_exited_event_details().is_some_and(|details| details.name() == step.state) {
            step.exited = Some(at);
            step.error = None;
        }
    }
    steps
}

/// Which of several targets a state works for: its input says so, a function's as payload, a
/// worker's in its environment.
fn target(parameters: &str) -> Option<String> {
    let parameters: Value = serde_json::from_str(parameters).ok()?;
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
fn plain_cause(cause: &str) -> String {
    let wrapped: Option<Value> = serde_json::from_str(cause).ok();
    let message = wrapped.as_ref().and_then(|json| json.get("errorMessage")).and_then(Value::as_str);
    message.unwrap_or(cause).to_owned()
}
