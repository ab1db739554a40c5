//! How a stable name goes from one cluster to another by renames, decided by what RDS shows and by
//! nothing that was remembered.
//!
//! A rename is asynchronous: the old name answers for a while, then for a moment neither name does
//! (boto/boto3#609, #2613). So clusters are told apart by their DbClusterResourceId, which a rename
//! keeps (AuroraUserGuide, Aurora.Modifying), and names are only where they are now.

use std::time::Duration;

use jiff::Timestamp;
use policy::{Swap, Target};
use runbook::{
    Context, Error, Result, Run,
    aurora::{self, Cluster, Fault, ResourceId, Status, message},
    daily_sync::{
        names, secret,
        tags::{self, Role},
    },
    error::Then,
};
use serde_json::Value;

use crate::shared::denied;

/// How long the stable name may lead nowhere before the former cluster gets it back.
pub const WINDOW: Duration = Duration::from_secs(20 * 60);

/// Who is to have which name.
pub struct Plan<'a> {
    pub stable: &'a str,
    pub fresh_name: String,
    pub old_name: String,
    /// The new cluster.
    pub fresh: &'a ResourceId,
    /// The one that has the stable name before the swap; none before the first sync.
    pub former: Option<&'a ResourceId>,
}

impl<'a> Plan<'a> {
    pub fn new(target: &'a str, run: &Run, fresh: &'a ResourceId, former: Option<&'a ResourceId>) -> Self {
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
    /// A stopped cluster cannot be renamed.
    StartFormer(&'a Cluster),
    TagFormer(&'a Cluster),
    RenameFormer,
    RenameFresh,
    /// The new cluster does not come: the former gets the stable name back.
    PutBack,
    Swapped(&'a Cluster),
}

impl Plan<'_> {
    /// The next step, in the order of the swap. `fresh_ready` says what keeps the new cluster or
    /// its instance from being changed.
    pub fn next<'a>(
        &self,
        clusters: &'a [Cluster],
        fresh_ready: Result<()>,
        now: Timestamp,
    ) -> Result<Step<'a>> {
        let fresh = aurora::by_resource_id(clusters, self.fresh);
        let former = self.former.and_then(|id| aurora::by_resource_id(clusters, id));
        if let Some(fresh) = fresh.filter(|fresh| fresh.id == self.stable) {
            return Ok(Step::Swapped(fresh));
        }
        if let Some(former) = former.filter(|former| former.id == self.stable) {
            return self.begin(former, fresh, fresh_ready, now);
        }
        if let Some(holder) = aurora::by_name(clusters, self.stable) {
            return Err(conflict(format!(
                "{} is now the name of {}, which is neither this run's new cluster nor the one that had the \
                 name before",
                self.stable, holder.resource_id
            )));
        }
        if let Some(other) = former.filter(|former| former.id != self.old_name) {
            return Err(conflict(format!(
                "someone has renamed the cluster that was {} to {}",
                self.stable, other.id
            )));
        }
        if former.is_some_and(|former| is_overdue(former, now)) {
            return Ok(Step::PutBack);
        }
        match fresh {
            // Between the two names of a rename neither may be shown.
            None => Err(Error::NotReady(format!(
                "{} to be shown under the name {}",
                self.fresh_name, self.stable
            ))),
            Some(fresh) if fresh.status == Status::Renaming => {
                Err(Error::NotReady(format!("{} to be renamed to {}", self.fresh_name, self.stable)))
            }
            Some(_) => Ok(Step::RenameFresh),
        }
    }

    /// Nothing is renamed yet. Everything that can be waited for is waited for here, while the
    /// stable name still leads to the former cluster.
    fn begin<'a>(
        &self,
        former: &'a Cluster,
        fresh: Option<&Cluster>,
        fresh_ready: Result<()>,
        now: Timestamp,
    ) -> Result<Step<'a>> {
        if fresh.is_none() {
            return Err(conflict(format!(
                "the new cluster {} is gone; someone has deleted it",
                self.fresh_name
            )));
        }
        fresh_ready?;
        match &former.status {
            Status::Available => {}
            Status::Stopped => return Ok(Step::StartFormer(former)),
            status => {
                return Err(Error::NotReady(format!("{} to be available (it is {status})", self.stable)));
            }
        }
        if !tags::has_role(&former.tags, Role::Old) || is_overdue(former, now) {
            return Ok(Step::TagFormer(former));
        }
        Ok(Step::RenameFormer)
    }
}

fn conflict(found: String) -> Error {
    Error::conflict(found)
        .changed("nothing by this look; CleanUp puts back what it can")
        .then(Then::StartAgain)
}

/// When the swap of that former cluster began.
pub fn began(former: &Cluster) -> Option<Timestamp> {
    former.tags.get(tags::REPLACED_AT)?.parse().ok()
}

/// The swap of that former cluster began longer ago than the window.
fn is_overdue(former: &Cluster, now: Timestamp) -> bool {
    began(former).is_none_or(|began| Duration::try_from(now - began).is_ok_and(|taken| taken > WINDOW))
}

/// Asks for a rename. `NotReady` is what may pass by itself: the names of a rename under way, a
/// state, a lost answer.
pub async fn rename(cx: &Context, from: &str, to: &str) -> Result<()> {
    let modify = cx.rds.modify_db_cluster().db_cluster_identifier(from).new_db_cluster_identifier(to);
    let Err(error) = modify.apply_immediately(true).send().await else { return Ok(()) };
    Err(match Fault::of(&error) {
        Some(
            Fault::DBClusterNotFoundFault
            | Fault::DBClusterAlreadyExistsFault
            | Fault::InvalidDBClusterStateFault,
        ) => Error::NotReady(format!("{from} to take the name {to} ({})", message(&error))),
        _ => denied::on_cluster(cx, "rds:ModifyDBCluster", from, error).await,
    })
}

/// Marks the cluster that is about to be replaced, so that it can be found and given back.
pub async fn tag_former(cx: &Context, target: &str, former: &Cluster) -> Result<()> {
    let now = cx.clock.now().round(jiff::Unit::Second).map_err(|error| Error::Unexpected(error.into()))?;
    let now = now.to_string();
    let marks = [(tags::ROLE, Role::Old.as_str()), (tags::TARGET, target), (tags::REPLACED_AT, now.as_str())];
    tag(cx, former, &marks).await
}

pub async fn tag(cx: &Context, cluster: &Cluster, marks: &[(&str, &str)]) -> Result<()> {
    let tags = marks.iter().map(|(key, value)| tags::tag(key, value)).collect();
    let add = cx.rds.add_tags_to_resource().resource_name(cluster.arn.as_str());
    match add.set_tags(Some(tags)).send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(denied::on_cluster(cx, "rds:AddTagsToResource", &cluster.id, error).await),
    }
}

/// Where a target's clients find it, when they find it in a secret.
pub fn secret_of(target: &Target) -> Result<&str> {
    target.secret.as_deref().ok_or_else(|| {
        Error::refused(format!("target {} is swapped by secret, and the policy names none", target.cluster))
    })
}

/// Clusters among which the published one is: by its name it is one, by a secret's host any.
pub async fn candidates(cx: &Context, target: &Target) -> Result<Vec<Cluster>> {
    match target.swap {
        Swap::Rename => Ok(aurora::find_cluster(cx, &target.cluster).await?.into_iter().collect()),
        Swap::Secret => aurora::clusters(cx).await,
    }
}

/// The cluster that a target's clients use now.
pub async fn published<'a>(
    cx: &Context,
    clusters: &'a [Cluster],
    sync: &str,
    target: &Target,
) -> Result<Option<&'a Cluster>> {
    if target.swap == Swap::Rename {
        return Ok(aurora::by_name(clusters, &target.cluster));
    }
    let secret = secret::get(cx, secret_of(target)?).await?;
    let (host, port) =
        (secret.get("host").and_then(Value::as_str), secret.get("port").and_then(Value::as_i64));
    let read = clusters.iter().find(|cluster| {
        let shown = &cluster.shown;
        host.is_some()
            && shown.endpoint() == host
            && port.is_none_or(|port| shown.port().map(i64::from) == Some(port))
    });
    let tagged = clusters.iter().find(|cluster| {
        let tags = &cluster.tags;
        tags::is_of_sync(tags, sync)
            && tags::has_role(tags, Role::Published)
            && tags.is(tags::TARGET, &target.cluster)
    });
    Ok(read.or(tagged))
}

/// The former cluster of a swap that stopped between its renames, to be put back, whether this run
/// swapped or one that was stopped; `NotReady` when the new one may yet appear. `patience` says
/// that CleanUp has waited long enough for a rename under way to show.
pub fn stuck<'a>(
    clusters: &'a [Cluster],
    target: &str,
    run: &Run,
    patience: bool,
) -> Result<Option<&'a Cluster>> {
    if aurora::by_name(clusters, target).is_some() {
        return Ok(None);
    }
    let is_former = |cluster: &&Cluster| {
        tags::has_role(&cluster.tags, Role::Old) && cluster.tags.is(tags::TARGET, target)
    };
    let prefix = format!("{target}-old-");
    for former in clusters.iter().filter(is_former) {
        let Some(id) = former.id.strip_prefix(&prefix) else { continue };
        if aurora::by_name(clusters, &format!("{target}-{id}")).is_some() {
            return Ok(Some(former));
        }
        if id == run.short_id() {
            return if patience {
                Ok(Some(former))
            } else {
                Err(Error::NotReady(format!("a cluster to be shown as {target}")))
            };
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Parse};

    const NOW: &str = "2026-01-02T04:00:00Z";

    fn cluster(id: &str, name: &str, status: &str) -> aws_sdk_rds::types::builders::DbClusterBuilder {
        testing::cluster(name).db_cluster_resource_id(id).status(status)
    }

    fn marked(id: &str, name: &str, at: &str) -> Cluster {
        let tags = [(tags::ROLE, "old"), (tags::TARGET, "dev"), (tags::REPLACED_AT, at)]
            .map(|(key, value)| tags::tag(key, value));
        cluster(id, name, "available").set_tag_list(Some(tags.into())).parse()
    }

    fn id(id: &str) -> ResourceId {
        ResourceId::try_from(id.to_owned()).unwrap()
    }

    /// The next step by its name, or the error's.
    fn next_when(fresh_ready: Result<()>, former: Option<&str>, clusters: &[Cluster]) -> String {
        let (fresh, former) = (id("FRESH"), former.map(id));
        let plan = Plan {
            stable: "dev",
            fresh_name: "dev-1".into(),
            old_name: "dev-old-1".into(),
            fresh: &fresh,
            former: former.as_ref(),
        };
        match plan.next(clusters, fresh_ready, NOW.parse().unwrap()) {
            Ok(step) => {
                let text = format!("{step:?}");
                text.split(['(', ' ']).next().unwrap().to_owned()
            }
            Err(error) => error.name().to_owned(),
        }
    }

    fn next(former: Option<&str>, clusters: &[Cluster]) -> String {
        next_when(Ok(()), former, clusters)
    }

    #[test]
    fn the_swap_goes_by_what_is_shown() {
        let fresh = || cluster("FRESH", "dev-1", "available").parse();
        let just_now = "2026-01-02T03:59:00Z";
        for (clusters, step) in [
            (vec![fresh(), cluster("FORMER", "dev", "available").parse()], "TagFormer"),
            (vec![fresh(), cluster("FORMER", "dev", "stopped").parse()], "StartFormer"),
            (vec![fresh(), marked("FORMER", "dev", just_now)], "RenameFormer"),
            (vec![fresh(), cluster("FORMER", "dev", "renaming").parse()], "NotReady"),
            // The blackout of the first rename.
            (vec![fresh()], "RenameFresh"),
            (vec![fresh(), marked("FORMER", "dev-old-1", just_now)], "RenameFresh"),
            (
                vec![cluster("FRESH", "dev-1", "renaming").parse(), marked("FORMER", "dev-old-1", just_now)],
                "NotReady",
            ),
            // The blackout of the second.
            (vec![marked("FORMER", "dev-old-1", just_now)], "NotReady"),
            (
                vec![cluster("FRESH", "dev", "available").parse(), marked("FORMER", "dev-old-1", just_now)],
                "Swapped",
            ),
        ] {
            let names: Vec<&str> = clusters.iter().map(|cluster| cluster.id.as_str()).collect();
            assert_eq!(next(Some("FORMER"), &clusters), step, "{names:?}");
        }
    }

    #[test]
    fn a_name_that_stays_empty_too_long_goes_back() {
        let fresh = cluster("FRESH", "dev-1", "available").parse();
        assert_eq!(
            next(Some("FORMER"), &[fresh.clone(), marked("FORMER", "dev-old-1", "2026-01-02T03:30:00Z")]),
            "PutBack"
        );
        // Marks of an earlier attempt are made again before anything is renamed.
        assert_eq!(
            next(Some("FORMER"), &[fresh, marked("FORMER", "dev", "2026-01-02T03:30:00Z")]),
            "TagFormer"
        );
    }

    #[test]
    fn what_someone_else_did_stops_the_swap() {
        let fresh = || cluster("FRESH", "dev-1", "available").parse();
        for clusters in [
            vec![fresh(), cluster("OTHER", "dev", "available").parse()],
            vec![fresh(), cluster("FORMER", "dev-by-hand", "available").parse()],
            vec![cluster("FORMER", "dev", "available").parse()],
        ] {
            assert_eq!(next(Some("FORMER"), &clusters), "Conflict", "{clusters:?}");
        }
        assert_eq!(next(None, &[fresh(), cluster("OTHER", "dev", "available").parse()]), "Conflict");
        assert_eq!(next(None, &[fresh()]), "RenameFresh");
    }

    #[test]
    fn nothing_is_renamed_while_the_new_cluster_is_busy() {
        let clusters =
            [cluster("FRESH", "dev-1", "available").parse(), marked("FORMER", "dev", "2026-01-02T03:59:00Z")];
        let busy = Err(Error::NotReady("instance dev-1-1 to be available".into()));
        assert_eq!(next_when(busy, Some("FORMER"), &clusters), "NotReady");
    }

    #[test]
    fn a_swap_that_stopped_half_way_is_put_back() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:one");
        let (fresh, old) = (names::fresh("dev", &run), names::old("dev", &run));
        let former = marked("FORMER", &old, NOW);
        let both = [cluster("FRESH", &fresh, "available").parse(), former.clone()];
        assert!(matches!(stuck(&both, "dev", &run, false), Ok(Some(_))));
        assert!(
            matches!(stuck(std::slice::from_ref(&former), "dev", &run, false), Err(Error::NotReady(_))),
            "its rename may be under way"
        );
        assert!(matches!(stuck(std::slice::from_ref(&former), "dev", &run, true), Ok(Some(_))));
        let whole = [cluster("FRESH", "dev", "available").parse(), former];
        assert!(matches!(stuck(&whole, "dev", &run, true), Ok(None)));
    }

    #[test]
    fn yesterdays_old_copy_comes_back_only_for_yesterdays_unfinished_swap() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:two");
        let former = marked("FORMER", "dev-old-0badcafe", "2026-01-01T04:00:00Z");
        assert!(
            matches!(stuck(std::slice::from_ref(&former), "dev", &run, true), Ok(None)),
            "someone has deleted dev since"
        );
        let aborted = [former, cluster("FRESH", "dev-0badcafe", "available").parse()];
        assert!(matches!(stuck(&aborted, "dev", &run, false), Ok(Some(_))));
    }
}
