//! What RDS says of the cluster and each member, against what the upgrade should have left.

use aws_sdk_rds::types::{DbCluster, DbInstance, PendingModifiedValues};
use runbook::{Error, Result, aurora};

/// Everything at the target, nothing pending, every parameter group in sync; otherwise what is
/// waited for, or what went wrong.
pub fn verify(cluster: &DbCluster, members: &[DbInstance], target: &str) -> Result<()> {
    let name = cluster.db_cluster_identifier().unwrap_or_default();
    if let Some(what) = aurora::busy(cluster, members) {
        return Err(Error::NotReady(what));
    }
    if members.is_empty() {
        return Err(Error::NotReady(format!("cluster {name} to have an instance")));
    }
    if cluster.pending_modified_values().is_some_and(|pending| pending.engine_version().is_some()) {
        return Err(Error::NotReady(format!(
            "cluster {name} to begin its upgrade (a new engine version is pending)"
        )));
    }
    let version = cluster.engine_version().unwrap_or("unknown");
    if version != target {
        return Err(Error::OperationFailed(format!(
            "cluster {name} is at {version} and not at {target}, with nothing pending. Somebody stopped or \
            changed the upgrade; run it again."
        )));
    }
    for instance in members {
        let name = instance.db_instance_identifier().unwrap_or_default();
        let version = instance.engine_version().unwrap_or("unknown");
        if version != target {
            return Err(Error::NotReady(format!(
                "instance {name} to be at {target} (it is at {version}; readers follow the writer)"
            )));
        }
        if instance
            .pending_modified_values()
            .is_some_and(|pending| *pending != PendingModifiedValues::builder().build())
        {
            return Err(Error::NotReady(format!("instance {name} to have nothing pending")));
        }
    }
    match out_of_sync(cluster, members) {
        Some(what) => Err(Error::NotReady(what)),
        None => Ok(()),
    }
}

fn out_of_sync(cluster: &DbCluster, members: &[DbInstance]) -> Option<String> {
    let of_cluster = cluster.db_cluster_members().iter().map(|member| {
        let group = cluster.db_cluster_parameter_group().unwrap_or_default();
        (
            member.db_instance_identifier().unwrap_or_default(),
            group,
            member.db_cluster_parameter_group_status().unwrap_or("unknown"),
        )
    });
    let of_instances = members.iter().flat_map(|instance| {
        instance.db_parameter_groups().iter().map(|group| {
            let status = group.parameter_apply_status().unwrap_or("unknown");
            (
                instance.db_instance_identifier().unwrap_or_default(),
                group.db_parameter_group_name().unwrap_or_default(),
                status,
            )
        })
    });
    of_cluster.chain(of_instances).find(|(_, _, status)| *status != "in-sync").map(
        |(instance, group, status)| {
            format!("parameter group {group} to be in-sync on {instance} (it is {status})")
        },
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::{
        ClusterPendingModifiedValues, DbClusterMember, DbParameterGroupStatus, builders::DbClusterBuilder,
    };

    use super::*;

    fn cluster(version: &str, status: &str) -> DbClusterBuilder {
        let member = DbClusterMember::builder()
            .db_instance_identifier("orders-1")
            .db_cluster_parameter_group_status(status)
            .build();
        DbCluster::builder()
            .db_cluster_identifier("orders")
            .status("available")
            .engine_version(version)
            .db_cluster_members(member)
    }

    fn instance(version: &str, status: &str) -> DbInstance {
        let group = DbParameterGroupStatus::builder()
            .db_parameter_group_name("orders-18")
            .parameter_apply_status(status)
            .build();
        DbInstance::builder()
            .db_instance_identifier("orders-1")
            .db_instance_status("available")
            .engine_version(version)
            .db_parameter_groups(group)
            .build()
    }

    fn waits_for(result: Result<()>) -> String {
        match result {
            Err(Error::NotReady(what)) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cluster_at_the_target_with_everything_in_sync_is_fine() {
        verify(&cluster("18.4", "in-sync").build(), &[instance("18.4", "in-sync")], "18.4").unwrap();
    }

    #[test]
    fn a_reader_that_trails_the_writer_is_waited_for() {
        let what =
            waits_for(verify(&cluster("18.4", "in-sync").build(), &[instance("16.14", "in-sync")], "18.4"));
        assert!(what.contains("orders-1 to be at 18.4"), "{what}");
    }

    #[test]
    fn groups_that_wait_for_a_reboot_are_waited_for_on_either_side() {
        assert!(
            waits_for(verify(
                &cluster("18.4", "pending-reboot").build(),
                &[instance("18.4", "in-sync")],
                "18.4"
            ))
            .contains("pending-reboot")
        );
        assert!(
            waits_for(verify(&cluster("18.4", "in-sync").build(), &[instance("18.4", "applying")], "18.4"))
                .contains("orders-18")
        );
    }

    #[test]
    fn an_old_version_fails_only_when_nothing_is_pending() {
        let pending = ClusterPendingModifiedValues::builder().engine_version("18.4").build();
        let old = cluster("16.14", "in-sync");
        waits_for(verify(
            &old.clone().pending_modified_values(pending).build(),
            &[instance("16.14", "in-sync")],
            "18.4",
        ));
        let failed = verify(&old.build(), &[instance("16.14", "in-sync")], "18.4");
        assert!(matches!(failed, Err(Error::OperationFailed(_))), "{failed:?}");
    }
}
