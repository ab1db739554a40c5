//! Shares our copy of the snapshot with the environments' account.
//!
//! Changes: the attribute `restore` of our own copy, nothing else in production's account. Again is
//! harmless: what is shared is left. Undo: CleanUp unshares and deletes the copy. Errors:
//! `NotReady`, `Refused` (quota), `Conflict` (no copy of this run).

use runbook::{Context, Error, Result, Run, State, daily_sync, daily_sync::names, error::Then};
use serde::{Deserialize, Serialize};

use super::production::Source;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShareSnapshot {
    sync: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shared {
    summary: String,
}

impl State for ShareSnapshot {
    const NAME: &'static str = "ShareSnapshot";
    type Output = Shared;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Shared> {
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let (name, account) = (names::copy(&self.sync, run), run.account());
        let summary = format!("{name} can be restored in account {account}");
        if policy.source.account == account {
            return Ok(Shared { summary });
        }
        let source = Source::open(cx, &self.sync, &policy).await;
        let copy = source.copy(run).await?.ok_or_else(|| {
            Error::conflict(format!("the copy {name} is gone; someone has deleted it")).then(Then::StartAgain)
        })?;
        if source.shared_with(&copy).await?.iter().any(|other| other == account) {
            return Ok(Shared { summary });
        }
        source.share(&copy, account).await?;
        Err(Error::NotReady(format!("{name} to be shown as shared with {account}")))
    }
}
