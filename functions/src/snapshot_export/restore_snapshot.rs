//! Restores the exported snapshot into quarantine, so that its rows can be counted: no instance
//! before production's master password is dead, no way in but the worker's.
//!
//! Changes: RestoreDBClusterFromSnapshot, then ModifyDBCluster (a master password of RDS's own),
//! then CreateDBInstance, one a look. Again is harmless: what stands under the run's name is looked
//! at, and must carry its tags. Before the restore the quarantine's groups are looked into. Undo:
//! RemoveLeftovers deletes it. Errors: `NotReady`, `Refused` (quota, key, a group that is missing,
//! open or telling), `Conflict` (the name is someone else's), `OperationFailed` (RDS failed, or
//! made it otherwise than asked).

use policy::LifecycleSupport;
use runbook::{
    Arn, Context, Error, Result, Run, State,
    aurora::{self, EngineVersion, ResourceId, Status},
    daily_sync::{names, tags::Maker},
    error::Then,
    snapshot_export,
};
use serde::{Deserialize, Serialize};

use crate::shared::restore::{self, Raw, Wanted};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreSnapshot {
    export: String,
    /// The one that is exported, of this account.
    snapshot: Arn,
    /// The snapshot's engine version: left out, RDS would take the Region's default.
    engine_version: EngineVersion,
    /// The snapshot's, such as aurora-iopt1: left out, RDS would take `aurora`.
    storage_type: Option<String>,
    /// The security groups that the workers have, and nobody else.
    worker_security_groups: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToCount {
    summary: String,
    cluster: String,
    resource_id: ResourceId,
}

impl State for RestoreSnapshot {
    const NAME: &'static str = "RestoreSnapshot";
    type Output = ToCount;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<ToCount> {
        let (maker, name) = (Maker::Export(&self.export), names::quarantine(&self.export, run));
        // What an earlier attempt restored may be cleaned up after when a person redrives.
        if aurora::find_cluster(cx, &name).await?.is_some_and(|cluster| cluster.status == Status::Deleting) {
            return Err(Error::NotReady(format!("cluster {name}, which is being deleted, to be gone")));
        }
        let found = restore::find(cx, run, maker, &name).await?;
        let export = snapshot_export::policy(cx, run, &self.export).await?;
        let quarantine = export.quarantine.as_ref().ok_or_else(|| {
            Error::refused(format!("the policy of this run has no quarantine for the export {}", self.export))
                .then(Then::StartAgain)
        })?;
        let raw = Raw {
            snapshot: self.snapshot.as_str(),
            engine_version: &self.engine_version,
            storage_type: self.storage_type.as_deref(),
            workers: &self.worker_security_groups,
            lifecycle_support: LifecycleSupport::default(),
        };
        let wanted = Wanted::in_quarantine(maker, run, raw, quarantine);
        let restored = restore::reconcile(cx, run, found, &wanted).await?;
        Ok(ToCount {
            summary: format!(
                "{} holds {} in quarantine; production's master password does not open it",
                restored.cluster,
                self.snapshot.name()
            ),
            cluster: restored.cluster,
            resource_id: restored.resource_id,
        })
    }
}
