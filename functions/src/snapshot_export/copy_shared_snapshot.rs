//! Copies a snapshot that another account has shared, for RDS exports an account's own.
//!
//! Changes: one CopyDBClusterSnapshot, named by the execution, under the export's key and with our
//! tags. Again is harmless: the copy of that name is waited for, and must carry our tags. Undo:
//! PublishExport deletes it, or RemoveLeftovers of a later run a day after its run began; until
//! then it holds production's data. Errors: `NotReady`, `Refused` (key, quota), `Conflict` (the
//! name is someone else's), `OperationFailed` (RDS could not make it).

use jiff::SignedDuration;
use runbook::{
    Arn, Context, Error, Result, Run, State, aurora,
    daily_sync::tags::{self, Maker, Role},
    error::Then,
    snapshot_export::{self, names},
};
use serde::{Deserialize, Serialize};

use crate::shared::copy;

/// For how long a redrive finds the copy.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

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
            let mut all = Maker::Export(&self.export).tags(run, Role::Copy);
            let until = run.entered.checked_add(KEPT).map_err(|error| Error::Unexpected(error.into()))?;
            all.push(tags::tag(tags::DELETE_AFTER, &until.to_string()));
            copy::begin(cx, run, &self.snapshot, &name, &policy.kms_key, all, Then::Redrive).await?;
            return Err(Error::NotReady(format!("the copy {name}, which was begun now")));
        };
        if !Maker::Export(&self.export).made_in(&copy.tags, run) {
            return Err(Error::conflict(format!("a snapshot {name} exists and is not this run's"))
                .fix("rename or delete it")
                .then(Then::Redrive));
        }
        copy.ready("the copy").map_err(|error| {
            error.changed("nothing else").fix(format!("delete snapshot {name}")).then(Then::Redrive)
        })?;
        let until = copy.tags.get(tags::DELETE_AFTER).unwrap_or_default();
        Ok(Copied {
            summary: format!(
                "{} is copied as {name}, which holds production's data until it is exported; where that \
                 fails, the first run after {until} deletes it",
                self.snapshot
            ),
            snapshot: copy.arn,
        })
    }
}
