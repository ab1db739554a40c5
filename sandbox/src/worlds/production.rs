//! What a daily sync begins with in production's account: the cluster `orders`, encrypted with a
//! key that only production may use, a shop inside, and last night's automated snapshot.

use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use runbook::{
    Context, aurora,
    postgres::{Login, Tls},
};

use crate::{
    Sandbox,
    aws::{ACCOUNT, PRODUCTION},
    orders::{self, set_cluster_values, wait_available},
    rds::{Rds, network::WORKERS},
    sandbox::BUCKET,
    worlds::shop::load_shop,
};

pub const CLUSTER: &str = "orders";
pub const WRITER: &str = "orders-1";
pub const VERSION: &str = "16.14";

/// With these, every live wire can be planted.
const PARAMETERS: [(&str, &str); 4] = [
    ("shared_preload_libraries", "pg_stat_statements"),
    ("rds.logical_replication", "1"),
    ("rds.force_ssl", "1"),
    ("max_prepared_transactions", "10"),
];

/// The cluster without a snapshot, so that a test can plant something first. Answers the
/// DbClusterResourceId.
pub async fn create(sandbox: &Sandbox) -> anyhow::Result<String> {
    let rds = sandbox.rds_client_in(PRODUCTION);
    sandbox.rds.plant_key(PRODUCTION, "alias/production", &[]);
    sandbox.rds.plant_key(PRODUCTION, "alias/aurora-runbooks-sync", &[ACCOUNT]);
    // The test is production's owner from where the workers are: the runbooks have no login there.
    sandbox.rds.allow("sg-production", WORKERS);
    sandbox.rds.allow("sg-production", "sg-production-clients");
    let group = rds.create_db_cluster_parameter_group().db_cluster_parameter_group_name("orders-pg16");
    group.db_parameter_group_family("aurora-postgresql16").description("orders").send().await?;
    set_cluster_values(&rds, "orders-pg16", &PARAMETERS).await?;
    let subnets = rds
        .create_db_subnet_group()
        .db_subnet_group_name("production")
        .db_subnet_group_description("production");
    subnets.subnet_ids("subnet-production-a").subnet_ids("subnet-production-b").send().await?;
    let create = rds
        .create_db_cluster()
        .db_cluster_identifier(CLUSTER)
        .engine("aurora-postgresql")
        .engine_version(VERSION);
    let create = create
        .db_cluster_parameter_group_name("orders-pg16")
        .db_subnet_group_name("production")
        .database_name("shop");
    let create =
        create.vpc_security_group_ids("sg-production").storage_encrypted(true).kms_key_id("alias/production");
    let create =
        create.master_username("postgres").manage_master_user_password(true).backup_retention_period(7);
    let cluster = create
        .deletion_protection(true)
        .copy_tags_to_snapshot(true)
        .send()
        .await?
        .db_cluster
        .context("no cluster in the answer")?;
    let instance = rds
        .create_db_instance()
        .db_instance_identifier(WRITER)
        .db_cluster_identifier(CLUSTER)
        .engine("aurora-postgresql");
    instance.db_instance_class("db.r6g.large").send().await?;
    wait_available(&context(sandbox), CLUSTER).await?;
    if sandbox.engine.is_some() {
        load_shop(&orders::connection_string(&login(sandbox).await?)).await?;
    }
    Ok(cluster.db_cluster_resource_id().unwrap_or_default().to_owned())
}

/// The night's automated snapshot, which a policy's window `00:00-06:00` holds: it says 02:00 UTC
/// of today, or of yesterday before that. Waits until it is available; answers its identifier.
pub async fn take_snapshot(sandbox: &Sandbox) -> anyhow::Result<String> {
    let now = sandbox.clock.now().to_zoned(TimeZone::UTC);
    let tonight = now.with().time(jiff::civil::time(2, 0, 0, 0)).build()?;
    let at = if tonight > now { tonight.checked_sub(1.day())? } else { tonight };
    take_snapshot_at(sandbox, at.timestamp()).await
}

pub async fn take_snapshot_at(sandbox: &Sandbox, at: Timestamp) -> anyhow::Result<String> {
    let snapshot = service(sandbox)?.take_automated_snapshot_at(CLUSTER, at)?;
    let rds = sandbox.rds_client_in(PRODUCTION);
    for _ in 0..360 {
        let answer =
            rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(&snapshot).send().await?;
        if answer.db_cluster_snapshots().iter().any(|found| found.status() == Some("available")) {
            return Ok(snapshot);
        }
        sandbox.clock.sleep(Duration::from_secs(10)).await;
    }
    bail!("{snapshot} is not available after an hour")
}

/// RDS as production sees it.
pub fn service(sandbox: &Sandbox) -> anyhow::Result<Rds> {
    sandbox.rds.in_account(PRODUCTION).context("the sandbox has production's account")
}

/// A context for asking what the states ask, in production's account.
pub fn context(sandbox: &Sandbox) -> Context {
    Context::new(&sandbox.sdk_in(PRODUCTION, "owner"), sandbox.clock, BUCKET.to_owned(), Tls::Disable)
}

/// Production's master user.
pub async fn login(sandbox: &Sandbox) -> anyhow::Result<Login> {
    let cx = context(sandbox);
    let cluster = aurora::cluster(&cx, CLUSTER).await?;
    Ok(aurora::read_login(&cx, &cluster, None).await?)
}
