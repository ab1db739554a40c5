//! New clusters from a snapshot or from another cluster's volume. Both come without an instance,
//! with the default groups unless others are given, and answer to the source's master password
//! (botocore rds 2014-10-31: neither restore takes one).

use serde_json::json;

use super::create_cluster::not_of_aurora;
use super::error::Fault;
use super::model::{Cluster, ENGINE, World};
use super::parameter_groups::Kind;
use super::query::Input;
use super::snapshots::not_available;
use super::{Answer, Rds, parameters, versions};

/// The 16th clone of a volume is a full copy
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Managing.Clone.html).
const MOST_CLONES: usize = 15;

enum From {
    Snapshot(String),
    Cluster(String),
}

impl Rds {
    pub(super) fn restore_db_cluster_from_snapshot(&self, input: &Input) -> Answer {
        if input.required("Engine")? != ENGINE {
            return Err(Fault::value(format!("Invalid DB engine: {}", input.required("Engine")?)));
        }
        let snapshot = self.usable_snapshot(input.required("SnapshotIdentifier")?)?;
        if snapshot.status != "available" {
            return Err(not_available(&snapshot));
        }
        // "If you don't specify an engine version, the default version for the database engine in
        // the Amazon Web Services Region is used" (botocore rds 2014-10-31), not the snapshot's.
        let version = self.world().resolve(input.text("EngineVersion"))?;
        if version != snapshot.of.engine_version
            && !versions::is_newer_minor(&snapshot.of.engine_version, &version)
        {
            let message = format!("Cannot upgrade {ENGINE} from {} to {version}", snapshot.of.engine_version);
            return Err(Fault::combination(message));
        }
        self.readable(snapshot.kms_key.as_deref())?;
        let mut world = self.world();
        let mut cluster = self.new_cluster(&mut world, input, &version, snapshot.of.port)?;
        if !input.has("KmsKeyId") {
            (cluster.storage_encrypted, cluster.kms_key) =
                (snapshot.kms_key.is_some(), snapshot.kms_key.clone());
        }
        self.hold(&snapshot.volume);
        self.restore(world, cluster, &snapshot.of, From::Snapshot(snapshot.volume), input)
    }

    pub(super) fn restore_db_cluster_to_point_in_time(&self, input: &Input) -> Answer {
        not_of_aurora(input)?;
        let mut world = self.world();
        let source = world.cluster(input.required("SourceDBClusterIdentifier")?)?.clone();
        if !["available", "stopped"].contains(&source.status) {
            source.available()?;
        }
        let kind = input.text("RestoreType").unwrap_or("full-copy");
        if !["full-copy", "copy-on-write"].contains(&kind) {
            return Err(Fault::value(format!("Invalid restore type: {kind}")));
        }
        match (input.flag("UseLatestRestorableTime") == Some(true), input.has("RestoreToTime")) {
            (true, false) => {}
            (true, true) => {
                return Err(Fault::combination(
                    "RestoreToTime can't be specified together with UseLatestRestorableTime.",
                ));
            }
            (false, false) => {
                return Err(Fault::combination(
                    "Either RestoreToTime or UseLatestRestorableTime must be specified.",
                ));
            }
            // The sandbox keeps no write-ahead log to go back in.
            (false, true) => {
                return Err(Fault::new(
                    "InvalidRestoreFault",
                    "The sandbox restores to the latest restorable time only.",
                ));
            }
        }
        let mut cluster = self.new_cluster(&mut world, input, &source.engine_version, source.port)?;
        if !input.has("KmsKeyId") {
            (cluster.storage_encrypted, cluster.kms_key) = (source.storage_encrypted, source.kms_key.clone());
        }
        let clones =
            world.clusters.values().filter(|other| other.clone_group == source.clone_group).count() - 1;
        if kind == "copy-on-write" && clones < MOST_CLONES {
            cluster.clone_group = source.clone_group.clone();
        }
        self.restore(world, cluster, &source, From::Cluster(source.resource_id.clone()), input)
    }

    fn restore(
        &self,
        mut world: parking_lot::MutexGuard<'_, World>,
        mut cluster: Cluster,
        of: &Cluster,
        from: From,
        input: &Input,
    ) -> Answer {
        cluster.master_username = of.master_username.clone();
        cluster.database_name = input.text("DatabaseName").map(str::to_owned).or(of.database_name.clone());
        if !input.has("BackupRetentionPeriod") {
            cluster.backup_retention = of.backup_retention;
        }
        cluster.applied = parameters::server_parameters(&world.group(Kind::CLUSTER, &cluster.group));
        let resource_id = cluster.resource_id.clone();
        world.clusters.insert(resource_id.clone(), cluster.clone());
        let answer = json!({"DBCluster": self.described_cluster(&world, &cluster)});
        drop(world);
        self.background(|rds| async move {
            let restored = async {
                let Some(engine) = &rds.engine else { return Ok(()) };
                match &from {
                    From::Snapshot(volume) => {
                        engine.restore(volume, &resource_id, cluster.server_port, &cluster.applied).await
                    }
                    From::Cluster(source) => {
                        engine
                            .clone_cluster(source, &resource_id, cluster.server_port, &cluster.applied)
                            .await
                    }
                }
            };
            let (_, restored) = tokio::join!(rds.pause(rds.behaviour().restore), restored);
            if let From::Snapshot(volume) = &from {
                rds.release(volume);
            }
            rds.finish_creation(&resource_id, restored, false);
        });
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;

    const ENGINE: (&str, &str) = ("Engine", "aurora-postgresql");

    #[tokio::test(start_paused = true)]
    async fn what_a_restore_is_not_told_it_chooses_itself() {
        let sandbox = Sandbox::with_cluster().await;
        let orders = ("DBClusterIdentifier", "orders");
        let own = [
            ("DeletionProtection", "true"),
            ("CopyTagsToSnapshot", "true"),
            ("VpcSecurityGroupIds.VpcSecurityGroupId.1", "sg-own"),
            ("BackupRetentionPeriod", "9"),
        ];
        sandbox.ok("ModifyDBCluster", &[&[orders], &own[..]].concat()).await;
        let arn = crate::aws::arn("rds", "cluster:orders");
        sandbox
            .ok(
                "AddTagsToResource",
                &[("ResourceName", &*arn), ("Tags.Tag.1.Key", "a"), ("Tags.Tag.1.Value", "b")],
            )
            .await;
        let snapshot = sandbox
            .ok("CreateDBClusterSnapshot", &[orders, ("DBClusterSnapshotIdentifier", "nightly")])
            .await;
        assert_eq!(snapshot.all("Key"), ["a"]);
        sandbox.pass(150).await;

        let restore = [("DBClusterIdentifier", "copy"), ("SnapshotIdentifier", "nightly"), ENGINE];
        // The Region's default is another major version, to which nothing is upgraded by restoring
        // it.
        let (code, message) = sandbox.refused("RestoreDBClusterFromSnapshot", &restore).await;
        assert_eq!(code, "InvalidParameterCombination");
        assert!(message.starts_with("Cannot upgrade aurora-postgresql from 16.14 to 17."), "{message}");
        let answer = sandbox
            .ok("RestoreDBClusterFromSnapshot", &[restore[0], restore[1], ENGINE, ("EngineVersion", "16.14")])
            .await;
        assert_eq!(
            (answer.all("LatestRestorableTime").len(), answer.all("EarliestRestorableTime").len()),
            (0, 0)
        );
        sandbox.pass(150).await;
        let copy = sandbox.cluster("copy").await;
        assert_eq!(copy.all("VpcSecurityGroupId"), ["sg-00000000000000000"]);
        assert_eq!(
            (copy.text("DBSubnetGroup"), copy.text("DBClusterParameterGroup")),
            ("default", "default.aurora-postgresql16")
        );
        assert_eq!((copy.text("DeletionProtection"), copy.all("Key").len()), ("false", 0));
        assert_eq!((copy.text("BackupRetentionPeriod"), copy.all("MasterUserSecret").len()), ("9", 0));
        assert!(!copy.text("LatestRestorableTime").is_empty());
        // Nobody said where, so its instance has a public address.
        let instance = [
            ("DBInstanceIdentifier", "copy-1"),
            ("DBClusterIdentifier", "copy"),
            ("DBInstanceClass", "db.r6g.large"),
            ENGINE,
        ];
        sandbox.ok("CreateDBInstance", &instance).await;
        assert_eq!(sandbox.instance("copy-1").await.text("PubliclyAccessible"), "true");
    }
}
