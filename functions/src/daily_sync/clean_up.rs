//! Removes everything that runs of this sync left and nobody uses, in both accounts, and names what
//! it could not remove.
//!
//! It finds things by their tags, whatever happened before: this run's, and those of earlier runs
//! that were stopped before their own CleanUp (the sync's lease says that none of them still runs).
//! First it gives back a stable name that a swap left empty. Published clusters and kept old copies
//! stay, and the newest sanitised snapshot if an export or another account reads it. Changes: one
//! step for each thing a look, what holds raw data first. Again is harmless. Undo: none. Errors:
//! `NotReady`, `Conflict` (another execution of the sync is at work). It does not fail because of a
//! thing that cannot be removed: that stands in its output, and the execution fails by it.

use std::time::Duration;

use policy::{Swap, Sync};
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster, ResourceId, Snapshot, Status},
    daily_sync::{
        self,
        tags::{self, Maker, Role},
    },
    lease,
};
use serde::{Deserialize, Serialize};

use super::{after_swap, production::Source, swap};
use crate::shared::{leftovers::FIRST_LOOK, removal};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CleanUp {
    sync: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clean {
    summary: String,
    /// What could not be removed, and why.
    left: Vec<String>,
}

/// A rename shows within minutes.
const RENAME: Duration = Duration::from_secs(10 * 60);
/// DeleteDBCluster was seen to take 12 minutes; what takes longer than this is named instead of
/// waited for.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What one look found out.
#[derive(Default)]
struct Look {
    waiting: Vec<String>,
    left: Vec<String>,
}

impl Look {
    fn note(&mut self, thing: &str, result: Result<()>) {
        match result {
            Ok(()) => {}
            Err(error) => match error.waiting_for() {
                Some(what) => self.waiting.push(what.to_owned()),
                None => self.left.push(format!("{thing}: {error}")),
            },
        }
    }
}

impl State for CleanUp {
    const NAME: &'static str = "CleanUp";
    type Output = Clean;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Clean> {
        policy::check_sync(&self.sync).map_err(|why| Error::refused(format!("sync: {why}")))?;
        // It removes what any run of the sync left, so no other may be at work: an old execution
        // that is redriven stops here.
        lease::take(cx, run, &format!("sync-{}", self.sync)).await?;
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let waited = run.waited(cx.clock.now());
        let mut look = Look::default();
        let copies = self.copies(cx, &policy, &mut look).await;
        look.note("production's account", copies);
        let here = self.here(cx, run, &policy, waited, &mut look).await;
        look.note("this account", here);
        if waited < FIRST_LOOK.min(run.deadline / 4) {
            look.waiting.push("what was begun last to show itself".into());
        }
        let Look { waiting, mut left } = look;
        if !waiting.is_empty() && waited < PATIENCE.min(run.deadline / 2) {
            return Err(Error::NotReady(waiting.join("; ")));
        }
        left.extend(
            waiting
                .into_iter()
                .map(|what| format!("waited {} min in vain for {what}", waited.as_secs() / 60)),
        );
        let summary = if left.is_empty() {
            "nothing is left but the published clusters and the kept old copies".to_owned()
        } else {
            format!("{} things are left: {}", left.len(), left.join("; "))
        };
        Ok(Clean { summary, left })
    }
}

impl CleanUp {
    async fn copies(&self, cx: &Context, policy: &Sync, look: &mut Look) -> Result<()> {
        let source = Source::open(cx, &self.sync, policy).await;
        for copy in source.copies().await? {
            look.note(
                &format!("snapshot {} in account {}", copy.id(), policy.source.account),
                source.remove(&copy).await,
            );
        }
        Ok(())
    }

    async fn here(
        &self,
        cx: &Context,
        run: &Run,
        policy: &Sync,
        waited: Duration,
        look: &mut Look,
    ) -> Result<()> {
        let clusters = aurora::clusters(cx).await?;
        // A target about which something is not known yet must not keep raw data from being
        // removed.
        let (mut used, mut swapping) = (Vec::new(), Vec::new());
        for target in &policy.targets {
            let name = target.cluster.as_str();
            let back = match target.swap {
                Swap::Rename => put_back(cx, &clusters, name, run, waited).await,
                Swap::Secret => Ok(()),
            };
            if back.is_err() {
                swapping.push(name);
            }
            look.note(name, back);
            match swap::published(cx, &clusters, &self.sync, target).await {
                Ok(cluster) => used.extend(cluster.map(|cluster| &cluster.resource_id)),
                Err(error) => {
                    swapping.push(name);
                    look.note(name, Err(error));
                }
            }
        }
        for cluster in leftovers(&clusters, policy, &self.sync, &used, &swapping) {
            let thing = format!("cluster {}", cluster.id);
            let removed = removal::remove_cluster(cx, Maker::Sync(&self.sync), cluster).await;
            look.note(&thing, removed.and(gone(&thing)));
        }
        let snapshots = removal::snapshots(cx, Maker::Sync(&self.sync)).await?;
        let is_kept = policy.exported || policy.keep_sanitized;
        let kept = is_kept.then(|| newest_attested(&snapshots)).flatten();
        for snapshot in &snapshots {
            // In a single account our copy is removed as production's.
            if tags::has_role(&snapshot.tags, Role::Sanitized) && Some(&snapshot.id) != kept {
                let thing = format!("snapshot {}", snapshot.id);
                let removed = removal::remove_snapshot(cx, Maker::Sync(&self.sync), snapshot).await;
                look.note(&thing, removed.and(gone(&thing)));
            }
        }
        Ok(())
    }
}

/// The snapshot that an export of the policy reads, or a sync in another account.
fn newest_attested(snapshots: &[Snapshot]) -> Option<&String> {
    let attested = snapshots.iter().filter(|snapshot| {
        let (tags, status) = (&snapshot.tags, &snapshot.status);
        tags::has_role(tags, Role::Sanitized)
            && tags.get(tags::ATTESTED_RUN).is_some()
            && *status == Status::Available
    });
    let taken = |snapshot: &&Snapshot| snapshot.shown.snapshot_create_time().map(|time| time.secs());
    attested.max_by_key(taken).map(|snapshot| &snapshot.id)
}

/// What RDS deletes is waited for until a look does not show it any more.
fn gone(thing: &str) -> Result<()> {
    Err(Error::NotReady(format!("{thing} to be gone")))
}

/// What stands unused, raw data first.
fn leftovers<'a>(
    clusters: &'a [Cluster],
    policy: &Sync,
    sync: &str,
    used: &[&ResourceId],
    swapping: &[&str],
) -> Vec<&'a Cluster> {
    let is_unused = |cluster: &Cluster| {
        let has_stable_name = policy.targets.iter().any(|target| cluster.id == target.cluster);
        let is_used = used.contains(&&cluster.resource_id);
        // While a swap is unfinished the new cluster stays: it is how the next look knows.
        let is_swapping = cluster.tags.get(tags::TARGET).is_some_and(|target| swapping.contains(&target));
        !has_stable_name && !is_used && !is_swapping
    };
    let is_leftover = |cluster: &&Cluster| {
        let tags = &cluster.tags;
        let is_for_nobody =
            tags::has_role(tags, Role::Quarantine) || tags::has_role(tags, Role::Fresh) && is_unused(cluster);
        tags::is_of_sync(tags, sync) && is_for_nobody
    };
    let mut found: Vec<&Cluster> = clusters.iter().filter(is_leftover).collect();
    found.sort_by_key(|cluster| !tags::has_role(&cluster.tags, Role::Quarantine));
    found
}

/// Gives a stable name back that a swap left empty; done when it is where it belongs.
async fn put_back(
    cx: &Context,
    clusters: &[Cluster],
    target: &str,
    run: &Run,
    waited: Duration,
) -> Result<()> {
    let patience = RENAME.min(run.deadline / 4);
    if let Some(former) = swap::stuck(clusters, target, run, waited > patience)? {
        swap::rename(cx, &former.id, target).await?;
        return Err(Error::NotReady(format!("{} to get the name {target} back", former.id)));
    }
    let Some(holder) =
        aurora::by_name(clusters, target).filter(|holder| tags::has_role(&holder.tags, Role::Old))
    else {
        return Ok(());
    };
    // A rename that was asked for shows late, and until then the old name answers.
    if swap::began(holder).is_some_and(|began| is_within(cx.clock.now() - began, patience)) {
        return Err(Error::NotReady(format!(
            "{target}, which is marked as replaced, to keep its name or lose it"
        )));
    }
    // It was put back, or never renamed: it is in use again.
    after_swap::publish(cx, holder).await
}

fn is_within(span: jiff::Span, limit: Duration) -> bool {
    Duration::try_from(span).is_ok_and(|taken| taken < limit)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::testing::{self, Parse};

    pub fn policy() -> Sync {
        let text = include_str!("../../../policy/examples/orders.yaml");
        policy::Policy::parse(text).unwrap().syncs.remove("orders").unwrap()
    }

    fn cluster(name: &str, role: Role) -> Cluster {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:one");
        let mut all = tags::of(&run, "orders", role);
        all.push(tags::tag(tags::TARGET, "orders-dev"));
        testing::cluster(name).set_tag_list(Some(all)).parse()
    }

    fn names<'a>(clusters: &'a [Cluster], used: &[&str], swapping: &[&str]) -> Vec<&'a str> {
        let used: Vec<ResourceId> = used.iter().map(|id| (*id).to_owned().try_into().unwrap()).collect();
        let found = leftovers(clusters, &policy(), "orders", &used.iter().collect::<Vec<_>>(), swapping);
        found.iter().map(|cluster| cluster.id.as_str()).collect()
    }

    #[test]
    fn raw_data_goes_first_and_what_is_used_stays() {
        let clusters = [
            cluster("orders-dev-1", Role::Fresh),
            cluster("orders-dev", Role::Fresh),
            cluster("orders-dev-2", Role::Published),
            cluster("orders-dev-old-2", Role::Old),
            cluster("quarantine-orders-1", Role::Quarantine),
            testing::cluster("orders").parse(),
        ];
        assert_eq!(names(&clusters, &[], &[]), ["quarantine-orders-1", "orders-dev-1"]);
        assert_eq!(
            names(&clusters, &["id-orders-dev-1"], &[]),
            ["quarantine-orders-1"],
            "clients read it from a secret"
        );
        assert_eq!(
            names(&clusters, &[], &["orders-dev"]),
            ["quarantine-orders-1"],
            "its swap is not finished"
        );
    }

    #[test]
    fn of_sanitised_snapshots_an_export_reads_the_newest_that_is_attested() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:one");
        let snapshot = |name: &str, at: i64, attested: bool| {
            let mut all = tags::of(&run, "orders", Role::Sanitized);
            all.extend(attested.then(|| tags::tag(tags::ATTESTED_RUN, "one")));
            let time = aws_sdk_rds::primitives::DateTime::from_secs(at);
            testing::snapshot(name, all).snapshot_create_time(time).parse()
        };
        let snapshots = [snapshot("a", 1, true), snapshot("b", 3, false), snapshot("c", 2, true)];
        assert_eq!(newest_attested(&snapshots).map(String::as_str), Some("c"));
        assert_eq!(newest_attested(&snapshots[1..2]), None);
    }

    #[test]
    fn another_syncs_things_are_not_touched() {
        let clusters = [cluster("quarantine-orders-1", Role::Quarantine)];
        assert!(leftovers(&clusters, &policy(), "customers", &[], &[]).is_empty());
    }

    #[test]
    fn what_is_not_allowed_is_named_and_not_waited_for() {
        let mut look = Look::default();
        look.note("cluster q", Err(Error::refused("rds:DeleteDBCluster is not allowed")));
        look.note("cluster f", gone("cluster f"));
        assert_eq!((look.left.len(), look.waiting.len()), (1, 1));
        assert!(look.left[0].contains("cluster q") && look.left[0].contains("not allowed"));
    }
}
