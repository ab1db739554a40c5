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

use aws_sdk_rds::types::DbCluster;
use policy::{Swap, Target};
use runbook::{
    Context, Error, Result, Run, State, aurora, daily_sync,
    daily_sync::{
        secret,
        tags::{self, Role},
    },
    error::aws,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    after_swap,
    swap::{self, Plan, Step},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SwapTarget {
    sync: String,
    /// The stable name.
    target: String,
    /// The DbClusterResourceId of the new cluster.
    resource_id: String,
    /// The DbClusterResourceId of the one that the clients use now.
    #[serde(default)]
    former: Option<String>,
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
        let clusters = aurora::clusters(cx).await?;
        if let Some(fresh) = aurora::by_resource_id(&clusters, &self.resource_id) {
            self.check(run, fresh)?;
        }
        let cluster = match target.swap {
            Swap::Rename => self.rename(cx, run, &clusters).await?,
            Swap::Secret => self.point(cx, target, &clusters).await?,
        };
        after_swap::secrets(cx, target, cluster).await?;
        if target.deletion_protection && cluster.deletion_protection() != Some(true) {
            let name = cluster.db_cluster_identifier().unwrap_or_default();
            let modify = cx
                .rds
                .modify_db_cluster()
                .db_cluster_identifier(name)
                .deletion_protection(true)
                .apply_immediately(true);
            modify.send().await.map_err(aws("rds:ModifyDBCluster"))?;
            return Err(Error::NotReady(format!(
                "the deletion protection of {name}, which was asked for now"
            )));
        }
        let summary = format!(
            "{} leads to this run's copy, {}",
            self.target,
            cluster.db_cluster_identifier().unwrap_or_default()
        );
        Ok(Swapped { summary, target: self.target, endpoint: cluster.endpoint().map(str::to_owned) })
    }
}

impl SwapTarget {
    fn check(&self, run: &Run, fresh: &DbCluster) -> Result<()> {
        let name = fresh.db_cluster_identifier().unwrap_or_default();
        if !tags::is_of_run(fresh.tag_list(), &self.sync, run)
            || tags::value(fresh.tag_list(), tags::TARGET) != Some(&self.target)
        {
            return Err(Error::Conflict(format!(
                "{name} is not the cluster that this run restored for {}. Nothing was changed.",
                self.target
            )));
        }
        if tags::value(fresh.tag_list(), tags::ATTESTED_RUN) != Some(run.name()) {
            return Err(Error::Refused(format!(
                "{name} does not come from an attested snapshot of this run. Nothing was changed."
            )));
        }
        Ok(())
    }

    async fn rename<'a>(&self, cx: &Context, run: &Run, clusters: &'a [DbCluster]) -> Result<&'a DbCluster> {
        let plan = Plan::new(&self.target, run, &self.resource_id, self.former.as_deref());
        let busy = match aurora::by_resource_id(clusters, &self.resource_id) {
            Some(fresh) => aurora::busy(fresh, &aurora::members(cx, fresh).await?),
            None => None,
        };
        match plan.next(clusters, busy, cx.clock.now()) {
            Step::Wait(what) => Err(Error::NotReady(what)),
            Step::Conflict(what) => Err(Error::Conflict(format!(
                "{what}. Nothing was changed by this look. CleanUp puts back what it can."
            ))),
            Step::StartFormer(former) => {
                let name = former.db_cluster_identifier().unwrap_or_default();
                cx.rds
                    .start_db_cluster()
                    .db_cluster_identifier(name)
                    .send()
                    .await
                    .map_err(aws("rds:StartDBCluster"))?;
                Err(Error::NotReady(format!(
                    "{name} to start; it was stopped, and a stopped cluster cannot be renamed"
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
            Step::RenameFresh => Err(rename_fresh(cx, &plan).await),
            Step::PutBack => {
                swap::rename(cx, &plan.old_name, plan.stable).await?;
                Err(failed(
                    &plan,
                    &format!(
                        "{} could not get the name within {} min",
                        plan.fresh_name,
                        swap::WINDOW.as_secs() / 60
                    ),
                ))
            }
            Step::Swapped(fresh) => {
                after_swap::names(cx, run, &plan, clusters, fresh).await?;
                after_swap::publish(cx, fresh).await?;
                Ok(fresh)
            }
        }
    }

    /// The other way: nothing is renamed, and clients find the new cluster in a secret.
    async fn point<'a>(
        &self,
        cx: &Context,
        target: &Target,
        clusters: &'a [DbCluster],
    ) -> Result<&'a DbCluster> {
        let fresh = aurora::by_resource_id(clusters, &self.resource_id);
        let fresh = fresh.ok_or_else(|| {
            Error::Conflict(format!("the new cluster of {} is gone; someone has deleted it", self.target))
        })?;
        if let Some(what) = aurora::busy(fresh, &aurora::members(cx, fresh).await?) {
            return Err(Error::NotReady(what));
        }
        let host =
            fresh.endpoint().ok_or_else(|| Error::NotReady(format!("an endpoint of {}", self.target)))?;
        let name = target.secret.as_deref().unwrap_or_default();
        secret::set(cx, name, &[("host", json!(host)), ("port", json!(fresh.port()))]).await?;
        let former = self.former.as_deref().and_then(|id| aurora::by_resource_id(clusters, id));
        if let Some(former) = former.filter(|former| !tags::has_role(former.tag_list(), Role::Old)) {
            swap::tag_former(cx, &self.target, former).await?;
        }
        after_swap::publish(cx, fresh).await?;
        Ok(fresh)
    }
}

/// The second rename. When RDS says no, the first is undone at once: this is no second change but
/// the end of none.
async fn rename_fresh(cx: &Context, plan: &Plan<'_>) -> Error {
    let evidence = match swap::rename(cx, &plan.fresh_name, plan.stable).await {
        Ok(()) => return Error::NotReady(format!("{} to be renamed to {}", plan.fresh_name, plan.stable)),
        Err(Error::NotReady(what)) => return Error::NotReady(what),
        Err(error) => error.to_string(),
    };
    if plan.former.is_none() {
        return Error::OperationFailed(format!(
            "RDS does not give {} the name {}: {evidence}. There was no former cluster.",
            plan.fresh_name, plan.stable
        ));
    }
    match swap::rename(cx, &plan.old_name, plan.stable).await {
        Ok(()) => failed(plan, &evidence),
        Err(error) => error,
    }
}

fn failed(plan: &Plan<'_>, evidence: &str) -> Error {
    Error::OperationFailed(format!(
        "The swap of {} failed: {evidence}. The former cluster gets its name back, and its data is \
        yesterday's; CleanUp waits until it has it.",
        plan.stable
    ))
}
