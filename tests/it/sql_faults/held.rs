//! A run that is held at a worker: its task never starts, and its token is kept alive until the
//! test answers it.

use std::time::Duration;

use local_aws::ecs::{Fault, Task};
use runbook::worker;
use sandbox::Sandbox;
use serde_json::Value;
use tokio::task::JoinHandle;

pub struct Held {
    pub payload: Value,
    token: String,
    beats: JoinHandle<()>,
}

/// Before the run comes there: the next `number` tasks of that worker never start.
pub fn lay(sandbox: &Sandbox, command: &str, number: usize) {
    for _ in 0..number {
        sandbox.ecs.lay(command, Fault::NeverStart);
    }
}

/// Waits until the run has started that many of them.
pub async fn at(sandbox: &Sandbox, command: &str, number: usize) -> Vec<Held> {
    let is_there = |task: &Task| task.command == [command];
    let tasks = || sandbox.ecs.tasks().into_iter().filter(is_there).collect::<Vec<_>>();
    for _ in 0..720 {
        if tasks().len() >= number {
            return tasks().into_iter().map(|task| hold(sandbox, &task)).collect();
        }
        sandbox.clock.sleep(Duration::from_secs(10)).await;
    }
    panic!("no {command} within two hours");
}

/// The token of an execution's worker; nobody keeps it alive.
pub async fn token(sandbox: &Sandbox, command: &str, execution: &str) -> String {
    let is_its = |task: &Task| task.command == [command] && task.environment["RUN"].contains(execution);
    for _ in 0..720 {
        if let Some(task) = sandbox.ecs.tasks().into_iter().find(is_its) {
            return task.environment["TASK_TOKEN"].clone();
        }
        sandbox.clock.sleep(Duration::from_secs(10)).await;
    }
    panic!("no {command} within two hours");
}

fn hold(sandbox: &Sandbox, task: &Task) -> Held {
    let variable = |name: &str| task.environment[name].clone();
    let payload = worker::payload(&variable("RUN"), &variable("INPUT")).unwrap();
    let (sfn, clock, token) = (sandbox.sfn(), sandbox.clock, variable("TASK_TOKEN"));
    let beating = token.clone();
    let beats = tokio::spawn(async move {
        while sfn.send_task_heartbeat().task_token(&beating).send().await.is_ok() {
            clock.sleep(Duration::from_secs(30)).await;
        }
    });
    Held { payload, token, beats }
}

impl Held {
    /// The run goes on.
    pub async fn answer(self, sandbox: &Sandbox, output: &Value) {
        self.beats.abort();
        let success = sandbox.sfn().send_task_success().task_token(&self.token);
        success.output(output.to_string()).send().await.unwrap();
    }
}
