//! Deletes the replaced copies of a target that are too many or too old by the policy.
//!
//! Changes: deletion protection lifted, DeleteDBInstance, DeleteDBCluster; a step each a look. Only
//! a cluster that carries our tags, is marked as replaced and has no stable name. Again is
//! harmless. Undo: none. Errors: `NotReady`, `Refused` (not allowed).

use std::time::Duration;

use jiff::Timestamp;
use policy::{KeepOld, Sync};
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster},
    daily_sync::{
        self,
        tags::{self, Maker, Role},
    },
};
use serde::{Deserialize, Serialize};

use crate::shared::removal;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetireOld {
    sync: String,
    /// The stable name.
    target: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Retired {
    summary: String,
    target: String,
    /// Replaced copies that stay.
    kept: Vec<String>,
    deleted: Vec<String>,
    /// Replaced clusters that a person or another tool had made: they are left for their owner.
    not_ours: Vec<String>,
}

impl State for RetireOld {
    const NAME: &'static str = "RetireOld";
    type Output = Retired;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Retired> {
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let target = daily_sync::target(&policy, &self.target)?;
        let clusters = aurora::clusters(cx).await?;
        let Sorted { keep, retire, not_ours } =
            sort(&clusters, &policy, &self.sync, &self.target, &target.keep_old, cx.clock.now());
        let mut waiting = Vec::new();
        for cluster in &retire {
            if let Err(error) = removal::remove_cluster(cx, Maker::Sync(&self.sync), cluster).await {
                let what = error.waiting_for().map(str::to_owned);
                waiting.push(what.ok_or(error)?);
            }
        }
        if !waiting.is_empty() {
            return Err(Error::NotReady(waiting.join("; ")));
        }
        let names =
            |clusters: Vec<&Cluster>| clusters.into_iter().map(|cluster| cluster.id.clone()).collect();
        let summary =
            format!("{} replaced copies of {} are kept, {} deleted", keep.len(), self.target, retire.len());
        Ok(Retired {
            summary,
            target: self.target,
            kept: names(keep),
            deleted: names(retire),
            not_ours: names(not_ours),
        })
    }
}

struct Sorted<'a> {
    keep: Vec<&'a Cluster>,
    retire: Vec<&'a Cluster>,
    not_ours: Vec<&'a Cluster>,
}

fn sort<'a>(
    clusters: &'a [Cluster],
    policy: &Sync,
    sync: &str,
    target: &str,
    rule: &KeepOld,
    now: Timestamp,
) -> Sorted<'a> {
    let is_stable = |cluster: &Cluster| policy.targets.iter().any(|target| cluster.id == target.cluster);
    let replaced = |cluster: &Cluster| cluster.tags.get(tags::REPLACED_AT)?.parse::<Timestamp>().ok();
    let old = clusters.iter().filter(|cluster| {
        tags::has_role(&cluster.tags, Role::Old)
            && cluster.tags.is(tags::TARGET, target)
            && !is_stable(cluster)
    });
    let (mut ours, not_ours): (Vec<_>, Vec<_>) =
        old.partition(|cluster| tags::is_of_sync(&cluster.tags, sync));
    // Without a date nothing is known to be too old: it counts as the newest.
    ours.sort_by_key(|cluster| std::cmp::Reverse(replaced(cluster).unwrap_or(now)));
    let age = Duration::try_from(rule.age).unwrap_or_default();
    let is_young = |cluster: &Cluster| {
        replaced(cluster).is_none_or(|at| Duration::try_from(now - at).is_ok_and(|since| since <= age))
    };
    let (keep, retire): (Vec<_>, Vec<_>) = ours
        .into_iter()
        .enumerate()
        .partition(|(index, cluster)| *index < rule.count as usize && is_young(cluster));
    let plain = |list: Vec<(usize, &'a Cluster)>| list.into_iter().map(|(_, cluster)| cluster).collect();
    Sorted { keep: plain(keep), retire: plain(retire), not_ours }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::clean_up::tests::policy;
    use super::*;
    use crate::testing::{self, Parse};

    const NOW: &str = "2026-01-10T04:00:00Z";

    fn old(name: &str, replaced_at: &str, ours: bool) -> Cluster {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:one");
        let mut all =
            if ours { tags::of(&run, "orders", Role::Old) } else { vec![tags::tag(tags::ROLE, "old")] };
        all.extend([tags::tag(tags::TARGET, "orders-dev"), tags::tag(tags::REPLACED_AT, replaced_at)]);
        testing::cluster(name).set_tag_list(Some(all)).parse()
    }

    fn retired(clusters: &[Cluster], count: u32, age: i64) -> Vec<&str> {
        let rule = KeepOld { count, age: SignedDuration::from_hours(age) };
        let sorted = sort(clusters, &policy(), "orders", "orders-dev", &rule, NOW.parse().unwrap());
        sorted.retire.iter().map(|cluster| cluster.id.as_str()).collect()
    }

    #[test]
    fn the_newest_are_kept_by_count_and_none_beyond_its_age() {
        let clusters = [
            old("orders-dev-old-1", "2026-01-08T04:00:00Z", true),
            old("orders-dev-old-2", "2026-01-09T04:00:00Z", true),
            old("orders-dev-old-3", "2026-01-07T04:00:00Z", true),
        ];
        assert_eq!(retired(&clusters, 1, 72), ["orders-dev-old-1", "orders-dev-old-3"]);
        assert_eq!(retired(&clusters, 3, 60), ["orders-dev-old-3"]);
        assert_eq!(retired(&clusters, 3, 100), Vec::<&str>::new());
        assert_eq!(retired(&clusters, 0, 100).len(), 3);
    }

    #[test]
    fn nothing_is_retired_that_is_not_ours_or_has_a_stable_name() {
        let clusters = [
            old("by-terraform", "2025-01-01T04:00:00Z", false),
            old("orders-dev", "2025-01-01T04:00:00Z", true),
        ];
        assert_eq!(retired(&clusters, 0, 1), Vec::<&str>::new());
    }
}
