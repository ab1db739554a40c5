//! Updates the extensions and gathers statistics on green, before the switchover.
//!
//! Changes, on green alone: what RunAnalyze changes, by its code: extension versions and
//! statistics. Green is read-only by `default_transaction_read_only`, which its sessions switch off
//! for themselves; they write nothing that blue replicates.
//!
//! Again is harmless: a table that has its statistics is left out.
//!
//! Undo: none needed; green goes with its deployment.
//!
//! Errors: those of RunAnalyze.

use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, EngineVersion, ResourceId},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::major_upgrade::{
    inspection::{self, Inspection},
    run_analyze::{Analyzed, analyze},
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnalyzeGreen {
    /// The DB cluster identifier that green takes later.
    pub cluster: String,
    /// The secret with `username` and `password`.
    pub secret_arn: Option<String>,
    /// The engine version that green has.
    #[schemars(with = "String")]
    pub target: EngineVersion,
    /// Green's DB cluster identifier.
    pub green: String,
    /// Green's DbClusterResourceId, which stays.
    #[schemars(with = "String")]
    pub resource_id: ResourceId,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prepared {
    pub summary: String,
    /// Absent when somebody has switched over: RunAnalyze does it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analyzed: Option<Analyzed>,
}

impl State for AnalyzeGreen {
    const NAME: &'static str = "AnalyzeGreen";
    type Output = Prepared;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Prepared> {
        let production = aurora::find_cluster(cx, &self.cluster).await?;
        if production.is_some_and(|production| production.resource_id == self.resource_id) {
            let summary = format!("{} is switched over; RunAnalyze comes later", self.cluster);
            return Ok(Prepared { summary, analyzed: None });
        }
        let green = aurora::find_cluster(cx, &self.green).await?;
        let green = green.filter(|green| green.resource_id == self.resource_id);
        let green = green.ok_or_else(|| Error::NotReady(format!("the green cluster {}", self.green)))?;
        let login = aurora::login(cx, &green, self.secret_arn.as_deref()).await?;
        let before: Option<Inspection> = cx.store.get_json(&inspection::key(&green)).await?;
        let analyzed = analyze(cx, run, &login, (before.as_ref(), &self.target, None)).await?;
        Ok(Prepared { summary: format!("On green: {}", analyzed.summary), analyzed: Some(analyzed) })
    }
}
