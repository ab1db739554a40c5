//! Copies what another account's sync has sanitised, and has shared, into this account: its targets
//! come from it.
//!
//! Our copy over there says by its tags whose attestation it carries, and only with one it is
//! copied. Changes: one CopyDBClusterSnapshot, named by the execution, under the targets' key; then
//! an attestation of this run, which says whose it accepts. Again is harmless: the copy of that
//! name is waited for, and must carry our tags. Undo: CleanUp deletes both copies. Errors:
//! `NotReady`, `Refused` (no attestation; key, quota), `Conflict` (the name is someone else's, or
//! our copy is gone), `OperationFailed` (RDS could not make it).

use runbook::{
    Context, Error, Result, Run, State, aurora,
    daily_sync::{
        self,
        attestation::{self, Attestation},
        names,
        tags::{self, Role},
    },
    error::Then,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::production::Source;
use crate::shared::copy;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopySanitized {
    sync: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    summary: String,
    snapshot: String,
}

impl State for CopySanitized {
    const NAME: &'static str = "CopySanitized";
    type Output = Copied;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Copied> {
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let source = Source::open(cx, &self.sync, &policy).await;
        let theirs = source.copy(run).await?.ok_or_else(|| {
            let copy = names::copy(&self.sync, run);
            Error::conflict(format!("the copy {copy} is gone; someone has deleted it")).then(Then::StartAgain)
        })?;
        let accepted = theirs.accepted().filter(|_| policy.source.sync.is_some()).ok_or_else(|| {
            Error::refused(format!(
                "snapshot {} does not carry the attestation of a sync. What holds production's data must not \
                 become reachable",
                theirs.snapshot().arn
            ))
            .then(Then::StartAgain)
        })?;
        let name = names::sanitized(&self.sync, run);
        let Some(snapshot) = aurora::find_snapshot(cx, &name).await? else {
            let mut all = tags::of(run, &self.sync, Role::Sanitized);
            all.extend(tags::attested(run.name(), &accepted.resource_id));
            let (from, key) = (&theirs.snapshot().arn, daily_sync::targets_key(&policy)?);
            copy::begin(cx, run, from, &name, key, all, Then::StartAgain).await?;
            return Err(Error::NotReady(format!("the copy {name}, which was begun now")));
        };
        if !tags::is_of_run(&snapshot.tags, &self.sync, run) {
            return Err(Error::conflict(format!("a snapshot {name} exists and is not this run's"))
                .fix("rename or delete it")
                .then(Then::StartAgain));
        }
        snapshot.ready("the copy").map_err(|error| error.then(Then::StartAgain))?;
        let (sync, account) = (policy.source.name(), &policy.source.account);
        let attestation = Attestation {
            execution: run.execution.clone(),
            resource_id: accepted.resource_id.clone(),
            attested: cx.clock.now(),
            counts: json!({ "accepted": { "account": account, "sync": sync, "run": accepted.run } }),
        };
        cx.store.put_json(&attestation::key(&accepted.resource_id), &attestation).await?;
        Ok(Copied {
            summary: format!(
                "{name} holds what the run {} of {sync} in account {account} has attested",
                accepted.run
            ),
            snapshot: name,
        })
    }
}
