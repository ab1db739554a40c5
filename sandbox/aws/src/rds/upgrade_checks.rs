//! What ModifyDBCluster checks before it accepts a new engine version.

use super::error::Fault;
use super::model::{Cluster, ENGINE, World};
use super::parameter_groups::{Kind, default_name, is_default};
use super::query::Input;
use super::{families, versions};

/// An accepted new version and the groups that come with it.
pub struct Upgrade {
    pub target: String,
    pub major: bool,
    pub cluster_group: String,
    /// Of every instance; a minor upgrade leaves them as they are.
    pub instance_group: Option<String>,
}

/// Checks a wanted version in the order that RDS's messages suggest: state, target, flag, instance
/// groups, cluster group, family.
pub fn plan(world: &World, cluster: &Cluster, input: &Input) -> Result<Option<Upgrade>, Fault> {
    let instance_group = input.text("DBInstanceParameterGroupName");
    let wanted = input.text("EngineVersion").filter(|version| *version != cluster.engine_version);
    let Some(wanted) = wanted else {
        return match instance_group {
            Some(_) => Err(instance_group_alone()),
            None => Ok(None),
        };
    };
    let members = world.members(&cluster.resource_id);
    if cluster.upgrade_accepted {
        return Err(Fault::cluster_state(format!(
            "DB cluster {} already has a pending engine version upgrade.",
            cluster.id
        )));
    }
    if members.is_empty() {
        return Err(Fault::cluster_state(format!(
            "DB cluster {} has no DB instance; its engine version can't be modified.",
            cluster.id
        )));
    }
    for member in &members {
        member.available()?;
        if member.pending_class.is_some() {
            // AWS's words (hashicorp/terraform-provider-aws #15146).
            return Err(Fault::instance_state(format!(
                "Cannot modify engine version because there is a pending orderable config change for DB \
                instance: {}",
                member.id
            )));
        }
    }

    let from = &cluster.engine_version;
    let target = versions::newest_target(from, wanted).cloned().unwrap_or_else(|| wanted.to_owned());
    world.resolve(Some(&target))?;
    if !versions::targets(from).contains(&target) {
        // AWS's words (terraform-aws-modules/terraform-aws-rds-aurora #308).
        return Err(Fault::combination(format!("Cannot upgrade {ENGINE} from {from} to {target}")));
    }
    for member in &members {
        versions::check_class(&member.class, &target)?;
    }

    let family = families::family(versions::major(&target));
    if versions::major(from) == versions::major(&target) {
        if instance_group.is_some() {
            return Err(instance_group_alone());
        }
        let cluster_group = match input.text("DBClusterParameterGroupName") {
            Some(name) => world.fitting_group(Kind::CLUSTER, name, &family)?.name,
            None => cluster.group.clone(),
        };
        return Ok(Some(Upgrade { target, major: false, cluster_group, instance_group: None }));
    }
    if input.flag("AllowMajorVersionUpgrade") != Some(true) {
        // AWS's words (hashicorp/terraform-provider-aws #13389).
        return Err(Fault::combination(
            "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.",
        ));
    }
    // AWS's words for the instance group (hashicorp/terraform-provider-aws #17357); the cluster
    // group's are the same by analogy.
    let must_be_given = |what: &str, name: &str| {
        Fault::combination(format!(
            "The current DB {what} parameter group {name} is custom. You must explicitly specify a new DB \
            {what} parameter group, either \
             default or custom, for the engine version upgrade."
        ))
    };
    if let (None, Some(member)) = (instance_group, members.iter().find(|member| !is_default(&member.group))) {
        return Err(must_be_given("instance", &member.group));
    }
    let cluster_group = input.text("DBClusterParameterGroupName");
    if cluster_group.is_none() && !is_default(&cluster.group) {
        return Err(must_be_given("cluster", &cluster.group));
    }
    let group = |kind: Kind, name: Option<&str>| match name {
        Some(name) => world.fitting_group(kind, name, &family).map(|group| group.name),
        None => Ok(default_name(&family)),
    };
    let instance_group = group(Kind::INSTANCE, instance_group)?;
    Ok(Some(Upgrade {
        target,
        major: true,
        cluster_group: group(Kind::CLUSTER, cluster_group)?,
        instance_group: Some(instance_group),
    }))
}

/// AWS's words (hashicorp/terraform-provider-aws#30605): Terraform's provider looks for them, and
/// asks again without the group.
fn instance_group_alone() -> Fault {
    Fault::combination(
        "The parameter db-instance-parameter-group-name can only be specified for a major version upgrade",
    )
}

impl Upgrade {
    /// A minor upgrade that a maintenance action stands for: to the newest minor version, if there
    /// is a newer one.
    pub fn to_newest_minor(cluster: &Cluster) -> Option<Self> {
        let major = versions::major(&cluster.engine_version).to_string();
        let target = versions::newest_target(&cluster.engine_version, &major)?.clone();
        Some(Self { target, major: false, cluster_group: cluster.group.clone(), instance_group: None })
    }

    pub fn announce(&self, world: &mut World, cluster: &Cluster) {
        if let Some(cluster) = world.clusters.get_mut(&cluster.resource_id) {
            cluster.upgrade_accepted = true;
            cluster.pending.engine_version = Some(self.target.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{CLUSTER_GROUP, INSTANCE_GROUP, Sandbox, TO_18};

    #[tokio::test(start_paused = true)]
    async fn each_refusal_comes_in_the_words_of_rds() {
        let sandbox = Sandbox::with_cluster().await;
        sandbox.create_cluster("old", "13.9", &["old-1"]).await;
        for kind in [CLUSTER_GROUP, INSTANCE_GROUP] {
            sandbox.create_group(kind, "own-16", "aurora-postgresql16").await;
            sandbox.create_group(kind, "own-18", "aurora-postgresql18").await;
        }
        let orders = ("DBClusterIdentifier", "orders");
        let target = ("EngineVersion", "18.4");
        let allow = ("AllowMajorVersionUpgrade", "true");
        let refused = async |form: &[(&str, &str)]| sandbox.refused("ModifyDBCluster", form).await;
        let combination = |message: &str| ("InvalidParameterCombination".to_owned(), message.to_owned());

        assert_eq!(
            refused(&[orders, target]).await,
            combination(
                "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version."
            )
        );
        assert_eq!(
            refused(&[("DBClusterIdentifier", "old"), target]).await,
            combination("Cannot upgrade aurora-postgresql from 13.9 to 18.4")
        );
        assert_eq!(
            refused(&[orders, ("DBInstanceParameterGroupName", "own-16")]).await,
            combination(
                "The parameter db-instance-parameter-group-name can only be specified for a major version \
                upgrade"
            )
        );
        assert_eq!(
            refused(&[orders, target, allow, ("DBClusterParameterGroupName", "own-16")]).await,
            combination(
                "The Parameter Group own-16 with DBParameterGroupFamily aurora-postgresql16 cannot be used \
                for this instance. Please use a \
                 Parameter Group with DBParameterGroupFamily aurora-postgresql18"
            )
        );

        let group = [("DBInstanceIdentifier", "orders-2"), ("DBParameterGroupName", "own-16")];
        sandbox.ok("ModifyDBInstance", &group).await;
        assert_eq!(
            refused(&[orders, target, allow]).await,
            combination(
                "The current DB instance parameter group own-16 is custom. You must explicitly specify a \
                new DB instance parameter group, \
                 either default or custom, for the engine version upgrade."
            )
        );
        sandbox.ok("ModifyDBCluster", &[orders, ("DBClusterParameterGroupName", "own-16")]).await;
        assert!(
            refused(&[orders, target, allow, ("DBInstanceParameterGroupName", "own-18")])
                .await
                .1
                .contains("DB cluster parameter group own-16 is custom")
        );

        let class = [("DBInstanceIdentifier", "orders-2"), ("DBInstanceClass", "db.r6g.xlarge")];
        sandbox.ok("ModifyDBInstance", &class).await;
        let expected =
            "Cannot modify engine version because there is a pending orderable config change for DB \
            instance: orders-2"
                .to_owned();
        assert_eq!(refused(&TO_18).await, ("InvalidDBInstanceState".to_owned(), expected));
    }

    #[tokio::test(start_paused = true)]
    async fn an_accepted_upgrade_cannot_be_started_a_second_time() {
        let sandbox = Sandbox::with_cluster().await;
        sandbox.ok("ModifyDBCluster", &TO_18).await;
        assert_eq!(sandbox.refused("ModifyDBCluster", &TO_18).await.0, "InvalidDBClusterStateFault");
    }
}
