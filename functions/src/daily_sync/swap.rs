//! How a stable name goes from one cluster to another by renames, decided by what RDS shows and by
//! nothing that was remembered.
//!
//! A rename is asynchronous: the old name answers for a while, then for a moment neither name does
//! (boto/boto3#609, #2613). So clusters are told apart by their DbClusterResourceId, which a rename
//! keeps (AuroraUserGuide, Aurora.Modifying), and names are only where they are now.

use std::time::Duration;

use aws_sdk_rds::{error::ProvideErrorMetadata, types::DbCluster};
use jiff::Timestamp;
use policy::{Swap, Target};
use runbook::{
    Context, Error, Result, Run, aurora,
    daily_sync::{
        names, secret,
        tags::{self, Role},
    },
    error::aws,
};

/// How long the stable name may lead nowhere before the former cluster gets it back.
pub const WINDOW: Duration = Duration::from_secs(20 * 60);

/// Who is to have which name.
pub struct Plan<'a> {
    pub stable: &'a str,
    pub fresh_name: String,
    pub old_name: String,
    /// The new cluster.
    pub fresh: &'a str,
    /// The one that has the stable name before the swap; none before the first sync.
    pub former: Option<&'a str>,
}

impl<'a> Plan<'a> {
    pub fn new(target: &'a str, run: &Run, fresh: &'a str, former: Option<&'a str>) -> Self {
        Self {
            stable: target,
            fresh_name: names::fresh(target, run),
            old_name: names::old(target, run),
            fresh,
            former,
        }
    }
}

#[derive(Debug, PartialEq)]
pub enum Step<'a> {
    Wait(String),
    /// A stopped cluster cannot be renamed.
    StartFormer(&'a DbCluster),
    TagFormer(&'a DbCluster),
    RenameFormer,
    RenameFresh,
    /// The new cluster does not come: the former gets the stable name back.
    PutBack,
    Swapped(&'a DbCluster),
    Conflict(String),
}

impl Plan<'_> {
    /// The next step, in the order of the swap. `fresh_busy` is what keeps the new cluster or its
    /// instance from being changed.
    pub fn next<'a>(
        &self,
        clusters: &'a [DbCluster],
        fresh_busy: Option<String>,
        now: Timestamp,
    ) -> Step<'a> {
        let fresh = aurora::by_resource_id(clusters, self.fresh);
        let former = self.former.and_then(|id| aurora::by_resource_id(clusters, id));
        let holder = aurora::by_name(clusters, self.stable);
        let name =
            |cluster: Option<&'a DbCluster>| cluster.and_then(|cluster| cluster.db_cluster_identifier());
        if let Some(fresh) = fresh.filter(|_| name(fresh) == Some(self.stable)) {
            return Step::Swapped(fresh);
        }
        if let Some(former) = former.filter(|_| name(former) == Some(self.stable)) {
            return self.begin(former, fresh, fresh_busy, now);
        }
        if let Some(holder) = holder {
            return Step::Conflict(format!(
                "{} is now the name of {}, which is neither this run's new cluster nor the one that had the \
                name before",
                self.stable,
                holder.db_cluster_resource_id().unwrap_or("another cluster")
            ));
        }
        if let Some(other) = name(former).filter(|name| *name != self.old_name) {
            return Step::Conflict(format!(
                "someone has renamed the cluster that was {} to {other}",
                self.stable
            ));
        }
        if former.is_some_and(|former| is_overdue(former, now)) {
            return Step::PutBack;
        }
        match fresh {
            // Between the two names of a rename neither may be shown.
            None => Step::Wait(format!("{} to be shown under the name {}", self.fresh_name, self.stable)),
            Some(fresh) if fresh.status() == Some("renaming") => {
                Step::Wait(format!("{} to be renamed to {}", self.fresh_name, self.stable))
            }
            Some(_) => Step::RenameFresh,
        }
    }

    /// Nothing is renamed yet. Everything that can be waited for is waited for here, while the
    /// stable name still leads to the former cluster.
    fn begin<'a>(
        &self,
        former: &'a DbCluster,
        fresh: Option<&DbCluster>,
        fresh_busy: Option<String>,
        now: Timestamp,
    ) -> Step<'a> {
        if fresh.is_none() {
            return Step::Conflict(format!(
                "the new cluster {} is gone; someone has deleted it",
                self.fresh_name
            ));
        }
        if let Some(what) = fresh_busy {
            return Step::Wait(what);
        }
        match former.status().unwrap_or("unknown") {
            "available" => {}
            "stopped" => return Step::StartFormer(former),
            status => return Step::Wait(format!("{} to be available (it is {status})", self.stable)),
        }
        if !tags::has_role(former.tag_list(), Role::Old) || is_overdue(former, now) {
            return Step::TagFormer(former);
        }
        Step::RenameFormer
    }
}

/// The swap of that former cluster began longer ago than the window.
fn is_overdue(former: &DbCluster, now: Timestamp) -> bool {
    let began = tags::value(former.tag_list(), tags::REPLACED_AT).and_then(|at| at.parse::<Timestamp>().ok());
    began.is_none_or(|began| Duration::try_from(now - began).is_ok_and(|taken| taken > WINDOW))
}

/// Asks for a rename. `NotReady` is what may pass by itself: the names of a rename under way, a
/// state, a lost answer.
pub async fn rename(cx: &Context, from: &str, to: &str) -> Result<()> {
    let modify = cx
        .rds
        .modify_db_cluster()
        .db_cluster_identifier(from)
        .new_db_cluster_identifier(to)
        .apply_immediately(true);
    match modify.send().await {
        Ok(_) => Ok(()),
        Err(error) => match error.code() {
            Some("DBClusterNotFoundFault" | "DBClusterAlreadyExistsFault" | "InvalidDBClusterStateFault") => {
                Err(Error::NotReady(format!(
                    "{from} to take the name {to} ({})",
                    error.message().unwrap_or_default()
                )))
            }
            _ => Err(aws("rds:ModifyDBCluster")(error)),
        },
    }
}

/// Marks the cluster that is about to be replaced, so that it can be found and given back.
pub async fn tag_former(cx: &Context, target: &str, former: &DbCluster) -> Result<()> {
    let now = jiff::Timestamp::from_second(cx.clock.now().as_second()).unwrap_or_default().to_string();
    let marks = [(tags::ROLE, Role::Old.as_str()), (tags::TARGET, target), (tags::REPLACED_AT, now.as_str())];
    tag(cx, former, &marks).await
}

pub async fn tag(cx: &Context, cluster: &DbCluster, marks: &[(&str, &str)]) -> Result<()> {
    let tags = marks.iter().map(|(key, value)| tags::tag(key, value)).collect();
    let add = cx.rds.add_tags_to_resource().resource_name(cluster.db_cluster_arn().unwrap_or_default());
    add.set_tags(Some(tags)).send().await.map(drop).map_err(aws("rds:AddTagsToResource"))
}

/// The cluster that a target's clients use now.
pub async fn published<'a>(
    cx: &Context,
    clusters: &'a [DbCluster],
    sync: &str,
    target: &Target,
) -> Result<Option<&'a DbCluster>> {
    if target.swap == Swap::Rename {
        return Ok(aurora::by_name(clusters, &target.cluster));
    }
    let secret = secret::get(cx, target.secret.as_deref().unwrap_or_default()).await?;
    let read = clusters.iter().find(|cluster| {
        cluster.endpoint().is_some_and(|host| secret.get("host").and_then(|host| host.as_str()) == Some(host))
            && secret
                .get("port")
                .and_then(serde_json::Value::as_i64)
                .is_none_or(|port| cluster.port().map(i64::from) == Some(port))
    });
    let tagged = clusters.iter().find(|cluster| {
        let tags = cluster.tag_list();
        tags::is_of_sync(tags, sync)
            && tags::has_role(tags, Role::Published)
            && tags::value(tags, tags::TARGET) == Some(&target.cluster)
    });
    Ok(read.or(tagged))
}

/// The former cluster of a swap that stopped between its renames, to be put back; `wait` when the
/// new one may yet appear.
#[derive(Debug, PartialEq)]
pub enum Stuck<'a> {
    No,
    Wait(String),
    PutBack(&'a DbCluster),
}

/// Whether a swap of the target was left half done, by this run or by one that was aborted.
/// `patience` says that CleanUp has waited long enough for a rename under way to show.
pub fn stuck<'a>(clusters: &'a [DbCluster], target: &str, run: &Run, patience: bool) -> Stuck<'a> {
    if aurora::by_name(clusters, target).is_some() {
        return Stuck::No;
    }
    let is_former = |cluster: &&DbCluster| {
        tags::has_role(cluster.tag_list(), Role::Old)
            && tags::value(cluster.tag_list(), tags::TARGET) == Some(target)
    };
    let formers = clusters.iter().filter(is_former);
    let prefix = format!("{target}-old-");
    for former in formers {
        let Some(id) = former.db_cluster_identifier().unwrap_or_default().strip_prefix(&prefix) else {
            continue;
        };
        if aurora::by_name(clusters, &format!("{target}-{id}")).is_some() {
            return Stuck::PutBack(former);
        }
        if id == run.short_id() {
            return if patience {
                Stuck::PutBack(former)
            } else {
                Stuck::Wait(format!("a cluster to be shown as {target}"))
            };
        }
    }
    Stuck::No
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-02T04:00:00Z";

    fn cluster(id: &str, name: &str, status: &str) -> aws_sdk_rds::types::builders::DbClusterBuilder {
        DbCluster::builder().db_cluster_resource_id(id).db_cluster_identifier(name).status(status)
    }

    fn marked(id: &str, name: &str, at: &str) -> DbCluster {
        let tags = [(tags::ROLE, "old"), (tags::TARGET, "dev"), (tags::REPLACED_AT, at)]
            .map(|(key, value)| tags::tag(key, value));
        cluster(id, name, "available").set_tag_list(Some(tags.into())).build()
    }

    fn plan(former: Option<&'static str>) -> Plan<'static> {
        Plan {
            stable: "dev",
            fresh_name: "dev-1".into(),
            old_name: "dev-old-1".into(),
            fresh: "FRESH",
            former,
        }
    }

    fn next(plan: &Plan<'_>, clusters: &[DbCluster]) -> String {
        let step = plan.next(clusters, None, NOW.parse().unwrap());
        let text = format!("{step:?}");
        text.split(['(', ' ']).next().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_swap_goes_by_what_is_shown() {
        let fresh = || cluster("FRESH", "dev-1", "available").build();
        let just_now = "2026-01-02T03:59:00Z";
        let plan = plan(Some("FORMER"));
        for (clusters, step) in [
            (vec![fresh(), cluster("FORMER", "dev", "available").build()], "TagFormer"),
            (vec![fresh(), cluster("FORMER", "dev", "stopped").build()], "StartFormer"),
            (vec![fresh(), marked("FORMER", "dev", just_now)], "RenameFormer"),
            (vec![fresh(), cluster("FORMER", "dev", "renaming").build()], "Wait"),
            // The blackout of the first rename.
            (vec![fresh()], "RenameFresh"),
            (vec![fresh(), marked("FORMER", "dev-old-1", just_now)], "RenameFresh"),
            (
                vec![cluster("FRESH", "dev-1", "renaming").build(), marked("FORMER", "dev-old-1", just_now)],
                "Wait",
            ),
            // The blackout of the second.
            (vec![marked("FORMER", "dev-old-1", just_now)], "Wait"),
            (
                vec![cluster("FRESH", "dev", "available").build(), marked("FORMER", "dev-old-1", just_now)],
                "Swapped",
            ),
        ] {
            assert_eq!(next(&plan, &clusters), step, "{clusters:?}");
        }
    }

    #[test]
    fn a_name_that_stays_empty_too_long_goes_back() {
        let fresh = cluster("FRESH", "dev-1", "available").build();
        let plan = plan(Some("FORMER"));
        assert_eq!(
            next(&plan, &[fresh.clone(), marked("FORMER", "dev-old-1", "2026-01-02T03:30:00Z")]),
            "PutBack"
        );
        // Marks of an earlier attempt are made anew before anything is renamed.
        assert_eq!(next(&plan, &[fresh, marked("FORMER", "dev", "2026-01-02T03:30:00Z")]), "TagFormer");
    }

    #[test]
    fn what_someone_else_did_stops_the_swap() {
        let fresh = || cluster("FRESH", "dev-1", "available").build();
        let with_former = plan(Some("FORMER"));
        for clusters in [
            vec![fresh(), cluster("OTHER", "dev", "available").build()],
            vec![fresh(), cluster("FORMER", "dev-by-hand", "available").build()],
            vec![cluster("FORMER", "dev", "available").build()],
        ] {
            assert_eq!(next(&with_former, &clusters), "Conflict", "{clusters:?}");
        }
        assert_eq!(next(&plan(None), &[fresh(), cluster("OTHER", "dev", "available").build()]), "Conflict");
        assert_eq!(next(&plan(None), &[fresh()]), "RenameFresh");
    }

    #[test]
    fn nothing_is_renamed_while_the_new_cluster_is_busy() {
        let clusters =
            [cluster("FRESH", "dev-1", "available").build(), marked("FORMER", "dev", "2026-01-02T03:59:00Z")];
        let step = plan(Some("FORMER")).next(
            &clusters,
            Some("instance dev-1-1 to be available".into()),
            NOW.parse().unwrap(),
        );
        assert!(matches!(step, Step::Wait(_)));
    }

    #[test]
    fn a_swap_that_stopped_half_way_is_put_back() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:one");
        let (fresh, old) = (names::fresh("dev", &run), names::old("dev", &run));
        let former = marked("FORMER", &old, NOW);
        let both = [cluster("FRESH", &fresh, "available").build(), former.clone()];
        assert!(matches!(stuck(&both, "dev", &run, false), Stuck::PutBack(_)));
        assert!(
            matches!(stuck(std::slice::from_ref(&former), "dev", &run, false), Stuck::Wait(_)),
            "its rename may be under way"
        );
        assert!(matches!(stuck(std::slice::from_ref(&former), "dev", &run, true), Stuck::PutBack(_)));
        let whole = [cluster("FRESH", "dev", "available").build(), former];
        assert_eq!(stuck(&whole, "dev", &run, true), Stuck::No);
    }

    #[test]
    fn yesterdays_old_copy_comes_back_only_for_yesterdays_unfinished_swap() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:two");
        let former = marked("FORMER", "dev-old-0badcafe", "2026-01-01T04:00:00Z");
        assert_eq!(
            stuck(std::slice::from_ref(&former), "dev", &run, true),
            Stuck::No,
            "someone has deleted dev since"
        );
        let aborted = [former, cluster("FRESH", "dev-0badcafe", "available").build()];
        assert!(matches!(stuck(&aborted, "dev", &run, false), Stuck::PutBack(_)));
    }
}
