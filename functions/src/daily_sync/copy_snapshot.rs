//! Copies the snapshot in production's account under a key that can be shared, with our tags and
//! none of production's.
//!
//! Changes: one CopyDBClusterSnapshot, named by the execution; of a sanitised snapshot it carries
//! the attestation along. Always a copy, because an automated snapshot cannot be shared and a
//! manual one is not ours to share
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-share-snapshot.html). Again
//! is harmless: the copy of that name is waited for, and must carry our tags. Undo: CleanUp deletes
//! it. Errors: `NotReady`, `Refused` (key, quota), `Conflict` (the name is someone else's),
//! `OperationFailed` (RDS could not make it).

use runbook::{Arn, Context, Error, Result, Run, State, daily_sync, daily_sync::names, error::Then};
use serde::{Deserialize, Serialize};

use super::production::Source;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopySnapshot {
    sync: String,
    /// The chosen snapshot.
    snapshot: Arn,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    summary: String,
    /// The copy.
    snapshot: Arn,
}

impl State for CopySnapshot {
    const NAME: &'static str = "CopySnapshot";
    type Output = Copied;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Copied> {
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let source = Source::open(cx, &self.sync, &policy).await;
        let name = names::copy(&self.sync, run);
        let Some(copy) = source.copy(run).await? else {
            let accepted = source.accepted(&policy.source, &self.snapshot).await?;
            let key = &policy.source.kms_key;
            source.begin_copy(run, self.snapshot.as_str(), key, accepted.as_ref()).await?;
            return Err(Error::NotReady(format!("the copy {name}, which was begun now")));
        };
        // "No event is sent for a finished copy of a cluster snapshot" (skyscrapers/terraform-rds
        // PR 52): looking is the only way.
        copy.snapshot().ready("the copy").map_err(|error| {
            error.changed("nothing in production; CleanUp deletes the copy").then(Then::StartAgain)
        })?;
        Ok(Copied {
            summary: format!("{} is copied as {name}", self.snapshot),
            snapshot: copy.snapshot().arn.clone(),
        })
    }
}
