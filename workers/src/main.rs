//! `worker <state>`: runs one state as a Fargate task. See [`runbook::worker`] for its environment.

use std::process::ExitCode;

use anyhow::Context as _;
use runbook::{Context, Error, telemetry, worker};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    telemetry::start();
    // PID 1 of a container ignores SIGTERM unless it asks for it.
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let state = std::env::args().nth(1).context("usage: worker <state>, e.g. worker run-analyze")?;
    let token = worker::required("TASK_TOKEN")?;
    let (run, input) = (worker::required("RUN")?, worker::required("INPUT")?);
    let cx = Context::from_environment().await?;
    let work = async {
        let known = workers::call(&state, &cx, worker::payload(&run, &input)?).await;
        known.unwrap_or_else(|| {
            Err(Error::Refused(format!("this worker has no state {state:?}; it has {:?}", workers::STATES)))
        })
    };
    let stop = async {
        terminate.recv().await;
    };
    let ending = worker::run(&cx, &token, work, stop).await;
    Ok(ExitCode::from(u8::try_from(ending.exit_code())?))
}
