//! One state from its entry to its exit, whatever retries lie between: what it sees, evaluates,
//! records and leaves with.

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::branch::{Branch, Item};
use super::execution::Execution;
use super::failure::Failure;
use super::history;
use super::progress::Entered;
use crate::jsonata::{QueryError, Scope, Template};
use crate::language::{Assign, Flow, Kind, Setting, State};

/// The most bytes of an input or output of a task, a state or an execution (page "service-quotas").
pub const PAYLOAD_LIMIT: usize = 262_144;

/// Where a state leads. Without `next`, the flow ends.
#[derive(Debug)]
pub struct Step {
    pub next: Option<String>,
    pub output: Value,
}

/// How a Parallel or a Map runs the flows inside it.
pub type RunFlow =
    for<'a> fn(&'a Execution, &'a Flow, Branch, Value) -> BoxFuture<'a, Result<Value, Failure>>;

pub struct Visit<'a> {
    pub execution: &'a Execution,
    pub name: &'a str,
    pub state: &'a State,
    pub input: Value,
    pub branch: &'a mut Branch,
    pub entered: Entered,
    /// Of a Task, a Map or a Parallel.
    pub arguments: Option<Value>,
    pub result: Option<Value>,
    pub error_output: Option<Value>,
    pub token: Option<String>,
    pub retries: u32,
    /// Instead of the execution's own.
    pub context_object: Option<Value>,
}

impl Visit<'_> {
    /// By the state's own Assign, Output and Next; `default` is the output where there is no
    /// Output.
    pub fn leave_by_common_fields(&mut self, default: Value) -> Result<Step, Failure> {
        let state = self.state;
        self.leave(&state.assign, state.output.as_ref(), default, state.next.clone())
    }

    /// Output and every expression of Assign see the variables as they were before Assign
    /// (https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html, "Evaluation
    /// order").
    pub fn leave(
        &mut self,
        assign: &Assign,
        output: Option<&Template>,
        default: Value,
        next: Option<String>,
    ) -> Result<Step, Failure> {
        let mut assigned = Map::new();
        for (name, template) in &assign.0 {
            let value = self.evaluate(&format!("Assign/{name}"), template)?;
            self.check_size(&value)?;
            assigned.insert(name.clone(), value);
        }
        let output = output.map_or(Ok(default), |output| self.evaluate("Output", output))?;
        self.check_size(&output)?;
        let kind = self.state.kind.name();
        self.record(&format!("{kind}StateExited"), history::exited(self.name, &output, &assigned));
        self.branch.variables.extend(assigned);
        Ok(Step { next, output })
    }

    pub fn evaluate(&self, field: &str, template: &Template) -> Result<Value, Failure> {
        self.evaluate_for(field, template, self.branch.item.as_ref())
    }

    pub fn evaluate_or_input(&self, field: &str, template: Option<&Template>) -> Result<Value, Failure> {
        let value =
            template.map_or_else(|| Ok(self.input.clone()), |template| self.evaluate(field, template))?;
        self.check_size(&value)?;
        Ok(value)
    }

    pub fn evaluate_for(
        &self,
        field: &str,
        template: &Template,
        item: Option<&Item>,
    ) -> Result<Value, Failure> {
        if let Some(value) = template.literal() {
            return Ok(value.clone());
        }
        let scope = Scope {
            states: self.states(item),
            variables: &self.branch.variables,
            now: self.execution.world.clock.now(),
            seed: self.execution.draw(),
        };
        template.evaluate(scope).map_err(|QueryError { expression, location, problem }| {
            let place = format!("{field}{location}");
            let problem =
                format!("The JSONata expression '{expression}' specified for the field '{place}' {problem}");
            self.query_error(Some(&place), &problem)
        })
    }

    /// `expected` is the JSON type that `read` takes.
    pub fn setting<T: Clone>(
        &self,
        field: &str,
        setting: &Setting<T>,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, Failure> {
        match setting {
            Setting::Fixed(value) => Ok(value.clone()),
            Setting::Computed(template) => {
                let value = self.evaluate(field, template)?;
                read(&value).ok_or_else(|| self.unexpected(field, template, expected, &value))
            }
        }
    }

    pub fn seconds(&self, field: &str, setting: &Setting<u64>, least: u64) -> Result<u64, Failure> {
        self.setting(field, setting, "number", crate::language::seconds(least))
    }

    /// The text: localstack/localstack, v2/scenarios/test_base_scenarios.snapshot.json,
    /// test_map_state_items_eval_jsonata_fail. That of a number out of its bounds is ours.
    pub fn unexpected(&self, field: &str, template: &Template, expected: &str, value: &Value) -> Failure {
        let source = template.source().unwrap_or_default();
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let problem = if found == expected {
            format!("a value that the field does not take: {value}")
        } else {
            format!("an unexpected result type. Expected '{expected}', but was '{found}' for value: {value}")
        };
        let problem =
            format!("The JSONata expression '{source}' specified for the field '{field}' returned {problem}");
        self.query_error(Some(field), &problem)
    }

    /// The event follows the one before the state's entry, unless something happened in between or
    /// the state is a Wait: so it is in every recording (localstack/localstack,
    /// v2/assign/test_assign_reference_variables.snapshot.json and
    /// v2/scenarios/test_base_scenarios.snapshot.json).
    pub fn query_error(&self, location: Option<&str>, problem: &str) -> Failure {
        const ERROR: &str = "States.QueryEvaluationError";
        let Entered { event, before, .. } = self.entered;
        let cause = format!(
            "An error occurred while executing the state '{}' (entered at the event id #{event}). {problem}",
            self.name
        );
        let mut details = json!({"error": ERROR, "cause": cause, "state": self.name});
        if let Some(location) = location {
            details["location"] = location.into();
        }
        if self.branch.last() == event && !matches!(self.state.kind, Kind::Wait(_)) {
            self.branch.follow(before);
        }
        self.record("EvaluationFailed", Some(("evaluationFailedEventDetails", details)));
        Failure::new(ERROR, cause)
    }

    pub fn record(&self, kind: &str, details: history::Details) {
        self.branch.follow(self.execution.record(self.branch.last(), kind, details));
    }

    /// An event that the next one does not follow.
    pub fn record_aside(&self, kind: &str, details: history::Details) {
        self.execution.record(self.branch.last(), kind, details);
    }

    pub fn check_size(&self, value: &Value) -> Result<(), Failure> {
        if value.to_string().len() <= PAYLOAD_LIMIT { Ok(()) } else { Err(Failure::too_large(self.name)) }
    }

    /// `$states`: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html,
    /// "Reserved variable".
    fn states(&self, item: Option<&Item>) -> Value {
        let mut states = json!({"input": self.input, "context": self.context(item)});
        if let Some(result) = &self.result {
            states["result"] = result.clone();
        }
        if let Some(error_output) = &self.error_output {
            states["errorOutput"] = error_output.clone();
        }
        states
    }

    /// https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html; a
    /// state that cannot be retried has no RetryCount (localstack/localstack,
    /// v2/context_object/test_context_object.snapshot.json).
    pub fn context(&self, item: Option<&Item>) -> Value {
        if let Some(given) = &self.context_object {
            return given.clone();
        }
        let mut context = self.execution.context();
        context["State"] = json!({"Name": self.name, "EnteredTime": format!("{:.3}", self.entered.at)});
        if self.state.kind.is_handled() {
            context["State"]["RetryCount"] = self.retries.into();
        }
        if let Some(token) = &self.token {
            context["Task"] = json!({"Token": token});
        }
        if let Some(item) = item {
            context["Map"] = json!({"Item": {"Index": item.index, "Value": item.value}});
        }
        context
    }
}

/// Runs when it is dropped before it is disarmed: how a cancelled branch or a stopped execution
/// leaves its trace.
pub struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub fn new(action: F) -> Self {
        Self(Some(action))
    }

    pub fn disarm(mut self) {
        self.0 = None;
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(action) = self.0.take() {
            action();
        }
    }
}
