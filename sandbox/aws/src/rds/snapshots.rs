//! Cluster snapshots: taken, copied, shared, deleted.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::Fault;
use super::keys::not_accessible;
use super::model::{Cluster, ENGINE, Snapshot, Tags, World, identifier, stamp};
use super::paging::{Filters, page_of};
use super::query::Input;
use super::sharing::as_shared;
use super::{Answer, Rds, tags, versions};

/// Manual ones; https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/CHAP_Limits.html.
const MOST_SNAPSHOTS: usize = 100;

impl Rds {
    pub(super) fn create_db_cluster_snapshot(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let cluster = world.cluster(input.required("DBClusterIdentifier")?)?.clone();
        if !["available", "stopped"].contains(&cluster.status) {
            cluster.available()?;
        }
        let name = input.required("DBClusterSnapshotIdentifier")?;
        // botocore rds 2014-10-31: 1 to 63 characters, though a final snapshot's name may have 255.
        let name = identifier("DBClusterSnapshotIdentifier", name, 63)?;
        let id = self.add_snapshot(&mut world, &name, "manual", &cluster, tags::read(input)?)?;
        let taken = world.snapshots[&id].clone();
        self.event(&mut world, &taken, "0074", "Creating manual cluster snapshot");
        let answer = json!({"DBClusterSnapshot": describe(&world.snapshots[&id])});
        drop(world);
        self.background(|rds| async move { rds.take_snapshot(&id, &cluster.resource_id).await });
        Ok(answer)
    }

    /// The automated snapshot that RDS takes in the backup window; the sandbox takes it when asked.
    /// Answers its identifier.
    pub fn take_automated_snapshot(&self, cluster: &str) -> anyhow::Result<String> {
        self.take_automated_snapshot_at(cluster, self.clock.now())
    }

    /// One that says it was taken at that time. It holds what the cluster holds now.
    pub fn take_automated_snapshot_at(&self, cluster: &str, at: Timestamp) -> anyhow::Result<String> {
        let mut world = self.world();
        let cluster = world.cluster(cluster).map_err(|fault| anyhow::anyhow!("{}", fault.message))?.clone();
        let name = format!("rds:{}-{}", cluster.id, at.strftime("%Y-%m-%d-%H-%M"));
        anyhow::ensure!(!world.snapshots.contains_key(&name), "{name} exists");
        let snapshot = Snapshot {
            created: at,
            ..self.new_snapshot(&mut world, &name, "automated", &cluster, Tags::new())
        };
        self.event(&mut world, &snapshot, "0168", "Creating automated cluster snapshot");
        world.snapshots.insert(name.clone(), snapshot);
        drop(world);
        let id = name.clone();
        self.background(|rds| async move { rds.take_snapshot(&id, &cluster.resource_id).await });
        Ok(name)
    }

    /// Enters a snapshot that is being created. Answers its identifier.
    ///
    /// Whoever gives tags gets these alone: "RDS doesn't copy tags from the source DB cluster",
    /// even with CopyTagsToSnapshot (AuroraUserGuide, USER_Tagging, of June 2022 for clusters,
    /// since then with instances in its place; getmoto/moto does the same).
    pub(super) fn add_snapshot(
        &self,
        world: &mut World,
        name: &str,
        kind: &'static str,
        cluster: &Cluster,
        mut tags: Tags,
    ) -> Result<String, Fault> {
        let id = identifier("DBClusterSnapshotIdentifier", name, 255)?;
        check_new(world, &id)?;
        if cluster.copy_tags && tags.is_empty() {
            tags.extend(cluster.tags.clone());
        }
        let snapshot = self.new_snapshot(world, &id, kind, cluster, tags);
        world.snapshots.insert(id.clone(), snapshot);
        Ok(id)
    }

    fn new_snapshot(
        &self,
        world: &mut World,
        id: &str,
        kind: &'static str,
        cluster: &Cluster,
        tags: Tags,
    ) -> Snapshot {
        let volume = world.random_id("snapshot-");
        self.hold(&volume);
        Snapshot {
            account: world.account,
            id: id.to_owned(),
            volume,
            kind,
            status: "creating",
            progress: 0,
            created: self.clock.now(),
            of: Box::new(cluster.clone()),
            kms_key: cluster.kms_key.clone(),
            source_arn: None,
            shared_with: BTreeSet::new(),
            tags,
        }
    }

    /// Fills a snapshot while its progress is shown.
    pub(super) async fn take_snapshot(&self, id: &str, resource_id: &str) {
        let Some(snapshot) = self.world().snapshots.get(id).cloned() else { return };
        let taken = async {
            match &self.engine {
                Some(engine) => engine.snapshot(resource_id, &snapshot.volume).await,
                None => Ok(()),
            }
        };
        let (_, taken) = tokio::join!(self.show_progress(&snapshot), taken);
        self.finish_snapshot(&snapshot, taken);
    }

    async fn show_progress(&self, snapshot: &Snapshot) {
        let quarter = self.behaviour().snapshot / 4;
        for progress in [25, 50, 75] {
            self.pause(quarter).await;
            if let Some(snapshot) = self.world().same_snapshot(snapshot) {
                snapshot.progress = progress;
            }
        }
        self.pause(quarter).await;
    }

    pub(super) fn finish_snapshot(&self, begun: &Snapshot, taken: anyhow::Result<()>) {
        let mut world = self.world();
        let Some(snapshot) = world.same_snapshot(begun) else { return };
        if let Err(error) = taken {
            tracing::error!(snapshot = begun.id, error = format!("{error:#}"), "take the snapshot");
            snapshot.status = "failed";
            return;
        }
        (snapshot.status, snapshot.progress) = ("available", 100);
        let snapshot = snapshot.clone();
        match (&snapshot.source_arn, snapshot.kind) {
            // No event tells that a copy of a cluster snapshot is finished.
            (Some(_), _) => {}
            (None, "automated") => {
                self.event(&mut world, &snapshot, "0169", "Automated cluster snapshot created")
            }
            (None, _) => self.event(&mut world, &snapshot, "0075", "Manual cluster snapshot created"),
        }
    }

    /// An encrypted copy across accounts needs a key of its own, and nothing is encrypted by
    /// copying it
    /// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-copy-snapshot.html).
    pub(super) fn copy_db_cluster_snapshot(&self, input: &Input) -> Answer {
        let source = self.usable_snapshot(input.required("SourceDBClusterSnapshotIdentifier")?)?;
        let parameter = "TargetDBClusterSnapshotIdentifier";
        let id = identifier(parameter, input.required(parameter)?, 63)?;
        if source.status != "available" {
            return Err(not_available(&source));
        }
        let key = match (&source.kms_key, input.text("KmsKeyId")) {
            (None, Some(_)) => {
                return Err(Fault::combination(
                    "KmsKeyId can't be specified for a copy of an unencrypted snapshot.",
                ));
            }
            (None, None) => None,
            (Some(_), None) if source.account != self.account => {
                return Err(not_accessible("Specified KMS key [None]"));
            }
            (Some(own), None) => Some(own.clone()),
            (Some(_), Some(key)) => Some(self.usable_key(key)?),
        };
        self.readable(source.kms_key.as_deref())?;
        let mut tags = tags::read(input)?;
        // Given tags win over CopyTags, which then does nothing (getmoto/moto, checked against
        // AWS).
        if tags.is_empty() && input.flag("CopyTags") == Some(true) {
            tags.extend(source.tags.clone());
        }
        let mut world = self.world();
        check_new(&world, &id)?;
        let copy = Snapshot {
            account: self.account,
            id: id.clone(),
            kind: "manual",
            status: "copying",
            progress: 0,
            created: self.clock.now(),
            kms_key: key,
            source_arn: Some(source.arn()),
            shared_with: BTreeSet::new(),
            tags,
            ..source
        };
        // Both share the engine's copy.
        self.hold(&copy.volume);
        let answer = json!({"DBClusterSnapshot": describe(&copy)});
        world.snapshots.insert(id.clone(), copy.clone());
        drop(world);
        self.background(|rds| async move {
            rds.show_progress(&copy).await;
            rds.finish_snapshot(&copy, Ok(()));
        });
        Ok(answer)
    }

    pub(super) fn describe_db_cluster_snapshots(&self, input: &Input) -> Answer {
        let filters =
            Filters::read(input, &["db-cluster-id", "db-cluster-snapshot-id", "snapshot-type", "engine"])?;
        let kind = input.text("SnapshotType");
        if let Some(kind) =
            kind.filter(|kind| !["automated", "manual", "shared", "public", "awsbackup"].contains(kind))
        {
            return Err(Fault::value(format!("Invalid snapshot type: {kind}")));
        }
        let mut snapshots = match input.text("DBClusterSnapshotIdentifier") {
            Some(id) => {
                let found = self.usable_snapshot(id)?;
                vec![if found.account == self.account { found } else { as_shared(found) }]
            }
            None => {
                let shared =
                    kind == Some("shared") || kind.is_none() && input.flag("IncludeShared") == Some(true);
                let public =
                    kind == Some("public") || kind.is_none() && input.flag("IncludePublic") == Some(true);
                let mut snapshots: Vec<Snapshot> = self.world().snapshots.values().cloned().collect();
                snapshots.extend(self.snapshots_of_others(shared, public));
                snapshots
            }
        };
        let cluster =
            input.text("DBClusterIdentifier").map(|id| id.rsplit(':').next().unwrap_or(id).to_lowercase());
        snapshots.retain(|snapshot| {
            cluster.as_ref().is_none_or(|cluster| *cluster == snapshot.of.id)
                && input.text("DbClusterResourceId").is_none_or(|id| id == snapshot.of.resource_id)
                && kind.is_none_or(|kind| kind == snapshot.kind)
                && filters.allow("db-cluster-id", &snapshot.of.id)
                && filters.allow("db-cluster-snapshot-id", snapshot.name())
                && filters.allow("snapshot-type", snapshot.kind)
                && filters.allow("engine", ENGINE)
        });
        page_of("DBClusterSnapshots", snapshots, input, |snapshot| describe(&snapshot))
    }

    /// A copy that is being made can be deleted too, which cancels it (botocore rds 2014-10-31,
    /// CopyDBClusterSnapshot).
    pub(super) fn delete_db_cluster_snapshot(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let snapshot = world.snapshot(input.required("DBClusterSnapshotIdentifier")?)?.clone();
        if !["available", "copying", "failed"].contains(&snapshot.status) || snapshot.kind != "manual" {
            return Err(not_available(&snapshot));
        }
        self.drop_snapshot(&mut world, &snapshot.id);
        let mut answer = describe(&snapshot);
        answer["Status"] = "deleted".into();
        Ok(json!({"DBClusterSnapshot": answer}))
    }

    pub(super) fn drop_snapshot(&self, world: &mut World, id: &str) {
        if let Some(snapshot) = world.snapshots.remove(id) {
            self.release(&snapshot.volume);
        }
    }
}

fn check_new(world: &World, id: &str) -> Result<(), Fault> {
    if world.snapshots.contains_key(id) {
        let message = format!(
            "Cannot create the DB cluster snapshot because one with the identifier {id} already exists."
        );
        return Err(Fault::new("DBClusterSnapshotAlreadyExistsFault", message));
    }
    let most = MOST_SNAPSHOTS * world.quotas;
    if world.snapshots.values().filter(|snapshot| snapshot.kind == "manual").count() >= most {
        return Err(Fault::new(
            "SnapshotQuotaExceeded",
            format!("Cannot create more than {most} manual snapshots"),
        ));
    }
    Ok(())
}

pub fn not_available(snapshot: &Snapshot) -> Fault {
    let message = format!("The {} snapshot {} is {}", snapshot.kind, snapshot.id, snapshot.status);
    Fault::new("InvalidDBClusterSnapshotStateFault", message)
}

pub fn describe(snapshot: &Snapshot) -> Value {
    let of = &snapshot.of;
    json!({
        "AvailabilityZones": versions::zones().collect::<Vec<_>>(),
        "DBClusterSnapshotIdentifier": snapshot.id,
        "DBClusterIdentifier": of.id,
        "SnapshotCreateTime": stamp(snapshot.created),
        "Engine": ENGINE,
        "EngineMode": "provisioned",
        "AllocatedStorage": 1,
        "Status": snapshot.status,
        "Port": of.port,
        "VpcId": "vpc-00000000000000001",
        "ClusterCreateTime": stamp(of.created),
        "MasterUsername": of.master_username,
        "EngineVersion": of.engine_version,
        "LicenseModel": "postgresql-license",
        "SnapshotType": snapshot.kind,
        "PercentProgress": snapshot.progress,
        "StorageEncrypted": snapshot.kms_key.is_some(),
        "KmsKeyId": snapshot.kms_key,
        "DBClusterSnapshotArn": snapshot.arn(),
        "SourceDBClusterSnapshotArn": snapshot.source_arn,
        "IAMDatabaseAuthenticationEnabled": of.iam_authentication,
        "TagList": tags::describe(&snapshot.tags),
        "StorageType": of.storage_type,
        "DbClusterResourceId": of.resource_id,
    })
}
