//! How long report-run takes: the shipped executable through Lambda's runtime API, on this machine
//! and with AWS a socket away. Lambda's own start of an environment comes on top of a cold call,
//! and AWS's latency on top of every call that it makes.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use local_aws::http::Endpoint;
use serde_json::json;

use crate::{Sandbox, sandbox::BUCKET, statemachine::PREFIX};

const COLD: usize = 5;
const WARM: usize = 20;

/// Medians.
pub struct Timed {
    pub cold: Duration,
    pub warm: Duration,
    pub page: usize,
}

/// Of an execution that has ended, whose report is made again.
pub async fn report_run(sandbox: &Sandbox, execution: &str) -> anyhow::Result<Timed> {
    let kill = || while sandbox.lambda.kill(functions::REPORT_RUN) {};
    let mut cold = Vec::new();
    for _ in 0..COLD {
        kill();
        cold.push(call(sandbox, execution).await?);
    }
    let mut warm = Vec::new();
    for _ in 0..WARM {
        warm.push(call(sandbox, execution).await?);
    }
    let name = execution.rsplit(':').next().unwrap_or_default();
    let page = sandbox.s3.get(BUCKET, &format!("runs/{name}/report.html")).context("there is no report")?;
    Ok(Timed { cold: median(cold), warm: median(warm), page: page.len() })
}

async fn call(sandbox: &Sandbox, execution: &str) -> anyhow::Result<Duration> {
    let uri = format!("/2015-03-31/functions/{PREFIX}-{}/invocations", functions::REPORT_RUN);
    let event = json!({ "detail": { "executionArn": execution } }).to_string();
    let begun = Instant::now();
    let answer = sandbox.lambda.call(http::Request::post(uri).body(event.into())?).await;
    let took = begun.elapsed();
    let failed = answer.headers().contains_key("x-amz-function-error") || answer.status() != 200;
    ensure!(!failed, "report-run failed: {}", String::from_utf8_lossy(answer.body()));
    Ok(took)
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        write!(
            f,
            "report-run: {} ms cold, {} ms warm (medians of {COLD} and {WARM}, profile {profile}); its page \
             has {} bytes",
            self.cold.as_millis(),
            self.warm.as_millis(),
            self.page
        )
    }
}
