//! Deletes the quarantined cluster and our copy of production's snapshot: from here on the run
//! holds no raw data.
//!
//! Changes: DeleteDBInstance, DeleteDBCluster (no final snapshot, no automated backups), the copy
//! unshared and deleted; a step each a look. Again is harmless: what is gone is done. It ends as
//! soon as RDS deletes them; CleanUp waits until they are gone. Undo: none. Errors: `NotReady`,
//! `Refused` (not ours, or not allowed).

use aws_sdk_rds::types::DbClusterSnapshot;
use runbook::{
    Context, Error, Result, Run, State, aurora, daily_sync,
    daily_sync::{names, tags},
};
use serde::{Deserialize, Serialize};

use super::{
    production::Source,
    removal::{self, Removal},
    snapshot_sanitized::find_snapshot,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteQuarantine {
    sync: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    summary: String,
}

impl State for DeleteQuarantine {
    const NAME: &'static str = "DeleteQuarantine";
    type Output = Deleted;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Deleted> {
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let sanitized = names::sanitized(&self.sync, run);
        let is_kept = |snapshot: DbClusterSnapshot| {
            tags::is_of_run(snapshot.tag_list(), &self.sync, run) && snapshot.status() == Some("available")
        };
        if !find_snapshot(cx, &sanitized).await?.is_some_and(is_kept) {
            return Err(Error::Refused(format!(
                "the sanitised snapshot {sanitized} is not there, so the quarantine is still needed. \
                Nothing was deleted."
            )));
        }
        let name = names::quarantine(&self.sync, run);
        let mut waiting = Vec::new();
        let clusters = aurora::clusters(cx).await?;
        if let Some(cluster) = aurora::by_name(&clusters, &name) {
            if !tags::is_of_run(cluster.tag_list(), &self.sync, run) {
                return Err(Error::Conflict(format!("cluster {name} is not this run's; it was left alone")));
            }
            let instances = removal::instances(cx).await?;
            if let Removal::Waiting(what) =
                removal::remove_cluster(cx, &self.sync, cluster, &instances).await?
            {
                waiting.push(what);
            }
        }
        let source = Source::open(cx, &self.sync, &policy).await;
        if let Some(copy) = source.copy(run).await? {
            waiting.extend(source.remove(&copy).await?);
        }
        if waiting.is_empty() {
            Ok(Deleted {
                summary: format!(
                    "{name} and the copy of production's snapshot are deleted; the run holds no raw data"
                ),
            })
        } else {
            Err(Error::NotReady(waiting.join("; ")))
        }
    }
}
