//! One execution: started, run to its end, stopped, redriven.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot, watch};

use super::failure::Failure;
use super::flow::{self, Branch};
use super::history::{Event, LIMIT};
use super::progress::{Point, Progress};
use super::{Machine, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }
}

pub struct Execution {
    pub arn: String,
    pub name: String,
    /// As it was when the execution started: an update does not reach it, a redrive neither.
    pub machine: Arc<Machine>,
    /// As it was sent: StartExecution compares the text.
    pub input_text: String,
    pub input: Value,
    pub started: Timestamp,
    pub world: Arc<World>,
    rng: Mutex<StdRng>,
    ledger: Mutex<Ledger>,
    finished: watch::Sender<bool>,
    history_full: Notify,
}

/// What changes while it runs.
pub struct Ledger {
    pub status: Status,
    pub stopped: Option<Timestamp>,
    pub output: Option<Value>,
    pub failure: Option<Failure>,
    pub redrives: u32,
    pub redriven: Option<Timestamp>,
    pub history: Vec<Event>,
    progress: Progress,
    stop: Option<oneshot::Sender<Failure>>,
}

impl Execution {
    pub fn start(
        world: Arc<World>,
        machine: Arc<Machine>,
        name: String,
        input_text: String,
        input: Value,
        seed: u64,
    ) -> Arc<Self> {
        let (sender, stop) = oneshot::channel();
        let ledger = Ledger {
            status: Status::Running,
            stopped: None,
            output: None,
            failure: None,
            redrives: 0,
            redriven: None,
            history: Vec::new(),
            progress: Progress::default(),
            stop: Some(sender),
        };
        let execution = Arc::new(Self {
            arn: crate::aws::arn("states", &format!("execution:{}:{name}", machine.name)),
            name,
            machine,
            input_text,
            input,
            started: world.clock.now(),
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            ledger: Mutex::new(ledger),
            finished: watch::Sender::new(false),
            history_full: Notify::new(),
            world,
        });
        let details = json!({"input": execution.input_text, "inputDetails": {"truncated": false}, "roleArn": execution.machine.role_arn});
        execution.record(
            &AtomicU64::new(0),
            "ExecutionStarted",
            Some(("executionStartedEventDetails", details)),
        );
        execution.announce();
        execution.spawn(stop, 0);
        execution
    }

    fn spawn(self: &Arc<Self>, stop: oneshot::Receiver<Failure>, last_event: u64) {
        let execution = Arc::clone(self);
        tokio::spawn(async move {
            let (status, outcome) = execution.drive(stop, last_event).await;
            execution.finish(status, outcome);
        });
    }

    async fn drive(
        &self,
        stop: oneshot::Receiver<Failure>,
        last_event: u64,
    ) -> (Status, Result<Value, Failure>) {
        let flow = &self.machine.definition.flow;
        // Dropping the run is what cancels it: its tasks are closed and its states recorded as
        // aborted.
        tokio::select! {
            biased;
            Ok(reason) = stop => (Status::Aborted, Err(reason)),
            outcome = flow::run(self, flow, Branch::root(last_event), self.input.clone()) => match outcome {
                Ok(output) => (Status::Succeeded, Ok(output)),
                Err(failure) => (Status::Failed, Err(failure)),
            },
            () = self.time_out() => (Status::TimedOut, Err(Failure::timeout())),
            () = self.history_full.notified() => {
                let cause = format!("The execution reached the maximum number of history events ({LIMIT}).");
                (Status::Failed, Err(Failure::runtime(cause)))
            }
        }
    }

    async fn time_out(&self) {
        match self.machine.definition.timeout_seconds {
            Some(seconds) => self.world.clock.sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    }

    fn finish(&self, status: Status, outcome: Result<Value, Failure>) {
        let (kind, field, details) = match (&outcome, status) {
            (Ok(output), _) => {
                let details = json!({"output": output.to_string(), "outputDetails": {"truncated": false}});
                ("ExecutionSucceeded", "executionSucceededEventDetails", details)
            }
            (Err(failure), Status::Aborted) => {
                ("ExecutionAborted", "executionAbortedEventDetails", failure.details())
            }
            (Err(failure), Status::TimedOut) => {
                ("ExecutionTimedOut", "executionTimedOutEventDetails", failure.details())
            }
            (Err(failure), _) => ("ExecutionFailed", "executionFailedEventDetails", failure.details()),
        };
        let now = self.world.clock.now();
        {
            let mut ledger = self.ledger();
            let newest = ledger.history.len() as u64;
            let (kind, details) = (kind.to_owned(), Some((field, details)));
            ledger.history.push(Event { id: newest + 1, previous: newest, timestamp: now, kind, details });
            ledger.status = status;
            ledger.stopped = Some(now);
            ledger.stop = None;
            match outcome {
                Ok(output) => ledger.output = Some(output),
                Err(failure) => ledger.failure = Some(failure),
            }
        }
        self.announce();
        self.finished.send_replace(true);
    }

    /// Asks it to stop, which it does before time passes. False when it has ended already.
    pub fn stop(&self, reason: Failure) -> bool {
        let stop = self.ledger().stop.take();
        stop.is_some_and(|stop| stop.send(reason).is_ok())
    }

    pub async fn wait_until_finished(&self) {
        // Fails only when the sender is gone, and `self` holds it.
        let _ = self.finished.subscribe().wait_for(|finished| *finished).await;
    }

    /// Goes on from the states that were not left. The error says why it cannot.
    pub fn redrive(self: &Arc<Self>) -> Result<Timestamp, String> {
        let now = self.world.clock.now();
        let (sender, stop) = oneshot::channel();
        let redrives = {
            let mut ledger = self.ledger();
            if let Some(reason) = ledger.not_redrivable() {
                return Err(reason);
            }
            ledger.status = Status::Running;
            ledger.redrives += 1;
            ledger.redriven = Some(now);
            (ledger.stopped, ledger.failure) = (None, None);
            ledger.stop = Some(sender);
            self.finished.send_replace(false);
            ledger.redrives
        };
        let details = json!({"redriveCount": redrives});
        let last = AtomicU64::new(self.newest_event());
        self.record(&last, "ExecutionRedriven", Some(("executionRedrivenEventDetails", details)));
        self.announce();
        self.spawn(stop, last.into_inner());
        Ok(now)
    }

    /// `last` is the event before this one in the same branch, and becomes this one.
    pub fn record(&self, last: &AtomicU64, kind: &str, details: Option<(&'static str, Value)>) {
        let timestamp = self.world.clock.now();
        let mut ledger = self.ledger();
        let id = ledger.history.len() as u64 + 1;
        if id as usize >= LIMIT {
            // The last event is the one that says so.
            self.history_full.notify_one();
            return;
        }
        let previous = last.swap(id, Ordering::Relaxed);
        ledger.history.push(Event { id, previous, timestamp, kind: kind.to_owned(), details });
    }

    pub fn newest_event(&self) -> u64 {
        self.ledger().history.len() as u64
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn enter(&self, branch: &Branch, point: Point) {
        self.ledger().progress.enter(branch.path(), point);
    }

    pub fn leave(&self, branch: &Branch, output: Value) {
        self.ledger().progress.finish(branch.path(), output);
    }

    pub fn point_of(&self, branch: &Branch) -> Option<Point> {
        self.ledger().progress.point(branch.path())
    }

    pub fn output_of(&self, branch: &Branch) -> Option<Value> {
        self.ledger().progress.output(branch.path())
    }

    pub fn forget_inner(&self, branch: &Branch) {
        self.ledger().progress.forget_inner(branch.path());
    }

    pub fn with_rng<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn draw(&self) -> u64 {
        self.with_rng(Rng::random)
    }

    pub fn draw_token(&self) -> String {
        BASE64_STANDARD.encode(self.with_rng(|rng| rng.random::<[u8; 48]>()))
    }

    pub fn uuid(&self) -> String {
        self.with_rng(super::uuid)
    }

    /// The parts of the context object that are the same in every state.
    pub fn context(&self) -> Value {
        let (redrives, redriven) = {
            let ledger = self.ledger();
            (ledger.redrives, ledger.redriven)
        };
        let mut execution = json!({
            "Id": self.arn,
            "Name": self.name,
            "Input": self.input,
            "RoleArn": self.machine.role_arn,
            "StartTime": format!("{:.3}", self.started),
            "RedriveCount": redrives,
        });
        if let Some(redriven) = redriven {
            execution["RedriveTime"] = format!("{redriven:.3}").into();
        }
        json!({"Execution": execution, "StateMachine": {"Id": self.machine.arn, "Name": self.machine.name}})
    }
}

impl Ledger {
    pub fn redrive_status(&self) -> &'static str {
        if self.not_redrivable().is_none() { "REDRIVABLE" } else { "NOT_REDRIVABLE" }
    }

    /// https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html, "Redrive
    /// eligibility"; the 14 days are left out.
    pub fn not_redrivable(&self) -> Option<String> {
        match self.status {
            Status::Running | Status::Succeeded => {
                Some(format!("Execution is {} and cannot be redriven", self.status.name()))
            }
            _ if self.history.len() >= LIMIT - 1 => Some(format!(
                "Execution reached the event history limit of {} and cannot be redriven",
                LIMIT - 1
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::states::fake::{Fake, ok, worker};

    #[tokio::test(start_paused = true)]
    async fn stopping_closes_the_task_at_once() {
        let fake = Fake::new(|_| async { ok(json!({"tasks": [], "failures": []})) });
        let arn = fake.start(json!({"Work": worker(json!({"End": true}))}), "Work", json!({})).await;
        fake.sleep(50).await;
        let answer = fake
            .api("StopExecution", json!({"executionArn": arn, "error": "Enough", "cause": "asked to"}))
            .await;
        assert_eq!((answer["stopDate"].clone(), fake.elapsed()), (json!(50.0), 50.0));
        let run = fake.finish(&arn).await;
        assert_eq!(
            (&run["status"], &run["error"], &run["cause"]),
            (&json!("ABORTED"), &json!("Enough"), &json!("asked to"))
        );
        assert_eq!(
            fake.api("SendTaskHeartbeat", json!({"taskToken": fake.token(0)})).await["__type"],
            "TaskTimedOut"
        );
        let types = fake.event_types(&arn).await;
        assert_eq!(types[types.len() - 2..], ["TaskStateAborted", "ExecutionAborted"]);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_the_parent_stops_the_child_it_waits_for() {
        let fake = Fake::alone();
        let child = fake
            .create("child", json!({"Pause": {"Type": "Wait", "Seconds": 1000, "End": true}}), "Pause")
            .await;
        let start = json!({"Start": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": true,
            "Arguments": {"StateMachineArn": child, "Name": "inner"}}});
        let arn = fake.start(start, "Start", json!({})).await;
        fake.sleep(10).await;
        fake.api("StopExecution", json!({"executionArn": arn})).await;
        let inner = fake.finish(&crate::aws::arn("states", "execution:child:inner")).await;
        assert_eq!((&inner["status"], &inner["stopDate"]), (&json!("ABORTED"), &json!(10.0)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_has_a_timeout_of_its_own() {
        let fake = Fake::alone();
        let definition = json!({"QueryLanguage": "JSONata", "StartAt": "Pause", "TimeoutSeconds": 60,
            "States": {"Pause": {"Type": "Wait", "Seconds": 100, "End": true}}});
        let machine = fake.create_machine("limited", definition).await;
        let arn = fake.api("StartExecution", json!({"stateMachineArn": machine})).await["executionArn"]
            .as_str()
            .unwrap()
            .to_owned();
        let run = fake.finish(&arn).await;
        assert_eq!(
            (&run["status"], &run["error"], &run["stopDate"]),
            (&json!("TIMED_OUT"), &json!("States.Timeout"), &json!(60.0))
        );
        assert_eq!(fake.event_types(&arn).await.last().unwrap(), "ExecutionTimedOut");
    }

    #[tokio::test(start_paused = true)]
    async fn a_history_that_is_full_fails_the_execution() {
        let fake = Fake::alone();
        let states = json!({"Again": {"Type": "Pass", "Next": "AndAgain"}, "AndAgain": {"Type": "Wait", "Seconds": 1, "Next": "Again"}});
        let run = fake.run(states, "Again", json!({})).await;
        assert_eq!((&run["status"], &run["redriveStatus"]), (&json!("FAILED"), &json!("NOT_REDRIVABLE")));
        assert!(run["cause"].as_str().unwrap().contains("maximum number of history events (25000)"));
        let newest = json!({"executionArn": run["executionArn"], "reverseOrder": true, "maxResults": 1});
        assert_eq!(fake.api("GetExecutionHistory", newest).await["events"][0]["id"], 25000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_replays() {
        let mut tokens = Vec::new();
        for seed in [3, 3, 4] {
            let fake = Fake::seeded(seed, |_| async { ok(json!({"tasks": [], "failures": []})) });
            let work = worker(json!({"End": true, "HeartbeatSeconds": 5,
                "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 100, "JitterStrategy": "FULL"}]}));
            fake.run(json!({"Work": work}), "Work", json!({})).await;
            tokens.push((fake.token(1), fake.calls()[1].at));
        }
        assert_eq!(tokens[0], tokens[1]);
        assert_ne!(tokens[0], tokens[2]);
    }
}
