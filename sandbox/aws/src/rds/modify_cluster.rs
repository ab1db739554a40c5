//! ModifyDBCluster, but for a new engine version, which [`super::upgrade`] takes on.

use std::time::Duration;

use serde_json::json;

use super::error::Fault;
use super::model::{Echo, identifier};
use super::network::port_of;
use super::parameter_groups::Kind;
use super::query::Input;
use super::scaling::Scaling;
use super::settings::{checked_password, no_backtrack, storage_type};
use super::{Answer, Rds, families, upgrade_checks, versions, windows};

impl Rds {
    pub(super) async fn modify_db_cluster(&self, input: &Input) -> Answer {
        let (cluster, new_secret, rotated) = self.accept_modification(input)?;
        if let Some(password) = &new_secret {
            self.create_secret(
                &cluster.resource_id,
                &cluster.master_username,
                password,
                input.text("MasterUserSecretKmsKeyId"),
            )
            .await;
        }
        if let (Some(password), Some(secret)) = (&rotated, &cluster.secret) {
            self.rotate_secret(&secret.arn, &cluster.master_username, password).await;
        }
        let dropped =
            cluster.secret.as_ref().filter(|_| input.flag("ManageMasterUserPassword") == Some(false));
        if let Some(secret) = dropped {
            self.delete_secret(&secret.arn).await;
        }
        let world = self.world();
        // A rename may have hidden the name meanwhile, the answer is still about this cluster.
        let found = world.clusters.get(&cluster.resource_id).unwrap_or(&cluster);
        Ok(json!({"DBCluster": self.described_cluster(&world, found)}))
    }

    /// Checks everything, then changes what changes at once and starts the rest. Answers the
    /// cluster as it was, and the passwords that go into a new or into the present secret.
    fn accept_modification(
        &self,
        input: &Input,
    ) -> Result<(super::model::Cluster, Option<String>, Option<String>), Fault> {
        let mut world = self.world();
        let cluster = world.cluster(input.required("DBClusterIdentifier")?)?.clone();
        let now = input.flag("ApplyImmediately").unwrap_or(false);
        let mut changed = cluster.clone();
        if let Some(protection) = input.flag("DeletionProtection") {
            changed.deletion_protection = protection;
        }
        cluster.available()?;

        let upgrade = upgrade_checks::plan(&world, &cluster, input)?;
        let family = families::family(versions::major(&cluster.engine_version));
        let mut new_group = None;
        if upgrade.is_none()
            && let Some(name) = input.text("DBClusterParameterGroupName")
        {
            let group = world.fitting_group(Kind::CLUSTER, name, &family)?.name;
            new_group = (group != cluster.group).then_some(group);
        }
        let mut new_name = None;
        if let Some(name) = input.text("NewDBClusterIdentifier") {
            let name = identifier("NewDBClusterIdentifier", name, 63)?;
            let taken = |other: &super::model::Cluster| {
                other.id == name || other.pending.identifier.as_ref() == Some(&name)
            };
            if name != cluster.id && world.clusters.values().any(taken) {
                return Err(Fault::new("DBClusterAlreadyExistsFault", "DB Cluster already exists"));
            }
            new_name = (name != cluster.id).then_some(name);
        }
        if let Some(retention) = input.number("BackupRetentionPeriod") {
            if !(1..=35).contains(&retention) {
                return Err(Fault::value(format!(
                    "Invalid backup retention period: {retention}. Retention period must be between 1 and 35"
                )));
            }
            changed.backup_retention = retention;
        }
        let mut password =
            input.text("MasterUserPassword").map(checked_password).transpose()?.map(str::to_owned);
        let (mut new_secret, mut rotated) = (None, None);
        match input.flag("ManageMasterUserPassword") {
            Some(true) if password.is_some() => {
                return Err(Fault::combination(
                    "You can't specify MasterUserPassword when ManageMasterUserPassword is enabled.",
                ));
            }
            Some(true) if cluster.secret.is_none() => {
                new_secret = Some(world.random_id("")[..20].to_owned());
                password = new_secret.clone();
            }
            Some(false) if cluster.secret.is_some() => {
                if password.is_none() {
                    return Err(Fault::combination(
                        "You must specify MasterUserPassword when you turn ManageMasterUserPassword off.",
                    ));
                }
                changed.secret = None;
            }
            None if cluster.secret.is_some() && password.is_some() => {
                return Err(Fault::combination(
                    "You can't specify MasterUserPassword for a cluster whose master password is managed.",
                ));
            }
            _ => {}
        }
        if input.flag("RotateMasterUserPassword") == Some(true) {
            if cluster.secret.is_none() {
                return Err(Fault::combination("RotateMasterUserPassword needs a managed master password."));
            }
            rotated = Some(world.random_id("")[..20].to_owned());
            password = rotated.clone();
        }
        changed.scaling = Scaling::read(input, cluster.scaling)?;
        no_backtrack(input)?;
        if input.has("StorageType") {
            changed.storage_type = storage_type(input)?;
        }
        if input.has("VpcSecurityGroupIds") {
            changed.security_groups = input.texts("VpcSecurityGroupIds");
        }
        (changed.backup_window, changed.maintenance_window) = windows::checked(
            input.text("PreferredBackupWindow").unwrap_or(&cluster.backup_window),
            input.text("PreferredMaintenanceWindow").unwrap_or(&cluster.maintenance_window),
        )?;
        changed.copy_tags = input.flag("CopyTagsToSnapshot").unwrap_or(changed.copy_tags);
        changed.iam_authentication =
            input.flag("EnableIAMDatabaseAuthentication").unwrap_or(changed.iam_authentication);
        let logs = input.get("CloudwatchLogsExportConfiguration");
        let named = |which: &str| -> Vec<String> {
            let types = logs.and_then(|logs| logs[which].as_array());
            types.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        };
        changed.log_exports.retain(|name| !named("DisableLogTypes").contains(name));
        changed.log_exports.extend(named("EnableLogTypes"));
        changed.log_exports.sort();
        changed.log_exports.dedup();

        if let Some(on) = input.flag("EnablePerformanceInsights") {
            changed.performance_insights = on;
            for member in world.members_mut(&cluster.resource_id) {
                member.performance_insights = on;
            }
        }
        // The last that can be refused: it takes effect.
        if let Some(port) = port_of(input)?.filter(|port| *port != cluster.port) {
            self.move_door(&cluster, port)?;
            changed.port = port;
        }
        if let Some(group) = new_group {
            changed.group = group;
            for member in world.members_mut(&cluster.resource_id) {
                member.cluster_group_status = "pending-reboot";
            }
        }
        changed.pending.password = password.is_some();
        // Without ApplyImmediately a rename waits for the maintenance window, which the sandbox
        // never reaches.
        changed.pending.identifier = new_name.clone();
        changed.pending.engine_version =
            upgrade.as_ref().map(|upgrade| upgrade.target.clone()).or(changed.pending.engine_version);
        world.clusters.insert(cluster.resource_id.clone(), changed);
        if let Some(upgrade) = &upgrade
            && now
        {
            upgrade.announce(&mut world, &cluster);
        }
        drop(world);

        let id = cluster.resource_id.clone();
        self.background(|rds| async move {
            if let Some(password) = password {
                rds.change_password(&id, &password).await;
            }
            if let (Some(name), true) = (new_name, now) {
                rds.rename_cluster(&id, &name).await;
            }
            if let (Some(upgrade), true) = (upgrade, now) {
                rds.upgrade(&id, upgrade).await;
            }
        });
        Ok((cluster, new_secret, rotated))
    }

    /// The server asks for the new password only after a while, which the status shows in its
    /// second half.
    async fn change_password(&self, id: &str, password: &str) {
        let half = self.behaviour().password_delay / 2;
        self.pause(half).await;
        let (running, username) = {
            let mut world = self.world();
            let Some(cluster) = world.clusters.get_mut(id) else { return };
            cluster.status = "resetting-master-credentials";
            if !cluster.running {
                cluster.waiting_password = Some(password.to_owned());
            }
            (cluster.running, cluster.master_username.clone())
        };
        if let (Some(engine), true) = (&self.engine, running)
            && let Err(error) = engine.set_master_password(id, &username, password).await
        {
            tracing::error!(cluster = id, error = format!("{error:#}"), "set the master password");
        }
        self.pause(half).await;
        let mut world = self.world();
        let Some(cluster) = world.clusters.get_mut(id) else { return };
        cluster.status = "available";
        cluster.pending.password = false;
        if let Some(secret) = &mut cluster.secret {
            secret.status = "active";
        }
        let cluster = cluster.clone();
        self.event(&mut world, &cluster, "0016", "Reset master credentials");
    }

    /// The old name answers `available` for a moment, then neither is found, then the new one
    /// (boto3 #2613).
    async fn rename_cluster(&self, id: &str, name: &str) {
        self.pause(Duration::from_secs(10)).await;
        if let Some(cluster) = self.world().clusters.get_mut(id) {
            cluster.status = "renaming";
        }
        self.pause(Duration::from_secs(20)).await;
        let old = {
            let mut world = self.world();
            let Some(cluster) = world.clusters.get_mut(id) else { return };
            let before = cluster.clone();
            cluster.hidden = true;
            cluster.pending.identifier = None;
            cluster.id = name.to_owned();
            let after = cluster.clone();
            self.rename_endpoints(&mut world, &before, &after, self.behaviour().dns_delay);
            before.id
        };
        self.pause(self.behaviour().rename_blackout).await;
        let mut world = self.world();
        let Some(cluster) = world.clusters.get_mut(id) else { return };
        (cluster.hidden, cluster.status) = (false, "available");
        cluster.echo =
            Some(Echo { name: old.clone(), until: self.clock.now() + self.behaviour().rename_echo });
        let cluster = cluster.clone();
        self.event(&mut world, &cluster, "0172", format!("Renamed DB cluster from [{old}] to [{name}]"));
    }
}
