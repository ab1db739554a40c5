//! What an export begins with: a bucket and a key of the owner's, the role that RDS writes with,
//! and the policy.

use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use local_aws::iam::{Role, policy::Policy};
use runbook::kept_policy::POLICY_KEY;
use serde_json::json;

use crate::{
    Sandbox,
    aws::{ACCOUNT, REGION, arn},
    executables::root,
    orders,
    statemachine::PREFIX,
};

pub const EXPORT: &str = "orders";
pub const BUCKET: &str = "orders-analytics";
/// What the keys of the example's export begin with.
pub const FOLDER: &str = "exports/orders/";

pub fn role_arn() -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/orders-export")
}

/// The role as the guide makes it
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Setup.html).
pub fn role() -> anyhow::Result<Role> {
    let bucket = format!("arn:aws:s3:::{BUCKET}");
    let policy = json!([
        {
            "Effect": "Allow",
            "Action": ["s3:PutObject*", "s3:ListBucket", "s3:GetObject*", "s3:DeleteObject*", "s3:GetBucketLocation"],
            "Resource": [bucket, format!("{bucket}/*")]
        },
        {
            "Effect": "Allow",
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:ReEncrypt*"],
            "Resource": [format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/*")]
        }
    ]);
    let trust = json!([{
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": { "Service": "export.rds.amazonaws.com" }
    }]);
    Ok(Role { arn: role_arn(), policy: Policy::parse(&policy)?, trust: Policy::parse(&trust)? })
}

/// `policy` is the policy's text; the example's when `None`.
pub async fn create(sandbox: &Sandbox, policy: Option<&str>) -> anyhow::Result<()> {
    let key = sandbox.rds.plant_key(ACCOUNT, "alias/orders-export", &[]);
    sandbox.s3.create_bucket(BUCKET);
    sandbox.s3.encrypt(BUCKET, &key);
    let policy = match policy {
        Some(policy) => policy.to_owned(),
        None => example_policy()?,
    };
    let store = orders::context(sandbox).store;
    Ok(store.put(POLICY_KEY, "application/yaml", policy.into_bytes()).await?)
}

pub fn example_policy() -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(root().join("policy/examples/exports.yaml"))?)
}

/// An automated snapshot of `orders`, which its event tells of when it is there; answers its ARN.
pub async fn take_snapshot(sandbox: &Sandbox, at: Timestamp) -> anyhow::Result<String> {
    let name = sandbox.rds.take_automated_snapshot_at(orders::CLUSTER, at)?;
    let rds = sandbox.rds_client();
    for _ in 0..360 {
        let answer = rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(&name).send().await?;
        if answer.db_cluster_snapshots().iter().any(|found| found.status() == Some("available")) {
            return Ok(arn("rds", &format!("cluster-snapshot:{name}")));
        }
        sandbox.clock.sleep(Duration::from_secs(10)).await;
    }
    bail!("{name} is not available after an hour")
}

/// The executions that have been started, the newest first.
pub async fn executions(sandbox: &Sandbox) -> anyhow::Result<Vec<String>> {
    let machine = arn("states", &format!("stateMachine:{PREFIX}-snapshot-export"));
    let listed = sandbox.sfn().list_executions().state_machine_arn(machine).send().await?;
    Ok(listed.executions().iter().map(|execution| execution.execution_arn().to_owned()).collect())
}

/// The first execution that an event starts.
pub async fn started(sandbox: &Sandbox) -> anyhow::Result<String> {
    for _ in 0..360 {
        if let Some(execution) = executions(sandbox).await?.pop() {
            return Ok(execution);
        }
        sandbox.clock.sleep(Duration::from_secs(5)).await;
    }
    None.context("no event has started an execution")
}
