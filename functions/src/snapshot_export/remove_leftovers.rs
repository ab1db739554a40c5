//! Removes what this run has counted, and what earlier runs of the policy's exports left that are
//! over.
//!
//! It finds things by their tags. A restored copy goes as soon as its run has counted it or is
//! over; a copy of a shared snapshot stays until its run has published, or until its
//! `delete-after`, so that a redrive finds it. Changes: one step for each thing a look. Again is
//! harmless. Undo: none. Errors: `NotReady`; whatever says that a thing cannot be deleted, once the
//! others are gone.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use policy::Policy;
use runbook::{
    Arn, Context, Error, Result, Run, State,
    aurora::{self, Snapshot, Tags},
    daily_sync::tags::{self, EXECUTION, Maker, Role},
    error::Then,
    kept_policy, lease,
};
use serde::{Deserialize, Serialize};

use crate::shared::removal;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveLeftovers {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    summary: String,
}

/// A call whose answer was lost may show its effect only now.
const FIRST_LOOK: Duration = Duration::from_secs(60);

impl State for RemoveLeftovers {
    const NAME: &'static str = "RemoveLeftovers";
    type Output = Removed;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Removed> {
        let policy = kept_policy::kept(cx, run).await?;
        let mut look = Look { cx, run, policy: &policy, over: BTreeMap::new() };
        let (mut waiting, mut failed) = (Vec::new(), Vec::new());
        let mut note = |thing: String, removed: Result<()>| match removed {
            // What RDS deletes is waited for until a look does not show it any more.
            Ok(()) => waiting.push(format!("{thing} to be gone")),
            Err(error) => match error.waiting_for() {
                Some(what) => waiting.push(what.to_owned()),
                None => failed.push((thing, error)),
            },
        };
        let (clusters, instances) = (aurora::clusters(cx).await?, aurora::instances(cx).await?);
        for cluster in &clusters {
            let Some(maker) = look.ours(&cluster.tags, Role::Quarantine) else { continue };
            if look.is_over(&cluster.tags).await? {
                let removed = removal::remove_cluster(cx, maker, cluster, &instances).await;
                note(format!("cluster {}", cluster.id), removed);
            }
        }
        for snapshot in &aurora::manual_snapshots(cx).await? {
            let Some(maker) = look.ours(&snapshot.tags, Role::Copy) else { continue };
            if look.is_late(snapshot) && look.is_over(&snapshot.tags).await? {
                let removed = removal::remove_snapshot(cx, maker, snapshot).await;
                note(format!("snapshot {}", snapshot.id), removed);
            }
        }
        if run.waited(cx.clock.now()) < FIRST_LOOK.min(run.deadline / 4) {
            waiting.push("what was begun last to show itself".into());
        }
        if !waiting.is_empty() {
            return Err(Error::NotReady(waiting.join("; ")));
        }
        match failed.len() {
            0 => Ok(Removed { summary: "no restored copy is left".into() }),
            1 => Err(failed.remove(0).1),
            _ => {
                let said: Vec<_> = failed.iter().map(|(thing, error)| format!("{thing}: {error}")).collect();
                Err(Error::failed(format!("{} things are left:\n- {}", failed.len(), said.join("\n- ")))
                    .then(Then::Redrive))
            }
        }
    }
}

struct Look<'a> {
    cx: &'a Context,
    run: &'a Run,
    policy: &'a Policy,
    /// By the name of an execution.
    over: BTreeMap<String, bool>,
}

impl Look<'_> {
    /// Whose run made it, when it is an export of the policy: another installation has others.
    fn ours<'t>(&self, tags: &'t Tags, role: Role) -> Option<Maker<'t>> {
        let maker = Maker::export(tags).filter(|_| tags::has_role(tags, role))?;
        matches!(maker, Maker::Export(name) if self.policy.exports.contains_key(name)).then_some(maker)
    }

    /// Whether its run does not need it any more.
    async fn is_over(&mut self, tags: &Tags) -> Result<bool> {
        let Some(name) = tags.get(EXECUTION) else { return Ok(false) };
        // This state comes when this run has counted.
        if name == self.run.name() {
            return Ok(true);
        }
        if let Some(over) = self.over.get(name) {
            return Ok(*over);
        }
        let machine = self.run.execution.as_str().rsplit_once(':').map_or("", |(machine, _)| machine);
        let execution = Arn::try_from(format!("{machine}:{name}")).map_err(Error::refused)?;
        let over = !lease::is_running(self.cx, &execution).await?;
        self.over.insert(name.to_owned(), over);
        Ok(over)
    }

    /// A copy of this run's is PublishExport's to delete.
    fn is_late(&self, snapshot: &Snapshot) -> bool {
        let after = snapshot.tags.get(tags::DELETE_AFTER).and_then(|time| time.parse::<Timestamp>().ok());
        !snapshot.tags.is(EXECUTION, self.run.name())
            && after.is_some_and(|after| after <= self.cx.clock.now())
    }
}
