//! A Step Functions endpoint: an interpreter for the part of the Amazon States Language that our
//! state machines are written in.
//!
//! Standard workflows, JSONata only. It is a test double, kept small: what it does not know, it
//! refuses when a machine is created. Left out: activities, distributed Map, roles, logging.
//!
//! Four parts, each of which imports only those before it: `jsonata`, `language` (reads a
//! definition), `run` (runs it), `api`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test double: what it did not expect stops the test")]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test waits in tokio's paused time"))]

mod api;
pub mod fake;
mod jsonata;
mod language;
mod registry;
mod run;

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use clock::Clock;
use parking_lot::{Mutex, MutexGuard};
use rand::SeedableRng;
use rand::rngs::StdRng;

use endpoint::http::{Endpoint, EventSender, Request, Response};
pub use jsonata::{evaluate, expressions};
use registry::Registry;
use run::execution::{Execution, Status, World};

pub struct StepFunctions {
    world: Arc<World>,
    registry: Mutex<Registry>,
}

impl StepFunctions {
    pub fn new(clock: Clock, gateway: Weak<dyn Endpoint>, events: EventSender, seed: u64) -> Arc<Self> {
        let (tokens, executions) = (Arc::default(), Mutex::default());
        let world = World { clock, gateway, events, tokens, executions };
        let registry = Registry::new(StdRng::seed_from_u64(seed));
        Arc::new(Self { world: Arc::new(world), registry: Mutex::new(registry) })
    }

    /// Forgets the executions that have ended, with their histories: those of a fleet's month do
    /// not fit into memory.
    pub fn forget_ended(&self) {
        let Registry { executions, started, .. } = &mut *self.registry();
        executions.retain(|_, execution| execution.ledger().status == Status::Running);
        started.retain(|arn| executions.contains_key(arn));
        self.world.executions.lock().retain(|arn, _| executions.contains_key(arn));
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock()
    }

    fn execution(&self, arn: &str) -> Option<Arc<Execution>> {
        self.registry().executions.get(arn).cloned()
    }
}

#[async_trait]
impl Endpoint for StepFunctions {
    async fn call(&self, request: Request) -> Response {
        api::answer(self, &request).await
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Tests may look at everything.
    #[test]
    fn a_part_imports_only_parts_before_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut seen = 0;
        for (part, later) in [
            ("jsonata", ["language", "registry", "run", "api"].as_slice()),
            ("language", &["registry", "run", "api"]),
            ("run", &["registry", "api"]),
        ] {
            let mut folders = vec![root.join(part)];
            while let Some(folder) = folders.pop() {
                for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                    if file.is_dir() {
                        folders.push(file);
                        continue;
                    }
                    let text = std::fs::read_to_string(&file).unwrap();
                    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                    for later in later {
                        let import = format!("crate::{later}");
                        assert!(!code.contains(&import), "{} imports {import}", file.display());
                    }
                    assert!(!code.contains("super::super::super"), "{} climbs out", file.display());
                    seen += 1;
                }
            }
        }
        assert!(seen > 40, "{seen} files were read");
    }
}
