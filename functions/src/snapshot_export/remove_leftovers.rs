//! Removes what this run has counted, and what earlier runs of the policy's exports left that are
//! over.
//!
//! It finds things by their tags. A restored copy goes as soon as its run has counted it or is
//! over; a copy of a shared snapshot stays until its run has published, or until its
//! `delete-after`, so that a redrive finds it. Changes: one step for each thing a look. Again is
//! harmless. Undo: none. Errors: `NotReady`; whatever says that a thing cannot be deleted, once the
//! others are gone.

use jiff::Timestamp;
use policy::Policy;
use runbook::{
    Context, Result, Run, State,
    aurora::{self, Snapshot, Tags},
    daily_sync::tags::{self, EXECUTION, Maker, Role},
    error::Then,
    kept_policy,
};
use serde::{Deserialize, Serialize};

use crate::shared::{leftovers::Leftovers, removal};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveLeftovers {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    summary: String,
}

impl State for RemoveLeftovers {
    const NAME: &'static str = "RemoveLeftovers";
    type Output = Removed;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Removed> {
        let policy = kept_policy::kept(cx, run).await?;
        let mut left = Leftovers::new(cx, run);
        for cluster in &aurora::clusters(cx).await? {
            let Some(maker) = ours(&policy, &cluster.tags, Role::Quarantine) else { continue };
            if is_over(&mut left, &cluster.tags).await? {
                let removed = removal::remove_cluster(cx, maker, cluster).await;
                left.note(format!("cluster {}", cluster.id), removed);
            }
        }
        for snapshot in &aurora::manual_snapshots(cx).await? {
            let Some(maker) = ours(&policy, &snapshot.tags, Role::Copy) else { continue };
            if is_late(snapshot, cx, run) && is_over(&mut left, &snapshot.tags).await? {
                let removed = removal::remove_snapshot(cx, maker, snapshot).await;
                left.note(format!("snapshot {}", snapshot.id), removed);
            }
        }
        left.end(Then::Redrive)?;
        Ok(Removed { summary: "no restored copy is left".into() })
    }
}

/// Whose run made it, when it is an export of the policy: another installation has others.
fn ours<'t>(policy: &Policy, tags: &'t Tags, role: Role) -> Option<Maker<'t>> {
    let maker = Maker::export(tags).filter(|_| tags::has_role(tags, role))?;
    matches!(maker, Maker::Export(name) if policy.exports.contains_key(name)).then_some(maker)
}

/// This state comes when this run has counted.
async fn is_over(left: &mut Leftovers<'_>, tags: &Tags) -> Result<bool> {
    match tags.get(EXECUTION) {
        Some(name) => Ok(left.over(name).await?.is_some()),
        None => Ok(false),
    }
}

/// A copy of this run's is PublishExport's to delete.
fn is_late(snapshot: &Snapshot, cx: &Context, run: &Run) -> bool {
    let after = snapshot.tags.get(tags::DELETE_AFTER).and_then(|time| time.parse::<Timestamp>().ok());
    !snapshot.tags.is(EXECUTION, run.name()) && after.is_some_and(|after| after <= cx.clock.now())
}
