//! Applies what RDS holds pending, the cluster first, then the readers, then the writer.
//!
//! Changes: one ApplyPendingMaintenanceAction at a time, and waits until all is available again.
//! Again is harmless: what is being applied is seen and waited for. Undo: none; an immediate opt-in
//! cannot be undone (botocore rds 2014-10-31, OptInType). Errors: `NotReady`, `Conflict` (another
//! execution has the lease).
//!
//! Why: RDS refuses or delays a major upgrade while maintenance is pending.
//! `ca-certificate-rotation` changes what clients must trust and `db-upgrade` changes the version:
//! both are told, not applied.

use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::{Filter, PendingMaintenanceAction};
use runbook::{Context, Error, Result, Run, State, aurora, error::aws, lease};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyPendingMaintenance {
    cluster: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NothingPending {
    summary: String,
    /// What a person should look at: pending, but not applied by us.
    left: Vec<String>,
}

impl State for ApplyPendingMaintenance {
    const NAME: &'static str = "ApplyPendingMaintenance";
    type Output = NothingPending;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<NothingPending> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        lease::take(cx, run, cluster.db_cluster_resource_id().unwrap_or_default()).await?;
        let members = aurora::members(cx, &cluster).await?;
        if let Some(what) = aurora::busy(&cluster, &members) {
            return Err(Error::NotReady(what));
        }
        // A cluster filter does not return its instances (botocore rds 2014-10-31,
        // DescribePendingMaintenanceActions).
        let cluster_arn = cluster.db_cluster_arn().unwrap_or_default();
        let mut resources = vec![(cluster_arn, pending(cx, "db-cluster-id", cluster_arn).await?)];
        for member in &members {
            let arn = member.db_instance_arn().unwrap_or_default();
            resources.push((arn, pending(cx, "db-instance-id", arn).await?));
        }
        for (arn, actions) in &resources {
            for action in actions {
                let name = action.action().unwrap_or_default();
                match decide(action) {
                    Decision::Tell => {}
                    Decision::Wait => {
                        return Err(Error::NotReady(format!("{name} on {} to end", short(arn))));
                    }
                    Decision::Apply => return apply(cx, arn, name).await,
                }
            }
        }
        let left: Vec<String> = resources
            .iter()
            .flat_map(|(arn, actions)| {
                actions
                    .iter()
                    .map(move |action| format!("{} on {}", action.action().unwrap_or_default(), short(arn)))
            })
            .collect();
        let summary = match left.as_slice() {
            [] => "no maintenance is pending".to_owned(),
            left => {
                format!("no maintenance stands in the way; left for a person to decide: {}", left.join(", "))
            }
        };
        Ok(NothingPending { summary, left })
    }
}

#[derive(Debug, PartialEq)]
enum Decision {
    Apply,
    Wait,
    Tell,
}

fn decide(action: &PendingMaintenanceAction) -> Decision {
    match action.action().unwrap_or_default() {
        "ca-certificate-rotation" | "db-upgrade" => Decision::Tell,
        // The list is eventually consistent: what was opted in stays in it for a while after it is
        // done.
        _ if action.opt_in_status() == Some("immediate") => Decision::Wait,
        _ => Decision::Apply,
    }
}

async fn pending(cx: &Context, filter: &str, arn: &str) -> Result<Vec<PendingMaintenanceAction>> {
    let filter = Filter::builder().name(filter).values(arn).build();
    let pages = cx.rds.describe_pending_maintenance_actions().filters(filter).into_paginator().items().send();
    let resources: Vec<_> = pages
        .collect::<std::result::Result<_, _>>()
        .await
        .map_err(aws("rds:DescribePendingMaintenanceActions"))?;
    Ok(resources
        .into_iter()
        .flat_map(|resource| resource.pending_maintenance_action_details.unwrap_or_default())
        .collect())
}

async fn apply(cx: &Context, arn: &str, action: &str) -> Result<NothingPending> {
    match cx
        .rds
        .apply_pending_maintenance_action()
        .resource_identifier(arn)
        .apply_action(action)
        .opt_in_type("immediate")
        .send()
        .await
    {
        Ok(_) => Err(Error::NotReady(format!("{action} on {}, which was begun now", short(arn)))),
        // The stale end of an eventually consistent list: one OS update shows at the cluster and at
        // its instances, and is gone at once.
        Err(error) if error.message().is_some_and(|message| message.contains("There is no pending")) => Err(
            Error::NotReady(format!("the list of pending maintenance to forget {action} on {}", short(arn))),
        ),
        Err(error) => Err(aws("rds:ApplyPendingMaintenanceAction")(error)),
    }
}

/// `arn:aws:rds:eu-west-1:444455556666:cluster:orders` → `cluster orders`.
fn short(arn: &str) -> String {
    arn.splitn(6, ':').last().unwrap_or(arn).replace(':', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_and_versions_are_told_not_applied() {
        let action = |name: &str, status: Option<&str>| {
            PendingMaintenanceAction::builder()
                .action(name)
                .set_opt_in_status(status.map(str::to_owned))
                .build()
        };
        assert_eq!(decide(&action("ca-certificate-rotation", None)), Decision::Tell);
        assert_eq!(decide(&action("db-upgrade", Some("immediate"))), Decision::Tell);
        assert_eq!(decide(&action("os-upgrade", None)), Decision::Apply);
        assert_eq!(decide(&action("system-update", Some("next-maintenance"))), Decision::Apply);
        assert_eq!(decide(&action("system-update", Some("immediate"))), Decision::Wait);
    }
}
