//! A Step Functions endpoint: an interpreter for the part of the Amazon States Language that our
//! state machines are written in.
//!
//! Standard workflows, JSONata only. It is a test double, kept small: what it does not know, it
//! refuses when a machine is created. Left out: versions and aliases, activities, distributed Map,
//! tags, roles, logging.

mod announce;
mod api;
mod catch;
mod choice;
mod definition;
mod execution;
mod fail;
mod failure;
pub mod fake;
mod flow;
mod history;
mod integrations;
mod jsonata;
mod map;
mod parallel;
mod pass;
mod progress;
mod retry;
mod succeed;
mod task;
mod tokens;
mod validate;
mod wait;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use clock::Clock;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::http::{Endpoint, EventSender, Request, Response};
use definition::Definition;
use execution::Execution;
pub use jsonata::{evaluate, expressions};
use tokens::Tokens;

pub struct StepFunctions {
    world: Arc<World>,
    state: Mutex<State>,
}

/// What executions share.
pub struct World {
    clock: Clock,
    gateway: Weak<dyn Endpoint>,
    events: EventSender,
    tokens: Arc<Tokens>,
    service: Weak<StepFunctions>,
}

struct State {
    /// By ARN.
    machines: BTreeMap<String, Arc<Machine>>,
    executions: BTreeMap<String, Arc<Execution>>,
    /// Their ARNs, oldest first.
    started: Vec<String>,
    rng: StdRng,
}

/// A state machine as one create or update left it.
pub struct Machine {
    arn: String,
    name: String,
    role_arn: String,
    /// As it was sent.
    text: String,
    definition: Definition,
    created: Timestamp,
    updated: Timestamp,
    revision: Option<String>,
}

impl StepFunctions {
    pub fn new(clock: Clock, gateway: Weak<dyn Endpoint>, events: EventSender, seed: u64) -> Arc<Self> {
        Arc::new_cyclic(|service| {
            let world =
                World { clock, gateway, events, tokens: Arc::default(), service: Weak::clone(service) };
            let rng = StdRng::seed_from_u64(seed);
            let state =
                State { machines: BTreeMap::new(), executions: BTreeMap::new(), started: Vec::new(), rng };
            Self { world: Arc::new(world), state: Mutex::new(state) }
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn execution(&self, arn: &str) -> Option<Arc<Execution>> {
        self.state().executions.get(arn).cloned()
    }
}

#[async_trait]
impl Endpoint for StepFunctions {
    async fn call(&self, request: Request) -> Response {
        api::answer(self, &request).await
    }
}

fn uuid(rng: &mut StdRng) -> String {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid().to_string()
}
