//! One execution: what it is, where it is, and what has happened in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clock::Clock;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot, watch};

use super::branch::Branch;
use super::failure::Failure;
use super::history::{Details, Event, LIMIT};
use super::machine::{Machine, StartedBy};
use super::progress::{Point, Progress};
use super::tokens::Tokens;
use endpoint::http::{Endpoint, EventSender};

/// What executions share.
pub struct World {
    pub clock: Clock,
    pub gateway: Weak<dyn Endpoint>,
    pub events: EventSender,
    pub tokens: Arc<Tokens>,
    /// By ARN: how a Task finds the execution that it started.
    pub executions: Mutex<BTreeMap<String, Weak<Execution>>>,
}

impl World {
    pub fn execution(&self, arn: &str) -> Option<Arc<Execution>> {
        self.executions.lock().get(arn).and_then(Weak::upgrade)
    }
}

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
    pub by: StartedBy,
    pub input: Input,
    pub started: Timestamp,
    pub world: Arc<World>,
    rng: Mutex<StdRng>,
    ledger: Mutex<Ledger>,
    pub finished: watch::Sender<bool>,
    pub history_full: Notify,
}

/// As it was sent (StartExecution compares the text), and read.
#[derive(Debug, Clone)]
pub struct Input {
    pub text: String,
    pub value: Value,
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
    pub stop: Option<oneshot::Sender<Failure>>,
}

pub fn uuid(rng: &mut StdRng) -> String {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid().to_string()
}

impl Execution {
    pub fn new(
        world: &Arc<World>,
        machine: Arc<Machine>,
        by: StartedBy,
        name: String,
        input: Input,
        seed: u64,
    ) -> Self {
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
        Self {
            arn: endpoint::aws::arn("states", &format!("execution:{}:{name}", machine.name)),
            name,
            machine,
            by,
            input,
            started: world.clock.now(),
            world: Arc::clone(world),
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            ledger: Mutex::new(ledger),
            finished: watch::Sender::new(false),
            history_full: Notify::new(),
        }
    }

    /// The event's id; `previous` is the one that it follows.
    pub fn record(&self, previous: u64, kind: &str, details: Details) -> u64 {
        let timestamp = self.world.clock.now();
        let mut ledger = self.ledger();
        let id = ledger.history.len() as u64 + 1;
        if id as usize >= LIMIT {
            // The last event is the one that says so.
            self.history_full.notify_one();
            return previous;
        }
        ledger.history.push(Event { id, previous, timestamp, kind: kind.to_owned(), details });
        id
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock()
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
        draw(&mut self.rng.lock())
    }

    pub fn draw(&self) -> u64 {
        self.with_rng(Rng::random)
    }

    pub fn draw_token(&self) -> String {
        BASE64_STANDARD.encode(self.with_rng(Rng::random::<[u8; 48]>))
    }

    pub fn uuid(&self) -> String {
        self.with_rng(uuid)
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
            "Input": self.input.value,
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
