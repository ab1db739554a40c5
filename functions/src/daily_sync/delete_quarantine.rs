//! Deletes the quarantined cluster and our copy of production's snapshot: from here on the run
//! holds no raw data.
//!
//! Changes: DeleteDBInstance, DeleteDBCluster (no final snapshot, no automated backups), the copy
//! unshared and deleted; a step each a look. Again is harmless: what is gone is done. It ends as
//! soon as RDS deletes them; CleanUp waits until they are gone. Undo: none. Errors: `NotReady`,
//! `Refused` (not ours, or not allowed).

use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Snapshot, Status},
    daily_sync::{
        self, names,
        tags::{self, Maker},
    },
};
use serde::{Deserialize, Serialize};

use super::production::Source;
use crate::shared::removal;

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
        let is_kept = |snapshot: Snapshot| {
            tags::is_of_run(&snapshot.tags, &self.sync, run) && snapshot.status == Status::Available
        };
        if !aurora::find_snapshot(cx, &sanitized).await?.is_some_and(is_kept) {
            return Err(Error::refused(format!(
                "the sanitised snapshot {sanitized} is not there, so the quarantine is still needed"
            )));
        }
        let name = names::quarantine(&self.sync, run);
        // Both go on side by side: the next look waits for whichever is not done.
        let cluster = self.delete_cluster(cx, run, &name).await;
        let source = Source::open(cx, &self.sync, &policy).await;
        let copy = match source.copy(run).await? {
            Some(copy) => source.remove(&copy).await,
            None => Ok(()),
        };
        let mut waiting = Vec::new();
        for error in [cluster, copy].into_iter().filter_map(Result::err) {
            match error.waiting_for() {
                Some(what) => waiting.push(what.to_owned()),
                // What is refused is told at once, whatever the other waits for.
                None => return Err(error),
            }
        }
        if !waiting.is_empty() {
            return Err(Error::NotReady(waiting.join("; ")));
        }
        let summary =
            format!("{name} and the copy of production's snapshot are deleted; the run holds no raw data");
        Ok(Deleted { summary })
    }
}

impl DeleteQuarantine {
    async fn delete_cluster(&self, cx: &Context, run: &Run, name: &str) -> Result<()> {
        let Some(cluster) = aurora::find_cluster(cx, name).await? else { return Ok(()) };
        if !tags::is_of_run(&cluster.tags, &self.sync, run) {
            return Err(Error::conflict(format!("cluster {name} is not this run's")));
        }
        removal::remove_cluster(cx, Maker::Sync(&self.sync), &cluster).await
    }
}
