//! ModifyDBInstance: class, parameter group, certificate, name and the settings that change nothing
//! else.

use std::time::Duration;

use serde_json::json;

use super::error::Fault;
use super::model::{Echo, Instance, identifier};
use super::parameter_groups::Kind;
use super::query::Input;
use super::{Answer, Rds, families, scaling, versions, windows};

/// A change of the class replaces the host.
const CLASS_CHANGE: Duration = Duration::from_secs(300);
const CERTIFICATE_CHANGE: Duration = Duration::from_secs(60);

enum Change {
    Class(String),
    Group,
    Name(String),
    Certificate(String),
}

impl Rds {
    pub(super) fn modify_db_instance(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let instance = world.instance(input.required("DBInstanceIdentifier")?)?.clone();
        instance.available()?;
        // These belong to the cluster.
        for parameter in [
            "EngineVersion",
            "MasterUserPassword",
            "BackupRetentionPeriod",
            "VpcSecurityGroupIds",
            "DeletionProtection",
            "ManageMasterUserPassword",
            "RotateMasterUserPassword",
            "MasterUserSecretKmsKeyId",
        ] {
            if input.has(parameter) {
                return Err(Fault::combination(format!(
                    "The specified DB Instance is a member of a DB Cluster. Modify {parameter} using the \
                    ModifyDBCluster API"
                )));
            }
        }
        let family = families::family(versions::major(&instance.engine_version));
        let now = input.flag("ApplyImmediately").unwrap_or(false);
        let mut changes = Vec::new();
        let mut changed = instance.clone();
        if let Some(class) = input.text("DBInstanceClass") {
            versions::check_class(class, &instance.engine_version)?;
            let cluster = world.clusters.get(&instance.cluster);
            cluster.map(|cluster| scaling::check_class(class, cluster)).transpose()?;
            changed.pending_class = (class != instance.class).then(|| class.to_owned());
        }
        if let (true, Some(class)) = (now, changed.pending_class.clone()) {
            changes.push(Change::Class(class));
        }
        if let Some(name) = input.text("DBParameterGroupName") {
            let group = world.fitting_group(Kind::INSTANCE, name, &family)?.name;
            if group != instance.group {
                // A new group waits for a reboot, dynamic parameters too
                // (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_WorkingWithDBInstanceParamGroups.Associating.html).
                (changed.group, changed.group_status) = (group, "applying");
                changes.push(Change::Group);
            }
        }
        if let Some(name) = input.text("NewDBInstanceIdentifier") {
            let name = identifier("NewDBInstanceIdentifier", name, 63)?;
            if name != instance.id {
                if world.instances.values().any(|other| other.id == name) {
                    return Err(Fault::new("DBInstanceAlreadyExists", "DB instance already exists"));
                }
                if now {
                    changes.push(Change::Name(name));
                }
            }
        }
        if let Some(authority) = input.text("CACertificateIdentifier") {
            if !["rds-ca-ecc384-g1", "rds-ca-rsa4096-g1", "rds-ca-rsa2048-g1"].contains(&authority) {
                return Err(Fault::new("CertificateNotFound", format!("Certificate not found: {authority}")));
            }
            if authority != instance.ca_certificate {
                changes.push(Change::Certificate(authority.to_owned()));
            }
        }
        let text = |name: &str| input.text(name).map(str::to_owned);
        changed.promotion_tier = input.number("PromotionTier").unwrap_or(instance.promotion_tier);
        if let (Some(window), Some(cluster)) =
            (input.text("PreferredMaintenanceWindow"), world.clusters.get(&instance.cluster))
        {
            changed.maintenance_window = windows::checked(&cluster.backup_window, window)?.1;
        }
        changed.auto_minor_version_upgrade =
            input.flag("AutoMinorVersionUpgrade").unwrap_or(instance.auto_minor_version_upgrade);
        changed.publicly_accessible =
            input.flag("PubliclyAccessible").unwrap_or(instance.publicly_accessible);
        changed.monitoring_interval =
            input.number("MonitoringInterval").unwrap_or(instance.monitoring_interval);
        changed.monitoring_role = text("MonitoringRoleArn").or(instance.monitoring_role);
        changed.performance_insights =
            input.flag("EnablePerformanceInsights").unwrap_or(instance.performance_insights);
        changed.copy_tags = input.flag("CopyTagsToSnapshot").unwrap_or(instance.copy_tags);
        let answer = json!({"DBInstance": self.described_instance(&world, &changed)});
        world.instances.insert(changed.resource_id.clone(), changed);
        drop(world);
        if !changes.is_empty() {
            self.background(|rds| async move {
                for change in changes {
                    rds.change_instance(&instance.resource_id, change).await;
                }
            });
        }
        Ok(answer)
    }

    async fn change_instance(&self, id: &str, change: Change) {
        // A change shows in the status only after a moment.
        self.pause(Duration::from_secs(10)).await;
        let status = |status: &'static str| {
            if let Some(instance) = self.world().instances.get_mut(id) {
                instance.status = status;
            }
        };
        match change {
            Change::Group => {
                if let Some(instance) = self.world().instances.get_mut(id) {
                    instance.group_status = "pending-reboot";
                }
            }
            Change::Class(class) => {
                status("modifying");
                self.pause(CLASS_CHANGE).await;
                let mut world = self.world();
                let Some(instance) = world.instances.get_mut(id) else { return };
                (instance.class, instance.pending_class, instance.status) = (class, None, "available");
                let instance = instance.clone();
                self.event(
                    &mut world,
                    &instance,
                    "0014",
                    "Finished applying modification to DB instance class",
                );
            }
            Change::Certificate(authority) => {
                status("modifying");
                self.pause(CERTIFICATE_CHANGE).await;
                if let Some(instance) = self.world().instances.get_mut(id) {
                    (instance.ca_certificate, instance.status) = (authority, "available");
                }
            }
            Change::Name(name) => {
                // Asked for twice before the first shows, it is one rename.
                let is_new = |instance: &Instance| instance.status == "available" && instance.id != name;
                if !self.world().instances.get(id).is_some_and(is_new) {
                    return;
                }
                status("renaming");
                self.pause(Duration::from_secs(10)).await;
                let Some(old) = self.world().instances.get_mut(id).map(|instance| {
                    instance.hidden = true;
                    std::mem::replace(&mut instance.id, name)
                }) else {
                    return;
                };
                self.pause(self.behaviour().rename_blackout).await;
                let until = self.clock.now() + self.behaviour().rename_echo;
                if let Some(instance) = self.world().instances.get_mut(id) {
                    (instance.hidden, instance.echo) = (false, Some(Echo { name: old, until }));
                }
                // The new name appears as available, then reboots (boto3 #609, aws-sdk #421).
                status("available");
                self.pause(Duration::from_secs(10)).await;
                // Whoever stopped the cluster in this window stopped it: the name comes with its
                // next start.
                let is_there = |instance: &Instance| instance.status == "available";
                if !self.world().instances.get(id).is_some_and(is_there) {
                    return;
                }
                status("rebooting");
                self.pause(self.behaviour().reboot).await;
                status("available");
            }
        }
    }
}
