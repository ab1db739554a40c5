//! Removes clusters and snapshots that runs of a sync or an export made, in this account, one step
//! a look. Nothing else is ever removed.
//!
//! Done means that RDS deletes it: nothing brings it back. Who must see it gone looks again.

use runbook::{
    Context, Error, Result,
    aurora::{self, Cluster, Fault, Instance, Snapshot, Status, is_denied, message},
    daily_sync::tags::Maker,
    error::aws,
};

use super::denied;

/// The next step of a cluster's removal.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    /// A stopped cluster cannot be deleted (AuroraUserGuide, aurora-cluster-stop-start).
    Start,
    DeleteInstance(&'a str),
    LiftProtection,
    DeleteCluster,
    Deleting,
}

fn step<'a>(cluster: &Cluster, instances: &'a [Instance]) -> Result<Step<'a>> {
    match &cluster.status {
        Status::Deleting => return Ok(Step::Deleting),
        Status::Stopped => return Ok(Step::Start),
        status @ (Status::Stopping | Status::Starting | Status::Renaming) => {
            return Err(Error::NotReady(format!("cluster {} to be no longer {status}", cluster.id)));
        }
        _ => {}
    }
    if let Some(instance) = instances.iter().find(|instance| instance.status != Status::Deleting) {
        return Ok(Step::DeleteInstance(&instance.id));
    }
    if cluster.shown.deletion_protection() == Some(true) {
        return Ok(Step::LiftProtection);
    }
    Ok(Step::DeleteCluster)
}

/// One step of the removal of a cluster that a run of this maker's made.
///
/// The cluster can be deleted as soon as all its instances are `deleting`, and before that RDS
/// refuses (AuroraUserGuide, USER_DeleteCluster).
pub async fn remove_cluster(cx: &Context, maker: Maker<'_>, cluster: &Cluster) -> Result<()> {
    let name = &cluster.id;
    if !maker.made(&cluster.tags) {
        return Err(Error::refused(format!(
            "cluster {name} was not made by {maker}, and nothing else is ever deleted"
        )));
    }
    let mut own = aurora::members(cx, cluster).await?;
    // What is deleted here is never decided by a filter of somebody else's alone.
    own.retain(|instance| instance.cluster.as_ref() == Some(name));
    let waiting = |what: &str| Err(Error::NotReady(format!("cluster {name}: {what}")));
    match step(cluster, &own)? {
        Step::Deleting => Ok(()),
        Step::Start => {
            start(cx, name).await?;
            waiting("it was stopped and is started, to be deleted")
        }
        Step::DeleteInstance(instance) => {
            let delete = cx.rds.delete_db_instance().db_instance_identifier(instance);
            match delete.skip_final_snapshot(true).delete_automated_backups(true).send().await {
                Ok(_) => waiting(&format!("its instance {instance} is being deleted")),
                Err(error) => match Fault::of(&error) {
                    Some(Fault::DBInstanceNotFound) => waiting(&format!("its instance {instance} is gone")),
                    // Also "is already being deleted".
                    Some(Fault::InvalidDBInstanceState) => {
                        waiting(&format!("its instance {instance} ({})", message(&error)))
                    }
                    _ => Err(denied::on_instance(cx, "rds:DeleteDBInstance", instance, error).await),
                },
            }
        }
        Step::LiftProtection => {
            let modify = cx.rds.modify_db_cluster().db_cluster_identifier(name);
            match modify.deletion_protection(false).apply_immediately(true).send().await {
                Ok(_) => waiting("its deletion protection is lifted"),
                Err(error) => Err(denied::on_cluster(cx, "rds:ModifyDBCluster", name, error).await),
            }
        }
        Step::DeleteCluster => {
            let delete = cx.rds.delete_db_cluster().db_cluster_identifier(name);
            match delete.skip_final_snapshot(true).delete_automated_backups(true).send().await {
                Ok(_) => Ok(()),
                Err(error) => match Fault::of(&error) {
                    Some(Fault::DBClusterNotFoundFault) => Ok(()),
                    Some(Fault::InvalidDBClusterStateFault) => waiting(message(&error)),
                    _ => Err(denied::on_cluster(cx, "rds:DeleteDBCluster", name, error).await),
                },
            }
        }
    }
}

pub async fn start(cx: &Context, name: &str) -> Result<()> {
    match cx.rds.start_db_cluster().db_cluster_identifier(name).send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(denied::on_cluster(cx, "rds:StartDBCluster", name, error).await),
    }
}

/// The removal of a snapshot that a run of this maker's made.
pub async fn remove_snapshot(cx: &Context, maker: Maker<'_>, snapshot: &Snapshot) -> Result<()> {
    let name = &snapshot.id;
    if !maker.made(&snapshot.tags) || snapshot.shown.snapshot_type() != Some("manual") {
        return Err(Error::refused(format!(
            "snapshot {name} was not made by {maker}, and nothing else is ever deleted"
        )));
    }
    delete_snapshot(cx, name).await
}

/// Whoever calls it has seen whose it is.
pub async fn delete_snapshot(cx: &Context, name: &str) -> Result<()> {
    let delete = cx.rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(name);
    match delete.send().await {
        Ok(_) => Ok(()),
        Err(error) => match Fault::of(&error) {
            Some(Fault::DBClusterSnapshotNotFoundFault) => Ok(()),
            // What is gone has no tags, so that the role may not delete it.
            None if is_denied(&error) && aurora::find_snapshot(cx, name).await?.is_none() => Ok(()),
            Some(Fault::InvalidDBClusterSnapshotStateFault) => {
                Err(Error::NotReady(format!("snapshot {name} to be deletable ({})", message(&error))))
            }
            _ => Err(aws("rds:DeleteDBClusterSnapshot")(error)),
        },
    }
}

/// The manual snapshots of this account that runs of this maker's made.
pub async fn snapshots(cx: &Context, maker: Maker<'_>) -> Result<Vec<Snapshot>> {
    let mut all = aurora::manual_snapshots(cx).await?;
    all.retain(|snapshot| maker.made(&snapshot.tags));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::DbInstance;

    use super::*;
    use crate::testing::{self, Parse};

    #[test]
    fn instances_go_first_then_the_protection_then_the_cluster() {
        let cluster = |status: &str| testing::cluster("c").status(status);
        let instance = |status: &str| {
            let shown = DbInstance::builder()
                .db_instance_identifier("c-1")
                .db_instance_arn("arn:aws:rds:eu-west-1:444455556666:db:c-1")
                .engine_version("16.14")
                .db_instance_status(status);
            Instance::parse(shown.build()).unwrap()
        };
        let (alive, going) = ([instance("available")], [instance("deleting")]);
        let both = [going[0].clone(), alive[0].clone()];
        let step = |cluster: aws_sdk_rds::types::builders::DbClusterBuilder, of: &[Instance]| {
            format!("{:?}", super::step(&cluster.parse(), of))
        };
        assert_eq!(step(cluster("available"), &both), "Ok(DeleteInstance(\"c-1\"))");
        assert_eq!(step(cluster("available").deletion_protection(true), &going), "Ok(LiftProtection)");
        assert_eq!(step(cluster("available"), &going), "Ok(DeleteCluster)");
        assert_eq!(step(cluster("inaccessible-encryption-credentials"), &[]), "Ok(DeleteCluster)");
        assert_eq!(step(cluster("deleting"), &alive), "Ok(Deleting)");
        assert_eq!(step(cluster("stopped"), &alive), "Ok(Start)");
        assert!(step(cluster("renaming"), &alive).contains("NotReady"));
    }
}
