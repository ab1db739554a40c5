//! IAM roles that a cluster acts with, and what an account has left of its quotas.

use serde_json::{Value, json};

use super::create_cluster::MOST_CLUSTERS;
use super::error::Fault;
use super::instances::MOST_INSTANCES;
use super::model::Cluster;
use super::parameter_groups::MOST;
use super::query::Input;
use super::{Answer, Rds};

impl Rds {
    pub(super) fn add_role_to_db_cluster(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let role = input.required("RoleArn")?;
        let cluster = world.cluster_mut(input.required("DBClusterIdentifier")?)?;
        cluster.available()?;
        if cluster.roles.contains_key(role) {
            return Err(Fault::new(
                "DBClusterRoleAlreadyExists",
                format!("Role ARN {role} is already associated with DB Cluster {}.", cluster.id),
            ));
        }
        cluster.roles.insert(role.to_owned(), input.text("FeatureName").map(str::to_owned));
        Ok(json!({}))
    }

    pub(super) fn remove_role_from_db_cluster(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let role = input.required("RoleArn")?;
        let cluster = world.cluster_mut(input.required("DBClusterIdentifier")?)?;
        cluster.available()?;
        match cluster.roles.remove(role) {
            Some(_) => Ok(json!({})),
            None => Err(Fault::new(
                "DBClusterRoleNotFound",
                format!("Role ARN {role} isn't associated with DB Cluster {}.", cluster.id),
            )),
        }
    }

    /// The two that a new cluster counts towards (names: botocore rds 2014-10-31, AccountQuota).
    pub(super) fn describe_account_attributes(&self) -> Value {
        let world = self.world();
        let quota = |name: &str, used: usize, most: usize| {
            let most = most * world.quotas;
            json!({"AccountQuotaName": name, "Used": used, "Max": most})
        };
        json!({"AccountQuotas": [
            quota("DBInstances", world.instances.len(), MOST_INSTANCES),
            quota("DBClusters", world.clusters.len(), MOST_CLUSTERS),
            quota("DBParameterGroups", world.instance_groups.len(), MOST),
            quota("DBClusterParameterGroups", world.cluster_groups.len(), MOST),
        ]})
    }
}

pub fn describe(cluster: &Cluster) -> Vec<Value> {
    let roles = cluster.roles.iter();
    roles.map(|(arn, feature)| json!({"RoleArn": arn, "Status": "ACTIVE", "FeatureName": feature})).collect()
}
