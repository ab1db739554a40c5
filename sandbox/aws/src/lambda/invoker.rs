//! Runs a function once, or as often as an asynchronous invocation is tried.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use clock::Clock;
use serde_json::{Value, json};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::processes::Pool;
use super::{FunctionError, Functions, Handler, Runtime};

/// The function's answer, or the payload that describes its error.
pub type Outcome = Result<Bytes, Bytes>;

/// However fast the sandbox's clock runs, an executable needs some time of this machine.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Invoker {
    pub functions: Arc<Functions>,
    pub concurrency: Arc<Semaphore>,
    clock: Clock,
    kind: Kind,
    running: Table,
}

/// By request id: the function, and whom to tell that it is to be killed.
type Table = Mutex<BTreeMap<String, (String, Arc<Notify>)>>;

/// An entry of the table for as long as the invocation runs, also when the handler panics.
struct Running<'a>(&'a Table, &'a str);

impl<'a> Running<'a> {
    fn enter(table: &'a Table, id: &'a str, name: &str, kill: &Arc<Notify>) -> Self {
        table.lock().unwrap().insert(id.into(), (name.into(), kill.clone()));
        Self(table, id)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().remove(self.1);
    }
}

enum Kind {
    Processes(Pool),
    InProcess(Handler),
}

impl From<FunctionError> for Bytes {
    fn from(FunctionError { error_type, error_message }: FunctionError) -> Self {
        json!({ "errorType": error_type, "errorMessage": error_message }).to_string().into()
    }
}

/// How Lambda tells that a runtime died
/// (https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-execution.html).
pub(super) fn exited(id: &str, how: &str) -> Bytes {
    let error_message = format!("RequestId: {id} Error: Runtime exited with error: {how}");
    FunctionError { error_type: "Runtime.ExitError".into(), error_message }.into()
}

pub(super) fn timed_out(id: &str, timeout: Duration) -> Bytes {
    let error_message =
        format!("RequestId: {id} Error: Task timed out after {:.2} seconds", timeout.as_secs_f64());
    FunctionError { error_type: "Sandbox.Timedout".into(), error_message }.into()
}

impl Invoker {
    pub fn new(clock: Clock, functions: Functions, runtime: Runtime) -> Self {
        let functions = Arc::new(functions);
        let kind = match runtime {
            Runtime::Processes(processes) => Kind::Processes(Pool::new(clock, functions.clone(), processes)),
            Runtime::InProcess(handler) => Kind::InProcess(handler),
        };
        Self {
            concurrency: Arc::new(Semaphore::new(functions.concurrency)),
            functions,
            clock,
            kind,
            running: Mutex::default(),
        }
    }

    pub async fn run(
        self: Arc<Self>,
        name: String,
        id: String,
        payload: Bytes,
        _permit: OwnedSemaphorePermit,
    ) -> Outcome {
        let kill = Arc::new(Notify::new());
        let _running = Running::enter(&self.running, &id, &name, &kill);
        let limit = self.clock.real(self.functions.timeout).max(SHORTEST_TIMEOUT);
        match &self.kind {
            Kind::Processes(pool) => pool.invoke(&name, &id, payload, limit, &kill).await,
            Kind::InProcess(handler) => {
                let event: Value =
                    serde_json::from_slice(&payload).map_err(|error| exited(&id, &error.to_string()))?;
                tokio::select! {
                    answer = handler(name, event) => {
                        answer.map(|value| value.to_string().into()).map_err(Into::into)
                    }
                    () = kill.notified() => Err(exited(&id, "signal: killed")),
                    () = tokio::time::sleep(limit) => Err(timed_out(&id, self.functions.timeout)),
                }
            }
        }
    }

    /// An asynchronous invocation: it waits for its turn, and is tried three times, "with a
    /// one-minute wait between the first two attempts, and two minutes between the second and
    /// third" (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
    pub async fn run_queued(self: Arc<Self>, name: String, id: String, payload: Bytes) {
        for pause in [Some(60), Some(120), None] {
            let Ok(permit) = self.concurrency.clone().acquire_owned().await else { return };
            let Err(error) = self.clone().run(name.clone(), id.clone(), payload.clone(), permit).await else {
                return;
            };
            let error = String::from_utf8_lossy(&error);
            tracing::warn!(function = name, request = id, %error, "an asynchronous invocation failed");
            if let Some(seconds) = pause {
                self.clock.sleep(Duration::from_secs(seconds)).await;
            }
        }
    }

    pub fn kill(&self, function: &str) -> bool {
        let busy = self
            .running
            .lock()
            .unwrap()
            .values()
            .find(|(name, _)| name == function)
            .map(|(_, kill)| kill.clone());
        match (busy, &self.kind) {
            (Some(kill), _) => {
                kill.notify_one();
                true
            }
            (None, Kind::Processes(pool)) => pool.kill_idle(function),
            (None, Kind::InProcess(_)) => false,
        }
    }
}
