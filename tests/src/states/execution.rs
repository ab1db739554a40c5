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
    pub fn start(world: Arc<World>, machine: Arc<Machine>, name: String, input_text: String, input: Value, seed: u64) -> Arc<Self> {
        let ledger = Ledger {
            status: Status::Running,
            stopped: None,
            output: None,
            failure: None,
            redrives: 0,
            redriven: None,
            history: Vec::new(),
            progress: Progress::default(),
            stop: None,
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
        execution.record(&AtomicU64::new(0), "ExecutionStarted", Some(("executionStartedEventDetails", details)));
        execution.announce();
        execution.spawn();
        execution
    }

    fn spawn(self: &Arc<Self>) {
        let (sender, stop) = oneshot::channel();
        self.ledger().stop = Some(sender);
        let execution = Arc::clone(self);
        tokio::spawn(async move {
            let (status, outcome) = execution.drive(stop).await;
            execution.finish(status, outcome);
        });
    }

    async fn drive(&self, stop: oneshot::Receiver<Failure>) -> (Status, Result<Value, Failure>) {
        let flow = &self.machine.definition.flow;
        // Dropping the run is what cancels it: its tasks are closed and its states recorded as aborted.
        tokio::select! {
            biased;
            Ok(reason) = stop => (Status::Aborted, Err(reason)),
            outcome = flow::run(self, flow, Branch::root(), self.input.clone()) => match outcome {
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
            (Err(failure), Status::Aborted) => ("ExecutionAborted", "executionAbortedEventDetails", failure.details()),
            (Err(failure), Status::TimedOut) => ("ExecutionTimedOut", "executionTimedOutEventDetails", failure.details()),
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
        {
            let mut ledger = self.ledger();
            if let Some(reason) = ledger.not_redrivable() {
                return Err(reason);
            }
            ledger.status = Status::Running;
            ledger.redrives += 1;
            ledger.redriven = Some(now);
            (ledger.stopped, ledger.failure) = (None, None);
            self.finished.send_replace(false);
        }
        let details = json!({"redriveCount": self.ledger().redrives});
        let last = AtomicU64::new(self.newest_event());
        self.record(&last, "ExecutionRedriven", Some(("executionRedrivenEventDetails", details)));
        self.announce();
        self.spawn();
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
        // Both the start and the first state have 0 before them.
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
        self.with_rng(|rng| rng.random())
    }

    pub fn draw_token(&self) -> String {
        BASE64_STANDARD.encode(self.with_rng(|rng| rng.random::<[u8; 48]>()))
    }

    pub fn uuid(&self) -> String {
        self.with_rng(|rng| super::uuid(rng))
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

    /// The event of https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    fn announce(&self) {
        let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
        let (now, id) = (self.world.clock.now(), self.uuid());
        let envelope = {
            let ledger = self.ledger();
            let failure = ledger.failure.as_ref();
            json!({
                "version": "0",
                "id": id,
                "detail-type": "Step Functions Execution Status Change",
                "source": "aws.states",
                "account": crate::aws::ACCOUNT,
                "time": format!("{now:.0}"),
                "region": crate::aws::REGION,
                "resources": [self.arn],
                "detail": {
                    "executionArn": self.arn,
                    "stateMachineArn": self.machine.arn,
                    "stateMachineVersionArn": null,
                    "stateMachineAliasArn": null,
                    "name": self.name,
                    "status": ledger.status.name(),
                    "startDate": self.started.as_millisecond(),
                    "stopDate": millis(ledger.stopped),
                    "input": self.input_text,
                    "inputDetails": {"included": true},
                    "output": ledger.output.as_ref().map(Value::to_string),
                    "outputDetails": ledger.output.as_ref().map(|_| json!({"included": true})),
                    "error": failure.and_then(|f| f.error.clone()),
                    "cause": failure.and_then(|f| f.cause.clone()),
                    "redriveCount": ledger.redrives,
                    "redriveDate": millis(ledger.redriven),
                    "redriveStatus": ledger.redrive_status(),
                    "redriveStatusReason": ledger.not_redrivable(),
                },
            })
        };
        // Nobody listens when the sandbox goes down.
        let _ = self.world.events.send(envelope);
    }
}

impl Ledger {
    pub fn redrive_status(&self) -> &'static str {
        if self.not_redrivable().is_none() { "REDRIVABLE" } else { "NOT_REDRIVABLE" }
    }

    /// https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html, "Redrive eligibility"; the 14 days are left out.
    pub fn not_redrivable(&self) -> Option<String> {
        match self.status {
            Status::Running | Status::Succeeded => Some(format!("Execution is {} and cannot be redriven", self.status.name())),
            _ if self.history.len() >= LIMIT - 1 => {
                Some(format!("Execution reached the event history limit of {} and cannot be redriven", LIMIT - 1))
            }
            _ => None,
        }
    }
}
