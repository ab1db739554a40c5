//! What an export begins with: a bucket and a key of the owner's, the role that RDS writes with,
//! and the policy.

use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_rds::Client;
use jiff::Timestamp;
use local_aws::iam::{Role, policy::Policy};
use runbook::{
    Run, aurora,
    daily_sync::{
        attestation::{self, Attestation},
        names, tags,
    },
    kept_policy::POLICY_KEY,
};
use serde_json::json;
use workers::shared::seal::Seal;

use crate::{
    Sandbox,
    aws::{ACCOUNT, PRODUCTION, REGION, arn, arn_in},
    environments::{self, SYNC},
    executables::root,
    orders, production,
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
    let objects =
        ["s3:PutObject*", "s3:ListBucket", "s3:GetObject*", "s3:DeleteObject*", "s3:GetBucketLocation"];
    let key = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:ReEncrypt*"];
    let policy = json!([
        {
            "Effect": "Allow",
            "Action": objects,
            "Resource": [bucket, format!("{bucket}/*")]
        },
        {
            "Effect": "Allow",
            "Action": key,
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

/// In place of `verify: aws`.
pub const COUNTED: &str = "verify: restore
    quarantine:
      instance-class: db.r6g.large
      subnet-group: quarantine
      security-group: sg-quarantine
      cluster-parameter-group: quarantine-pg16
      kms-key: alias/aurora-runbooks-environments";

/// The example's export, whose rows are counted on a restore.
pub fn policy_that_counts() -> anyhow::Result<String> {
    Ok(example_policy()?.replace("verify: aws", COUNTED))
}

/// An automated snapshot of `orders`, which its event tells of when it is there; answers its ARN.
pub async fn take_snapshot(sandbox: &Sandbox, at: Timestamp) -> anyhow::Result<String> {
    let name = sandbox.rds.take_automated_snapshot_at(orders::CLUSTER, at)?;
    wait_snapshot(sandbox, &sandbox.rds_client(), &name).await?;
    Ok(arn("rds", &format!("cluster-snapshot:{name}")))
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

/// The example's export, one of what production shares, and one of what its sync has sanitised.
pub fn policy_of_three() -> anyhow::Result<String> {
    let rest = |name: &str, source: &str, verify: &str| {
        format!(
            "  {name}:\n    source: {source}\n    bucket: {BUCKET}\n    prefix: exports\n    role: {}\n    \
             kms-key: alias/orders-export\n    verify: {verify}\n    keep: {{count: 1, age: 30d}}\n",
            role_arn()
        )
    };
    let shared = format!(
        "{{cluster: orders, account: \"{PRODUCTION}\", snapshot: {{type: manual, max-age: 7d}}, \
         accept-raw: a sample}}"
    );
    Ok(environments::example_policy()?
        + &example_policy()?.replace("count: 7", "count: 1")
        + &rest("shared", &shared, "aws")
        + &rest("sanitized", &format!("{{sync: {SYNC}}}"), "recorded"))
}

/// Production's owner copies a snapshot under a key that can be shared, and shares it; answers its
/// ARN.
pub async fn share_from_production(sandbox: &Sandbox) -> anyhow::Result<String> {
    let automated = production::take_snapshot(sandbox).await?;
    let rds = sandbox.rds_client_in(PRODUCTION);
    let name = "for-analytics";
    let copy = rds.copy_db_cluster_snapshot().source_db_cluster_snapshot_identifier(automated);
    let copy = copy.target_db_cluster_snapshot_identifier(name).kms_key_id("alias/aurora-runbooks-sync");
    copy.send().await?;
    wait_snapshot(sandbox, &rds, name).await?;
    let share = rds.modify_db_cluster_snapshot_attribute().db_cluster_snapshot_identifier(name);
    share.attribute_name("restore").values_to_add(ACCOUNT).send().await?;
    Ok(arn_in(PRODUCTION, "rds", &format!("cluster-snapshot:{name}")))
}

/// A snapshot of `orders` as a run of the sync leaves it: with its tags, its attestation and what
/// it recorded of these tables; answers its ARN.
pub async fn sanitized(sandbox: &Sandbox, tables: &[(&str, u64)]) -> anyhow::Result<String> {
    let cx = orders::context(sandbox);
    let run = Run::of(&arn("states", &format!("execution:{PREFIX}-daily-sync:monday")));
    let cluster = aurora::cluster(&cx, orders::CLUSTER).await?;
    let name = names::sanitized(SYNC, &run);
    let mut tags = tags::of(&run, SYNC, tags::Role::Sanitized);
    tags.push(tags::tag(tags::ATTESTED_RUN, run.name()));
    tags.push(tags::tag(tags::ATTESTED_RESOURCE, cluster.resource_id.as_str()));
    let create = cx.rds.create_db_cluster_snapshot().db_cluster_identifier(orders::CLUSTER);
    create.db_cluster_snapshot_identifier(&name).set_tags(Some(tags)).send().await?;
    wait_snapshot(sandbox, &cx.rds, &name).await?;
    let attestation = Attestation {
        execution: run.execution.clone(),
        resource_id: cluster.resource_id.clone(),
        attested: sandbox.clock.now(),
        counts: json!({}),
    };
    cx.store.put_json(&attestation::key(&cluster.resource_id), &attestation).await?;
    environments::create_masking_key(sandbox).await?;
    record(sandbox, tables).await?;
    Ok(arn("rds", &format!("cluster-snapshot:{name}")))
}

/// What that run recorded of the database shop.
pub async fn record(sandbox: &Sandbox, tables: &[(&str, u64)]) -> anyhow::Result<()> {
    let run = Run::of(&arn("states", &format!("execution:{PREFIX}-daily-sync:monday")));
    let cx = orders::context(sandbox);
    let loaded = |(table, rows): &(&str, u64)| json!({ "table": table, "rows": rows, "masked": true });
    let tables: Vec<_> = tables.iter().map(loaded).collect();
    let id = aurora::cluster(&cx, orders::CLUSTER).await?.resource_id;
    let (seal, key) =
        (Seal::new(environments::MASKING_KEY, &run, &id), format!("{}/databases/shop.json", run.prefix()));
    let record = seal.seal(&key, json!({ "database": "shop", "tables": tables }))?;
    Ok(cx.store.put_json(&key, &record).await?)
}

async fn wait_snapshot(sandbox: &Sandbox, rds: &Client, name: &str) -> anyhow::Result<()> {
    for _ in 0..360 {
        let answer = rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(name).send().await?;
        if answer.db_cluster_snapshots().iter().any(|found| found.status() == Some("available")) {
            return Ok(());
        }
        sandbox.clock.sleep(Duration::from_secs(10)).await;
    }
    bail!("{name} is not available after an hour")
}
