//! Upgrades of the engine version: the sequence that follows an accepted request.
//!
//! https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_UpgradeDBInstance.PostgreSQL.MajorVersion.html.
//! The cluster stays `available` for a while with a pending version; then it and its writer are
//! `upgrading`: pre-checks while it is online, a snapshot `preupgrade-…`, a clone of the volume,
//! pg_upgrade on the writer, the readers. Instances trail the cluster. A failure leaves the old
//! version, `available`, nothing pending: only events and the writer's log files tell.

use std::time::Duration;

use super::Rds;
use super::engine::UpgradeFailure;
use super::model::{LogFile, Tags};
use super::parameter_groups::is_default;
use super::upgrade_checks::Upgrade;

/// What a failed upgrade goes back to: the cluster's group, and each member's group and statuses.
pub struct Before {
    cluster_group: String,
    members: Vec<(String, String, &'static str, &'static str)>,
}

impl Rds {
    pub(super) async fn upgrade(&self, id: &str, upgrade: Upgrade) {
        self.pause(self.behaviour().upgrade_lag).await;
        // A failover or the like that came in between goes first.
        while self.world().clusters.get(id).is_some_and(|cluster| cluster.status != "available") {
            self.pause(Duration::from_secs(5)).await;
        }
        let Some(before) = self.begin_upgrade(id, &upgrade) else { return };
        let outcome = self.run_upgrade(id, &upgrade).await;
        match outcome {
            Ok(()) => self.finish_upgrade(id, &upgrade).await,
            Err(failure) => self.fail_upgrade(id, before, &failure),
        }
    }

    pub(super) fn begin_upgrade(&self, id: &str, upgrade: &Upgrade) -> Option<Before> {
        let mut world = self.world();
        let cluster = world.clusters.get_mut(id)?;
        cluster.status = "upgrading";
        let before_group = std::mem::replace(&mut cluster.group, upgrade.cluster_group.clone());
        let cluster = cluster.clone();
        let mut members = Vec::new();
        for member in world.members_mut(id) {
            members.push((
                member.resource_id.clone(),
                member.group.clone(),
                member.group_status,
                member.cluster_group_status,
            ));
            if let Some(group) = &upgrade.instance_group {
                member.group.clone_from(group);
                (member.group_status, member.cluster_group_status) =
                    ("pending-database-upgrade", "pending-database-upgrade");
            }
            if cluster.writer.as_ref() == Some(&member.resource_id) {
                member.status = "upgrading";
            }
        }
        let kind = if upgrade.major { "major" } else { "minor" };
        self.event(
            &mut world,
            &cluster,
            "0286",
            format!("Database cluster engine {kind} version upgrade started. Cluster remains online."),
        );
        Some(Before { cluster_group: before_group, members })
    }

    async fn run_upgrade(&self, id: &str, upgrade: &Upgrade) -> Result<(), UpgradeFailure> {
        let behaviour = self.behaviour();
        let planned = self.planned_failure();
        let tell = |event: &'static str, message: &str| self.cluster_event(id, event, message);
        tell("0363", "Upgrade preparation in progress: Starting online upgrade prechecks.");
        self.pause(behaviour.upgrade_prechecks).await;
        if planned.as_ref().is_some_and(in_prechecks) {
            return Err(planned.unwrap_or_else(|| unreachable!("it was just seen")));
        }
        tell("0363", "Upgrade preparation in progress: Completed online upgrade prechecks.");
        tell("0363", "Upgrade preparation in progress: Taking database cluster offline for upgrade.");
        for member in self.world().members_mut(id) {
            member.status = "upgrading";
        }
        if !upgrade.major {
            return self.upgrade_minor(id).await;
        }
        tell("0363", "Upgrade preparation in progress: Starting offline upgrade prechecks.");
        tell("0363", "Upgrade preparation in progress: Completed offline upgrade prechecks.");
        let snapshot = self.take_preupgrade_snapshot(id, upgrade).await;
        tell("0177", "Upgrade in progress: Cloning volume.");
        tell("0177", "Upgrade in progress: Upgrading writer.");
        let outcome = self.upgrade_server(id, upgrade, planned).await;
        if let (Err(failure), Some(snapshot)) = (&outcome, snapshot)
            && in_prechecks(failure)
        {
            // The engine runs Aurora's pre-checks itself; RDS would not have come as far as the
            // snapshot.
            self.drop_snapshot(&mut self.world(), &snapshot);
        }
        outcome
    }

    /// What a test has planned for the model gear's next upgrade.
    pub(super) fn planned_failure(&self) -> Option<UpgradeFailure> {
        let mut planned = None;
        if self.engine.is_none() {
            self.behave(|behaviour| planned = behaviour.fail_next_upgrade.take());
        }
        planned
    }

    pub(super) async fn upgrade_server(
        &self,
        id: &str,
        upgrade: &Upgrade,
        planned: Option<UpgradeFailure>,
    ) -> Result<(), UpgradeFailure> {
        let Some(engine) = &self.engine else {
            self.pause(self.behaviour().upgrade).await;
            return planned.map_or(Ok(()), Err);
        };
        let parameters = self.world().effective(id);
        engine.upgrade(id, &upgrade.target, &parameters).await.unwrap_or_else(|error| {
            tracing::error!(cluster = id, error = format!("{error:#}"), "upgrade the cluster's server");
            Err(UpgradeFailure { reason: format!("{error:#}"), files: Vec::new() })
        })
    }

    async fn upgrade_minor(&self, id: &str) -> Result<(), UpgradeFailure> {
        let parameters = self.world().effective(id);
        let restarted = async {
            match &self.engine {
                Some(engine) => engine.configure(id, &parameters, true).await.map(drop),
                None => Ok(()),
            }
        };
        let (_, restarted) = tokio::join!(self.pause(self.behaviour().reboot), restarted);
        restarted.map_err(|error| UpgradeFailure { reason: format!("{error:#}"), files: Vec::new() })
    }

    /// Manual, and named `preupgrade-<cluster>-<from>-to-<to>-YYYY-MM-DD-HH-MM`, dots as hyphens.
    async fn take_preupgrade_snapshot(&self, id: &str, upgrade: &Upgrade) -> Option<String> {
        let cluster = self.world().clusters.get(id).cloned()?;
        let (from, to) = (cluster.engine_version.replace('.', "-"), upgrade.target.replace('.', "-"));
        let name = format!(
            "preupgrade-{}-{from}-to-{to}-{}",
            cluster.id,
            self.clock.now().strftime("%Y-%m-%d-%H-%M")
        );
        self.cluster_event(
            id,
            "0177",
            &format!("Upgrade in progress: Creating pre-upgrade snapshot [{name}]."),
        );
        let snapshot = {
            let mut world = self.world();
            let added = self.add_snapshot(&mut world, &name, "manual", &cluster, Tags::new());
            added
                .inspect_err(|fault| {
                    tracing::warn!(name, fault = fault.message, "add the pre-upgrade snapshot")
                })
                .ok()?;
            world.snapshots[&name].clone()
        };
        let taken = async {
            match &self.engine {
                Some(engine) => engine.snapshot(id, &snapshot.volume).await,
                None => Ok(()),
            }
        };
        let (_, taken) = tokio::join!(self.pause(self.behaviour().upgrade_snapshot), taken);
        self.finish_snapshot(&snapshot, taken);
        Some(name)
    }

    async fn finish_upgrade(&self, id: &str, upgrade: &Upgrade) {
        self.cluster_event(id, "0177", "Upgrade in progress: Upgrading readers.");
        let group_name = {
            let mut world = self.world();
            let effective = world.effective(id);
            let Some(cluster) = world.clusters.get_mut(id) else { return };
            (cluster.status, cluster.engine_version, cluster.applied) =
                ("available", upgrade.target.clone(), effective);
            (cluster.pending.engine_version, cluster.upgrade_accepted) = (None, false);
            cluster.group.clone()
        };
        if upgrade.major {
            self.cluster_event(id, "0176", "Database cluster engine major version has been upgraded.");
            self.cluster_event(
                id,
                "0092",
                &format!("Updated to use DBClusterParameterGroup : {group_name}."),
            );
        } else {
            self.cluster_event(id, "0173", "Database cluster engine version has been upgraded.");
        }
        let mut members = self.world().readers_then_writer(id);
        // Instances trail the cluster: the writer a little, the readers more.
        if let Some(writer) = members.pop() {
            self.pause(Duration::from_secs(10)).await;
            self.finish_member(&writer, upgrade);
        }
        self.pause(self.behaviour().reader_lag).await;
        for reader in members {
            self.finish_member(&reader, upgrade);
            self.pause(Duration::from_secs(20)).await;
        }
    }

    /// "DB cluster isn't rebooted automatically" (botocore rds 2014-10-31, ModifyDBCluster): custom
    /// groups wait for a reboot.
    fn finish_member(&self, id: &str, upgrade: &Upgrade) {
        let status = |group: &str| if is_default(group) { "in-sync" } else { "pending-reboot" };
        let mut world = self.world();
        let Some(member) = world.instances.get_mut(id) else { return };
        (member.status, member.engine_version) = ("available", upgrade.target.clone());
        if let Some(group) = &upgrade.instance_group {
            (member.group_status, member.cluster_group_status) =
                (status(group), status(&upgrade.cluster_group));
        }
        let (at, version) = (self.clock.now(), member.engine_version.clone());
        member.logs.insert(super::logs::server_log(at), super::logs::server_started(at, &version));
        let member = member.clone();
        self.event(&mut world, &member, "0006", "DB instance restarted");
    }

    pub(super) fn fail_upgrade(&self, id: &str, before: Before, failure: &UpgradeFailure) {
        let now = self.clock.now();
        let spoken = in_prechecks(failure) || failure.reason.starts_with("fatal");
        let reason = if spoken { failure.reason.clone() } else { format!("fatal : {}", failure.reason) };
        let mut world = self.world();
        for (member, group, group_status, cluster_group_status) in before.members {
            if let Some(member) = world.instances.get_mut(&member) {
                (member.status, member.group) = ("available", group);
                (member.group_status, member.cluster_group_status) = (group_status, cluster_group_status);
            }
        }
        let Some(cluster) = world.clusters.get_mut(id) else { return };
        (cluster.status, cluster.group) = ("available", before.cluster_group);
        (cluster.pending.engine_version, cluster.upgrade_accepted) = (None, false);
        let cluster = cluster.clone();
        self.event(
            &mut world,
            &cluster,
            "0174",
            format!("Database cluster is in a state that cannot be upgraded: {reason}"),
        );
        let Some(writer) = cluster.writer.and_then(|writer| world.instances.get_mut(&writer)) else { return };
        for (name, content) in &failure.files {
            let name = format!("error/{name}.{}", now.as_second());
            writer.logs.insert(name, LogFile { written: now, content: content.clone() });
        }
        // The text has been seen under the writer as well.
        let writer = writer.clone();
        self.event(
            &mut world,
            &writer,
            "0174",
            format!("Database instance is in a state that cannot be upgraded: {reason}"),
        );
    }

    fn cluster_event(&self, id: &str, event: &'static str, message: &str) {
        let mut world = self.world();
        if let Some(cluster) = world.clusters.get(id).cloned() {
            self.event(&mut world, &cluster, event, message);
        }
    }
}

fn in_prechecks(failure: &UpgradeFailure) -> bool {
    failure.reason.starts_with("PreUpgrade checks failed")
}

#[cfg(test)]
mod tests {
    use super::super::EventDelivery;
    use super::super::testing::{CLUSTER_GROUP, INSTANCE_GROUP, Sandbox, TO_18};
    use super::*;

    fn failure() -> UpgradeFailure {
        UpgradeFailure {
            reason: "pg_upgrade reported failure for check_for_reg_data_type_usage".into(),
            files: vec![
                (
                    "pg_upgrade_internal.log".into(),
                    "Checking for reg* data types in user tables   fatal\n".into(),
                ),
                ("tables_using_reg.txt".into(), "In database: shop\n  public.orders.kind\n".into()),
            ],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_stays_available_for_a_while_then_upgrades_and_its_readers_come_last() {
        let sandbox = Sandbox::with_cluster().await;
        let answer = sandbox.ok("ModifyDBCluster", &TO_18).await;
        assert_eq!(
            (answer.text("Status"), answer.element("PendingModifiedValues").text("EngineVersion")),
            ("available", "18.4")
        );
        sandbox.pass(40).await;
        let cluster = sandbox.cluster("orders").await;
        assert_eq!(
            (cluster.text("Status"), cluster.element("PendingModifiedValues").text("EngineVersion")),
            ("available", "18.4")
        );
        sandbox.pass(10).await;
        assert_eq!(sandbox.cluster("orders").await.text("Status"), "upgrading");
        assert_eq!(sandbox.instance("orders-1").await.text("DBInstanceStatus"), "upgrading");
        assert_eq!(
            sandbox.instance("orders-1").await.text("ParameterApplyStatus"),
            "pending-database-upgrade"
        );
        assert_eq!(sandbox.instance("orders-2").await.text("DBInstanceStatus"), "available");

        while sandbox.cluster("orders").await.text("Status") != "available" {
            sandbox.pass(5).await;
        }
        let cluster = sandbox.cluster("orders").await;
        assert_eq!(cluster.text("EngineVersion"), "18.4");
        assert!(cluster.all("PendingModifiedValues").is_empty());
        let reader = sandbox.instance("orders-2").await;
        assert_eq!((reader.text("DBInstanceStatus"), reader.text("EngineVersion")), ("upgrading", "16.14"));
        sandbox.pass(200).await;
        let reader = sandbox.instance("orders-2").await;
        assert_eq!((reader.text("DBInstanceStatus"), reader.text("EngineVersion")), ("available", "18.4"));
        assert_eq!(reader.text("DBParameterGroupName"), "default.aurora-postgresql18");
        assert_eq!(reader.text("ParameterApplyStatus"), "in-sync");

        let snapshots = sandbox.ok("DescribeDBClusterSnapshots", &[("SnapshotType", "manual")]).await;
        assert!(
            snapshots.text("DBClusterSnapshotIdentifier").starts_with("preupgrade-orders-16-14-to-18-4-20"),
            "{snapshots:?}"
        );
        assert_eq!(snapshots.text("EngineVersion"), "16.14");
        let events = sandbox
            .ok("DescribeEvents", &[("SourceType", "db-cluster"), ("SourceIdentifier", "orders")])
            .await;
        assert!(events.all("Message").contains(&"Database cluster engine major version has been upgraded."));
    }

    #[tokio::test(start_paused = true)]
    async fn custom_groups_wait_for_a_reboot_of_each_member() {
        let sandbox = Sandbox::with_cluster().await;
        sandbox.create_group(CLUSTER_GROUP, "orders-18", "aurora-postgresql18").await;
        sandbox.create_group(INSTANCE_GROUP, "orders-18", "aurora-postgresql18").await;
        let groups =
            [("DBClusterParameterGroupName", "orders-18"), ("DBInstanceParameterGroupName", "orders-18")];
        sandbox.ok("ModifyDBCluster", &[&TO_18[..], &groups].concat()).await;
        sandbox.pass(1500).await;
        let cluster = sandbox.cluster("orders").await;
        assert_eq!(
            (cluster.text("Status"), cluster.text("DBClusterParameterGroup")),
            ("available", "orders-18")
        );
        assert_eq!(cluster.all("DBClusterParameterGroupStatus"), ["pending-reboot", "pending-reboot"]);
        sandbox.ok("RebootDBInstance", &[("DBInstanceIdentifier", "orders-2")]).await;
        assert_eq!(sandbox.instance("orders-2").await.text("DBInstanceStatus"), "rebooting");
        sandbox.pass(60).await;
        assert_eq!(
            sandbox.cluster("orders").await.all("DBClusterParameterGroupStatus"),
            ["pending-reboot", "in-sync"]
        );
        assert_eq!(sandbox.instance("orders-2").await.text("ParameterApplyStatus"), "in-sync");
        assert_eq!(sandbox.instance("orders-1").await.text("ParameterApplyStatus"), "pending-reboot");
        assert_eq!(sandbox.instance("orders-1").await.text("DBParameterGroupName"), "orders-18");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_upgrade_leaves_the_old_version_and_its_evidence_and_may_be_tried_again() {
        let sandbox = Sandbox::with_cluster().await;
        sandbox.rds.behave(|behaviour| behaviour.fail_next_upgrade = Some(failure()));
        sandbox.ok("ModifyDBCluster", &TO_18).await;
        sandbox.pass(1200).await;
        let cluster = sandbox.cluster("orders").await;
        assert_eq!((cluster.text("Status"), cluster.text("EngineVersion")), ("available", "16.14"));
        assert_eq!(cluster.text("DBClusterParameterGroup"), "default.aurora-postgresql16");
        assert!(cluster.all("PendingModifiedValues").is_empty());
        for (kind, source) in [("db-cluster", "orders"), ("db-instance", "orders-1")] {
            let events =
                sandbox.ok("DescribeEvents", &[("SourceType", kind), ("SourceIdentifier", source)]).await;
            let told = "is in a state that cannot be upgraded: fatal : pg_upgrade reported failure for \
            check_for_reg_data_type_usage";
            assert!(events.all("Message").iter().any(|message| message.ends_with(told)), "{events:?}");
        }
        let files = sandbox
            .ok(
                "DescribeDBLogFiles",
                &[("DBInstanceIdentifier", "orders-1"), ("FilenameContains", "tables_using_reg")],
            )
            .await;
        let name = files.text("LogFileName");
        assert!(name.starts_with("error/tables_using_reg.txt."), "{name}");
        let portion = [("DBInstanceIdentifier", "orders-1"), ("LogFileName", name), ("Marker", "0")];
        assert!(
            sandbox
                .ok("DownloadDBLogFilePortion", &portion)
                .await
                .text("LogFileData")
                .contains("public.orders.kind")
        );

        sandbox.ok("ModifyDBCluster", &TO_18).await;
        sandbox.pass(1200).await;
        assert_eq!(sandbox.cluster("orders").await.text("EngineVersion"), "18.4");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_of_the_prechecks_comes_before_the_snapshot() {
        let sandbox = Sandbox::with_cluster().await;
        let reason = "PreUpgrade checks failed: The instance could not be upgraded because one or more \
        databases have logical replication slots.";
        sandbox.rds.behave(|behaviour| {
            behaviour.fail_next_upgrade = Some(UpgradeFailure { reason: reason.into(), files: Vec::new() });
        });
        sandbox.ok("ModifyDBCluster", &TO_18).await;
        sandbox.pass(300).await;
        assert_eq!(sandbox.cluster("orders").await.text("EngineVersion"), "16.14");
        assert!(
            sandbox.ok("DescribeDBClusterSnapshots", &[]).await.all("DBClusterSnapshotIdentifier").is_empty()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_failover_before_the_upgrade_changes_the_writer_and_not_the_outcome() {
        let sandbox = Sandbox::with_cluster().await;
        sandbox.ok("ModifyDBCluster", &TO_18).await;
        sandbox.pass(30).await;
        sandbox.ok("FailoverDBCluster", &[("DBClusterIdentifier", "orders")]).await;
        sandbox.pass(1500).await;
        let cluster = sandbox.cluster("orders").await;
        assert_eq!((cluster.text("Status"), cluster.text("EngineVersion")), ("available", "18.4"));
        assert_eq!(cluster.all("IsClusterWriter"), ["false", "true"]);
    }

    #[tokio::test(start_paused = true)]
    async fn events_may_be_missing_or_doubled_and_the_upgrade_is_the_same() {
        for (delivery, expected) in
            [(EventDelivery::Missing, 0), (EventDelivery::Duplicated, 2), (EventDelivery::Reordered, 1)]
        {
            let mut sandbox = Sandbox::with_cluster().await;
            sandbox.rds.behave(|behaviour| behaviour.events = delivery);
            sandbox.ok("ModifyDBCluster", &TO_18).await;
            sandbox.pass(1500).await;
            assert_eq!(sandbox.cluster("orders").await.text("EngineVersion"), "18.4");
            let mut upgraded = 0;
            while let Ok(envelope) = sandbox.bus.try_recv() {
                upgraded += usize::from(envelope["detail"]["EventID"] == "RDS-EVENT-0176");
            }
            assert_eq!(upgraded, expected, "{delivery:?}");
        }
    }
}
