//! Copies the snapshot in production's account under a key that can be shared, with our tags and
//! none of production's.
//!
//! Changes: one CopyDBClusterSnapshot, named by the execution. Always a copy, because an automated
//! snapshot cannot be shared and a manual one is not ours to share
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-share-snapshot.html). Again
//! is harmless: the copy of that name is waited for, and must carry our tags. Undo: CleanUp deletes
//! it. Errors: `NotReady`, `Refused` (key, quota), `Conflict` (the name is someone else's),
//! `OperationFailed` (RDS could not make it).

use runbook::{Context, Error, Result, Run, State, daily_sync, daily_sync::names};
use serde::{Deserialize, Serialize};

use super::production::Source;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopySnapshot {
    sync: String,
    /// The ARN of the chosen snapshot.
    snapshot: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    summary: String,
    /// The copy's ARN.
    snapshot: String,
}

impl State for CopySnapshot {
    const NAME: &'static str = "CopySnapshot";
    type Output = Copied;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Copied> {
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let source = Source::open(cx, &self.sync, &policy).await;
        let name = names::copy(&self.sync, run);
        let Some(copy) = source.copy(run).await? else {
            source.begin_copy(run, &self.snapshot, &policy.source.kms_key).await?;
            return Err(Error::NotReady(format!("the copy {name}, which was begun now")));
        };
        // "No event is sent for a finished copy of a cluster snapshot" (skyscrapers/terraform-rds
        // PR 52): looking is the only way.
        match copy.snapshot().status().unwrap_or("unknown") {
            "available" => Ok(Copied {
                summary: format!("{} is copied as {name}", self.snapshot),
                snapshot: copy.arn().to_owned(),
            }),
            "failed" => Err(Error::OperationFailed(format!(
                "RDS could not copy {} to {name}. Production is as it was. The copy is deleted by CleanUp; \
                start a new execution to try again.",
                self.snapshot
            ))),
            status => Err(Error::NotReady(format!(
                "the copy {name} ({status}, {} %)",
                copy.snapshot().percent_progress().unwrap_or_default()
            ))),
        }
    }
}
