//! Removes clusters and snapshots that runs of this sync made, in this account, one step a look.
//! Nothing else is ever removed.

use aws_sdk_rds::{
    error::ProvideErrorMetadata,
    types::{DbCluster, DbClusterSnapshot, DbInstance},
};
use runbook::{Context, Error, Result, aurora, daily_sync::tags, error::aws};

/// How far a removal is.
#[derive(Debug, PartialEq, Eq)]
pub enum Removal {
    Gone,
    /// RDS deletes it; nothing brings it back.
    Deleting(String),
    /// The next step has to wait for this.
    Waiting(String),
}

/// The next step of a cluster's removal.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Wait(String),
    /// A stopped cluster cannot be deleted (AuroraUserGuide, aurora-cluster-stop-start).
    Start,
    DeleteInstance(&'a str),
    LiftProtection,
    DeleteCluster,
    Deleting,
}

fn step<'a>(cluster: &DbCluster, instances: &[&'a DbInstance]) -> Step<'a> {
    let status = cluster.status().unwrap_or("unknown");
    match status {
        "deleting" => return Step::Deleting,
        "stopped" => return Step::Start,
        "stopping" | "starting" | "renaming" => return Step::Wait(format!("it to be no longer {status}")),
        _ => {}
    }
    if let Some(instance) =
        instances.iter().find(|instance| instance.db_instance_status() != Some("deleting"))
    {
        return Step::DeleteInstance(instance.db_instance_identifier().unwrap_or_default());
    }
    if cluster.deletion_protection() == Some(true) {
        return Step::LiftProtection;
    }
    Step::DeleteCluster
}

/// One step of the removal of a cluster that a run of this sync made.
///
/// The cluster can be deleted as soon as all its instances are `deleting`, and before that RDS
/// refuses (AuroraUserGuide, USER_DeleteCluster).
pub async fn remove_cluster(
    cx: &Context,
    sync: &str,
    cluster: &DbCluster,
    instances: &[DbInstance],
) -> Result<Removal> {
    let name = cluster.db_cluster_identifier().unwrap_or_default();
    if !tags::is_of_sync(cluster.tag_list(), sync) {
        return Err(Error::Refused(format!(
            "cluster {name} was not made by this sync, and nothing else is ever deleted"
        )));
    }
    let own: Vec<&DbInstance> =
        instances.iter().filter(|instance| instance.db_cluster_identifier() == Some(name)).collect();
    let done = |what: &str| Ok(Removal::Waiting(format!("cluster {name}: {what}")));
    match step(cluster, &own) {
        Step::Deleting => Ok(Removal::Deleting(format!("cluster {name} to be gone"))),
        Step::Wait(what) => done(&what),
        Step::Start => {
            cx.rds
                .start_db_cluster()
                .db_cluster_identifier(name)
                .send()
                .await
                .map_err(aws("rds:StartDBCluster"))?;
            done("it was stopped and is started, to be deleted")
        }
        Step::DeleteInstance(instance) => {
            let delete = cx
                .rds
                .delete_db_instance()
                .db_instance_identifier(instance)
                .skip_final_snapshot(true)
                .delete_automated_backups(true);
            match delete.send().await {
                Ok(_) => done(&format!("its instance {instance} is being deleted")),
                Err(error) if error.code() == Some("DBInstanceNotFound") => {
                    done(&format!("its instance {instance} is gone"))
                }
                // What is gone has no tags, so that the role may not delete it.
                Err(error)
                    if error.code() == Some("AccessDenied") && is_instance_gone(cx, instance).await? =>
                {
                    done(&format!("its instance {instance} is gone"))
                }
                // Also "is already being deleted".
                Err(error) if error.code() == Some("InvalidDBInstanceState") => {
                    done(&format!("its instance {instance} ({})", error.message().unwrap_or_default()))
                }
                Err(error) => Err(aws("rds:DeleteDBInstance")(error)),
            }
        }
        Step::LiftProtection => {
            let modify = cx
                .rds
                .modify_db_cluster()
                .db_cluster_identifier(name)
                .deletion_protection(false)
                .apply_immediately(true);
            modify.send().await.map_err(aws("rds:ModifyDBCluster"))?;
            done("its deletion protection is lifted")
        }
        Step::DeleteCluster => {
            let delete = cx
                .rds
                .delete_db_cluster()
                .db_cluster_identifier(name)
                .skip_final_snapshot(true)
                .delete_automated_backups(true);
            match delete.send().await {
                Ok(_) => Ok(Removal::Deleting(format!("cluster {name} to be gone"))),
                Err(error) if error.code() == Some("DBClusterNotFoundFault") => Ok(Removal::Gone),
                Err(error)
                    if error.code() == Some("AccessDenied")
                        && aurora::find_cluster(cx, name).await?.is_none() =>
                {
                    Ok(Removal::Gone)
                }
                Err(error) if error.code() == Some("InvalidDBClusterStateFault") => {
                    done(error.message().unwrap_or("its state"))
                }
                Err(error) => Err(aws("rds:DeleteDBCluster")(error)),
            }
        }
    }
}

/// One step of the removal of a snapshot that a run of this sync made.
pub async fn remove_snapshot(cx: &Context, sync: &str, snapshot: &DbClusterSnapshot) -> Result<Removal> {
    let name = snapshot.db_cluster_snapshot_identifier().unwrap_or_default();
    if !tags::is_of_sync(snapshot.tag_list(), sync) || snapshot.snapshot_type() != Some("manual") {
        return Err(Error::Refused(format!(
            "snapshot {name} was not made by this sync, and nothing else is ever deleted"
        )));
    }
    match cx.rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(name).send().await {
        Ok(_) => Ok(Removal::Deleting(format!("snapshot {name} to be gone"))),
        Err(error) if error.code() == Some("DBClusterSnapshotNotFoundFault") => Ok(Removal::Gone),
        Err(error) if error.code() == Some("AccessDenied") && is_snapshot_gone(cx, sync, name).await? => {
            Ok(Removal::Gone)
        }
        Err(error) if error.code() == Some("InvalidDBClusterSnapshotStateFault") => Ok(Removal::Waiting(
            format!("snapshot {name} to be deletable ({})", error.message().unwrap_or_default()),
        )),
        Err(error) => Err(aws("rds:DeleteDBClusterSnapshot")(error)),
    }
}

async fn is_instance_gone(cx: &Context, name: &str) -> Result<bool> {
    Ok(!instances(cx).await?.iter().any(|instance| instance.db_instance_identifier() == Some(name)))
}

async fn is_snapshot_gone(cx: &Context, sync: &str, name: &str) -> Result<bool> {
    let left = snapshots(cx, sync).await?;
    Ok(!left.iter().any(|snapshot| snapshot.db_cluster_snapshot_identifier() == Some(name)))
}

/// Every instance of the account and Region.
pub async fn instances(cx: &Context) -> Result<Vec<DbInstance>> {
    let pages = cx.rds.describe_db_instances().into_paginator().items().send();
    pages.collect::<std::result::Result<_, _>>().await.map_err(aws("rds:DescribeDBInstances"))
}

/// The manual snapshots of this account that runs of this sync made.
pub async fn snapshots(cx: &Context, sync: &str) -> Result<Vec<DbClusterSnapshot>> {
    let pages =
        cx.rds.describe_db_cluster_snapshots().snapshot_type("manual").into_paginator().items().send();
    let mut all: Vec<DbClusterSnapshot> =
        pages.collect::<std::result::Result<_, _>>().await.map_err(aws("rds:DescribeDBClusterSnapshots"))?;
    all.retain(|snapshot| tags::is_of_sync(snapshot.tag_list(), sync));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_go_first_then_the_protection_then_the_cluster() {
        let cluster = |status: &str| DbCluster::builder().db_cluster_identifier("c").status(status);
        let instance = |status: &str| {
            DbInstance::builder().db_instance_identifier("c-1").db_instance_status(status).build()
        };
        let (alive, going) = (instance("available"), instance("deleting"));
        assert_eq!(step(&cluster("available").build(), &[&going, &alive]), Step::DeleteInstance("c-1"));
        assert_eq!(
            step(&cluster("available").deletion_protection(true).build(), &[&going]),
            Step::LiftProtection
        );
        assert_eq!(step(&cluster("available").build(), &[&going]), Step::DeleteCluster);
        assert_eq!(step(&cluster("inaccessible-encryption-credentials").build(), &[]), Step::DeleteCluster);
        assert_eq!(step(&cluster("deleting").build(), &[&alive]), Step::Deleting);
        assert_eq!(step(&cluster("stopped").build(), &[&alive]), Step::Start);
        assert!(matches!(step(&cluster("renaming").build(), &[&alive]), Step::Wait(_)));
    }
}
