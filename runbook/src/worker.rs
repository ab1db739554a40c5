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

use crate::{Context, Error, Result, postgres::cancel_all};

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

/// Does the work and answers the token. `stop` ends when the task is asked to stop.
pub async fn run(
    cx: &Context,
    token: &str,
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
        () = stop => {
            cancel_all(cx).await;
            Err(Error::NotReady("a new worker (this one was stopped with SIGTERM)".into()))
        }
    };
    answer(cx, token, result).await
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
