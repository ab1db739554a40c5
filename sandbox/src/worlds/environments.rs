//! What a daily sync begins with in the environments' account: the groups, keys and secrets that
//! the policy names, the policy itself, and, if wanted, the targets as yesterday's run left them.

use aws_sdk_rds::types::Tag;
use runbook::{
    Context, Run, aurora,
    daily_sync::{
        POLICY_KEY, names,
        tags::{self, Role},
    },
    postgres::Login,
};
use serde_json::json;

use crate::{
    Sandbox,
    aws::{ACCOUNT, arn},
    executables::root,
    orders::{self, set_cluster_values, wait_available},
    production::VERSION,
    rds::network::WORKERS,
    statemachine::PREFIX,
};

pub const SYNC: &str = "orders";
/// Of the role in production's account; the example's policy says none, so it is the default.
pub const EXTERNAL_ID: &str = "aurora-runbooks";
/// Its clients follow its name.
pub const DEV: &str = "orders-dev";
/// Its clients follow a secret.
pub const SUPPORT: &str = "orders-support";

/// What keeps a restored copy of production quiet before anyone has looked inside: no worker that
/// subscribes, no job, no query in a log.
pub const QUARANTINE: [(&str, &str); 9] = [
    ("max_logical_replication_workers", "0"),
    // A server does not start with fewer than the copy has prepared transactions.
    ("max_prepared_transactions", "10"),
    // Nor without `wal_level` logical while the copy has a logical slot on its disk, nor with fewer
    // slots than it has (RestoreSlotFromDisk in PostgreSQL's slot.c). Without workers nothing
    // subscribes all the same.
    ("rds.logical_replication", "1"),
    ("max_replication_slots", "20"),
    ("shared_preload_libraries", "pg_stat_statements"),
    ("rds.force_ssl", "1"),
    ("log_statement", "none"),
    ("log_min_duration_statement", "-1"),
    ("log_min_error_statement", "panic"),
];

pub const MASKING_KEY: &str = "a key of the sandbox, 32 bytes or more";

/// What a raw copy stands in: it lets only the workers in.
pub async fn create_quarantine(sandbox: &Sandbox) -> anyhow::Result<()> {
    sandbox.rds.plant_key(ACCOUNT, "alias/aurora-runbooks-environments", &[]);
    sandbox.rds.allow("sg-quarantine", WORKERS);
    create_groups(sandbox, &["quarantine"], &[("quarantine-pg16", QUARANTINE.as_slice())]).await
}

async fn create_groups(
    sandbox: &Sandbox,
    subnet_groups: &[&str],
    parameter_groups: &[(&str, &[(&str, &str)])],
) -> anyhow::Result<()> {
    let rds = sandbox.rds_client();
    for name in subnet_groups {
        let group =
            rds.create_db_subnet_group().db_subnet_group_name(*name).db_subnet_group_description(*name);
        group.subnet_ids(format!("subnet-{name}-a")).subnet_ids(format!("subnet-{name}-b")).send().await?;
    }
    for (name, values) in parameter_groups {
        let group = rds.create_db_cluster_parameter_group().db_cluster_parameter_group_name(*name);
        group.db_parameter_group_family("aurora-postgresql16").description(*name).send().await?;
        set_cluster_values(&rds, name, values).await?;
    }
    Ok(())
}

/// What the sync masks with.
pub async fn create_masking_key(sandbox: &Sandbox) -> anyhow::Result<()> {
    let secret = context(sandbox).secrets.create_secret().name("orders-sync/masking-key");
    secret.secret_string(json!({ "key": MASKING_KEY }).to_string()).send().await?;
    Ok(())
}

/// `policy` is the policy's text; the example's when `None`.
pub async fn create(sandbox: &Sandbox, policy: Option<&str>) -> anyhow::Result<()> {
    create_quarantine(sandbox).await?;
    // Each target also lets its clients in.
    for (group, from) in [
        ("sg-dev", WORKERS),
        ("sg-dev", "sg-dev-clients"),
        ("sg-support", WORKERS),
        ("sg-support", "sg-support-clients"),
    ] {
        sandbox.rds.allow(group, from);
    }
    let environment: &[(&str, &str)] = &[("rds.force_ssl", "1")];
    let parameter_groups = [("orders-dev-pg16", environment), ("orders-support-pg16", environment)];
    create_groups(sandbox, &["dev", "support"], &parameter_groups).await?;
    create_masking_key(sandbox).await?;
    let cx = context(sandbox);
    for (name, value) in [
        ("orders-dev/app", json!({})),
        ("orders-support/connection", json!({})),
        ("orders-support/support", json!({})),
    ] {
        cx.secrets.create_secret().name(name).secret_string(value.to_string()).send().await?;
    }
    let policy = match policy {
        Some(policy) => policy.to_owned(),
        None => example_policy()?,
    };
    Ok(cx.store.put(POLICY_KEY, "application/yaml", policy.into_bytes()).await?)
}

pub fn example_policy() -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(root().join("policy/examples/orders.yaml"))?)
}

/// The example's policy for a production into which the live wires are planted: they bring tables
/// of their own.
pub fn policy_with_wires() -> anyhow::Result<String> {
    let policy = example_policy()?;
    let shop = "        shop:\n          large-objects: truncate\n";
    anyhow::ensure!(policy.contains(shop), "the example's policy has no database shop");
    Ok(policy.replace(
        shop,
        &format!("{shop}          public.mail_outbox: truncate\n          public.webhooks: truncate\n"),
    ))
}

/// Both targets, as a run of yesterday would have published them. Each holds little more than the
/// table that the policy keeps, with one row of the environment's own.
pub async fn create_targets(sandbox: &Sandbox) -> anyhow::Result<()> {
    let yesterday = Run::of(&arn("states", &format!("execution:{PREFIX}-daily-sync:yesterday")));
    let cx = context(sandbox);
    let support = names::fresh(SUPPORT, &yesterday);
    for (target, cluster, subnets, security_group, class) in [
        (DEV, DEV, "dev", "sg-dev", "db.t4g.medium"),
        (SUPPORT, &support, "support", "sg-support", "db.t4g.large"),
    ] {
        let mut tags = tags::of(&yesterday, SYNC, Role::Published);
        tags.push(Tag::builder().key(tags::TARGET).value(target).build());
        let create = cx
            .rds
            .create_db_cluster()
            .db_cluster_identifier(cluster)
            .engine("aurora-postgresql")
            .engine_version(VERSION);
        let create =
            create.db_cluster_parameter_group_name(format!("{target}-pg16")).db_subnet_group_name(subnets);
        let create =
            create.vpc_security_group_ids(security_group).kms_key_id("alias/aurora-runbooks-environments");
        let create =
            create.storage_encrypted(true).master_username("postgres").manage_master_user_password(true);
        create.deletion_protection(target == SUPPORT).set_tags(Some(tags.clone())).send().await?;
        let instance = cx
            .rds
            .create_db_instance()
            .db_instance_identifier(names::instance(cluster))
            .db_cluster_identifier(cluster);
        let instance =
            instance.engine("aurora-postgresql").db_instance_class(class).publicly_accessible(false);
        instance.set_tags(Some(tags)).send().await?;
        wait_available(&cx, cluster).await?;
        let found = aurora::cluster(&cx, cluster).await?;
        if target == SUPPORT {
            let secret = json!({"host": found.shown.endpoint(), "port": found.shown.port()}).to_string();
            cx.secrets
                .put_secret_value()
                .secret_id("orders-support/connection")
                .secret_string(secret)
                .send()
                .await?;
        }
        if sandbox.engine.is_some() {
            let login = aurora::read_login(&cx, &found, None).await?;
            orders::connect(&login, "postgres")
                .await?
                .batch_execute("CREATE DATABASE \"customer-events\"")
                .await?;
            let own = "CREATE TABLE empty_so_far (id int PRIMARY KEY, note text); INSERT INTO empty_so_far \
            VALUES (1, 'of the environment')";
            orders::connect(&login, "customer-events").await?.batch_execute(own).await?;
        }
    }
    Ok(())
}

/// The master user of a cluster in the environments' account.
pub async fn login(sandbox: &Sandbox, cluster: &str) -> anyhow::Result<Login> {
    let cx = context(sandbox);
    let cluster = aurora::cluster(&cx, cluster).await?;
    Ok(aurora::read_login(&cx, &cluster, None).await?)
}

fn context(sandbox: &Sandbox) -> Context {
    orders::context(sandbox)
}
