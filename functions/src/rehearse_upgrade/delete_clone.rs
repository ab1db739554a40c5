//! Deletes the clone and whatever else this rehearsal made, and what earlier ones left that are
//! over.
//!
//! It finds clones by their tags, and by their names the snapshots and parameter groups that were
//! made of them. An upgrade that still works on a clone is stopped. Changes: one step for each
//! thing a look. Again is harmless. Undo: none. Errors: `NotReady`; whatever says that a thing
//! cannot be deleted, once the others are gone.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_sfn::error::ProvideErrorMetadata as _;
use runbook::{
    Arn, Context, Error, Result, Run, State,
    aurora::{self, Cluster, Tags},
    daily_sync::tags::{self, EXECUTION, Maker, Role},
    error::{Then, aws},
    lease,
    major_upgrade::MANAGED_BY,
    rehearse_upgrade::upgrade_of,
};
use serde::{Deserialize, Serialize};

use crate::shared::{
    groups::{self, Kind},
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

/// A call whose answer was lost may show its effect only now.
const FIRST_LOOK: Duration = Duration::from_secs(60);
/// What names::quarantine makes, and nobody else.
const PREFIX: &str = "quarantine-";

impl State for DeleteClone {
    const NAME: &'static str = "DeleteClone";
    type Output = Deleted;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Deleted> {
        let mut look = Look { cx, run, over: BTreeMap::new(), waiting: Vec::new(), failed: Vec::new() };
        let (clusters, instances) = (aurora::clusters(cx).await?, aurora::instances(cx).await?);
        for clone in clusters.iter().filter(|cluster| is_clone(cluster)) {
            let Some(maker) = Maker::rehearsal(&clone.tags) else { continue };
            let Some(rehearsal) = look.over(&clone.tags).await? else { continue };
            stop(cx, &rehearsal).await?;
            let removed = removal::remove_cluster(cx, maker, clone, &instances).await;
            look.note(format!("cluster {}", clone.id), removed);
        }
        if look.nothing_said() {
            look.snapshots(&clusters).await?;
            look.groups(&clusters).await?;
        }
        look.end()
    }
}

/// Made by a rehearsal, and of a name that no other cluster has.
fn is_clone(cluster: &Cluster) -> bool {
    cluster.id.starts_with(PREFIX) && tags::has_role(&cluster.tags, Role::Quarantine)
}

/// The upgrade of a rehearsal that is over or that has come here works for nobody.
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

struct Look<'a> {
    cx: &'a Context,
    run: &'a Run,
    /// By the name of an execution.
    over: BTreeMap<String, bool>,
    waiting: Vec<String>,
    failed: Vec<(String, Error)>,
}

impl Look<'_> {
    fn note(&mut self, thing: String, removed: Result<()>) {
        match removed {
            // What RDS deletes is waited for until a look does not show it any more.
            Ok(()) => self.waiting.push(format!("{thing} to be gone")),
            Err(error) => match error.waiting_for() {
                Some(what) => self.waiting.push(what.to_owned()),
                None => self.failed.push((thing, error)),
            },
        }
    }

    fn nothing_said(&self) -> bool {
        self.waiting.is_empty() && self.failed.is_empty()
    }

    /// The rehearsal that made it, where that does not need it any more. This state comes when this
    /// run does not.
    async fn over(&mut self, tags: &Tags) -> Result<Option<Run>> {
        let Some(name) = tags.get(EXECUTION) else { return Ok(None) };
        let machine = self.run.execution.as_str().rsplit_once(':').map_or("", |(machine, _)| machine);
        let execution = Arn::try_from(format!("{machine}:{name}")).map_err(Error::refused)?;
        let over = match self.over.get(name) {
            Some(over) => *over,
            None => name == self.run.name() || !lease::is_running(self.cx, &execution).await?,
        };
        self.over.insert(name.to_owned(), over);
        Ok(over.then(|| Run { execution, ..self.run.clone() }))
    }

    /// What the upgrade of a clone that is gone took to go back to, and what RDS itself took before
    /// it, with the clone's tags
    /// ("preupgrade", AuroraUserGuide, USER_UpgradeDBInstance.PostgreSQL.MajorVersion).
    async fn snapshots(&mut self, clusters: &[Cluster]) -> Result<()> {
        for snapshot in aurora::manual_snapshots(self.cx).await? {
            let of = snapshot.shown.db_cluster_identifier().unwrap_or_default();
            let stands = clusters.iter().any(|cluster| cluster.id == of);
            let names = ["before-upgrade-", "preupgrade-"].map(|start| format!("{start}{PREFIX}"));
            let ours = snapshot.tags.is(MANAGED_BY.0, MANAGED_BY.1)
                && of.starts_with(PREFIX)
                && names.iter().any(|start| snapshot.id.starts_with(start));
            if ours && !stands {
                let removed = removal::delete_snapshot(self.cx, &snapshot.id).await;
                self.note(format!("snapshot {}", snapshot.id), removed);
            }
        }
        Ok(())
    }

    /// Of a clone that is gone: its own, and those of the new family that its upgrade made of them.
    async fn groups(&mut self, clusters: &[Cluster]) -> Result<()> {
        for kind in [Kind::Cluster, Kind::Instance] {
            for (name, arn) in kind.named(self.cx, PREFIX).await? {
                if clusters.iter().any(|cluster| name.starts_with(&cluster.id)) {
                    continue;
                }
                let tags = groups::tags(self.cx, &arn).await?;
                if self.is_left(&tags).await? {
                    let removed = kind.delete(self.cx, &name).await;
                    self.note(format!("{} {name}", kind.words()), removed);
                }
            }
        }
        Ok(())
    }

    /// A rehearsal that has begun makes groups before it clones.
    async fn is_left(&mut self, tags: &Tags) -> Result<bool> {
        if Maker::rehearsal(tags).is_some() {
            return Ok(self.over(tags).await?.is_some());
        }
        let of_upgrade = tags.is(MANAGED_BY.0, MANAGED_BY.1) && tags.is(tags::RUNBOOK, "major-upgrade");
        Ok(of_upgrade)
    }

    fn end(mut self) -> Result<Deleted> {
        if self.run.waited(self.cx.clock.now()) < FIRST_LOOK.min(self.run.deadline / 4) {
            self.waiting.push("what was begun last to show itself".into());
        }
        if !self.waiting.is_empty() {
            return Err(Error::NotReady(self.waiting.join("; ")));
        }
        match self.failed.len() {
            0 => Ok(Deleted { summary: "no clone is left".into() }),
            1 => Err(self.failed.remove(0).1),
            _ => {
                let said: Vec<_> =
                    self.failed.iter().map(|(thing, error)| format!("{thing}: {error}")).collect();
                Err(Error::failed(format!("{} things are left:\n- {}", self.failed.len(), said.join("\n- ")))
                    .then(Then::StartAgain))
            }
        }
    }
}
