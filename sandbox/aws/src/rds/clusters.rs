//! Clusters: described and deleted.

use std::time::Duration;

use serde_json::{Value, json};

use super::endpoints::CustomEndpoint;
use super::error::Fault;
use super::model::{Cluster, ClusterPending, ENGINE, Echo, Instance, World, stamp};
use super::paging::{Filters, page_of};
use super::query::Input;
use super::scaling::Scaling;
use super::xml::joined;
use super::{Answer, Rds, tags, ties, versions};
use crate::aws;

pub const ACCOUNT_DOMAIN: &str = "c1a2b3c4d5e6";

impl Rds {
    pub(super) fn endpoint(&self, cluster: &Cluster, kind: &str) -> String {
        match self.engine {
            Some(_) => cluster.address.to_string(),
            None => format!("{}.{kind}{ACCOUNT_DOMAIN}.{}.rds.amazonaws.com", cluster.id, aws::REGION),
        }
    }

    pub(super) fn describe_db_clusters(&self, input: &Input) -> Answer {
        let filters = Filters::read(
            input,
            &["db-cluster-id", "db-cluster-resource-id", "engine", "clone-group-id", "domain"],
        )?;
        let world = self.world();
        let mut clusters: Vec<&Cluster> = match input.text("DBClusterIdentifier").filter(|id| !id.is_empty())
        {
            Some(id) => vec![world.cluster(id).or_else(|missing| {
                let now = self.clock.now();
                let renamed = world
                    .clusters
                    .values()
                    .find(|cluster| !cluster.hidden && Echo::answers(&cluster.echo, id, now));
                renamed.ok_or(missing)
            })?],
            None => world.clusters.values().filter(|cluster| !cluster.hidden).collect(),
        };
        clusters.retain(|cluster| {
            filters.allow("db-cluster-id", &cluster.id)
                && filters.allow("db-cluster-resource-id", &cluster.resource_id)
                && filters.allow("clone-group-id", &cluster.clone_group)
                && filters.allow("engine", ENGINE)
                && !filters.names("domain")
        });
        clusters.sort_by(|a, b| a.id.cmp(&b.id));
        let mut members = world.members_of(&clusters);
        page_of("DBClusters", clusters, input, |cluster| {
            let members = members.remove(cluster.resource_id.as_str()).unwrap_or_default();
            self.described_with(&world, cluster, &members)
        })
    }

    pub(super) fn described_cluster(&self, world: &World, cluster: &Cluster) -> Value {
        self.described_with(world, cluster, &world.members(&cluster.resource_id))
    }

    fn described_with(&self, world: &World, cluster: &Cluster, members: &[&Instance]) -> Value {
        let mut described = describe(world, cluster, members);
        // Null until a restore has finished (AuroraUserGuide, Aurora.Managing.Backups).
        if cluster.status != "creating" {
            described["EarliestRestorableTime"] = stamp(cluster.created).into();
            // "Typically within the last 5 minutes" (aurora-pitr).
            described["LatestRestorableTime"] =
                stamp(cluster.created.max(self.clock.now() - Duration::from_secs(300))).into();
        }
        if cluster.status != "creating" {
            described["Endpoint"] = self.endpoint(cluster, "cluster-").into();
            described["ReaderEndpoint"] = self.endpoint(cluster, "cluster-ro-").into();
        }
        described
    }

    pub(super) fn delete_db_cluster(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let cluster = world.cluster(input.required("DBClusterIdentifier")?)?.clone();
        if cluster.deletion_protection {
            return Err(Fault::combination(
                "Cannot delete protected Cluster, please disable deletion protection and try again.",
            ));
        }
        let skip = input.flag("SkipFinalSnapshot").unwrap_or(false);
        let last = input.text("FinalDBSnapshotIdentifier");
        match (skip, last) {
            (true, Some(_)) => {
                return Err(Fault::combination(
                    "FinalDBSnapshotIdentifier can't be specified together with SkipFinalSnapshot.",
                ));
            }
            (false, None) => {
                return Err(Fault::combination(
                    "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
                ));
            }
            _ => {}
        }
        if world.members(&cluster.resource_id).iter().any(|member| member.status != "deleting") {
            return Err(Fault::cluster_state(
                "Cluster cannot be deleted, it still contains DB instances in non-deleting state.",
            ));
        }
        if !["available", "failed", "creating", "inaccessible-encryption-credentials"]
            .contains(&cluster.status)
        {
            return Err(Fault::cluster_state(format!(
                "DB cluster {} can't be deleted. Current state: {}",
                cluster.id, cluster.status
            )));
        }
        if !world.read_replicas(&cluster.resource_id).is_empty() {
            return Err(Fault::cluster_state(format!(
                "DB cluster {} is the source of a read replica DB cluster. Delete the replica cluster \
                 before deleting",
                cluster.id
            )));
        }
        if cluster.switching {
            cluster.available()?;
        }
        let snapshot = last
            .map(|name| self.add_snapshot(&mut world, name, "manual", &cluster, Default::default()))
            .transpose()?;
        // The answer shows the status of before (AuroraUserGuide, USER_DeleteCluster).
        let answer = json!({"DBCluster": self.described_cluster(&world, &cluster)});
        world.cluster_mut(&cluster.id)?.status = "deleting";
        let keep_automated = input.flag("DeleteAutomatedBackups") == Some(false);
        drop(world);
        self.background(|rds| async move { rds.tear_down(cluster, snapshot, keep_automated).await });
        Ok(answer)
    }

    pub(super) async fn tear_down(&self, cluster: Cluster, snapshot: Option<String>, keep_automated: bool) {
        if let Some(snapshot) = snapshot {
            self.take_snapshot(&snapshot, &cluster.resource_id).await;
        }
        // Instances that are being deleted go first.
        while !self.world().members(&cluster.resource_id).is_empty() {
            self.pause(Duration::from_secs(10)).await;
        }
        let deleted = async {
            match &self.engine {
                Some(engine) => engine.delete(&cluster.resource_id).await,
                None => Ok(()),
            }
        };
        let (_, deleted) = tokio::join!(self.pause(self.behaviour().delete), deleted);
        if let Err(error) = deleted {
            tracing::error!(
                cluster = cluster.id,
                error = format!("{error:#}"),
                "delete the cluster's server"
            );
        }
        if let Some(secret) = &cluster.secret {
            self.delete_secret(&secret.arn).await;
        }
        self.close_door(&cluster.resource_id);
        let mut world = self.world();
        let automated: Vec<String> = world
            .snapshots
            .values()
            .filter(|snapshot| {
                !keep_automated
                    && snapshot.kind == "automated"
                    && snapshot.of.resource_id == cluster.resource_id
            })
            .map(|snapshot| snapshot.id.clone())
            .collect();
        for snapshot in automated {
            self.drop_snapshot(&mut world, &snapshot);
        }
        world.clusters.remove(&cluster.resource_id);
        world.endpoints.retain(|_, endpoint| endpoint.cluster != cluster.resource_id);
        world.maintenance.retain(|action| action.resource != cluster.resource_id);
        self.event(&mut world, &cluster, "0171", "DB cluster deleted");
    }
}

fn describe(world: &World, cluster: &Cluster, members: &[&Instance]) -> Value {
    let members: Vec<Value> = members
        .iter()
        .map(|member| {
            json!({
                "DBInstanceIdentifier": member.id,
                "IsClusterWriter": cluster.writer.as_ref() == Some(&member.resource_id),
                "DBClusterParameterGroupStatus": member.cluster_group_status,
                "PromotionTier": member.promotion_tier,
            })
        })
        .collect();
    let pending = (cluster.pending != ClusterPending::default()).then(|| {
        json!({
            "EngineVersion": cluster.pending.engine_version,
            "MasterUserPassword": cluster.pending.password.then_some("****"),
            "DBClusterIdentifier": cluster.pending.identifier,
        })
    });
    let secret = cluster.secret.as_ref();
    let secret = secret.map(
        |secret| json!({"SecretArn": secret.arn, "SecretStatus": secret.status, "KmsKeyId": secret.kms_key}),
    );
    let groups: Vec<Value> = cluster
        .security_groups
        .iter()
        .map(|id| json!({"VpcSecurityGroupId": id, "Status": "active"}))
        .collect();
    let custom: Vec<_> = world.endpoints_of(&cluster.resource_id).map(CustomEndpoint::address).collect();
    let settings = json!({
        "AllocatedStorage": 1,
        "AvailabilityZones": versions::zones().collect::<Vec<_>>(),
        "BackupRetentionPeriod": cluster.backup_retention,
        "DatabaseName": cluster.database_name,
        "DBClusterIdentifier": cluster.id,
        "DBClusterParameterGroup": cluster.group,
        "DBSubnetGroup": cluster.subnet_group,
        "Status": cluster.status,
        "PercentProgress": cluster.percent_progress.map(|percent| percent.to_string()),
        "MultiAZ": members.len() > 1,
        "Engine": ENGINE,
        "EngineVersion": cluster.engine_version,
        "CustomEndpoints": custom,
        "Port": cluster.port,
        "MasterUsername": cluster.master_username,
        "PreferredBackupWindow": cluster.backup_window,
        "PreferredMaintenanceWindow": cluster.maintenance_window,
        "ReplicationSourceIdentifier": world.replication_source(&cluster.resource_id),
        "ReadReplicaIdentifiers": world.read_replicas(&cluster.resource_id),
    });
    let rest = json!({
        "DBClusterMembers": members,
        "VpcSecurityGroups": groups,
        "HostedZoneId": "Z29XKXDKYMONMX",
        "StorageEncrypted": cluster.storage_encrypted,
        "KmsKeyId": cluster.kms_key,
        "DbClusterResourceId": cluster.resource_id,
        "DBClusterArn": cluster.arn(),
        "AssociatedRoles": super::roles::describe(cluster),
        "IAMDatabaseAuthenticationEnabled": cluster.iam_authentication,
        "CloneGroupId": cluster.clone_group,
        "ClusterCreateTime": stamp(cluster.created),
        "EnabledCloudwatchLogsExports": Some(&cluster.log_exports).filter(|exports| !exports.is_empty()),
        "PendingModifiedValues": pending,
        "StorageType": cluster.storage_type,
        "DeletionProtection": cluster.deletion_protection,
        "HttpEndpointEnabled": false,
        "CopyTagsToSnapshot": cluster.copy_tags,
        "CrossAccountClone": false,
        "DomainMemberships": [],
        "TagList": tags::describe(&cluster.tags),
        "NetworkType": "IPV4",
        "AutoMinorVersionUpgrade": true,
        "ServerlessV2ScalingConfiguration": cluster.scaling.map(Scaling::describe),
        "PerformanceInsightsEnabled": cluster.performance_insights,
        "MasterUserSecret": secret,
        "EngineLifecycleSupport": cluster.lifecycle_support,
    });
    joined(joined(settings, rest), ties::describe(cluster))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;

    #[tokio::test(start_paused = true)]
    async fn a_cluster_is_created_and_deleted_only_when_rds_would_do_so() {
        let sandbox = Sandbox::with_cluster().await;
        let orders = ("DBClusterIdentifier", "orders");
        let cluster = sandbox.cluster("ORDERS").await;
        assert_eq!(cluster.all("IsClusterWriter"), ["true", "false"]);
        assert!(cluster.text("Endpoint").starts_with("orders.cluster-"));
        let again = [
            orders,
            ("Engine", "aurora-postgresql"),
            ("MasterUsername", "root"),
            ("MasterUserPassword", "long-enough"),
        ];
        assert_eq!(sandbox.refused("CreateDBCluster", &again).await.0, "DBClusterAlreadyExistsFault");

        sandbox.ok("ModifyDBCluster", &[orders, ("DeletionProtection", "true")]).await;
        let delete = [orders, ("SkipFinalSnapshot", "true")];
        assert!(sandbox.refused("DeleteDBCluster", &delete).await.1.contains("deletion protection"));
        sandbox.ok("ModifyDBCluster", &[orders, ("DeletionProtection", "false")]).await;
        assert_eq!(sandbox.refused("DeleteDBCluster", &[orders]).await.0, "InvalidParameterCombination");
        assert_eq!(sandbox.refused("DeleteDBCluster", &delete).await.0, "InvalidDBClusterStateFault");
        for instance in ["orders-1", "orders-2"] {
            sandbox.ok("DeleteDBInstance", &[("DBInstanceIdentifier", instance)]).await;
        }
        let twice = sandbox.refused("DeleteDBInstance", &[("DBInstanceIdentifier", "orders-1")]).await;
        assert_eq!(
            twice,
            ("InvalidDBInstanceState".into(), "Instance orders-1 is already being deleted.".into())
        );
        let automated = sandbox.rds.take_automated_snapshot("orders").unwrap();
        sandbox.ok("CreateDBClusterSnapshot", &[orders, ("DBClusterSnapshotIdentifier", "taken")]).await;
        let taken =
            sandbox.refused("DeleteDBCluster", &[orders, ("FinalDBSnapshotIdentifier", "taken")]).await;
        assert_eq!(taken.0, "DBClusterSnapshotAlreadyExistsFault");
        let deleted = sandbox.ok("DeleteDBCluster", &[orders, ("FinalDBSnapshotIdentifier", "last")]).await;
        assert_eq!(deleted.text("Status"), "available");
        assert_eq!(sandbox.cluster("orders").await.text("Status"), "deleting");
        sandbox.pass(300).await;
        let (status, gone) = sandbox.call("DescribeDBClusters", &[orders]).await;
        assert_eq!((status, gone.text("Code")), (404, "DBClusterNotFoundFault"));
        let snapshot =
            sandbox.ok("DescribeDBClusterSnapshots", &[("DBClusterSnapshotIdentifier", "last")]).await;
        assert_eq!(snapshot.text("Status"), "available");
        // Automated snapshots go with their cluster.
        let gone = [("DBClusterSnapshotIdentifier", &*automated)];
        assert_eq!(
            sandbox.refused("DescribeDBClusterSnapshots", &gone).await.0,
            "DBClusterSnapshotNotFoundFault"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_rename_leaves_a_time_without_either_name() {
        let sandbox = Sandbox::with_cluster().await;
        let form = [
            ("DBClusterIdentifier", "orders"),
            ("NewDBClusterIdentifier", "Orders-Old"),
            ("ApplyImmediately", "true"),
        ];
        sandbox.ok("ModifyDBCluster", &form).await;
        assert_eq!(sandbox.cluster("orders").await.text("Status"), "available");
        sandbox.pass(45).await;
        for name in ["orders", "orders-old"] {
            assert_eq!(
                sandbox.refused("DescribeDBClusters", &[("DBClusterIdentifier", name)]).await.0,
                "DBClusterNotFoundFault"
            );
        }
        sandbox.pass(30).await;
        assert_eq!(sandbox.cluster("orders-old").await.text("Status"), "available");
        // For a while the old name is answered, with the new one; nothing else takes it.
        assert_eq!(sandbox.cluster("orders").await.text("DBClusterIdentifier"), "orders-old");
        assert_eq!(
            sandbox.refused("StopDBCluster", &[("DBClusterIdentifier", "orders")]).await.0,
            "DBClusterNotFoundFault"
        );
        sandbox.pass(20).await;
        assert_eq!(
            sandbox.refused("DescribeDBClusters", &[("DBClusterIdentifier", "orders")]).await.0,
            "DBClusterNotFoundFault"
        );
        assert_eq!(sandbox.instance("orders-1").await.text("DBClusterIdentifier"), "orders-old");
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_has_no_instance_the_default_groups_and_the_sources_master_user() {
        let sandbox = Sandbox::with_cluster().await;
        let orders = ("DBClusterIdentifier", "orders");
        sandbox.ok("CreateDBClusterSnapshot", &[orders, ("DBClusterSnapshotIdentifier", "nightly")]).await;
        let engine = ("Engine", "aurora-postgresql");
        let restore = [
            ("DBClusterIdentifier", "restored"),
            ("SnapshotIdentifier", "nightly"),
            engine,
            ("EngineVersion", "16.14"),
        ];
        assert_eq!(
            sandbox.refused("RestoreDBClusterFromSnapshot", &restore).await.0,
            "InvalidDBClusterSnapshotStateFault"
        );
        sandbox.pass(150).await;
        sandbox.ok("RestoreDBClusterFromSnapshot", &restore).await;
        let clone = [
            ("DBClusterIdentifier", "cloned"),
            ("SourceDBClusterIdentifier", "orders"),
            ("RestoreType", "copy-on-write"),
            ("UseLatestRestorableTime", "true"),
        ];
        sandbox.ok("RestoreDBClusterToPointInTime", &clone).await;
        sandbox.pass(150).await;
        for copy in ["restored", "cloned"] {
            let cluster = sandbox.cluster(copy).await;
            assert_eq!((cluster.text("Status"), cluster.text("MasterUsername")), ("available", "root"));
            assert!(cluster.all("DBClusterMember").is_empty());
            assert_eq!(cluster.text("DBClusterParameterGroup"), "default.aurora-postgresql16");
        }
        assert_eq!(
            sandbox.cluster("cloned").await.text("CloneGroupId"),
            sandbox.cluster("orders").await.text("CloneGroupId")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_master_password_takes_effect_after_a_delay() {
        let sandbox = Sandbox::with_cluster().await;
        let form = [("DBClusterIdentifier", "orders"), ("MasterUserPassword", "another-one")];
        assert_eq!(
            sandbox
                .ok("ModifyDBCluster", &form)
                .await
                .element("PendingModifiedValues")
                .text("MasterUserPassword"),
            "****"
        );
        sandbox.pass(40).await;
        assert_eq!(sandbox.cluster("orders").await.text("Status"), "resetting-master-credentials");
        sandbox.pass(40).await;
        let cluster = sandbox.cluster("orders").await;
        assert_eq!((cluster.text("Status"), cluster.all("PendingModifiedValues").len()), ("available", 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_cluster_is_started_again_and_takes_no_change_meanwhile() {
        let sandbox = Sandbox::with_cluster().await;
        let orders = ("DBClusterIdentifier", "orders");
        sandbox.ok("StopDBCluster", &[orders]).await;
        sandbox.pass(90).await;
        assert_eq!(sandbox.instance("orders-1").await.text("DBInstanceStatus"), "stopped");
        let upgrade = [orders, ("EngineVersion", "18.4"), ("AllowMajorVersionUpgrade", "true")];
        assert_eq!(sandbox.refused("ModifyDBCluster", &upgrade).await.0, "InvalidDBClusterStateFault");
        let third = [
            orders,
            ("DBInstanceIdentifier", "orders-3"),
            ("DBInstanceClass", "db.r6g.large"),
            ("Engine", "aurora-postgresql"),
        ];
        assert_eq!(sandbox.refused("CreateDBInstance", &third).await.0, "InvalidDBClusterStateFault");
        assert_eq!(
            sandbox.refused("DeleteDBInstance", &[("DBInstanceIdentifier", "orders-1")]).await.0,
            "InvalidDBInstanceState"
        );
        sandbox.ok("StartDBCluster", &[orders]).await;
        sandbox.pass(90).await;
        assert_eq!(sandbox.cluster("orders").await.text("Status"), "available");
        // Left alone it starts after a week.
        sandbox.ok("StopDBCluster", &[orders]).await;
        sandbox.pass(7 * 24 * 3600).await;
        assert_eq!(sandbox.cluster("orders").await.text("Status"), "stopped");
        sandbox.pass(200).await;
        assert_eq!(sandbox.cluster("orders").await.text("Status"), "available");
    }
}
