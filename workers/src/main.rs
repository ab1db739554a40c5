//! `worker <state>`: runs one state as a Fargate task. See [`runbook::worker`] for its environment
//! and [`runbook::postgres::Tls`] for how it connects. `worker --check` only reads the latter: the
//! image's build runs it.

use std::process::ExitCode;

use anyhow::Context as _;
use runbook::{Context, Error, postgres::Tls, telemetry, worker};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    telemetry::start();
    // PID 1 of a container ignores SIGTERM unless it asks for it.
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let state = std::env::args().nth(1).context("usage: worker <state>, e.g. worker run-analyze")?;
    if state == "--check" {
        return Tls::from_environment().map(|_| ExitCode::SUCCESS);
    }
    let token = worker::required("TASK_TOKEN")?;
    let (run, input) = (worker::required("RUN")?, worker::required("INPUT")?);
    let cx = Context::from_environment().await?;
    let (cx, tls) = match Tls::from_environment() {
        Ok(tls) => (cx.with_tls(tls), Ok(())),
        Err(error) => (cx, Err(Error::refused(format!("{error:#}")))),
    };
    let payload = worker::payload(&run, &input);
    let progress = payload.as_ref().ok().and_then(|payload| worker::progress_of(&state, payload));
    let work = async {
        tls?;
        let known = workers::call(&state, &cx, payload?).await;
        known.unwrap_or_else(|| {
            Err(Error::refused(format!("this worker has no state {state:?}; it has {:?}", workers::STATES)))
        })
    };
    let stop = async {
        terminate.recv().await;
    };
    let ending = worker::run(&cx, &token, progress, work, stop).await;
    Ok(ExitCode::from(u8::try_from(ending.exit_code())?))
}
