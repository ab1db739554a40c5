//! What is known of a task.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Environment, RunTask, last};
use crate::aws::arn;
use crate::ids::Ids;

#[derive(Debug, Clone)]
pub struct Task {
    pub arn: String,
    pub cluster: String,
    pub task_definition: String,
    pub command: Vec<String>,
    pub environment: Environment,
    pub started_by: Option<String>,
    pub last_status: &'static str,
    pub desired_status: &'static str,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub stopping_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    pub stop_code: Option<&'static str>,
    pub stopped_reason: Option<String>,
    pub exit_code: Option<i32>,
    /// Why its container ended, when not by itself.
    pub container_reason: Option<&'static str>,
    /// The whole request, for comparison with another one of the same client token.
    pub(super) request: Value,
    pub(super) signal: Arc<watch::Sender<Option<Signal>>>,
    container: String,
    group: String,
    launch_type: String,
    version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// StopTask.
    Stop,
    /// SIGKILL from outside, as when memory runs out.
    Kill,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ContainerOverride {
    name: String,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    environment: Vec<Variable>,
}

#[derive(Debug, Clone, Deserialize)]
struct Variable {
    name: String,
    value: String,
}

impl ContainerOverride {
    /// The first word of its command.
    pub(super) fn command(&self) -> Option<&str> {
        self.command.first().map(String::as_str)
    }
}

impl Task {
    /// One container a task: the first override is its own.
    pub(super) fn new(
        ids: &Ids,
        now: Timestamp,
        request: &RunTask,
        container: Option<&ContainerOverride>,
        input: Value,
    ) -> Self {
        let cluster = last(&request.cluster).to_owned();
        let definition = last(&request.task_definition);
        let definition =
            if definition.contains(':') { definition.to_owned() } else { format!("{definition}:1") };
        let family = definition.split(':').next().unwrap_or_default().to_owned();
        let variables = container.into_iter().flat_map(|container| &container.environment);
        Self {
            arn: arn("ecs", &format!("task/{cluster}/{}", ids.hex())),
            cluster,
            command: container.map(|container| container.command.clone()).unwrap_or_default(),
            environment: variables.map(|variable| (variable.name.clone(), variable.value.clone())).collect(),
            container: container.map_or(family.clone(), |container| container.name.clone()),
            group: request.group.clone().unwrap_or_else(|| format!("family:{family}")),
            launch_type: request.launch_type.clone().unwrap_or_else(|| "FARGATE".into()),
            task_definition: definition,
            started_by: request.started_by.clone(),
            last_status: "PROVISIONING",
            desired_status: "RUNNING",
            created_at: now,
            started_at: None,
            stopping_at: None,
            stopped_at: None,
            stop_code: None,
            stopped_reason: None,
            exit_code: None,
            container_reason: None,
            request: input,
            signal: Arc::new(watch::Sender::new(None)),
            version: 0,
        }
    }

    pub fn family(&self) -> &str {
        self.task_definition.split(':').next().unwrap_or_default()
    }

    /// Whether a name or ARN of a cluster and of a task mean this one.
    pub(super) fn is(&self, cluster: &str, task: &str) -> bool {
        self.cluster == last(cluster) && (self.arn == task || last(&self.arn) == task)
    }

    pub(super) fn change(&mut self, status: &'static str) {
        self.last_status = status;
        self.version += 1;
    }

    /// The API's timestamps are numbers, those of events are text.
    pub(super) fn describe(&self, time: fn(Timestamp) -> Value) -> Value {
        let container_status = match self.last_status {
            "RUNNING" | "DEACTIVATING" | "STOPPING" => "RUNNING",
            "DEPROVISIONING" | "STOPPED" => "STOPPED",
            _ => "PENDING",
        };
        let mut container = json!({
            "containerArn": arn(
                "ecs",
                &format!("container/{}/{}/{}", self.cluster, last(&self.arn), self.container),
            ),
            "taskArn": self.arn,
            "name": self.container,
            "lastStatus": container_status,
        });
        let mut task = json!({
            "taskArn": self.arn,
            "clusterArn": arn("ecs", &format!("cluster/{}", self.cluster)),
            "taskDefinitionArn": arn("ecs", &format!("task-definition/{}", self.task_definition)),
            "group": self.group,
            "launchType": self.launch_type,
            "lastStatus": self.last_status,
            "desiredStatus": self.desired_status,
            "createdAt": time(self.created_at),
            "overrides": self.request.get("overrides").cloned().unwrap_or(json!({})),
            "version": self.version,
        });
        let mut put = |member: &str, value: Option<Value>| {
            if let Some(value) = value {
                task[member] = value;
            }
        };
        put("startedBy", self.started_by.clone().map(Value::from));
        put("tags", self.request.get("tags").cloned());
        put("startedAt", self.started_at.map(time));
        put("stoppingAt", self.stopping_at.map(time));
        put("stoppedAt", self.stopped_at.map(time));
        put("stopCode", self.stop_code.map(Value::from));
        put("stoppedReason", self.stopped_reason.clone().map(Value::from));
        if let Some(code) = self.exit_code {
            container["exitCode"] = json!(code);
        }
        if let Some(reason) = self.container_reason {
            container["reason"] = json!(reason);
        }
        task["containers"] = json!([container]);
        task
    }
}
