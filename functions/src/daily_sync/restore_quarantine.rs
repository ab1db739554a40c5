//! Restores the copy into quarantine: no instance before production's master password is dead, no
//! way in but the worker's.
//!
//! Changes: RestoreDBClusterFromSnapshot, then ModifyDBCluster (a master password of RDS's own),
//! then CreateDBInstance, one a look. Again is harmless: what stands under the run's name is looked
//! at, and must carry its tags. Before the restore the quarantine's groups are looked into. Undo:
//! CleanUp deletes it. Errors: `NotReady`, `Refused` (quota, key, a group that is missing, open or
//! telling), `Conflict` (the name is someone else's), `OperationFailed` (RDS failed, or made it
//! otherwise than asked).

use runbook::{
    Arn, Context, Error, Result, Run, State,
    aurora::{EngineVersion, ResourceId},
    daily_sync::{self, names, tags::Maker},
};
use serde::{Deserialize, Serialize};

use crate::shared::restore::{self, Raw, Wanted};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreQuarantine {
    sync: String,
    /// Our copy.
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
pub struct InQuarantine {
    summary: String,
    cluster: String,
    resource_id: ResourceId,
    secret_arn: String,
}

impl State for RestoreQuarantine {
    const NAME: &'static str = "RestoreQuarantine";
    type Output = InQuarantine;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<InQuarantine> {
        let maker = Maker::Sync(&self.sync);
        let found = restore::find(cx, run, maker, &names::quarantine(&self.sync, run)).await?;
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let (quarantine, _) = daily_sync::sanitizing(&policy)?;
        if self.snapshot.name() != names::copy(&self.sync, run) {
            return Err(Error::refused(format!(
                "{} is not the copy that this run made; only that one is restored",
                self.snapshot
            )));
        }
        let raw = Raw {
            snapshot: self.snapshot.as_str(),
            engine_version: &self.engine_version,
            storage_type: self.storage_type.as_deref(),
            workers: &self.worker_security_groups,
            lifecycle_support: policy.engine_lifecycle_support,
        };
        let wanted = Wanted::in_quarantine(maker, run, raw, quarantine);
        let restored = restore::reconcile(cx, run, found, &wanted).await?;
        Ok(InQuarantine {
            summary: format!(
                "{} holds the copy in quarantine; production's master password does not open it",
                restored.cluster
            ),
            cluster: restored.cluster,
            resource_id: restored.resource_id,
            secret_arn: restored.secret_arn,
        })
    }
}
