//! ECS on Fargate: tasks run the shipped worker as a process, or as a Rust function in this
//! process.
//!
//! JSON 1.1, 2014-11-13, shapes from botocore ecs 1.43.11.

mod lifecycle;
mod runner;
mod task;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use clock::Clock;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::arn;
use crate::http::{Endpoint, EventSender, Request, Response};
use crate::ids::Ids;
use crate::json::{self, Answer, Error};
pub use runner::{Processes, Runner, Worker};
pub use task::Task;
use task::{ContainerOverride, Signal};

pub struct Ecs {
    /// The life of a task is a task of the runtime and outlives the request that caused it.
    me: Weak<Self>,
    clock: Clock,
    runner: Runner,
    events: EventSender,
    ids: Ids,
    /// In the order in which they were started.
    tasks: Mutex<Vec<Task>>,
    /// Each with the first word of the command that it waits for, if it waits for one.
    faults: Mutex<Vec<(Option<String>, Fault)>>,
}

/// What becomes of one RunTask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It answers a failure and starts nothing.
    Fail(String),
    /// The task stays PROVISIONING: no capacity, no image, no route (wellcomecollection's
    /// twelve-hour hangs, catalogue-pipeline#3496).
    NeverStart,
    /// It starts so much later than others.
    StartLate(Duration),
    /// Two tasks are started, as when a call is made again whose answer was lost.
    Twice,
    /// The container ends so long after it began, whatever it was doing.
    End(End),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub after: Duration,
    pub exit_code: i32,
    /// The container's, beside the task's.
    pub reason: Option<&'static str>,
}

impl End {
    /// Its words and exit code:
    /// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html.
    pub fn out_of_memory(after: Duration) -> Self {
        let reason = Some("OutOfMemoryError: Container killed due to memory usage");
        Self { after, exit_code: 137, reason }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunTask {
    task_definition: String,
    #[serde(default = "default_cluster")]
    cluster: String,
    #[serde(default = "one")]
    count: usize,
    launch_type: Option<String>,
    #[serde(default)]
    overrides: Value,
    started_by: Option<String>,
    group: Option<String>,
    client_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Select {
    #[serde(default = "default_cluster")]
    cluster: String,
    #[serde(default)]
    tasks: Vec<String>,
    #[serde(default)]
    task: String,
    reason: Option<String>,
    family: Option<String>,
    started_by: Option<String>,
    desired_status: Option<String>,
}

fn default_cluster() -> String {
    "default".into()
}

fn one() -> usize {
    1
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new("InvalidParameterException", message)
}

/// `orders` of `orders` and of `arn:aws:ecs:eu-west-1:444455556666:cluster/orders`.
fn last(name_or_arn: &str) -> &str {
    name_or_arn.rsplit('/').next().unwrap_or(name_or_arn)
}

fn task_arn(cluster: &str, task: &str) -> String {
    arn("ecs", &format!("task/{}/{}", last(cluster), last(task)))
}

impl Ecs {
    pub fn new(clock: Clock, runner: Runner, events: EventSender) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            clock,
            runner,
            events,
            ids: Ids::new("ecs"),
            tasks: Mutex::default(),
            faults: Mutex::default(),
        })
    }

    /// Every task so far, in the order in which they were started.
    pub fn tasks(&self) -> Vec<Task> {
        self.tasks.lock().unwrap().clone()
    }

    /// Forgets the stopped ones: those of a fleet's month do not fit into memory.
    pub fn forget_stopped(&self) {
        self.tasks.lock().unwrap().retain(|task| task.last_status != "STOPPED");
    }

    /// The next RunTask starts nothing and answers a failure with this reason, e.g.
    /// `RESOURCE:MEMORY`
    /// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html).
    pub fn fail_next_run(&self, reason: &str) {
        self.faults.lock().unwrap().push((None, Fault::Fail(reason.into())));
    }

    /// The task of the next RunTask stays PROVISIONING until it is stopped.
    pub fn never_start_next(&self) {
        self.faults.lock().unwrap().push((None, Fault::NeverStart));
    }

    /// For the next RunTask whose command begins with that word.
    pub fn lay(&self, command: &str, fault: Fault) {
        self.faults.lock().unwrap().push((Some(command.to_owned()), fault));
    }

    fn next_fault(&self, command: Option<&str>) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let meets = |(of, _): &(Option<String>, Fault)| of.is_none() || of.as_deref() == command;
        let place = faults.iter().position(meets)?;
        Some(faults.remove(place).1)
    }

    /// The faults that have met no RunTask.
    pub fn unfired(&self) -> Vec<String> {
        self.faults.lock().unwrap().iter().map(|(_, fault)| format!("{fault:?}")).collect()
    }

    /// SIGKILL for one running task, given by its ARN or by the first word of its command. Answers
    /// whether there was one.
    pub fn kill(&self, arn_or_command: &str) -> bool {
        self.signal(arn_or_command, Signal::Kill)
    }

    /// SIGTERM for one, as Fargate stops a task to patch its host.
    pub fn terminate(&self, arn_or_command: &str) -> bool {
        self.signal(arn_or_command, Signal::Stop)
    }

    fn signal(&self, arn_or_command: &str, signal: Signal) -> bool {
        let tasks = self.tasks.lock().unwrap();
        let named = |task: &&Task| {
            task.arn == arn_or_command || task.command.first().is_some_and(|word| word == arn_or_command)
        };
        let running = tasks.iter().filter(|task| task.last_status == "RUNNING").find(named);
        running.map(|task| task.signal.send_replace(Some(signal))).is_some()
    }

    fn run_task(&self, input: Value) -> Answer {
        let request: RunTask = serde_json::from_value(input.clone())
            .map_err(|error| Error::new("SerializationException", error.to_string()))?;
        if !(1..=10).contains(&request.count) {
            return Err(invalid("Task count must be between 1 and 10."));
        }
        // "A total of 8192 characters are allowed for overrides. This limit includes the JSON
        // formatting characters" (RunTask); the words are ECS's (convox/rack#1906).
        if request.overrides.is_object() && request.overrides.to_string().chars().count() > 8192 {
            return Err(invalid("Container Overrides length must be at most 8192"));
        }
        let overrides = request.overrides.get("containerOverrides").cloned().unwrap_or(json!([]));
        let overrides: Vec<ContainerOverride> =
            serde_json::from_value(overrides).map_err(|error| invalid(error.to_string()))?;
        if let Some(earlier) = self.started_with(request.client_token.as_deref(), &input)? {
            return Ok(json!({ "tasks": earlier, "failures": [] }));
        }
        let command = overrides.first().and_then(ContainerOverride::command);
        let fault = self.next_fault(command);
        if let Some(Fault::Fail(reason)) = fault {
            let cluster = arn("ecs", &format!("cluster/{}", last(&request.cluster)));
            return Ok(json!({ "tasks": [], "failures": [{ "arn": cluster, "reason": reason }] }));
        }
        let number = if fault == Some(Fault::Twice) { 2 } else { request.count };
        let mut started = Vec::new();
        for _ in 0..number {
            let task = Task::new(&self.ids, self.clock.now(), &request, overrides.first(), input.clone());
            started.push(task.describe(json::seconds));
            let (arn, signal) = (task.arn.clone(), task.signal.subscribe());
            self.tasks.lock().unwrap().push(task);
            self.tell(&arn);
            if let Some(me) = self.me.upgrade() {
                tokio::spawn(me.live(arn, signal, fault.clone()));
            }
        }
        Ok(json!({ "tasks": started, "failures": [] }))
    }

    /// The same token and the same parameters mean the same tasks; "The provided clientToken is
    /// already in use with a different RunTask request. The resourceIds are the existing task ARNs"
    /// (RunTask, ConflictException).
    fn started_with(&self, token: Option<&str>, input: &Value) -> Result<Option<Vec<Value>>, Error> {
        let Some(token) = token else { return Ok(None) };
        let tasks = self.tasks.lock().unwrap();
        let earlier: Vec<_> = tasks.iter().filter(|task| task.request["clientToken"] == token).collect();
        if earlier.iter().any(|task| task.request != *input) {
            let arns: Vec<_> = earlier.iter().map(|task| &task.arn).collect();
            let message = "The client token was used already, with other parameters.";
            return Err(Error::new("ConflictException", message).with("resourceIds", json!(arns)));
        }
        Ok((!earlier.is_empty()).then(|| earlier.iter().map(|task| task.describe(json::seconds)).collect()))
    }

    fn describe_tasks(&self, input: Select) -> Answer {
        let tasks = self.tasks.lock().unwrap();
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for wanted in &input.tasks {
            match tasks.iter().find(|task| task.is(&input.cluster, wanted)) {
                Some(task) => found.push(task.describe(json::seconds)),
                None => {
                    failures.push(json!({ "arn": task_arn(&input.cluster, wanted), "reason": "MISSING" }))
                }
            }
        }
        Ok(json!({ "tasks": found, "failures": failures }))
    }

    fn list_tasks(&self, input: Select) -> Answer {
        let wanted_status = input.desired_status.as_deref().unwrap_or("RUNNING");
        let tasks = self.tasks.lock().unwrap();
        let arns = tasks.iter().filter(|task| {
            task.cluster == last(&input.cluster)
                && task.desired_status == wanted_status
                && input.family.as_ref().is_none_or(|family| task.family() == family)
                && input.started_by.as_ref().is_none_or(|by| task.started_by.as_ref() == Some(by))
        });
        Ok(json!({ "taskArns": arns.map(|task| &task.arn).collect::<Vec<_>>() }))
    }

    fn stop_task(&self, input: Select) -> Answer {
        let mut tasks = self.tasks.lock().unwrap();
        let task = tasks.iter_mut().find(|task| task.is(&input.cluster, &input.task));
        let task = task.ok_or_else(|| invalid("The referenced task was not found."))?;
        if task.desired_status != "STOPPED" {
            task.desired_status = "STOPPED";
            task.stopping_at = Some(self.clock.now());
            task.stop_code = Some("UserInitiated");
            task.stopped_reason = Some(input.reason.unwrap_or_else(|| "Task stopped by user".into()));
            task.signal.send_replace(Some(Signal::Stop));
        }
        Ok(json!({ "task": task.describe(json::seconds) }))
    }
}

#[async_trait]
impl Endpoint for Ecs {
    async fn call(&self, request: Request) -> Response {
        json::reply(match json::operation(&request) {
            "RunTask" => json::input(&request).and_then(|input| self.run_task(input)),
            "DescribeTasks" => json::input(&request).and_then(|input| self.describe_tasks(input)),
            "ListTasks" => json::input(&request).and_then(|input| self.list_tasks(input)),
            "StopTask" => json::input(&request).and_then(|input| self.stop_task(input)),
            _ => Err(json::unknown_operation(&request)),
        })
    }
}

/// The environment that an override gives, as a map.
type Environment = BTreeMap<String, String>;

#[cfg(test)]
mod tests;
