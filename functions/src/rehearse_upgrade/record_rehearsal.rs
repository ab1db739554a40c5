//! Says how long each part of the clone's upgrade took, and how long nobody could write.
//!
//! It believes Step Functions and RDS, and not what the upgrade has written. Changes: writes
//! `upgrades/<resource id>/rehearsal.json`, which leads ResolveUpgrade to this execution. Again is
//! harmless: it says the same. Undo: none. Errors: `NotReady` (AWS does not answer).

use aws_sdk_rds::types::SourceType;
use aws_sdk_sfn::types::HistoryEvent;
use jiff::Timestamp;
use runbook::{
    Arn, Context, Error, Finding, Result, Run, State,
    aurora::{self, EngineVersion, ResourceId},
    error::aws,
    rehearse_upgrade::{Phase, Plans, Rehearsal, Span, rehearsal_key, upgrade_of},
};
use serde::Deserialize;

use crate::report_run::{
    downtime,
    history::{self, History},
    report::Step,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordRehearsal {
    /// The cluster that was cloned, and its clone.
    cluster: String,
    resource_id: ResourceId,
    clone: String,
    plans: Option<Plans>,
}

/// Of ResolveUpgrade's answer.
#[derive(Deserialize)]
struct Resolved {
    from: EngineVersion,
    path: Vec<EngineVersion>,
}

/// Findings that a record names.
const LISTED: usize = 200;

impl State for RecordRehearsal {
    const NAME: &'static str = "RecordRehearsal";
    type Output = Rehearsal;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Rehearsal> {
        let upgrade = upgrade_of(run)?;
        let history = history_of(cx, &upgrade).await?;
        let resolved = history.steps.iter().position(|step| step.state == "ResolveUpgrade");
        let resolved = resolved.and_then(|number| history.outputs.get(&number).cloned());
        let resolved = resolved.and_then(|output| serde_json::from_value::<Resolved>(output).ok());
        let Resolved { from, path } = resolved.ok_or_else(|| {
            Error::unexpected(format!("the history of {upgrade} has no plan of the upgrade"))
        })?;
        let began = history.steps.first().map_or(run.entered, |step| step.entered);
        let downtime = self.downtime(cx, began, run.entered).await?;
        let findings: Option<Vec<Finding>> = {
            let name = upgrade.as_str().rsplit(':').next().unwrap_or_default();
            cx.store.get_json(&format!("runs/{name}/findings.json")).await?
        };
        let mut findings: Vec<String> = findings.unwrap_or_default().iter().map(Finding::id).collect();
        findings.truncate(LISTED);
        let phases = phases(&history.steps);
        let in_window = ["ApplyPendingMaintenance", "TakeSnapshot", "ModifyClusterVersion"];
        let duration = phases.iter().filter(|phase| in_window.contains(&phase.state.as_str()));
        let duration = Span::of(duration.map(|phase| phase.seconds).sum());
        let record = Rehearsal {
            execution: run.execution.clone(),
            summary: self.summary(&path, downtime, &findings),
            cluster: self.cluster,
            resource_id: self.resource_id,
            from,
            path,
            rehearsed: run.entered,
            phases,
            downtime,
            duration,
            findings,
            plans: self.plans,
        };
        cx.store.put_json(&rehearsal_key(&record.resource_id), &record).await?;
        Ok(record)
    }
}

impl RecordRehearsal {
    fn summary(&self, path: &[EngineVersion], downtime: Option<Span>, findings: &[String]) -> String {
        let to = path.last().map_or("its version".to_owned(), EngineVersion::to_string);
        let downtime = downtime.map_or("its downtime could not be measured".to_owned(), |downtime| {
            format!("expect {} of downtime", downtime.words())
        });
        let plans = match self.plans {
            Some(Plans { compared, changed }) => format!("; {changed} of {compared} plans are others"),
            None => String::new(),
        };
        let found = match findings.len() {
            0 => String::new(),
            1 => "; 1 finding".to_owned(),
            number => format!("; {number} findings"),
        };
        format!("{} was rehearsed to {to}: {downtime}{plans}{found}", self.cluster)
    }

    async fn downtime(&self, cx: &Context, from: Timestamp, until: Timestamp) -> Result<Option<Span>> {
        let clone = aurora::cluster(cx, &self.clone).await?;
        let Some(writer) = clone.writer() else { return Ok(None) };
        let clusters = downtime::events(cx, SourceType::DbCluster, from, until).await?;
        let instances = downtime::events(cx, SourceType::DbInstance, from, until).await?;
        let measured = downtime::of_a_writer(&clone.id, &clusters, writer, &instances);
        Ok(measured.and_then(|downtime| Some(Span::of(downtime.seconds.try_into().ok()?))))
    }
}

/// In the order in which they were first entered; a loop's entries are added up.
fn phases(steps: &[Step]) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    for step in steps {
        let Some(exited) = step.exited else { continue };
        let seconds = u64::try_from(exited.duration_since(step.entered).as_secs()).unwrap_or_default();
        match phases.iter_mut().find(|phase| phase.state == step.state) {
            Some(phase) => phase.seconds += seconds,
            None => phases.push(Phase { state: step.state.clone(), seconds }),
        }
    }
    phases
}

async fn history_of(cx: &Context, execution: &Arn) -> Result<History> {
    let pages = cx.sfn.get_execution_history().execution_arn(execution.as_str()).max_results(1000);
    let events = pages.include_execution_data(true).into_paginator().items().send();
    let events: Vec<HistoryEvent> = events.try_collect().await.map_err(aws("states:GetExecutionHistory"))?;
    Ok(history::read(&events))
}
