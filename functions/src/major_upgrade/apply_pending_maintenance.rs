//! Applies what RDS holds pending, the cluster first, then the readers, then the writer.
//!
//! Changes: one ApplyPendingMaintenanceAction at a time, and waits until all is available again.
//! Again is harmless: what is being applied is seen and waited for. Undo: none; an immediate opt-in
//! cannot be undone (botocore rds 2014-10-31, OptInType). Errors: `NotReady`, `Conflict` (another
//! execution has the lease).
//!
//! Why: RDS refuses or delays a major upgrade while maintenance is pending.
//! `ca-certificate-rotation` changes what clients must trust and `db-upgrade` changes the version:
//! both are reported, not applied.

use aws_sdk_rds::{
    error::ProvideErrorMetadata,
    types::{Filter, PendingMaintenanceAction},
};
use runbook::{
    Arn, Context, Error, Result, Run, State,
    aurora::{self, Cluster, Instance},
    error::aws,
    lease,
};
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
        // While it is at work, one call a look is enough.
        aurora::ready(&cluster, &[])?;
        lease::take(cx, run, cluster.resource_id.as_str()).await?;
        let members = aurora::members(cx, &cluster).await?;
        aurora::ready(&cluster, &members)?;
        let pending = all(cx, &cluster, &members).await?;
        for Pending { on, action, decision } in &pending {
            match decision {
                Decision::Leave => {}
                Decision::Wait => return Err(Error::NotReady(format!("{action} on {} to end", short(on)))),
                Decision::Apply => {
                    apply(cx, on, action).await?;
                    return Err(Error::NotReady(format!("{action} on {}, which was begun now", short(on))));
                }
            }
        }
        let left: Vec<String> =
            pending.iter().map(|Pending { on, action, .. }| format!("{action} on {}", short(on))).collect();
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
    /// A person decides.
    Leave,
}

struct Pending {
    on: Arn,
    action: String,
    decision: Decision,
}

fn decide(name: &str, action: &PendingMaintenanceAction) -> Decision {
    match name {
        "ca-certificate-rotation" | "db-upgrade" => Decision::Leave,
        // The list is eventually consistent: what was opted in stays in it for a while after it is
        // done.
        _ if action.opt_in_status() == Some("immediate") => Decision::Wait,
        _ => Decision::Apply,
    }
}

async fn all(cx: &Context, cluster: &Cluster, members: &[Instance]) -> Result<Vec<Pending>> {
    // A cluster filter does not return its instances (botocore rds 2014-10-31,
    // DescribePendingMaintenanceActions).
    let mut pending = pending(cx, "db-cluster-id", &cluster.arn).await?;
    for member in members {
        pending.extend(self::pending(cx, "db-instance-id", &member.arn).await?);
    }
    Ok(pending)
}

/// The ARN and the action of each that stands in the way of a change.
pub(super) async fn standing(
    cx: &Context,
    cluster: &Cluster,
    members: &[Instance],
) -> Result<Vec<(String, String)>> {
    let all = all(cx, cluster, members).await?.into_iter();
    let in_the_way = all.filter(|pending| pending.decision != Decision::Leave);
    Ok(in_the_way.map(|Pending { on, action, .. }| (on.to_string(), action)).collect())
}

async fn pending(cx: &Context, filter: &str, arn: &Arn) -> Result<Vec<Pending>> {
    let filter = Filter::builder().name(filter).values(arn.as_str()).build();
    let pages = cx.rds.describe_pending_maintenance_actions().filters(filter).into_paginator().items().send();
    let resources = pages.try_collect().await.map_err(aws("rds:DescribePendingMaintenanceActions"))?;
    let actions = resources
        .into_iter()
        .flat_map(|resource| resource.pending_maintenance_action_details.unwrap_or_default());
    let named = actions.map(|action| match action.action() {
        Some(name) => {
            Ok(Pending { on: arn.clone(), action: name.to_owned(), decision: decide(name, &action) })
        }
        None => Err(Error::unexpected(format!("RDS holds an action without a name pending on {arn}"))),
    });
    named.collect()
}

async fn apply(cx: &Context, arn: &Arn, action: &str) -> Result<()> {
    let apply = cx.rds.apply_pending_maintenance_action().resource_identifier(arn.as_str());
    match apply.apply_action(action).opt_in_type("immediate").send().await {
        Ok(_) => Ok(()),
        // The stale end of an eventually consistent list: one OS update shows at the cluster and at
        // its instances, and is gone at once.
        Err(error) if error.message().is_some_and(|message| message.contains("There is no pending")) => Err(
            Error::NotReady(format!("the list of pending maintenance to forget {action} on {}", short(arn))),
        ),
        Err(error) => Err(aws("rds:ApplyPendingMaintenanceAction")(error)),
    }
}

/// `arn:aws:rds:eu-west-1:444455556666:cluster:orders` → `cluster orders`.
fn short(arn: &Arn) -> String {
    arn.resource().replace(':', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_and_versions_are_left_to_a_person() {
        let action = |name: &str, status: Option<&str>| {
            PendingMaintenanceAction::builder()
                .action(name)
                .set_opt_in_status(status.map(str::to_owned))
                .build()
        };
        assert_eq!(
            decide("ca-certificate-rotation", &action("ca-certificate-rotation", None)),
            Decision::Leave
        );
        assert_eq!(decide("db-upgrade", &action("db-upgrade", Some("immediate"))), Decision::Leave);
        assert_eq!(decide("os-upgrade", &action("os-upgrade", None)), Decision::Apply);
        assert_eq!(
            decide("system-update", &action("system-update", Some("next-maintenance"))),
            Decision::Apply
        );
        assert_eq!(decide("system-update", &action("system-update", Some("immediate"))), Decision::Wait);
    }
}
