//! Gives the stable name to the new cluster: renames the present one away and the new one in, or
//! points the clients' secret at it.
//!
//! Changes: ModifyDBCluster (two renames), ModifyDBInstance (the instances' names), StopDBCluster
//! and StartDBCluster (certificates for the new names), tags, the host in the environment's
//! secrets; one a look. Again is harmless: every step follows from what RDS shows. Undo: if the
//! second rename is refused or takes too long, the former cluster gets its name back; if the state
//! is killed between the renames, the next look goes on, and CleanUp puts back what no look
//! finished. The former cluster is kept (RetireOld). Errors: `NotReady`, `Conflict` (someone else
//! changed the clusters), `Refused` (not attested; a secret is missing), `OperationFailed` (the
//! swap failed; the stable name leads to the former cluster).

use policy::{Swap, Target};
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster, ResourceId},
    daily_sync::{
        self, secret,
        tags::{self, Role},
    },
    error::Then,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    after_swap,
    swap::{self, Plan, Step},
};
use crate::shared::{denied, removal};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SwapTarget {
    sync: String,
    /// The stable name.
    target: String,
    /// The DbClusterResourceId of the new cluster.
    resource_id: ResourceId,
    /// The DbClusterResourceId of the one that the clients use now.
    #[serde(default)]
    former: Option<ResourceId>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Swapped {
    summary: String,
    target: String,
    endpoint: Option<String>,
}

impl State for SwapTarget {
    const NAME: &'static str = "SwapTarget";
    type Output = Swapped;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Swapped> {
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let target = daily_sync::target(&policy, &self.target)?;
        let ids = [Some(&self.resource_id), self.former.as_ref()];
        let mut clusters = aurora::clusters_of(cx, ids.into_iter().flatten()).await?;
        if target.swap == Swap::Rename && aurora::by_name(&clusters, &self.target).is_none() {
            // Somebody else's may have the name; where these two are has just been shown.
            let other = aurora::find_cluster(cx, &self.target).await?;
            clusters.extend(
                other.filter(|other| aurora::by_resource_id(&clusters, &other.resource_id).is_none()),
            );
        }
        if let Some(fresh) = aurora::by_resource_id(&clusters, &self.resource_id) {
            self.check(run, fresh)?;
        }
        let cluster = match target.swap {
            Swap::Rename => self.rename(cx, run, &clusters).await?,
            Swap::Secret => self.point(cx, target, &clusters).await?,
        };
        after_swap::secrets(cx, target, cluster).await?;
        if target.deletion_protection && cluster.shown.deletion_protection() != Some(true) {
            let modify = cx.rds.modify_db_cluster().db_cluster_identifier(&cluster.id);
            if let Err(error) = modify.deletion_protection(true).apply_immediately(true).send().await {
                return Err(denied::on_cluster(cx, "rds:ModifyDBCluster", &cluster.id, error).await);
            }
            return Err(Error::NotReady(format!(
                "the deletion protection of {}, which was asked for now",
                cluster.id
            )));
        }
        let summary = format!("{} leads to this run's copy, {}", self.target, cluster.id);
        let endpoint = cluster.shown.endpoint().map(str::to_owned);
        Ok(Swapped { summary, target: self.target, endpoint })
    }
}

impl SwapTarget {
    fn check(&self, run: &Run, fresh: &Cluster) -> Result<()> {
        let Cluster { id, tags, .. } = fresh;
        if !tags::is_of_run(tags, &self.sync, run) || !tags.is(tags::TARGET, &self.target) {
            return Err(Error::conflict(format!(
                "{id} is not the cluster that this run restored for {}",
                self.target
            ))
            .then(Then::StartAgain));
        }
        if !tags.is(tags::ATTESTED_RUN, run.name()) {
            return Err(Error::refused(format!("{id} does not come from an attested snapshot of this run"))
                .then(Then::StartAgain));
        }
        Ok(())
    }

    async fn rename<'a>(&self, cx: &Context, run: &Run, clusters: &'a [Cluster]) -> Result<&'a Cluster> {
        let plan = Plan::new(&self.target, run, &self.resource_id, self.former.as_ref());
        // Once the former has lost the name, nothing waits for the new one's instances.
        let holder = aurora::by_name(clusters, &self.target);
        let fresh_ready = match aurora::by_resource_id(clusters, &self.resource_id) {
            Some(fresh) if holder.is_some_and(|holder| holder.resource_id != fresh.resource_id) => {
                aurora::ready(fresh, &aurora::members(cx, fresh).await?)
            }
            _ => Ok(()),
        };
        match plan.next(clusters, fresh_ready, cx.clock.now())? {
            Step::StartFormer(former) => {
                removal::start(cx, &former.id).await?;
                Err(Error::NotReady(format!(
                    "{} to start; it was stopped, and a stopped cluster cannot be renamed",
                    former.id
                )))
            }
            Step::TagFormer(former) => {
                swap::tag_former(cx, &self.target, former).await?;
                Err(Error::NotReady(format!("{} to be marked as the one that is replaced", self.target)))
            }
            Step::RenameFormer => {
                swap::rename(cx, plan.stable, &plan.old_name).await?;
                Err(Error::NotReady(format!("{} to be renamed to {}", plan.stable, plan.old_name)))
            }
            Step::RenameFresh => {
                rename_fresh(cx, &plan).await?;
                Err(Error::NotReady(format!("{} to be renamed to {}", plan.fresh_name, plan.stable)))
            }
            Step::PutBack => {
                swap::rename(cx, &plan.old_name, plan.stable).await?;
                let minutes = swap::WINDOW.as_secs() / 60;
                Err(failed(
                    &plan,
                    &format!("{} could not get the name within {minutes} min", plan.fresh_name),
                ))
            }
            Step::Swapped(fresh) => {
                after_swap::names(cx, run, &plan, fresh).await?;
                after_swap::publish(cx, fresh).await?;
                Ok(fresh)
            }
        }
    }

    /// The other way: nothing is renamed, and clients find the new cluster in a secret.
    async fn point<'a>(&self, cx: &Context, target: &Target, clusters: &'a [Cluster]) -> Result<&'a Cluster> {
        let fresh = aurora::by_resource_id(clusters, &self.resource_id).ok_or_else(|| {
            Error::conflict(format!("the new cluster of {} is gone; someone has deleted it", self.target))
                .then(Then::StartAgain)
        })?;
        aurora::ready(fresh, &aurora::members(cx, fresh).await?)?;
        let host = fresh.shown.endpoint();
        let host = host.ok_or_else(|| Error::NotReady(format!("an endpoint of {}", self.target)))?;
        let values = [("host", json!(host)), ("port", json!(fresh.shown.port()))];
        secret::set(cx, swap::secret_of(target)?, &values).await?;
        let former = self.former.as_ref().and_then(|id| aurora::by_resource_id(clusters, id));
        if let Some(former) = former.filter(|former| !tags::has_role(&former.tags, Role::Old)) {
            swap::tag_former(cx, &self.target, former).await?;
        }
        after_swap::publish(cx, fresh).await?;
        Ok(fresh)
    }
}

/// The second rename. When RDS says no, the first is undone at once: this is no second change but
/// the end of none.
async fn rename_fresh(cx: &Context, plan: &Plan<'_>) -> Result<()> {
    let evidence = match swap::rename(cx, &plan.fresh_name, plan.stable).await {
        Err(error) if error.waiting_for().is_some() => return Err(error),
        Err(error) => error.reason(),
        Ok(()) => return Ok(()),
    };
    if plan.former.is_none() {
        return Err(Error::failed(format!(
            "RDS does not give {} the name {}: {evidence}",
            plan.fresh_name, plan.stable
        ))
        .changed("no name; there was no former cluster")
        .then(Then::StartAgain));
    }
    swap::rename(cx, &plan.old_name, plan.stable).await?;
    Err(failed(plan, &evidence))
}

fn failed(plan: &Plan<'_>, evidence: &str) -> Error {
    Error::failed(format!("the swap of {} failed: {evidence}", plan.stable))
        .changed(
            "the former cluster gets its name back, with yesterday's data; CleanUp waits until it has it",
        )
        .then(Then::StartAgain)
}
