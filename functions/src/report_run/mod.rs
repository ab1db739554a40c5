//! Writes the run's report when an execution changes its status: `runs/<execution>/report.json` and
//! `report.html` in the run bucket.
//!
//! EventBridge calls it (infra/events), so aborted and timed-out runs are reported, too. The event
//! only says which execution: the report is made from what Step Functions shows now, so events may
//! come late, twice or out of order.

mod compose;
mod history;
mod html;
mod outputs;
mod parts;
mod picture;
pub mod report;
pub mod sections;
pub mod words;

pub use html::page;

use aws_sdk_sfn::types::HistoryEvent;
use runbook::{Context, Error, Result, error::aws};
use serde::Deserialize;
use serde_json::{Value, json};

/// https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
#[derive(Deserialize)]
struct Event {
    detail: Detail,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    execution_arn: String,
}

pub async fn handle(cx: &Context, event: Value) -> Result<Value> {
    let event: Event = serde_json::from_value(event).map_err(|error| {
        Error::refused(format!(
            "report-run takes a \"Step Functions Execution Status Change\" event: {error}"
        ))
    })?;
    let arn = event.detail.execution_arn;
    let execution = cx
        .sfn
        .describe_execution()
        .execution_arn(&arn)
        .send()
        .await
        .map_err(aws("states:DescribeExecution"))?;
    let pages = cx
        .sfn
        .get_execution_history()
        .execution_arn(&arn)
        .max_results(1000)
        .include_execution_data(true)
        .into_paginator()
        .items()
        .send();
    let history: Vec<HistoryEvent> = pages.try_collect().await.map_err(aws("states:GetExecutionHistory"))?;
    let report = report::Report::new(&execution, &history, cx.clock.now());
    let folder = format!("runs/{}", report.name);
    cx.store.put_json(&format!("{folder}/report.json"), &report).await?;
    cx.store
        .put(&format!("{folder}/report.html"), "text/html; charset=utf-8", html::page(&report).into_bytes())
        .await?;
    let page = format!("s3://{}/{folder}/report.html", cx.store.bucket);
    Ok(json!({ "report": page, "outcome": report.outcome }))
}
