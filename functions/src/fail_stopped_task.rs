//! Fails the token of a worker whose Fargate task has stopped, so that another worker is started at
//! once and not after the five minutes of its heartbeat.
//!
//! No state: EventBridge calls it (`infra/events/worker-stopped.json`). ECS tells of a task with
//! the overrides that it was started with, and the token is one of them
//! (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html; what they
//! hold is in EventBridge's schema `aws.ecs@ECSTaskStateChange`). Events are best effort, so
//! `HeartbeatSeconds` stays what a run relies on. A worker that has answered has a spent token, and
//! an event that comes late or twice finds one, too: then nothing happens.

use aws_sdk_sfn::error::ProvideErrorMetadata as _;
use runbook::{
    Context, Error, Result,
    error::{aws, cause},
    state, worker,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// As the ASL knows it, beside `States.HeartbeatTimeout`.
pub const ERROR: &str = "WorkerStopped";

#[derive(Deserialize)]
struct Event {
    detail: Task,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    task_arn: String,
    stop_code: Option<String>,
    stopped_reason: Option<String>,
    #[serde(default)]
    overrides: Overrides,
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Overrides {
    #[serde(default)]
    container_overrides: Vec<ContainerOverride>,
}

#[derive(Deserialize)]
struct ContainerOverride {
    #[serde(default)]
    environment: Vec<Variable>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    exit_code: Option<i32>,
    reason: Option<String>,
}

impl Task {
    fn token(&self) -> Option<&str> {
        let mut variables = self.overrides.container_overrides.iter().flat_map(|one| &one.environment);
        variables.find(|variable| variable.name == "TASK_TOKEN").map(|variable| variable.value.as_str())
    }

    /// Why it has stopped, for people.
    fn cause(&self) -> String {
        let reason = self.stopped_reason.as_deref().unwrap_or("ECS gives no reason");
        let mut cause = format!("the worker's task {} has stopped: {reason}", self.task_arn);
        if let Some(code) = &self.stop_code {
            cause += &format!(" ({code})");
        }
        for container in &self.containers {
            if let Some(reason) = &container.reason {
                cause += &format!("; {reason}");
            }
            if let Some(code) = container.exit_code {
                cause += &format!("; exit code {code}");
            }
        }
        cause + "\nNext: " + self.next() + ", then redrive an upgrade or start a sync again."
    }

    /// "OutOfMemoryError: Container killed due to memory usage", exit code 137; and what stops a
    /// task before it runs
    /// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html).
    fn next(&self) -> &'static str {
        let mut reasons = self.containers.iter().filter_map(|container| container.reason.as_deref());
        if reasons.any(|reason| reason.contains("OutOfMemory")) {
            return "give workers more memory (`worker_size` of the Terraform module)";
        }
        match self.stop_code.as_deref() {
            Some("TaskFailedToStart") => {
                "see that the worker's image is in the repository and that its subnets lead to ECR, S3 and \
                 CloudWatch Logs"
            }
            _ => "look at the end of the worker's log",
        }
    }
}

pub async fn handle(cx: &Context, event: Value) -> Result<Value> {
    let event: Event = state::read(event).map_err(|error| {
        Error::refused(format!("fail-stopped-task takes an \"ECS Task State Change\" event: {error}"))
    })?;
    let task = event.detail;
    let Some(token) = task.token() else {
        return Ok(json!({ "task": task.task_arn, "answer": "none: it was not started with a token" }));
    };
    // TaskToken, botocore stepfunctions/2016-11-23.
    if !(1..=2048).contains(&token.chars().count()) {
        return Err(Error::refused(format!(
            "TASK_TOKEN of detail.overrides has {} characters, and a token has 1 to 2,048",
            token.chars().count()
        )));
    }
    let failure = cx.sfn.send_task_failure().task_token(token).error(ERROR).cause(cause(&task.cause()));
    match failure.send().await {
        Ok(_) => Ok(json!({ "task": task.task_arn, "answer": ERROR })),
        Err(error) if worker::is_spent(error.code()) => {
            Ok(json!({ "task": task.task_arn, "answer": "none: nobody waits for its token" }))
        }
        Err(error) => Err(aws("states:SendTaskFailure")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(event: Value) -> String {
        serde_json::from_value::<Task>(event).unwrap().cause()
    }

    #[test]
    fn a_stopped_task_says_why_and_what_to_do() {
        let killed = cause(json!({
            "taskArn": "arn:task", "stopCode": "EssentialContainerExited",
            "stoppedReason": "Essential container in task exited",
            "containers": [{"exitCode": 137,
                "reason": "OutOfMemoryError: Container killed due to memory usage"}],
        }));
        for part in ["Essential container in task exited", "OutOfMemoryError", "exit code 137", "worker_size"]
        {
            assert!(killed.contains(part), "{part}: {killed}");
        }
        let never = cause(json!({
            "taskArn": "arn:task", "stopCode": "TaskFailedToStart",
            "stoppedReason": "CannotPullContainerError: not found", "containers": [{}],
        }));
        assert!(never.contains("CannotPullContainerError") && never.contains("repository"), "{never}");
        assert!(cause(json!({"taskArn": "arn:task"})).contains("ECS gives no reason"));
    }

    #[test]
    fn the_token_is_found_wherever_it_stands() {
        let task = |overrides: Value| -> Task {
            serde_json::from_value(json!({"taskArn": "a", "overrides": overrides})).unwrap()
        };
        let variables = json!([{"name": "RUN", "value": "{}"}, {"name": "TASK_TOKEN", "value": "t"}]);
        let worker = json!({"name": "worker", "environment": variables});
        let with = json!({"containerOverrides": [{"name": "sidecar"}, worker]});
        assert_eq!(task(with).token(), Some("t"));
        assert_eq!(task(json!({"containerOverrides": [{"name": "worker"}]})).token(), None);
        assert_eq!(task(json!({})).token(), None);
    }
}
