//! Copies a snapshot that another account has shared, for RDS exports an account's own.
//!
//! Changes: one CopyDBClusterSnapshot, named by the execution, under the export's key and with our
//! tags. Again is harmless: the copy of that name is waited for, and must carry our tags. Undo:
//! PublishExport deletes it; until then it holds production's data. Errors: `NotReady`, `Refused`
//! (key, quota), `Conflict` (the name is someone else's), `OperationFailed` (RDS could not make
//! it).

use runbook::{
    Arn, Context, Error, Result, Run, State, aurora,
    daily_sync::tags::EXECUTION,
    error::Then,
    snapshot_export::{self, names},
};
use serde::{Deserialize, Serialize};

use crate::shared::copy;

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
            let policy = snapshot_export::policy(cx, run, &self.export).await?;
            let tags = names::tags(&self.export, run);
            copy::begin(cx, run, &self.snapshot, &name, &policy.kms_key, tags, Then::Redrive).await?;
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
