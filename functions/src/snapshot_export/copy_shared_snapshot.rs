//! Copies a snapshot that another account has shared, for RDS exports an account's own.
//!
//! Changes: one CopyDBClusterSnapshot, named by the execution, under the export's key and with our
//! tags. Again is harmless: the copy of that name is waited for, and must carry our tags. Undo:
//! PublishExport deletes it; until then it holds production's data. Errors: `NotReady`, `Refused`
//! (key, quota), `Conflict` (the name is someone else's), `OperationFailed` (RDS could not make
//! it).

use runbook::{
    Arn, Context, Error, Result, Run, State,
    aurora::{self, Fault, message},
    daily_sync::tags::EXECUTION,
    error::{Then, aws},
    snapshot_export::{self, names},
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopySharedSnapshot {
    export: String,
    /// The shared one.
    snapshot: Arn,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    summary: String,
    /// The copy.
    snapshot: Arn,
}

impl State for CopySharedSnapshot {
    const NAME: &'static str = "CopySharedSnapshot";
    type Output = Copied;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Copied> {
        let name = names::copy(&self.export, run);
        let Some(copy) = aurora::find_snapshot(cx, &name).await? else {
            self.begin(cx, run, &name).await?;
            return Err(Error::NotReady(format!("the copy {name}, which was begun now")));
        };
        if !names::is_of_export(&copy.tags, &self.export) || !copy.tags.is(EXECUTION, run.name()) {
            return Err(Error::conflict(format!("a snapshot {name} exists and is not this run's"))
                .fix("rename or delete it")
                .then(Then::Redrive));
        }
        copy.ready("the copy").map_err(|error| {
            error.changed("nothing else").fix(format!("delete snapshot {name}")).then(Then::Redrive)
        })?;
        Ok(Copied { summary: format!("{} is copied as {name}", self.snapshot), snapshot: copy.arn })
    }
}

impl CopySharedSnapshot {
    async fn begin(&self, cx: &Context, run: &Run, name: &str) -> Result<()> {
        let policy = snapshot_export::policy(cx, run, &self.export).await?;
        let copy = cx.rds.copy_db_cluster_snapshot();
        let copy = copy.source_db_cluster_snapshot_identifier(self.snapshot.as_str());
        let copy = copy.target_db_cluster_snapshot_identifier(name).kms_key_id(&policy.kms_key);
        let copy = copy.copy_tags(false).set_tags(Some(names::tags(&self.export, run)));
        let Err(error) = copy.send().await else { return Ok(()) };
        Err(match Fault::of(&error) {
            // Another attempt of this state was faster; whose it is shows at the next look.
            Some(Fault::DBClusterSnapshotAlreadyExistsFault) => return Ok(()),
            Some(Fault::DBClusterSnapshotNotFoundFault) => {
                Error::failed(format!("the snapshot {} is gone, or no longer shared", self.snapshot))
                    .changed("nothing")
                    .then(Then::StartAgain)
            }
            Some(Fault::InvalidDBClusterSnapshotStateFault) => {
                Error::Busy(format!("snapshot {} to be copyable ({})", self.snapshot, message(&error)))
            }
            Some(fault) if fault.needs_a_person().is_some() => {
                Error::refused(format!("RDS does not copy {}: {}", self.snapshot, message(&error)))
                    .fix(fault.needs_a_person().unwrap_or_default())
                    .then(Then::Redrive)
            }
            _ => aws("rds:CopyDBClusterSnapshot")(error),
        })
    }
}
