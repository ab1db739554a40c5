//! Requests that a real account refuses, or answers otherwise than one would think: a test each.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use async_trait::async_trait;

use super::Rds;
use super::engine::{Engine, NewCluster, Parameters, UpgradeFailure};
use super::exports::Source;
use super::testing::{Nobody, Sandbox};
use crate::aws::arn;
use crate::http::{Caller, Endpoint, Request};

const ORDERS: (&str, &str) = ("DBClusterIdentifier", "orders");

#[tokio::test(start_paused = true)]
async fn the_endpoint_answers_only_for_its_own_region() {
    let sandbox = Sandbox::with_cluster().await;
    let call = async |region: &str| {
        let mut request = Request::new("Action=DescribeDBClusters&Version=2014-10-31".into());
        let caller = Caller { region: region.into(), ..Caller::home("owner", "rds") };
        request.extensions_mut().insert(caller);
        let response = sandbox.rds.call(request).await;
        (response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())
    };
    assert_eq!(call(crate::aws::REGION).await.0, 200);
    let (status, body) = call("us-east-1").await;
    assert!(status == 403 && body.contains("<Code>SignatureDoesNotMatch</Code>"), "{body}");
    assert!(!body.contains("orders"));
}

#[tokio::test(start_paused = true)]
async fn what_is_blank_is_refused_where_a_value_is_needed() {
    let sandbox = Sandbox::with_cluster().await;
    for value in ["", "Values.Value.1"] {
        let mut form = vec![("Filters.Filter.1.Name", "db-cluster-id")];
        let name = format!("Filters.Filter.1.{value}");
        if !value.is_empty() {
            form.push((&name, ""));
        }
        assert_eq!(sandbox.refused("DescribeDBClusters", &form).await.0, "InvalidParameterValue");
    }
    let blank = sandbox.refused("StopDBCluster", &[("DBClusterIdentifier", "")]).await;
    let message = "The parameter DBClusterIdentifier must be provided and must not be blank.";
    assert_eq!(blank, ("InvalidParameterValue".to_owned(), message.to_owned()));
    assert_eq!(sandbox.refused("StopDBCluster", &[]).await.0, "MissingParameter");
}

#[tokio::test(start_paused = true)]
async fn the_password_and_the_windows_of_a_member_are_its_clusters() {
    let sandbox = Sandbox::with_cluster().await;
    let member = ("DBInstanceIdentifier", "orders-1");
    for parameter in ["RotateMasterUserPassword", "ManageMasterUserPassword"] {
        let refused = sandbox.refused("ModifyDBInstance", &[member, (parameter, "true")]).await;
        assert_eq!(refused.0, "InvalidParameterCombination", "{parameter}");
    }
    let beside = [member, ("PreferredMaintenanceWindow", "Mon:03:00-Mon:04:00")];
    assert!(sandbox.refused("ModifyDBInstance", &beside).await.1.ends_with("must not overlap."));
    let window = [member, ("PreferredMaintenanceWindow", "Mon:05:00-Mon:06:00")];
    let changed = sandbox.ok("ModifyDBInstance", &window).await;
    assert_eq!(changed.text("PreferredMaintenanceWindow"), "mon:05:00-mon:06:00");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_may_move_to_another_port() {
    let sandbox = Sandbox::with_cluster().await;
    assert_eq!(sandbox.cluster("orders").await.text("Port"), "5432");
    assert_eq!(
        sandbox.refused("ModifyDBCluster", &[ORDERS, ("Port", "1000")]).await.0,
        "InvalidParameterValue"
    );
    sandbox.ok("ModifyDBCluster", &[ORDERS, ("Port", "6432")]).await;
    assert_eq!(sandbox.cluster("orders").await.text("Port"), "6432");
    let member = sandbox.instance("orders-1").await;
    assert_eq!(member.element("Endpoint").text("Port"), "6432");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_has_a_short_name_and_either_its_own_tags_or_its_clusters() {
    let sandbox = Sandbox::with_cluster().await;
    sandbox.ok("ModifyDBCluster", &[ORDERS, ("CopyTagsToSnapshot", "true")]).await;
    let cluster = arn("rds", "cluster:orders");
    let tag = |value| [("Tags.Tag.1.Key", "execution"), ("Tags.Tag.1.Value", value)];
    let team = [("Tags.Tag.2.Key", "team"), ("Tags.Tag.2.Value", "shop")];
    let tags = [&[("ResourceName", &*cluster)][..], &tag("of-the-cluster"), &team].concat();
    sandbox.ok("AddTagsToResource", &tags).await;
    let take = async |name: &str, tags: &[(&str, &str)]| {
        let form = [&[ORDERS, ("DBClusterSnapshotIdentifier", name)], tags].concat();
        let taken = sandbox.ok("CreateDBClusterSnapshot", &form).await;
        taken.all("Value").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(take("plain", &[]).await, ["of-the-cluster", "shop"]);
    assert_eq!(take("own", &tag("of-the-snapshot")).await, ["of-the-snapshot"]);

    let (longest, longer) = ("a".repeat(63), "a".repeat(64));
    take(&longest, &[]).await;
    let named = [ORDERS, ("DBClusterSnapshotIdentifier", &*longer)];
    assert_eq!(sandbox.refused("CreateDBClusterSnapshot", &named).await.0, "InvalidParameterValue");
    sandbox.pass(150).await;
    let copy =
        [("SourceDBClusterSnapshotIdentifier", "own"), ("TargetDBClusterSnapshotIdentifier", &*longer)];
    assert_eq!(sandbox.refused("CopyDBClusterSnapshot", &copy).await.0, "InvalidParameterValue");
    let both = [
        ("DBClusterSnapshotIdentifier", "own"),
        ("AttributeName", "restore"),
        ("ValuesToAdd.AttributeValue.1", "210987654321"),
        ("ValuesToRemove.AttributeValue.1", "210987654321"),
    ];
    assert_eq!(sandbox.refused("ModifyDBClusterSnapshotAttribute", &both).await.0, "InvalidParameterValue");
}

/// An engine of 16 whose servers do not start with a `wal_level` below logical, as with a logical
/// slot on their disk.
struct WithASlot;

#[async_trait]
impl Engine for WithASlot {
    fn majors(&self) -> BTreeSet<u32> {
        [16].into()
    }
    async fn create(&self, _: NewCluster<'_>) -> anyhow::Result<()> {
        Ok(())
    }
    async fn configure(&self, _: &str, parameters: &Parameters, _: bool) -> anyhow::Result<Vec<String>> {
        anyhow::ensure!(parameters.get("wal_level").is_some_and(|level| level == "logical"), "a slot exists");
        Ok(Vec::new())
    }
    async fn start(&self, _: &str) -> anyhow::Result<()> {
        anyhow::bail!("logical replication slot exists, but wal_level < logical")
    }
    async fn stop(&self, _: &str) -> anyhow::Result<()> {
        Ok(())
    }
    async fn delete(&self, _: &str) -> anyhow::Result<()> {
        Ok(())
    }
    async fn set_master_password(&self, _: &str, _: &str, _: &str) -> anyhow::Result<()> {
        Ok(())
    }
    async fn snapshot(&self, _: &str, _: &str) -> anyhow::Result<()> {
        Ok(())
    }
    async fn delete_snapshot(&self, _: &str) -> anyhow::Result<()> {
        Ok(())
    }
    async fn open(&self, _: &str) -> anyhow::Result<Box<dyn Source>> {
        anyhow::bail!("it has no volumes")
    }
    async fn restore(&self, _: &str, _: &str, _: u16, _: &Parameters) -> anyhow::Result<()> {
        Ok(())
    }
    async fn clone_cluster(&self, _: &str, _: &str, _: u16, _: &Parameters) -> anyhow::Result<()> {
        Ok(())
    }
    async fn upgrade(&self, _: &str, _: &str, _: &Parameters) -> anyhow::Result<Result<(), UpgradeFailure>> {
        Ok(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_cannot_start_is_a_cluster_with_an_instance_of_incompatible_parameters() {
    let mut sandbox = Sandbox::new();
    let bus = sandbox.rds.bus.clone();
    sandbox.rds = Rds::new(sandbox.clock, Some(Arc::new(WithASlot)), Weak::<Nobody>::new(), bus, 7);
    sandbox.create_cluster("orders", "16", &["orders-1"]).await;
    sandbox.ok("CreateDBClusterSnapshot", &[ORDERS, ("DBClusterSnapshotIdentifier", "night")]).await;
    sandbox.pass(150).await;
    let engine = ("Engine", "aurora-postgresql");
    // The default of what can run, though the Region's is 17.
    let restore = [("DBClusterIdentifier", "copy"), ("SnapshotIdentifier", "night"), engine];
    sandbox.ok("RestoreDBClusterFromSnapshot", &restore).await;
    sandbox.pass(150).await;
    assert_eq!(sandbox.cluster("copy").await.text("Status"), "available");
    let instance = [
        ("DBInstanceIdentifier", "copy-1"),
        ("DBClusterIdentifier", "copy"),
        ("DBInstanceClass", "db.r6g.large"),
        engine,
    ];
    sandbox.ok("CreateDBInstance", &instance).await;
    sandbox.pass(150).await;
    assert_eq!(sandbox.instance("copy-1").await.text("DBInstanceStatus"), "incompatible-parameters");

    sandbox.create_group("DBClusterParameterGroup", "logical", "aurora-postgresql16").await;
    sandbox.set("DBClusterParameterGroup", "logical", "rds.logical_replication", "1", "pending-reboot").await;
    let group = [("DBClusterIdentifier", "copy"), ("DBClusterParameterGroupName", "logical")];
    sandbox.ok("ModifyDBCluster", &group).await;
    sandbox.ok("RebootDBInstance", &[("DBInstanceIdentifier", "copy-1")]).await;
    sandbox.pass(60).await;
    assert_eq!(sandbox.instance("copy-1").await.text("DBInstanceStatus"), "available");
}
