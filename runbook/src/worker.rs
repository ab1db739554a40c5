//! Runs a state as a Fargate task behind a task token: heartbeats while it works, and one answer at
//! the end.
//!
//! - `TASK_TOKEN`: the token of the waiting state. Required.
//! - `RUN`, `INPUT`: `run` and `input` of the payload that a function would get, as JSON. Required.
//!
//! When a heartbeat says that the token is spent, the state belongs to someone else: running
//! statements are cancelled and nothing more is changed. SIGTERM (Fargate stops the task) is
//! answered with `NotReady`, so that Step Functions starts another.

use std::{future::Future, time::Duration};

use anyhow::Context as _;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::{Value, json};
use tracing::{error, warn};

use crate::{Context, Error, Result, Run, postgres::cancel_all, state::kebab};

/// `HeartbeatSeconds` in the ASL is ten times this.
const BEAT: Duration = Duration::from_secs(30);

/// How the task ended; its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Answered,
    Failed,
    /// The token is spent: another attempt owns the state.
    Fenced,
}

impl Ending {
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Answered => 0,
            Self::Failed => 1,
            Self::Fenced => 3,
        }
    }
}

pub fn required(name: &str) -> anyhow::Result<String> {
    std::env::var(name)
        .with_context(|| format!("{name} must be set; Step Functions passes it to the container"))
}

/// The payload that a function would get, from `RUN` and `INPUT`.
pub fn payload(run: &str, input: &str) -> Result<Value> {
    let parse = |name: &str, text: &str| {
        serde_json::from_str::<Value>(text)
            .map_err(|error| Error::refused(format!("{name} is not JSON: {error}")))
    };
    Ok(json!({"run": parse("RUN", run)?, "input": parse("INPUT", input)?}))
}

/// Below the run's prefix: what the worker of that state is doing. A state that works for several
/// targets at the same time has one for each.
pub fn progress_key(state: &str, target: Option<&str>) -> String {
    let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_");
    match target {
        Some(target) => format!("progress/{}-{}.json", kebab(state), plain(target)),
        None => format!("progress/{}.json", kebab(state)),
    }
}

/// Where the worker of that payload says what it is doing.
pub fn progress_of(state: &str, payload: &Value) -> Option<String> {
    let run: Run = serde_json::from_value(payload.get("run")?.clone()).ok()?;
    // The target of an upgrade is a version: it is one worker all the same.
    let target = payload.pointer("/input/target").and_then(Value::as_str);
    let target = target.filter(|target| target.starts_with(|c: char| c.is_ascii_alphabetic()));
    Some(format!("{}/{}", run.prefix(), progress_key(state, target)))
}

/// Does the work and answers the token. `progress` is where it says what it is doing, for the run's
/// report; `stop` ends when the task is asked to stop.
pub async fn run(
    cx: &Context,
    token: &str,
    progress: Option<String>,
    work: impl Future<Output = Result<Value>>,
    stop: impl Future<Output = ()>,
) -> Ending {
    let result = tokio::select! {
        result = work => result,
        () = fenced(cx, token) => {
            cancel_all(cx).await;
            warn!("the task token is spent: another attempt owns this state; stopped");
            return Ending::Fenced;
        }
        () = report(cx, progress) => unreachable!("it reports for ever"),
        () = stop => {
            cancel_all(cx).await;
            Err(Error::NotReady("a new worker (this one was stopped with SIGTERM)".into()))
        }
    };
    answer(cx, token, result).await
}

/// Writes what the worker is doing whenever that has changed, beside the heartbeats: a bucket that
/// does not answer must not cost the token.
async fn report(cx: &Context, key: Option<String>) {
    let Some(key) = key else { return std::future::pending().await };
    let mut reported = None;
    loop {
        let said = cx.progress.last();
        if reported.as_ref() != Some(&said) {
            let words = if said.is_empty() { "starting" } else { &said };
            let progress = json!({"at": cx.clock.now(), "said": words});
            match cx.store.put_json(&key, &progress).await {
                Ok(()) => reported = Some(said),
                Err(error) => warn!(%error, "what this worker is doing could not be written"),
            }
        }
        cx.clock.sleep(BEAT).await;
    }
}

/// Beats until Step Functions no longer waits for this token. A beat that is lost is not an answer.
async fn fenced(cx: &Context, token: &str) {
    loop {
        let beat = cx.sfn.send_task_heartbeat().task_token(token).send().await;
        if let Err(error) = beat {
            match error.code() {
                code if is_spent(code) => return,
                code => warn!(?code, "a heartbeat was lost"),
            }
        }
        cx.clock.sleep(BEAT).await;
    }
}

/// Step Functions waits for this token no longer
/// (https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskHeartbeat.html).
pub fn is_spent(code: Option<&str>) -> bool {
    matches!(code, Some("TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken"))
}

async fn answer(cx: &Context, token: &str, result: Result<Value>) -> Ending {
    // An answer that is lost would leave the state waiting for its heartbeat time-out: say it again
    // for a while.
    for attempt in 0..5u32 {
        let (sent, ending) = match &result {
            Ok(output) => {
                let sent =
                    cx.sfn.send_task_success().task_token(token).output(output.to_string()).send().await;
                (sent.map(drop).map_err(|error| error.code().map(str::to_owned)), Ending::Answered)
            }
            Err(error) => {
                let sent = cx
                    .sfn
                    .send_task_failure()
                    .task_token(token)
                    .error(error.name())
                    .cause(error.cause())
                    .send()
                    .await;
                (sent.map(drop).map_err(|error| error.code().map(str::to_owned)), Ending::Failed)
            }
        };
        match sent {
            Ok(()) => return ending,
            Err(code) if is_spent(code.as_deref()) => return Ending::Fenced,
            Err(code) => error!(?code, attempt, "the answer was lost"),
        }
        cx.clock.sleep(Duration::from_secs(5 << attempt)).await;
    }
    Ending::Failed
}
