//! Walks the states of a flow: enter, attempt, retry, catch, leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::definition::{Flow, Kind, State};
use super::execution::Execution;
use super::failure::Failure;
use super::jsonata::{Scope, Template, Variables};
use super::progress::Point;
use super::retry::Attempts;
use super::{history, pass, succeed};

/// The most bytes of an input or output of a task, a state or an execution (page "service-quotas").
pub const PAYLOAD_LIMIT: usize = 262_144;

/// One run through a flow: its place among the others, its variables, its last event.
#[derive(Clone)]
pub struct Branch {
    path: Vec<usize>,
    /// Those of the outer scopes included: an inner scope reads them and, as `validate` holds,
    /// never assigns them.
    variables: Variables,
    item: Option<Item>,
    last: Arc<AtomicU64>,
}

/// What `$states.context.Map.Item` shows.
#[derive(Debug, Clone)]
pub struct Item {
    pub index: usize,
    pub value: Value,
}

/// Where a state leads. Without `next`, the flow ends.
pub struct Step {
    pub next: Option<String>,
    pub output: Value,
}

/// One state from its entry to its exit, whatever retries lie between.
pub struct Visit<'a> {
    pub execution: &'a Execution,
    pub name: &'a str,
    pub state: &'a State,
    pub input: Value,
    pub branch: &'a mut Branch,
    pub result: Option<Value>,
    pub error_output: Option<Value>,
    pub token: Option<String>,
    entered: Timestamp,
    retries: u32,
}

impl Branch {
    /// `last` is 0 at the start: the first state's event has no predecessor, as in the samples of
    /// GetExecutionHistory's page.
    pub fn root(last: u64) -> Self {
        Self {
            path: Vec::new(),
            variables: Variables::new(),
            item: None,
            last: Arc::new(AtomicU64::new(last)),
        }
    }

    pub fn inner(&self, index: usize, item: Option<Item>) -> Self {
        let mut path = self.path.clone();
        path.push(index);
        let last = Arc::new(AtomicU64::new(self.last.load(Ordering::Relaxed)));
        Self { path, variables: self.variables.clone(), item: item.or_else(|| self.item.clone()), last }
    }

    pub fn last(&self) -> &AtomicU64 {
        &self.last
    }

    pub fn path(&self) -> &[usize] {
        &self.path
    }
}

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
            let fresh = resumed.is_none();
            let now = execution.world.clock.now();
            let entered = match resumed.take() {
                Some(point) => {
                    (name, input, branch.variables) = (point.state, point.input, point.variables);
                    point.entered
                }
                None => {
                    let point = Point {
                        state: name.clone(),
                        input: input.clone(),
                        variables: branch.variables.clone(),
                        entered: now,
                    };
                    execution.enter(&branch, point);
                    now
                }
            };
            let Some((name_of_state, state)) = flow.states.get_key_value(&name) else {
                return Err(Failure::runtime(format!("there is no state '{name}'")));
            };
            let mut visit = Visit {
                execution,
                name: name_of_state,
                state,
                input,
                branch: &mut branch,
                result: None,
                error_output: None,
                token: None,
                entered,
                retries: 0,
            };
            let step = visit.run(fresh).await?;
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

impl Visit<'_> {
    /// A redriven state is not entered again: its first `…StateEntered` still waits for its
    /// `…StateExited` (page "redrive-map-run"). So its EnteredTime stays, which no page says; code
    /// that counts from it must mind `Execution.RedriveTime`.
    async fn run(&mut self, fresh: bool) -> Result<Step, Failure> {
        let kind = self.state.kind.name();
        if fresh {
            let details = history::entered(self.name, &self.input);
            self.record(&format!("{kind}StateEntered"), details);
        }
        let aborted =
            matches!(self.state.kind, Kind::Task(_) | Kind::Wait(_) | Kind::Parallel(_) | Kind::Map(_)).then(
                || {
                    let (execution, last) = (self.execution, Arc::clone(&self.branch.last));
                    OnDrop::new(move || execution.record(&last, &format!("{kind}StateAborted"), None))
                },
            );
        let outcome = self.run_attempts().await;
        if let Some(aborted) = aborted {
            aborted.disarm();
        }
        outcome
    }

    async fn run_attempts(&mut self) -> Result<Step, Failure> {
        let common = &self.state.common;
        let mut attempts = Attempts::new(&common.retry);
        loop {
            let failure = match self.attempt().await {
                Ok(step) => return Ok(step),
                Err(failure) => failure,
            };
            let delay = self.execution.with_rng(|rng| attempts.next(&common.retry, &failure, rng));
            if let Some(delay) = delay {
                self.execution.world.clock.sleep(delay).await;
                self.execution.forget_inner(self.branch);
                self.retries += 1;
                self.token = None;
                continue;
            }
            return match common.catch.iter().find(|catcher| catcher.matches(&failure)) {
                Some(catcher) => catcher.step(self, &failure),
                None => Err(failure),
            };
        }
    }

    async fn attempt(&mut self) -> Result<Step, Failure> {
        self.result = None;
        let result = match &self.state.kind {
            Kind::Pass => return pass::step(self),
            Kind::Succeed => return succeed::step(self),
            Kind::Choice(choice) => return choice.step(self),
            Kind::Wait(wait) => return wait.step(self).await,
            Kind::Fail(fail) => return Err(fail.failure(self)),
            Kind::Task(task) => task.run(self).await?,
            Kind::Parallel(parallel) => parallel.run(self).await?,
            Kind::Map(map) => map.run(self).await?,
        };
        self.check_size(&result)?;
        self.result = Some(result.clone());
        self.leave_by_common_fields(result)
    }

    /// By the state's own Assign, Output and Next; `default` is the output where there is no
    /// Output.
    pub fn leave_by_common_fields(&mut self, default: Value) -> Result<Step, Failure> {
        let common = &self.state.common;
        self.leave(common.assign.as_ref(), common.output.as_ref(), default, common.next.clone())
    }

    /// Output and every expression of Assign see the variables as they were before Assign
    /// (https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html, "Evaluation
    /// order").
    pub fn leave(
        &mut self,
        assign: Option<&Template>,
        output: Option<&Template>,
        default: Value,
        next: Option<String>,
    ) -> Result<Step, Failure> {
        let assigned = match assign.map(|assign| self.evaluate("Assign", assign)).transpose()? {
            None => Map::new(),
            Some(Value::Object(assigned)) => assigned,
            Some(other) => {
                return Err(
                    self.query_error("Assign", &format!("must return an object and returned {other}"))
                );
            }
        };
        let output = output.map_or(Ok(default), |output| self.evaluate("Output", output))?;
        self.check_size(&output)?;
        for value in assigned.values() {
            self.check_size(value)?;
        }
        self.record(
            &format!("{}StateExited", self.state.kind.name()),
            history::exited(self.name, &output, &assigned),
        );
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
        let now = self.execution.world.clock.now();
        let scope = Scope {
            states: self.states(item),
            variables: &self.branch.variables,
            now,
            seed: self.execution.draw(),
        };
        template.evaluate(scope).map_err(|e| {
            self.query_error(
                field,
                &format!("holds the JSONata expression '{}', which {}", e.expression, e.message),
            )
        })
    }

    /// A whole number of seconds, not below `least`.
    pub fn seconds(&self, field: &str, template: &Template, least: u64) -> Result<Duration, Failure> {
        let value = self.evaluate(field, template)?;
        // JSONata has no integers of its own: 60.0 is one.
        let seconds =
            value.as_f64().filter(|s| s.fract() == 0.0 && (least as f64..=99_999_999.0).contains(s));
        let seconds = seconds.ok_or_else(|| {
            self.query_error(field, &format!("must return a whole number of seconds and returned {value}"))
        })?;
        Ok(Duration::from_secs(seconds as u64))
    }

    pub fn query_error(&self, field: &str, message: &str) -> Failure {
        let cause = format!(
            "An error occurred while executing the state '{}'. The field '{field}' {message}.",
            self.name
        );
        let details = json!({"error": "States.QueryEvaluationError", "cause": cause, "location": field, "state": self.name});
        self.record("EvaluationFailed", Some(("evaluationFailedEventDetails", details)));
        Failure::new("States.QueryEvaluationError", cause)
    }

    pub fn record(&self, kind: &str, details: Option<(&'static str, Value)>) {
        self.execution.record(&self.branch.last, kind, details);
    }

    /// After branches: the next event follows the newest of theirs.
    pub fn catch_up(&self) {
        self.branch.last.store(self.execution.newest_event(), Ordering::Relaxed);
    }

    fn check_size(&self, value: &Value) -> Result<(), Failure> {
        if value.to_string().len() <= PAYLOAD_LIMIT {
            return Ok(());
        }
        let cause = format!(
            "The state/task '{}' returned a result with a size exceeding the maximum number of bytes \
            service limit.",
            self.name
        );
        Err(Failure::new("States.DataLimitExceeded", cause))
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

    /// https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
    fn context(&self, item: Option<&Item>) -> Value {
        let mut context = self.execution.context();
        context["State"] = json!({"Name": self.name, "EnteredTime": format!("{:.3}", self.entered), "RetryCount": self.retries});
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
