//! Writes the run's report when an execution changes its status, and while it runs once a minute:
//! `runs/<execution>/report.json` and `report.html` in the run bucket.
//!
//! EventBridge calls it (infra/events), so aborted and timed-out runs are reported, too. An event
//! only says which execution, the minute's rule of which state machines: the report is made from
//! what Step Functions shows now, so events may come late, twice or out of order. What it tells to
//! others, it tells once: see [`tell`].

mod asked;
mod compose;
mod cost;
pub(crate) mod downtime;
pub mod events;
mod evidence;
mod fleet;
pub(crate) mod history;
mod html;
pub mod messages;
pub mod metrics;
mod outputs;
mod parts;
mod picture;
pub mod report;
pub mod sections;
mod sentry;
mod tell;
pub mod words;

use aws_sdk_sfn::{
    operation::describe_execution::DescribeExecutionOutput,
    types::{ExecutionStatus, HistoryEvent},
};
use runbook::{Arn, Context, Error, Result, error::aws, state};
use serde::Deserialize;
use serde_json::{Value, json};

use cost::Prices;
pub use html::page;
use report::Report;

pub enum Event {
    /// https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    Changed(Arn),
    /// Of these state machines every execution that runs: infra/events/runs-under-way.json.
    UnderWay(Vec<Arn>),
}

#[derive(Deserialize)]
struct Changed {
    detail: Detail,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    execution_arn: Arn,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnderWay {
    state_machines: Vec<Arn>,
}

impl Event {
    /// Whatever EventBridge or somebody else calls with.
    pub fn read(event: Value) -> Result<Self> {
        let refused = |error: String| {
            Error::refused(format!(
                "report-run takes a \"Step Functions Execution Status Change\" event: {error}"
            ))
        };
        let of = |field: &str, arn: Arn, kind: &str| match arn.service() == "states" && arn.kind() == kind {
            true => Ok(arn),
            false => Err(refused(format!("{field}: {arn} is no {kind} of Step Functions"))),
        };
        if event.get("stateMachines").is_some() {
            let UnderWay { state_machines } = state::read(event).map_err(refused)?;
            let machines = state_machines.into_iter().map(|arn| of("stateMachines", arn, "stateMachine"));
            return Ok(Self::UnderWay(machines.collect::<Result<_>>()?));
        }
        let Changed { detail } = state::read(event).map_err(refused)?;
        Ok(Self::Changed(of("detail.executionArn", detail.execution_arn, "execution")?))
    }
}

pub async fn handle(cx: &Context, event: Value) -> Result<Value> {
    match Event::read(event)? {
        Event::Changed(execution) => {
            let report = write(cx, execution.as_str()).await?;
            tell::tell(cx, &report).await?;
            let page = format!("s3://{}/runs/{}/report.html", cx.store.bucket, report.name);
            Ok(json!({ "report": page, "outcome": report.outcome }))
        }
        Event::UnderWay(state_machines) => {
            let mut executions = Vec::new();
            for machine in state_machines {
                let list = cx.sfn.list_executions().state_machine_arn(machine.as_str());
                let list = list.status_filter(ExecutionStatus::Running).into_paginator().items().send();
                let running: Vec<_> = list.try_collect().await.map_err(aws("states:ListExecutions"))?;
                executions.extend(running.into_iter().map(|running| running.execution_arn));
            }
            for execution in &executions {
                let report = write(cx, execution).await?;
                // No status of the execution says that it asks.
                if report.approval.is_some() {
                    tell::tell(cx, &report).await?;
                }
            }
            Ok(json!({ "running": executions.len() }))
        }
    }
}

/// Makes the report of that execution as it stands now, and writes it. Another call may have
/// written the run's end meanwhile, and this one older news over it: so who has written of a run
/// that runs looks once more.
async fn write(cx: &Context, arn: &str) -> Result<Report> {
    loop {
        let report = write_once(cx, arn).await?;
        if !report.is_running() || describe(cx, arn).await?.status().as_str() == report.status {
            return Ok(report);
        }
    }
}

async fn describe(cx: &Context, arn: &str) -> Result<DescribeExecutionOutput> {
    let described = cx.sfn.describe_execution().execution_arn(arn).send().await;
    described.map_err(aws("states:DescribeExecution"))
}

async fn write_once(cx: &Context, arn: &str) -> Result<Report> {
    let execution = describe(cx, arn).await?;
    let pages = cx
        .sfn
        .get_execution_history()
        .execution_arn(arn)
        .max_results(1000)
        .include_execution_data(true)
        .into_paginator()
        .items()
        .send();
    let events: Vec<HistoryEvent> = pages.try_collect().await.map_err(aws("states:GetExecutionHistory"))?;
    let (mut report, history) = Report::of(&execution, history::read(&events), cx.clock.now());
    report.complete(cx, &history, &Prices::from_environment()).await;
    let folder = format!("runs/{}", report.name);
    cx.store.put_json(&format!("{folder}/report.json"), &report).await?;
    let page = html::page(&report).into_bytes();
    cx.store.put(&format!("{folder}/report.html"), "text/html; charset=utf-8", page).await?;
    Ok(report)
}
