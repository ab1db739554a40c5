//! Runs a state as a Fargate task behind a task token: heartbeats while it works, and one answer at
//! the end.
//!
//! - `TASK_TOKEN`: the token of the waiting state. Required.
//! - `RUN`, `INPUT`: `run` and `input` of the payload that a function would get, as JSON. Required.
//!
//! When a heartbeat says that the token is spent, the state belongs to someone else: running
//! statements are cancelled and nothing more is changed. Where no heartbeat comes through, it is
//! taken to be so before Step Functions does: then, and on SIGTERM (Fargate stops the task), the
//! answer is `NotReady`, so that Step Functions starts another. Work begins with the first
//! heartbeat that is heard: a task that starts too late changes nothing either.

use std::{future::Future, pin::pin, time::Duration};

use anyhow::Context as _;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::{error, warn};

use crate::{Context, Error, Result, Run, postgres::cancel_all, state::kebab};

/// `HeartbeatSeconds` in the ASL is ten times this.
const BEAT: Duration = Duration::from_secs(30);
/// After one that was lost.
const NEXT_TRY: Duration = Duration::from_secs(10);
/// For how long a worker that is not heard works on. Step Functions counts from the last heartbeat
/// that it has heard, this process from when it sent it, so its time is over first.
const UNHEARD: Duration = Duration::from_secs(270);

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
    let mut stop = pin!(stop);
    let mut beats = Beats { cx, token, heard: cx.clock.now() };
    let at_work = async {
        beats.first().await?;
        tokio::select! {
            result = work => Ok(result),
            lost = beats.until_lost() => Err(lost),
            () = report(cx, progress) => unreachable!("it reports for ever"),
        }
    };
    let ended = tokio::select! {
        ended = at_work => ended,
        () = &mut stop => Err(Lost::Stopped),
    };
    let result = match ended {
        Ok(result) => result,
        Err(lost) => {
            cancel_all(cx).await;
            let why = match lost {
                Lost::Spent => {
                    warn!("the task token is spent: another attempt owns this state; stopped");
                    return Ending::Fenced;
                }
                Lost::Unheard => {
                    warn!("no heartbeat has come through: another attempt may own this state; stopped");
                    format!("no heartbeat of this one came through for {} s", UNHEARD.as_secs())
                }
                Lost::Stopped => "this one was stopped with SIGTERM".to_owned(),
            };
            Err(Error::NotReady(format!("a new worker ({why})")))
        }
    };
    answer(cx, token, result).await
}

/// Why a worker stops before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// Step Functions says that it no longer waits for this token.
    Spent,
    /// It has heard nothing of this worker for so long that it may not.
    Unheard,
    /// SIGTERM.
    Stopped,
}

struct Beats<'a> {
    cx: &'a Context,
    token: &'a str,
    /// When the last heartbeat was sent that has been heard.
    heard: Timestamp,
}

impl Beats<'_> {
    async fn first(&mut self) -> std::result::Result<(), Lost> {
        while !self.beat().await? {
            self.cx.clock.sleep(NEXT_TRY).await;
        }
        Ok(())
    }

    async fn until_lost(&mut self) -> Lost {
        let mut pause = BEAT;
        loop {
            self.cx.clock.sleep(pause.min(self.left())).await;
            pause = match self.beat().await {
                Ok(true) => BEAT,
                Ok(false) => NEXT_TRY,
                Err(lost) => return lost,
            };
        }
    }

    /// Whether it was heard.
    async fn beat(&mut self) -> std::result::Result<bool, Lost> {
        let (sent, left) = (self.cx.clock.now(), self.left());
        if left.is_zero() {
            return Err(Lost::Unheard);
        }
        let beat = self.cx.sfn.send_task_heartbeat().task_token(self.token).send();
        let answer = tokio::select! {
            answer = beat => answer,
            () = self.cx.clock.sleep(left) => return Err(Lost::Unheard),
        };
        match answer {
            Ok(_) => self.heard = sent,
            Err(error) if is_spent(error.code()) => return Err(Lost::Spent),
            Err(error) => {
                warn!(code = error.code(), "a heartbeat was lost");
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn left(&self) -> Duration {
        let since = Duration::try_from(self.cx.clock.now() - self.heard).unwrap_or_default();
        UNHEARD.saturating_sub(since)
    }
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
