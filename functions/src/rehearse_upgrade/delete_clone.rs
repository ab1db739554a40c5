//! Deletes the clone and whatever else this rehearsal made, and what earlier ones left that are
//! over.
//!
//! It finds clones by their tags, and what was made of a clone by its tags and the clone's name. An
//! upgrade that still works on a clone is stopped. Changes: one step for each thing a look. Again
//! is harmless. Undo: none. Errors: `NotReady`; whatever says that a thing cannot be deleted, once
//! the others are gone.

use aws_sdk_sfn::error::ProvideErrorMetadata as _;
use runbook::{
    Context, Result, Run, State,
    aurora::{self, Cluster, Tags},
    daily_sync::tags::{self, EXECUTION, Maker, Role},
    error::{Then, aws},
    lease,
    major_upgrade::MANAGED_BY,
    rehearse_upgrade::{UPGRADE, upgrade_of},
};
use serde::{Deserialize, Serialize};

use crate::shared::{
    groups::{self, Kind},
    leftovers::Leftovers,
    removal,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteClone {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    summary: String,
}

/// What names::quarantine begins a name with; the role may delete nothing of another name.
const PREFIX: &str = "quarantine-";

impl State for DeleteClone {
    const NAME: &'static str = "DeleteClone";
    type Output = Deleted;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Deleted> {
        let mut left = Leftovers::new(cx, run);
        let clusters = aurora::clusters(cx).await?;
        for clone in clusters.iter().filter(|cluster| tags::has_role(&cluster.tags, Role::Quarantine)) {
            let Some(maker) = Maker::rehearsal(&clone.tags) else { continue };
            let Some(name) = clone.tags.get(EXECUTION) else { continue };
            let Some(execution) = left.over(name).await? else { continue };
            stop(cx, &Run { execution, ..run.clone() }).await?;
            let removed = removal::remove_cluster(cx, maker, clone).await;
            left.note(format!("cluster {}", clone.id), removed);
        }
        if left.is_empty() {
            snapshots(cx, &clusters, &mut left).await?;
            groups(cx, &clusters, &mut left).await?;
        }
        left.end(Then::StartAgain)?;
        Ok(Deleted { summary: "no clone is left".into() })
    }
}

/// The upgrade of a rehearsal that is over, or that has come here, works for nobody.
async fn stop(cx: &Context, rehearsal: &Run) -> Result<()> {
    let upgrade = upgrade_of(rehearsal)?;
    if !lease::is_running(cx, &upgrade).await? {
        return Ok(());
    }
    let stop = cx.sfn.stop_execution().execution_arn(upgrade.as_str());
    match stop.cause("The rehearsal that it was for is over.").send().await {
        Err(error) if error.code() == Some("ExecutionDoesNotExist") => Ok(()),
        stopped => stopped.map(drop).map_err(aws("states:StopExecution")),
    }
}

/// Whether the upgrade of a clone made it, or made it of that: the upgrade and the name have the
/// same eight digits. An owner may have something whose name begins as a clone's does.
fn is_of_clone(tags: &Tags, name: &str) -> bool {
    let upgrade = tags.get(EXECUTION).and_then(|name| name.strip_prefix(UPGRADE));
    let of_upgrade = tags.is(MANAGED_BY.0, MANAGED_BY.1) && tags.is(tags::RUNBOOK, "major-upgrade");
    of_upgrade && name.starts_with(PREFIX) && upgrade.is_some_and(|id| name.contains(&format!("-{id}")))
}

/// What the upgrade of a clone that is gone took to go back to, and what RDS itself took before it
/// ("preupgrade", AuroraUserGuide, USER_UpgradeDBInstance.PostgreSQL.MajorVersion), with the
/// clone's tags.
async fn snapshots(cx: &Context, clusters: &[Cluster], left: &mut Leftovers<'_>) -> Result<()> {
    for snapshot in aurora::manual_snapshots(cx).await? {
        let of = snapshot.shown.db_cluster_identifier().unwrap_or_default();
        let ours = Maker::rehearsal(&snapshot.tags).is_some() || is_of_clone(&snapshot.tags, of);
        if ours && aurora::by_name(clusters, of).is_none() {
            let removed = removal::delete_snapshot(cx, &snapshot.id).await;
            left.note(format!("snapshot {}", snapshot.id), removed);
        }
    }
    Ok(())
}

/// Of a clone that is gone: its own, and those of the new family that its upgrade made of them,
/// whose names begin with the clone's.
async fn groups(cx: &Context, clusters: &[Cluster], left: &mut Leftovers<'_>) -> Result<()> {
    for kind in [Kind::Cluster, Kind::Instance] {
        for (name, arn) in kind.named(cx, PREFIX).await? {
            if clusters.iter().any(|cluster| name.starts_with(&cluster.id)) {
                continue;
            }
            let tags = groups::tags(cx, &arn).await?;
            let is_left = match tags.get(EXECUTION) {
                // A rehearsal that has begun makes groups before it clones.
                Some(execution) if Maker::rehearsal(&tags).is_some() => left.over(execution).await?.is_some(),
                _ => is_of_clone(&tags, &name),
            };
            if is_left {
                let removed = kind.delete(cx, &name).await;
                left.note(format!("{} {name}", kind.words()), removed);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use runbook::daily_sync::tags::tag;

    use super::*;

    #[test]
    fn an_owners_things_are_never_those_of_a_clone() {
        let tags = |execution: &str| {
            let (managed_by, us) = MANAGED_BY;
            let all = [tag(managed_by, us), tag("runbook", "major-upgrade"), tag(EXECUTION, execution)];
            Tags::from(all.as_slice())
        };
        for name in ["quarantine-orders-0123abcd", "quarantine-orders-0123abcd-1-18"] {
            assert!(is_of_clone(&tags("rehearsal-0123abcd"), name), "{name}");
        }
        assert!(!is_of_clone(&tags("rehearsal-0123abcd"), "quarantine-orders-4567abcd"));
        assert!(!is_of_clone(&tags("sunday"), "quarantine-orders-0123abcd"), "an upgrade of an owner's");
        assert!(!is_of_clone(&tags("rehearsal-0123abcd"), "orders-0123abcd"));
    }
}
