//! Cluster snapshots: taken, copied, shared, deleted.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::error::Fault;
use super::model::{Cluster, ENGINE, Snapshot, Tags, World, identifier, stamp};
use super::paging::{Filters, page};
use super::query::Input;
use super::{Answer, Rds, tags, versions};

/// Manual ones; https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/CHAP_Limits.html.
const MOST_SNAPSHOTS: usize = 100;

/// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-share-snapshot.html
const MOST_ACCOUNTS: usize = 20;

impl Rds {
    pub(super) fn create_db_cluster_snapshot(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let cluster = world.cluster(input.required("DBClusterIdentifier")?)?.clone();
        if !["available", "stopped"].contains(&cluster.status) {
            cluster.available()?;
        }
        let name = input.required("DBClusterSnapshotIdentifier")?;
        let id = self.add_snapshot(&mut world, name, "manual", &cluster, tags::read(input)?)?;
        self.event(&mut world, &cluster, "0074", "Creating manual cluster snapshot");
        let answer = json!({"DBClusterSnapshot": describe(&world.snapshots[&id])});
        drop(world);
        self.background(|rds| async move { rds.take_snapshot(&id, &cluster.resource_id).await });
        Ok(answer)
    }

    /// The automated snapshot that RDS takes in the backup window; the sandbox takes it when asked. Answers its identifier.
    pub fn take_automated_snapshot(&self, cluster: &str) -> anyhow::Result<String> {
        let mut world = self.world();
        let cluster = world.cluster(cluster).map_err(|fault| anyhow::anyhow!("{}", fault.message))?.clone();
        let name = format!("rds:{}-{}", cluster.id, self.clock.now().strftime("%Y-%m-%d-%H-%M"));
        let snapshot = self.new_snapshot(&mut world, &name, "automated", &cluster, Tags::new());
        world.snapshots.insert(name.clone(), snapshot);
        drop(world);
        let id = name.clone();
        self.background(|rds| async move { rds.take_snapshot(&id, &cluster.resource_id).await });
        Ok(name)
    }

    /// Enters a snapshot that is being created. Answers its identifier.
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
        if cluster.copy_tags {
            tags.extend(cluster.tags.clone());
        }
        let snapshot = self.new_snapshot(world, &id, kind, cluster, tags);
        world.snapshots.insert(id.clone(), snapshot);
        Ok(id)
    }

    fn new_snapshot(&self, world: &mut World, id: &str, kind: &'static str, cluster: &Cluster, tags: Tags) -> Snapshot {
        Snapshot {
            id: id.to_owned(),
            volume: world.random_id("snapshot-"),
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
        let Some(volume) = self.world().snapshots.get(id).map(|snapshot| snapshot.volume.clone()) else { return };
        let taken = async {
            match &self.engine {
                Some(engine) => engine.snapshot(resource_id, &volume).await,
                None => Ok(()),
            }
        };
        let (_, taken) = tokio::join!(self.show_progress(id), taken);
        self.finish_snapshot(id, taken);
    }

    async fn show_progress(&self, id: &str) {
        let quarter = self.behaviour().snapshot / 4;
        for progress in [25, 50, 75] {
            self.pause(quarter).await;
            if let Some(snapshot) = self.world().snapshots.get_mut(id) {
                snapshot.progress = progress;
            }
        }
        self.pause(quarter).await;
    }

    pub(super) fn finish_snapshot(&self, id: &str, taken: anyhow::Result<()>) {
        let mut world = self.world();
        let Some(snapshot) = world.snapshots.get_mut(id) else { return };
        if let Err(error) = taken {
            tracing::error!(snapshot = id, error = format!("{error:#}"), "take the snapshot");
            snapshot.status = "failed";
            return;
        }
        (snapshot.status, snapshot.progress) = ("available", 100);
        let snapshot = snapshot.clone();
        match snapshot.kind {
            "automated" => self.event(&mut world, &snapshot, "0169", "Automated cluster snapshot created"),
            _ => self.event(&mut world, &snapshot, "0075", "Manual cluster snapshot created"),
        }
    }

    pub(super) fn copy_db_cluster_snapshot(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let source = world.snapshot(input.required("SourceDBClusterSnapshotIdentifier")?)?.clone();
        let parameter = "TargetDBClusterSnapshotIdentifier";
        let id = identifier(parameter, input.required(parameter)?, 255)?;
        check_new(&world, &id)?;
        if source.status != "available" {
            return Err(not_available(&source));
        }
        let mut tags = tags::read(input)?;
        if input.flag("CopyTags") == Some(true) {
            tags.extend(source.tags.clone());
        }
        let copy = Snapshot {
            id: id.clone(),
            kind: "manual",
            status: "copying",
            progress: 0,
            created: self.clock.now(),
            kms_key: input.text("KmsKeyId").map(str::to_owned).or(source.kms_key.clone()),
            source_arn: Some(source.arn()),
            shared_with: BTreeSet::new(),
            tags,
            ..source
        };
        let answer = json!({"DBClusterSnapshot": describe(&copy)});
        world.snapshots.insert(id.clone(), copy);
        drop(world);
        self.background(|rds| async move {
            // Both share the engine's copy.
            rds.show_progress(&id).await;
            rds.finish_snapshot(&id, Ok(()));
        });
        Ok(answer)
    }

    pub(super) fn describe_db_cluster_snapshots(&self, input: &Input) -> Answer {
        let filters = Filters::read(input, &["db-cluster-id", "db-cluster-snapshot-id", "snapshot-type", "engine"])?;
        let world = self.world();
        let mut snapshots: Vec<&Snapshot> = match input.text("DBClusterSnapshotIdentifier") {
            Some(id) => vec![world.snapshot(id)?],
            None => world.snapshots.values().collect(),
        };
        let cluster = input.text("DBClusterIdentifier").map(|id| id.rsplit(':').next().unwrap_or(id).to_lowercase());
        let kind = input.text("SnapshotType");
        snapshots.retain(|snapshot| {
            cluster.as_ref().is_none_or(|cluster| *cluster == snapshot.of.id)
                && input.text("DbClusterResourceId").is_none_or(|id| id == snapshot.of.resource_id)
                && kind.is_none_or(|kind| kind == snapshot.kind)
                && filters.allow("db-cluster-id", &snapshot.of.id)
                && filters.allow("db-cluster-snapshot-id", &snapshot.id)
                && filters.allow("snapshot-type", snapshot.kind)
                && filters.allow("engine", ENGINE)
        });
        page("DBClusterSnapshots", snapshots.into_iter().map(describe).collect(), input)
    }

    pub(super) fn delete_db_cluster_snapshot(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let snapshot = world.snapshot(input.required("DBClusterSnapshotIdentifier")?)?.clone();
        if !["available", "failed"].contains(&snapshot.status) || snapshot.kind != "manual" {
            return Err(not_available(&snapshot));
        }
        self.drop_snapshot(&mut world, &snapshot.id);
        let mut answer = describe(&snapshot);
        answer["Status"] = "deleted".into();
        Ok(json!({"DBClusterSnapshot": answer}))
    }

    pub(super) fn drop_snapshot(&self, world: &mut World, id: &str) {
        let Some(snapshot) = world.snapshots.remove(id) else { return };
        if world.snapshots.values().any(|other| other.volume == snapshot.volume) {
            return;
        }
        self.background(|rds| async move {
            let Some(engine) = &rds.engine else { return };
            if let Err(error) = engine.delete_snapshot(&snapshot.volume).await {
                tracing::error!(snapshot = snapshot.id, error = format!("{error:#}"), "delete the snapshot");
            }
        });
    }

    pub(super) fn describe_db_cluster_snapshot_attributes(&self, input: &Input) -> Answer {
        Ok(json!({"DBClusterSnapshotAttributesResult": attributes(self.world().snapshot(input.required("DBClusterSnapshotIdentifier")?)?)}))
    }

    pub(super) fn modify_db_cluster_snapshot_attribute(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let snapshot = world.snapshot(input.required("DBClusterSnapshotIdentifier")?)?.clone();
        if input.required("AttributeName")? != "restore" {
            return Err(Fault::value(format!("Invalid attribute name: {}", input.required("AttributeName")?)));
        }
        if snapshot.kind != "manual" || snapshot.status != "available" {
            return Err(not_available(&snapshot));
        }
        let mut shared = snapshot.shared_with.clone();
        for account in input.texts("ValuesToAdd") {
            let valid = account == "all" || (account.len() == 12 && account.chars().all(|c| c.is_ascii_digit()));
            if !valid {
                return Err(Fault::value(format!("Invalid account: {account}")));
            }
            shared.insert(account);
        }
        if snapshot.of.storage_encrypted && shared.contains("all") {
            return Err(Fault::new("InvalidDBClusterSnapshotStateFault", "An encrypted snapshot can't be made public."));
        }
        shared.retain(|account| !input.texts("ValuesToRemove").contains(account));
        if shared.len() > MOST_ACCOUNTS {
            let message = format!("A snapshot can be shared with at most {MOST_ACCOUNTS} accounts.");
            return Err(Fault::new("SharedSnapshotQuotaExceeded", message));
        }
        let snapshot = Snapshot { shared_with: shared, ..snapshot };
        let answer = json!({"DBClusterSnapshotAttributesResult": attributes(&snapshot)});
        world.snapshots.insert(snapshot.id.clone(), snapshot);
        Ok(answer)
    }
}

fn check_new(world: &World, id: &str) -> Result<(), Fault> {
    if world.snapshots.contains_key(id) {
        let message = format!("Cannot create the DB cluster snapshot because one with the identifier {id} already exists.");
        return Err(Fault::new("DBClusterSnapshotAlreadyExistsFault", message));
    }
    if world.snapshots.values().filter(|snapshot| snapshot.kind == "manual").count() >= MOST_SNAPSHOTS {
        return Err(Fault::new("SnapshotQuotaExceeded", format!("Cannot create more than {MOST_SNAPSHOTS} manual snapshots")));
    }
    Ok(())
}

pub fn not_available(snapshot: &Snapshot) -> Fault {
    let message = format!("The {} snapshot {} is {}", snapshot.kind, snapshot.id, snapshot.status);
    Fault::new("InvalidDBClusterSnapshotStateFault", message)
}

fn attributes(snapshot: &Snapshot) -> Value {
    json!({
        "DBClusterSnapshotIdentifier": snapshot.id,
        "DBClusterSnapshotAttributes": [{"AttributeName": "restore", "AttributeValues": snapshot.shared_with}],
    })
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
        "StorageEncrypted": of.storage_encrypted,
        "KmsKeyId": snapshot.kms_key,
        "DBClusterSnapshotArn": snapshot.arn(),
        "SourceDBClusterSnapshotArn": snapshot.source_arn,
        "IAMDatabaseAuthenticationEnabled": of.iam_authentication,
        "TagList": tags::describe(&snapshot.tags),
        "StorageType": of.storage_type,
        "DbClusterResourceId": of.resource_id,
    })
}
