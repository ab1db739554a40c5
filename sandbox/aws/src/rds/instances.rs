//! Instances: created, described, deleted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::Fault;
use super::model::{Cluster, ENGINE, Echo, Instance, World, identifier, stamp};
use super::paging::{Filters, page_of};
use super::parameter_groups::{Kind, default_name};
use super::query::Input;
use super::xml::joined;
use super::{Answer, Rds, families, scaling, subnet_groups, tags, versions, windows};

/// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/CHAP_Limits.html
pub const MOST_INSTANCES: usize = 40;

impl Rds {
    pub(super) fn create_db_instance(&self, input: &Input) -> Answer {
        let engine = input.required("Engine")?;
        if engine != ENGINE {
            return Err(Fault::value(format!("Invalid DB engine: {engine}")));
        }
        let mut world = self.world();
        let cluster = world.cluster(input.required("DBClusterIdentifier")?)?.clone();
        let id = identifier("DBInstanceIdentifier", input.required("DBInstanceIdentifier")?, 63)?;
        if world.instances.values().any(|instance| instance.id == id) {
            return Err(Fault::new("DBInstanceAlreadyExists", "DB instance already exists"));
        }
        if world.instances.len() >= MOST_INSTANCES * world.quotas {
            return Err(Fault::new("InstanceQuotaExceeded", "The quota has been exceeded: DB instances"));
        }
        if !["available", "creating"].contains(&cluster.status) {
            cluster.available()?;
        }
        for parameter in
            ["MasterUsername", "MasterUserPassword", "DBName", "BackupRetentionPeriod", "StorageEncrypted"]
        {
            if input.has(parameter) {
                let message = format!(
                    "The requested DB Instance will be a member of a DB Cluster. Set {parameter} on the DB \
                    Cluster."
                );
                return Err(Fault::combination(message));
            }
        }
        if let Some(version) =
            input.text("EngineVersion").filter(|version| *version != cluster.engine_version)
        {
            return Err(Fault::combination(format!(
                "The engine version that you requested for your DB instance ({version}) does not match the \
                engine version of your DB \
                 cluster ({})",
                cluster.engine_version
            )));
        }
        let class = input.required("DBInstanceClass")?.to_owned();
        versions::check_class(&class, &cluster.engine_version)?;
        scaling::check_class(&class, &cluster)?;
        let family = families::family(versions::major(&cluster.engine_version));
        let group = match input.text("DBParameterGroupName") {
            Some(name) => world.fitting_group(Kind::INSTANCE, name, &family)?.name,
            None => default_name(&family),
        };
        let promotion_tier = input.number("PromotionTier").unwrap_or(1);
        if !(0..=15).contains(&promotion_tier) {
            return Err(Fault::value(format!("Invalid promotion tier: {promotion_tier}")));
        }
        let maintenance_window = match input.text("PreferredMaintenanceWindow") {
            Some(window) => windows::checked(&cluster.backup_window, window)?.1,
            None => cluster.maintenance_window.clone(),
        };
        let number = world.members(&cluster.resource_id).len();
        let text = |name: &str| input.text(name).map(str::to_owned);
        let instance = Instance {
            account: world.account,
            resource_id: world.random_id("db-"),
            id,
            cluster: cluster.resource_id.clone(),
            status: "creating",
            class,
            engine_version: cluster.engine_version.clone(),
            group,
            group_status: "in-sync",
            cluster_group_status: "in-sync",
            pending_class: None,
            zone: text("AvailabilityZone")
                .unwrap_or_else(|| versions::zones().nth(number % 3).unwrap_or_default()),
            promotion_tier,
            ca_certificate: text("CACertificateIdentifier").unwrap_or_else(|| "rds-ca-rsa2048-g1".into()),
            maintenance_window,
            auto_minor_version_upgrade: input.flag("AutoMinorVersionUpgrade").unwrap_or(true),
            publicly_accessible: input.flag("PubliclyAccessible").unwrap_or(cluster.public_by_default),
            monitoring_interval: input.number("MonitoringInterval").unwrap_or(0),
            monitoring_role: text("MonitoringRoleArn"),
            performance_insights: input
                .flag("EnablePerformanceInsights")
                .unwrap_or(cluster.performance_insights),
            copy_tags: input.flag("CopyTagsToSnapshot").unwrap_or(false),
            created: self.clock.now(),
            hidden: false,
            echo: None,
            tags: tags::read(input)?,
            logs: BTreeMap::new(),
            switching: false,
        };
        if let Some(found) = world.clusters.get_mut(&cluster.resource_id) {
            found.writer.get_or_insert_with(|| instance.resource_id.clone());
        }
        world.instances.insert(instance.resource_id.clone(), instance.clone());
        let answer = json!({"DBInstance": self.described_instance(&world, &instance)});
        drop(world);
        self.background(|rds| async move {
            rds.bring_up_instance(&instance.resource_id, &cluster.resource_id).await
        });
        Ok(answer)
    }

    async fn bring_up_instance(&self, instance: &str, cluster: &str) {
        self.pause(self.behaviour().create_instance).await;
        while self.world().clusters.get(cluster).is_some_and(|cluster| cluster.status == "creating") {
            self.pause(std::time::Duration::from_secs(5)).await;
        }
        let served = self.serve(cluster, instance).await;
        if let Err(error) = &served {
            tracing::error!(instance, error = format!("{error:#}"), "start the cluster's server");
        }
        let now = self.clock.now();
        let mut world = self.world();
        let Some(found) = world.instances.get_mut(instance) else { return };
        if served.is_err() {
            // "Amazon RDS can't start the DB instance because parameters specified in the
            // instance's DB parameter group aren't compatible with the instance" (AuroraUserGuide,
            // accessing-monitoring); a reboot with other parameters brings it up.
            found.status = "incompatible-parameters";
            return;
        }
        found.status = "available";
        found
            .logs
            .insert(super::logs::server_log(now), super::logs::server_started(now, &found.engine_version));
        let found = found.clone();
        self.event(&mut world, &found, "0005", "DB instance created");
    }

    /// The writer's server runs with the parameters of both groups, and with the master password
    /// that was set meanwhile.
    async fn serve(&self, cluster: &str, instance: &str) -> anyhow::Result<()> {
        let (was_running, changed, parameters, password, username) = {
            let mut world = self.world();
            let effective = world.effective(cluster);
            let Some(found) =
                world.clusters.get_mut(cluster).filter(|cluster| cluster.writer.as_deref() == Some(instance))
            else {
                return Ok(());
            };
            let changed = found.applied != effective;
            found.applied = effective.clone();
            let was_running = std::mem::replace(&mut found.running, true);
            (was_running, changed, effective, found.waiting_password.take(), found.master_username.clone())
        };
        let Some(engine) = &self.engine else { return Ok(()) };
        if !was_running {
            engine.start(cluster).await?;
        }
        if let Some(password) = password {
            engine.set_master_password(cluster, &username, &password).await?;
        }
        if changed {
            engine.configure(cluster, &parameters, true).await?;
        }
        Ok(())
    }

    pub(super) fn describe_db_instances(&self, input: &Input) -> Answer {
        let filters = Filters::read(
            input,
            &["db-cluster-id", "db-instance-id", "dbi-resource-id", "engine", "domain"],
        )?;
        let world = self.world();
        let mut instances: Vec<&Instance> =
            match input.text("DBInstanceIdentifier").filter(|id| !id.is_empty()) {
                Some(id) => vec![world.instance(id).or_else(|missing| {
                    let now = self.clock.now();
                    let renamed = world
                        .instances
                        .values()
                        .find(|instance| !instance.hidden && Echo::answers(&instance.echo, id, now));
                    renamed.ok_or(missing)
                })?],
                None => world.instances.values().filter(|instance| !instance.hidden).collect(),
            };
        instances.retain(|instance| {
            world
                .clusters
                .get(&instance.cluster)
                .is_none_or(|cluster| filters.allow("db-cluster-id", &cluster.id))
                && filters.allow("db-instance-id", &instance.id)
                && filters.allow("dbi-resource-id", &instance.resource_id)
                && filters.allow("engine", ENGINE)
                && !filters.names("domain")
        });
        instances.sort_by(|a, b| a.id.cmp(&b.id));
        page_of("DBInstances", instances, input, |instance| self.described_instance(&world, instance))
    }

    pub(super) fn described_instance(&self, world: &World, instance: &Instance) -> Value {
        let Some(cluster) = world.clusters.get(&instance.cluster) else { return Value::Null };
        let mut described = describe(world, cluster, instance);
        if instance.status != "creating" {
            let mut address = self.endpoint(cluster, "");
            if self.engine.is_none() {
                address = address.replacen(&cluster.id, &instance.id, 1);
            }
            described["Endpoint"] =
                json!({"Address": address, "Port": cluster.port, "HostedZoneId": "Z29XKXDKYMONMX"});
        }
        described
    }

    pub(super) fn delete_db_instance(&self, input: &Input) -> Answer {
        if input.has("FinalDBSnapshotIdentifier") {
            return Err(Fault::combination(
                "FinalDBSnapshotIdentifier can not be specified when deleting a cluster instance",
            ));
        }
        let mut world = self.world();
        let instance = world.instance(input.required("DBInstanceIdentifier")?)?;
        self.check_last_of_replica(&world, instance)?;
        let id = instance.id.clone();
        let instance = world.instance_mut(&id)?;
        if instance.switching {
            instance.available()?;
        }
        if instance.status == "deleting" {
            return Err(Fault::instance_state(format!("Instance {} is already being deleted.", instance.id)));
        }
        // Of a stopped cluster nothing can be deleted (AuroraUserGuide, aurora-cluster-stop-start).
        if !["available", "creating", "incompatible-parameters", "failed"].contains(&instance.status) {
            let message =
                format!("Instance {} can't be deleted. Current state: {}", instance.id, instance.status);
            return Err(Fault::instance_state(message));
        }
        instance.status = "deleting";
        let instance = instance.clone();
        let answer = json!({"DBInstance": self.described_instance(&world, &instance)});
        drop(world);
        self.background(|rds| async move { rds.take_down_instance(instance).await });
        Ok(answer)
    }

    /// AWS's words: hashicorp/terraform-provider-aws looks for them in
    /// internal/service/rds/cluster_instance.go.
    fn check_last_of_replica(&self, world: &World, instance: &Instance) -> Result<(), Fault> {
        let others = world.members(&instance.cluster);
        let last = !others.iter().any(|other| other.id != instance.id && other.status != "deleting");
        match world.replication_source(&instance.cluster) {
            Some(_) if last && instance.status != "deleting" => {
                Err(Fault::cluster_state("Cannot delete the last instance of the read replica DB cluster"))
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn take_down_instance(&self, instance: Instance) {
        self.pause(self.behaviour().delete).await;
        let last = {
            let mut world = self.world();
            world.instances.remove(&instance.resource_id);
            world.maintenance.retain(|action| action.resource != instance.resource_id);
            self.event(&mut world, &instance, "0003", "DB instance deleted");
            let members: Vec<String> = self.promotion_order(&world, &instance.cluster);
            let Some(cluster) = world.clusters.get_mut(&instance.cluster) else { return };
            if cluster.writer.as_ref() == Some(&instance.resource_id) {
                cluster.writer = members.first().cloned();
            }
            // Of a cluster that is being deleted the server goes altogether.
            let last = members.is_empty() && cluster.running && cluster.status != "deleting";
            cluster.running &= !last;
            last
        };
        if let (true, Some(engine)) = (last, &self.engine) {
            // A cluster without an instance answers nobody.
            if let Err(error) = engine.stop(&instance.cluster).await {
                tracing::error!(
                    cluster = instance.cluster,
                    error = format!("{error:#}"),
                    "stop the server of the last instance"
                );
            }
        }
    }

    /// Readers by promotion tier, then by name
    /// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Concepts.AuroraHighAvailability.html).
    pub(super) fn promotion_order(&self, world: &World, cluster: &str) -> Vec<String> {
        let writer = world.clusters.get(cluster).and_then(|cluster| cluster.writer.clone());
        let mut members = world.members(cluster);
        members.retain(|member| Some(&member.resource_id) != writer.as_ref() && member.status != "deleting");
        members.sort_by_key(|member| member.promotion_tier);
        members.into_iter().map(|member| member.resource_id.clone()).collect()
    }
}

pub fn describe(world: &World, cluster: &Cluster, instance: &Instance) -> Value {
    let subnet_group = world
        .subnet_group(&cluster.subnet_group)
        .map(|group| subnet_groups::describe(world.account, &group))
        .unwrap_or_default();
    let groups: Vec<Value> = cluster
        .security_groups
        .iter()
        .map(|id| json!({"VpcSecurityGroupId": id, "Status": "active"}))
        .collect();
    let settings = json!({
        "DBInstanceIdentifier": instance.id,
        "DBInstanceClass": instance.class,
        "Engine": ENGINE,
        "DBInstanceStatus": instance.status,
        "MasterUsername": cluster.master_username,
        "DBName": cluster.database_name,
        "AllocatedStorage": 1,
        "InstanceCreateTime": (instance.status != "creating").then(|| stamp(instance.created)),
        "PreferredBackupWindow": cluster.backup_window,
        "BackupRetentionPeriod": cluster.backup_retention,
        "DBSecurityGroups": [],
        "VpcSecurityGroups": groups,
        "DBParameterGroups": [{"DBParameterGroupName": instance.group,
                "ParameterApplyStatus": instance.group_status}],
        "AvailabilityZone": instance.zone,
        "DBSubnetGroup": subnet_group,
        "PreferredMaintenanceWindow": instance.maintenance_window,
        "PendingModifiedValues": {"DBInstanceClass": instance.pending_class},
        "MultiAZ": false,
        "EngineVersion": instance.engine_version,
        "AutoMinorVersionUpgrade": instance.auto_minor_version_upgrade,
        "ReadReplicaDBInstanceIdentifiers": [],
        "LicenseModel": "postgresql-license",
        "OptionGroupMemberships": [
            {
                "OptionGroupName":
                    format!("default:aurora-postgresql-{}", versions::major(&instance.engine_version)),
                "Status": "in-sync",
            }
        ],
    });
    let rest = json!({
        "PubliclyAccessible": instance.publicly_accessible,
        "StorageType": cluster.storage_type.as_deref().unwrap_or("aurora"),
        "EngineLifecycleSupport": cluster.lifecycle_support,
        "DbInstancePort": 0,
        "DBClusterIdentifier": cluster.id,
        "StorageEncrypted": cluster.storage_encrypted,
        "KmsKeyId": cluster.kms_key,
        "DbiResourceId": instance.resource_id,
        "CACertificateIdentifier": instance.ca_certificate,
        "DomainMemberships": [],
        "CopyTagsToSnapshot": instance.copy_tags,
        "MonitoringInterval": instance.monitoring_interval,
        "MonitoringRoleArn": instance.monitoring_role,
        "PromotionTier": instance.promotion_tier,
        "DBInstanceArn": instance.arn(),
        "IAMDatabaseAuthenticationEnabled": cluster.iam_authentication,
        "PerformanceInsightsEnabled": instance.performance_insights,
        "DeletionProtection": false,
        "AssociatedRoles": [],
        "TagList": tags::describe(&instance.tags),
        "CustomerOwnedIpEnabled": false,
        "NetworkType": "IPV4",
        "BackupTarget": "region",
        "CertificateDetails": {"CAIdentifier": instance.ca_certificate},
        "DedicatedLogVolume": false,
    });
    joined(settings, rest)
}
