//! What RDS says of the cluster and each member, against what the upgrade should have left.

use aws_sdk_rds::types::PendingModifiedValues;
use runbook::{
    Error, Result,
    aurora::{self, Cluster, EngineVersion, Instance},
    error::Then,
};

/// Everything at the target and nothing pending; otherwise what is waited for, or what went wrong.
pub fn verify(cluster: &Cluster, members: &[Instance], target: &EngineVersion) -> Result<()> {
    let id = &cluster.id;
    aurora::ready(cluster, members)?;
    if members.is_empty() {
        return Err(Error::NotReady(format!("cluster {id} to have an instance")));
    }
    let pending = cluster.shown.pending_modified_values();
    if pending.is_some_and(|pending| pending.engine_version().is_some()) {
        return Err(Error::NotReady(format!(
            "cluster {id} to begin its upgrade (a new engine version is pending)"
        )));
    }
    if cluster.version != *target {
        return Err(Error::failed(format!(
            "cluster {id} is at {} and not at {target}, with nothing pending; somebody stopped or \
             changed the upgrade",
            cluster.version
        ))
        .changed("nothing by this state")
        .then(Then::StartAgain));
    }
    for Instance { id, version, shown, .. } in members {
        if version != target {
            return Err(Error::NotReady(format!(
                "instance {id} to be at {target} (it is at {version}; readers follow the writer)"
            )));
        }
        let nothing = PendingModifiedValues::builder().build();
        if shown.pending_modified_values().is_some_and(|pending| *pending != nothing) {
            return Err(Error::NotReady(format!("instance {id} to have nothing pending")));
        }
    }
    Ok(())
}

/// Parameter groups that are not in-sync. SyncParameterGroups has waited for those of the upgrade,
/// so what is pending now was changed by somebody else, who did not ask for a reboot.
pub fn out_of_sync(cluster: &Cluster, members: &[Instance]) -> Vec<String> {
    let of_cluster = cluster.shown.db_cluster_members().iter().map(|member| {
        let group = cluster.shown.db_cluster_parameter_group();
        (member.db_instance_identifier(), group, member.db_cluster_parameter_group_status())
    });
    let of_instances = members.iter().flat_map(|instance| {
        instance.shown.db_parameter_groups().iter().map(|group| {
            (Some(instance.id.as_str()), group.db_parameter_group_name(), group.parameter_apply_status())
        })
    });
    let is_in_sync = |status: Option<&str>| status == Some("in-sync");
    let told = |(instance, group, status): (Option<&str>, Option<&str>, Option<&str>)| {
        let [instance, group, status] = [instance, group, status].map(|text| text.unwrap_or("unknown"));
        format!(
            "parameter group {group} is {status} on {instance}: somebody has changed it; reboot when it suits"
        )
    };
    of_cluster.chain(of_instances).filter(|(_, _, status)| !is_in_sync(*status)).map(told).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::{
        ClusterPendingModifiedValues, DbCluster, DbClusterMember, DbInstance, DbParameterGroupStatus,
        builders::DbClusterBuilder,
    };

    use super::*;

    fn cluster(version: &str, status: &str) -> DbClusterBuilder {
        let member = DbClusterMember::builder()
            .db_instance_identifier("orders-1")
            .db_cluster_parameter_group_status(status)
            .build();
        DbCluster::builder()
            .db_cluster_identifier("orders")
            .db_cluster_arn("arn:aws:rds:eu-west-1:444455556666:cluster:orders")
            .db_cluster_resource_id("cluster-A")
            .status("available")
            .engine_version(version)
            .db_cluster_members(member)
    }

    fn instance(version: &str, status: &str) -> Instance {
        let group = DbParameterGroupStatus::builder()
            .db_parameter_group_name("orders-18")
            .parameter_apply_status(status)
            .build();
        let shown = DbInstance::builder()
            .db_instance_identifier("orders-1")
            .db_instance_arn("arn:aws:rds:eu-west-1:444455556666:db:orders-1")
            .db_instance_status("available")
            .engine_version(version)
            .db_parameter_groups(group);
        Instance::parse(shown.build()).unwrap()
    }

    fn verified(cluster: DbClusterBuilder, members: &[Instance]) -> Result<()> {
        verify(&Cluster::parse(cluster.build()).unwrap(), members, &"18.4".parse().unwrap())
    }

    fn waits_for(result: Result<()>) -> String {
        match result {
            Err(Error::NotReady(what)) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cluster_at_the_target_is_fine() {
        verified(cluster("18.4", "in-sync"), &[instance("18.4", "in-sync")]).unwrap();
    }

    #[test]
    fn a_reader_that_trails_the_writer_is_waited_for() {
        let what = waits_for(verified(cluster("18.4", "in-sync"), &[instance("16.14", "in-sync")]));
        assert!(what.contains("orders-1 to be at 18.4"), "{what}");
    }

    #[test]
    fn what_somebody_else_left_pending_is_reported_and_not_waited_for() {
        let told = |cluster: DbClusterBuilder, member: Instance| {
            verified(cluster.clone(), std::slice::from_ref(&member)).unwrap();
            out_of_sync(&Cluster::parse(cluster.build()).unwrap(), &[member]).join("; ")
        };
        assert_eq!(told(cluster("18.4", "in-sync"), instance("18.4", "in-sync")), "");
        assert!(
            told(cluster("18.4", "pending-reboot"), instance("18.4", "in-sync")).contains("pending-reboot")
        );
        assert!(told(cluster("18.4", "in-sync"), instance("18.4", "applying")).contains("orders-18"));
    }

    #[test]
    fn an_old_version_fails_only_when_nothing_is_pending() {
        let pending = ClusterPendingModifiedValues::builder().engine_version("18.4").build();
        let old = cluster("16.14", "in-sync");
        let members = [instance("16.14", "in-sync")];
        waits_for(verified(old.clone().pending_modified_values(pending), &members));
        assert_eq!(verified(old, &members).unwrap_err().name(), "OperationFailed");
    }
}
