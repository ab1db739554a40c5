//! The cluster that the sandbox begins with: `orders`, a writer and a reader on 16, groups that
//! differ, maintenance pending, a shop inside.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail};
use aws_sdk_rds::{
    Client,
    types::{ApplyMethod, Parameter},
};
use runbook::{
    Context,
    aurora::{self, EngineVersion},
    postgres::{Login, Tls, databases},
};
use serde_json::json;

use crate::{Sandbox, sandbox::BUCKET, worlds::shop::load_shop};

pub const CLUSTER: &str = "orders";
pub const WRITER: &str = "orders-1";
pub const READER: &str = "orders-2";

pub struct Shape<'a> {
    pub version: &'a str,
    /// Values of the cluster's group beside the usual ones.
    pub parameters: &'a [(&'a str, &'a str)],
    pub maintenance: bool,
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Self { version: "16.14", parameters: &[], maintenance: true }
    }
}

/// Everything by the public API, as a team would have made it. Answers the DbClusterResourceId.
pub async fn create(sandbox: &Sandbox, shape: Shape<'_>) -> anyhow::Result<String> {
    let rds = sandbox.rds_client();
    let major = shape.version.parse::<EngineVersion>().map_err(anyhow::Error::msg)?.major();
    let family = format!("aurora-postgresql{major}");
    let cluster_group = format!("orders-pg{major}");
    rds.create_db_cluster_parameter_group()
        .db_cluster_parameter_group_name(&cluster_group)
        .db_parameter_group_family(&family)
        .description("orders")
        .send()
        .await?;
    let mut values = vec![
        ("shared_preload_libraries", "pg_stat_statements"),
        ("log_min_duration_statement", "500"),
        ("rds.force_ssl", "1"),
        ("autovacuum_naptime", "20"),
    ];
    if major == 16 {
        // Values for which 18 has no place, or another name.
        values.extend([("old_snapshot_threshold", "60")]);
    }
    values.extend(shape.parameters);
    set_cluster_values(&rds, &cluster_group, &values).await?;
    for (instance, work_mem) in [(WRITER, "32768"), (READER, "65536")] {
        let group = format!("{instance}-pg{major}");
        rds.create_db_parameter_group()
            .db_parameter_group_name(&group)
            .db_parameter_group_family(&family)
            .description("orders")
            .send()
            .await?;
        let parameter = Parameter::builder()
            .parameter_name("work_mem")
            .parameter_value(work_mem)
            .apply_method(ApplyMethod::Immediate)
            .build();
        rds.modify_db_parameter_group().db_parameter_group_name(&group).parameters(parameter).send().await?;
    }
    let create = rds
        .create_db_cluster()
        .db_cluster_identifier(CLUSTER)
        .engine("aurora-postgresql")
        .engine_version(shape.version);
    let create = create
        .db_cluster_parameter_group_name(&cluster_group)
        .master_username("postgres")
        .manage_master_user_password(true);
    let cluster = create
        .database_name("shop")
        .backup_retention_period(7)
        .send()
        .await?
        .db_cluster
        .context("no cluster in the answer")?;
    for instance in [WRITER, READER] {
        let create = rds
            .create_db_instance()
            .db_instance_identifier(instance)
            .db_cluster_identifier(CLUSTER)
            .engine("aurora-postgresql");
        create
            .db_instance_class("db.r6g.large")
            .db_parameter_group_name(format!("{instance}-pg{major}"))
            .send()
            .await?;
        // One after another, so that the first is the writer.
        wait_available(&context(sandbox), CLUSTER).await?;
    }
    if sandbox.engine.is_some() {
        let login = login(sandbox).await?;
        load_shop(&connection_string(&login)).await?;
    }
    if shape.maintenance {
        let cluster = cluster.db_cluster_arn().unwrap_or_default();
        // One operating system update shows at the cluster and at its instances.
        sandbox.rds.plant_maintenance(cluster, "os-upgrade", "New Operating System update is available");
        sandbox.rds.plant_maintenance(
            &cluster.replace(":cluster:orders", ":db:orders-2"),
            "ca-certificate-rotation",
            "Rotation of CA certificate",
        );
    }
    Ok(cluster.db_cluster_resource_id().unwrap_or_default().to_owned())
}

pub async fn set_cluster_values(rds: &Client, group: &str, values: &[(&str, &str)]) -> anyhow::Result<()> {
    let parameter = |&(name, value): &(&str, &str)| {
        Parameter::builder()
            .parameter_name(name)
            .parameter_value(value)
            .apply_method(ApplyMethod::PendingReboot)
            .build()
    };
    let modify = rds.modify_db_cluster_parameter_group().db_cluster_parameter_group_name(group);
    modify.set_parameters(Some(values.iter().map(parameter).collect())).send().await?;
    Ok(())
}

/// Waits until cluster and instances are available.
pub async fn wait_available(cx: &Context, cluster: &str) -> anyhow::Result<()> {
    for _ in 0..360 {
        let cluster = aurora::cluster(cx, cluster).await?;
        let members = aurora::members(cx, &cluster).await?;
        if aurora::ready(&cluster, &members).is_ok() {
            return Ok(());
        }
        cx.clock.sleep(Duration::from_secs(10)).await;
    }
    bail!("{cluster} is not available after an hour")
}

/// A context for asking what the states ask.
pub fn context(sandbox: &Sandbox) -> Context {
    Context::new(&sandbox.sdk("owner"), sandbox.clock, BUCKET.to_owned(), Tls::Disable)
}

pub async fn login(sandbox: &Sandbox) -> anyhow::Result<Login> {
    let cx = context(sandbox);
    let cluster = aurora::cluster(&cx, CLUSTER).await?;
    Ok(aurora::read_login(&cx, &cluster, None).await?)
}

/// A master password that RDS does not manage, in a secret of the owner's: its ARN.
pub async fn own_password(sandbox: &Sandbox) -> anyhow::Result<String> {
    let password = "correct-horse-battery";
    let modify = sandbox.rds_client().modify_db_cluster().db_cluster_identifier(CLUSTER);
    let modify = modify.manage_master_user_password(false).master_user_password(password);
    modify.apply_immediately(true).send().await?;
    let cx = context(sandbox);
    let login = json!({ "username": "postgres", "password": password }).to_string();
    let secret = cx.secrets.create_secret().name("orders/master").secret_string(login).send().await?;
    // The password is asked for only after a while.
    sandbox.clock.sleep(Duration::from_secs(15 * 60)).await;
    secret.arn.context("the secret has no ARN")
}

/// As libpq reads it.
pub fn connection_string(login: &Login) -> String {
    format!(
        "host={} port={} user={} password='{}' dbname=postgres",
        login.host, login.port, login.user, login.password
    )
}

/// A session on the sandbox's server, which has no TLS.
pub async fn connect(login: &Login, database: &str) -> anyhow::Result<tokio_postgres::Client> {
    let mut config = tokio_postgres::Config::new();
    config.host(&login.host).port(login.port).user(&login.user).password(&login.password).dbname(database);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Every table's rows, counted: `database schema.table` → rows.
pub async fn count_rows(sandbox: &Sandbox) -> anyhow::Result<BTreeMap<String, i64>> {
    let login = login(sandbox).await?;
    let postgres = connect(&login, "postgres").await?;
    let mut counts = BTreeMap::new();
    for database in databases(&postgres).await? {
        let client = connect(&login, &database).await?;
        let tables = "SELECT format('%I.%I', n.nspname, c.relname)
                      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
                      AND n.nspname NOT LIKE 'pg\\_%'
                      AND n.nspname NOT IN ('information_schema', 'aurora_runbooks_statistics')";
        for row in client.query(tables, &[]).await? {
            let table: String = row.get(0);
            let count = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await?.get(0);
            counts.insert(format!("{database} {table}"), count);
        }
    }
    Ok(counts)
}
