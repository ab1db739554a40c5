//! A task from PROVISIONING to STOPPED
//! (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html).

use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, Unit};
use serde_json::Value;
use tokio::sync::watch;

use super::task::{Signal, Task};
use super::{Ecs, Fault, runner};
use crate::events::envelope;

/// Together 45 s, the cold start of Fargate as wellcomecollection measured it (platform#6458).
const PROVISIONING: Duration = Duration::from_secs(15);
const PENDING: Duration = Duration::from_secs(30);
/// Fargate takes down the network interface.
const DEPROVISIONING: Duration = Duration::from_secs(10);

pub(super) type Signals = watch::Receiver<Option<Signal>>;

impl Ecs {
    pub(super) async fn live(self: Arc<Self>, arn: String, mut signals: Signals, fault: Option<Fault>) {
        let started = tokio::select! {
            () = self.start(&arn, fault.as_ref()) => true,
            _ = signals.wait_for(|signal| *signal == Some(Signal::Stop)) => false,
        };
        let end = if let Some(Fault::End(end)) = fault { Some(end) } else { None };
        let ends = async {
            match &end {
                Some(end) => self.clock.sleep(end.after).await,
                None => std::future::pending().await,
            }
        };
        let mut reason = None;
        let exit = match self.find(&arn) {
            Some(task) if started => tokio::select! {
                exit = runner::run(&self.runner, self.clock, &task, signals) => Some(exit),
                // Whatever ran is dropped, and a process is killed by that.
                () = ends => end.as_ref().map(|end| {
                    reason = end.reason;
                    Ok(end.exit_code)
                }),
            },
            _ => None,
        };
        let now = self.clock.now();
        self.change(&arn, "DEPROVISIONING", |task| {
            task.desired_status = "STOPPED";
            task.stopping_at.get_or_insert(now);
            task.container_reason = reason;
            match exit {
                Some(Ok(code)) => {
                    task.exit_code = Some(code);
                    task.stop_code.get_or_insert("EssentialContainerExited");
                    task.stopped_reason.get_or_insert("Essential container in task exited".into());
                }
                Some(Err(ref error)) => {
                    task.stop_code.get_or_insert("TaskFailedToStart");
                    task.stopped_reason.get_or_insert(format!("CannotStartContainerError: {error}"));
                }
                None => {}
            }
        });
        self.clock.sleep(DEPROVISIONING).await;
        let now = self.clock.now();
        self.change(&arn, "STOPPED", |task| task.stopped_at = Some(now));
    }

    async fn start(&self, arn: &str, fault: Option<&Fault>) {
        match fault {
            Some(Fault::NeverStart) => std::future::pending().await,
            Some(Fault::StartLate(time)) => self.clock.sleep(*time).await,
            _ => {}
        }
        self.clock.sleep(PROVISIONING).await;
        self.change(arn, "PENDING", |_| {});
        self.clock.sleep(PENDING).await;
        let now = self.clock.now();
        self.change(arn, "RUNNING", |task| task.started_at = Some(now));
    }

    fn find(&self, arn: &str) -> Option<Task> {
        self.tasks.lock().unwrap().iter().find(|task| task.arn == arn).cloned()
    }

    fn change(&self, arn: &str, status: &'static str, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.tasks.lock().unwrap().iter_mut().find(|task| task.arn == arn) {
            task.change(status);
            change(task);
        }
        self.tell(arn);
    }

    /// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
    pub(super) fn tell(&self, arn: &str) {
        let Some(task) = self.find(arn) else { return };
        let now = self.clock.now();
        let mut detail = task.describe(text);
        detail["updatedAt"] = text(now);
        let event = envelope(&self.ids, now, "aws.ecs", "ECS Task State Change", vec![task.arn], detail);
        // Nobody may listen; the task lives all the same.
        let _ = self.events.send(event);
    }
}

fn text(at: Timestamp) -> Value {
    at.round(Unit::Millisecond).unwrap_or(at).to_string().into()
}
