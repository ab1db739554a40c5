//! One server that follows another by PostgreSQL's own logical replication
//! (https://www.postgresql.org/docs/18/logical-replication.html), for a blue/green deployment.
//!
//! How no transaction is lost and none is applied twice: the slots are made first; then green, a
//! physical copy of blue, replays blue's WAL up to one position and no further
//! (recovery_target_lsn, not inclusive), and its subscriptions begin at the same position. A commit
//! is either before it, and so in the copy, or after it, and so sent: the walsender leaves out what
//! commits before the position at which it is asked to begin
//! (https://www.postgresql.org/docs/18/logicaldecoding-explanation.html). Blue never stops for it.
//! pg_createsubscriber goes the same way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::MutexGuard;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use tokio::time::Instant;
use tokio_postgres::Client;

use super::{
    engine::{Cluster, PostgresEngine},
    server::Server,
    template::SUPERUSER,
};
use crate::rds::engine::{BlueGreen, Look, Parameters};

/// How what belongs to a deployment is named on both sides.
fn name(deployment: &str) -> String {
    format!("rds_{}", deployment.replace('-', "_"))
}

/// Template databases are copied with the volume, and nobody writes into them.
const DATABASES: &str = "SELECT oid::int8, datname::text FROM pg_database
    WHERE datallowconn AND datconnlimit <> -2 AND NOT datistemplate ORDER BY oid";

/// What must not change on blue while green follows, for it is not sent: definitions and large
/// objects (page blue-green-deployments-considerations). Statistics, sizes and the values of
/// sequences are no definitions; temporary tables are nobody else's.
const DEFINITIONS: &str = include_str!("blue_green/definitions.sql");

/// How long a server is given to take up what it has been told, beside the time-out of the
/// switchover.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is remembered of a deployment while it lasts.
#[derive(Debug, Clone, Default)]
pub struct Feed {
    /// Where green ends as a copy of blue, and its subscriptions begin.
    position: String,
    /// Of each database of blue, when green began to follow.
    definitions: Vec<(String, String)>,
}

impl PostgresEngine {
    fn feeds(&self) -> MutexGuard<'_, BTreeMap<String, Feed>> {
        self.feeds.lock().expect("no thread panics with the feeds in hand")
    }

    async fn sessions(&self, resource_id: &str) -> anyhow::Result<Vec<(String, String, Client)>> {
        let server = self.cluster(resource_id)?.server;
        let admin = server.connect(SUPERUSER, "postgres").await?;
        let mut sessions = Vec::new();
        for row in admin.query(DATABASES, &[]).await? {
            let (oid, database) = (row.get::<_, i64>(0), row.get::<_, String>(1));
            let session = server.connect(SUPERUSER, &database).await?;
            sessions.push((oid.to_string(), database, session));
        }
        Ok(sessions)
    }
}

#[async_trait]
impl BlueGreen for PostgresEngine {
    async fn look(&self, blue: &str) -> anyhow::Result<Look> {
        let admin = self.connect(blue, SUPERUSER, "postgres").await?;
        let slots = "SELECT slot_name::text FROM pg_replication_slots WHERE slot_type = 'logical' ORDER BY 1";
        let slots = admin.query(slots, &[]).await?;
        Ok(Look {
            databases: admin.query(DATABASES, &[]).await?.len(),
            logical_slots: slots.iter().map(|row| row.get(0)).collect(),
        })
    }

    async fn branch(
        &self,
        deployment: &str,
        blue: &str,
        green: &str,
        port: u16,
        parameters: &Parameters,
    ) -> anyhow::Result<()> {
        let name = name(deployment);
        let Cluster { server: from, master } = self.cluster(blue)?;
        let sessions = self.sessions(blue).await?;
        for (oid, _, session) in &sessions {
            session.batch_execute(&format!("CREATE PUBLICATION {name} FOR ALL TABLES")).await?;
            let slot = "SELECT pg_create_logical_replication_slot($1, 'pgoutput')";
            session.execute(slot, &[&format!("{name}_{oid}")]).await?;
        }
        let server = self.place(green, from.major, port)?;
        let copied = from.base_backup(&server.data()).await;
        self.settle(green, Cluster { server: server.clone(), master }, copied, parameters).await?;
        let (_, _, session) = sessions.first().context("there is no database")?;
        // The message is WAL behind the position, so that the copy gets to it.
        let end = "SELECT pg_current_wal_insert_lsn()::text, pg_logical_emit_message(false, 'rds', '')::text";
        let end: String = session.query_one(end, &[]).await?.get(0);
        recover_to(&server, &from, &end).await?;
        for (_, _, session) in &self.sessions(green).await? {
            // It is blue's, and means nothing here.
            session.batch_execute(&format!("DROP PUBLICATION {name}")).await?;
        }
        self.feeds().insert(deployment.to_owned(), Feed { position: end, ..Feed::default() });
        Ok(())
    }

    async fn follow(&self, deployment: &str, blue: &str, green: &str) -> anyhow::Result<()> {
        let name = name(deployment);
        let from = self.cluster(blue)?.server;
        let feed = self.feeds().get(deployment).cloned().context("it is no copy of the cluster")?;
        // A major upgrade gives databases other OIDs; slots are named by blue's.
        let of_blue = self.sessions(blue).await?;
        for (_, database, session) in &self.sessions(green).await? {
            let (oid, ..) = of_blue.iter().find(|(_, other, _)| other == database).context("another list")?;
            let connection = format!(
                "host={} port={} user={SUPERUSER} dbname='{}'",
                from.sockets.display(),
                from.port,
                database.replace('\\', "\\\\").replace('\'', "\\'")
            );
            let create = "SELECT format('CREATE SUBSCRIPTION %I CONNECTION %L PUBLICATION %I WITH (slot_name \
                          = %L, create_slot = false, copy_data = false, enabled = false)', $1::text, \
                          $2::text, $3::text, $1::text)";
            let subscription = format!("{name}_{oid}");
            let create: String =
                session.query_one(create, &[&subscription, &connection, &name]).await?.get(0);
            session.batch_execute(&create).await.context("subscribe to the cluster")?;
            let begin = "SELECT pg_replication_origin_advance('pg_' || oid, $2::text::pg_lsn)
                FROM pg_subscription WHERE subname = $1";
            session.execute(begin, &[&subscription, &feed.position]).await?;
            session.batch_execute(&format!("ALTER SUBSCRIPTION {subscription} ENABLE")).await?;
        }
        let mut definitions = Vec::new();
        for (_, database, session) in &of_blue {
            definitions.push((database.clone(), session.query_one(DEFINITIONS, &[]).await?.get(0)));
        }
        self.feeds().insert(deployment.to_owned(), Feed { definitions, ..feed });
        self.set_read_only(green, true).await
    }

    async fn obstacle(&self, deployment: &str, blue: &str, green: &str) -> anyhow::Result<Option<String>> {
        let name = name(deployment);
        let sessions = self.sessions(blue).await?;
        let (_, _, admin) = sessions.first().context("there is no database")?;
        let foreign = "SELECT slot_name::text FROM pg_replication_slots
            WHERE slot_type = 'logical' AND NOT starts_with(slot_name, $1)";
        if let Some(slot) = admin.query_opt(&format!("{foreign} LIMIT 1"), &[&name]).await? {
            let slot: String = slot.get(0);
            return Ok(Some(format!("external replication on the blue primary instance: slot {slot}")));
        }
        let degraded = "SELECT NOT bool_and(active) OR count(*) < $2 FROM pg_replication_slots
            WHERE starts_with(slot_name, $1)";
        let number = i64::try_from(sessions.len())?;
        if admin.query_one(degraded, &[&name, &number]).await?.get::<_, Option<bool>>(0) != Some(false) {
            return Ok(Some("replication between the blue and green environments is degraded".to_owned()));
        }
        let errors = "SELECT coalesce(sum(apply_error_count), 0)::int8 FROM pg_stat_subscription_stats";
        let on_green = self.connect(green, SUPERUSER, "postgres").await?;
        if on_green.query_one(errors, &[]).await?.get::<_, i64>(0) > 0 {
            return Ok(Some("replication between the blue and green environments is degraded".to_owned()));
        }
        let before = self.feeds().get(deployment).cloned().unwrap_or_default().definitions;
        for (_, database, session) in &sessions {
            let now: String = session.query_one(DEFINITIONS, &[]).await?.get(0);
            if !before.contains(&(database.clone(), now)) {
                return Ok(Some(format!(
                    "DDL or large object changes on the blue environment in database {database}"
                )));
            }
        }
        let long = "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend'
            AND backend_xid IS NOT NULL AND xact_start < now() - interval '1 minute' LIMIT 1";
        if admin.query_opt(long, &[]).await?.is_some() {
            return Ok(Some("long-running writes on the blue environment".to_owned()));
        }
        let writes = "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend'
            AND backend_xid IS NOT NULL LIMIT 1";
        let writes = on_green.query_opt(writes, &[]).await?;
        Ok(writes.map(|_| "active writes on the green environment".to_owned()))
    }

    async fn drop_clients(&self, resource_id: &str) -> anyhow::Result<()> {
        let admin = self.connect(resource_id, SUPERUSER, "postgres").await?;
        // Clients are told so with 57P01.
        let drop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND usename IS DISTINCT FROM 'rdsadmin'";
        let deadline = Instant::now() + PATIENCE;
        while !admin.query(drop, &[]).await?.is_empty() {
            if Instant::now() > deadline {
                bail!("a client does not go");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn catch_up(&self, deployment: &str, blue: &str, _: &str, deadline: Instant) -> anyhow::Result<()> {
        let admin = self.connect(blue, SUPERUSER, "postgres").await?;
        let end: String = admin.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).await?.get(0);
        // A walsender with nothing to send says so at its own pace.
        let behind = "SELECT count(*) FROM pg_replication_slots
            WHERE starts_with(slot_name, $1) AND confirmed_flush_lsn < $2::text::pg_lsn";
        while admin.query_one(behind, &[&name(deployment), &end]).await?.get::<_, i64>(0) > 0 {
            if Instant::now() > deadline {
                bail!("green does not catch up");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn copy_sequences(&self, blue: &str, green: &str) -> anyhow::Result<()> {
        let on_green = self.sessions(green).await?;
        for (_, database, session) in &self.sessions(blue).await? {
            let Some((.., target)) = on_green.iter().find(|(_, other, _)| other == database) else {
                continue;
            };
            // Who has never been asked has no last value.
            let values = "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences
                WHERE last_value IS NOT NULL";
            for row in session.query(values, &[]).await? {
                let (sequence, value) = (row.get::<_, String>(0), row.get::<_, i64>(1));
                let set = "SELECT setval($1::text::regclass, $2)";
                target.execute(set, &[&sequence, &value]).await.context("set the sequences")?;
            }
        }
        Ok(())
    }

    async fn part(&self, deployment: &str, blue: &str, green: &str) -> anyhow::Result<()> {
        let name = name(deployment);
        if self.cluster(green).is_ok_and(|green| green.server.is_running()) {
            for (_, database, session) in &self.sessions(green).await? {
                let mine = "SELECT subname::text FROM pg_subscription
                    WHERE starts_with(subname, $1)
                    AND subdbid = (SELECT oid FROM pg_database WHERE datname = $2)";
                for row in session.query(mine, &[&name, database]).await? {
                    let subscription: String = row.get(0);
                    for end in ["DISABLE", "SET (slot_name = NONE)"] {
                        session.batch_execute(&format!("ALTER SUBSCRIPTION {subscription} {end}")).await?;
                    }
                    session.batch_execute(&format!("DROP SUBSCRIPTION {subscription}")).await?;
                }
            }
        }
        if self.cluster(blue).is_ok_and(|blue| blue.server.is_running()) {
            for (oid, _, session) in &self.sessions(blue).await? {
                session.batch_execute(&format!("DROP PUBLICATION IF EXISTS {name}")).await?;
                drop_slot(session, &format!("{name}_{oid}")).await?;
            }
        }
        self.feeds().remove(deployment);
        Ok(())
    }

    /// `default_transaction_read_only`, as on green of RDS: a session may still say otherwise (page
    /// blue-green-deployments-best-practices).
    async fn set_read_only(&self, resource_id: &str, read_only: bool) -> anyhow::Result<()> {
        let server = self.cluster(resource_id)?.server;
        if !server.is_running() {
            return Ok(());
        }
        let admin = server.connect(SUPERUSER, "postgres").await?;
        let value = if read_only { "SET default_transaction_read_only = on" } else { RESET };
        admin.batch_execute(&format!("ALTER SYSTEM {value}")).await?;
        server.reload().await.map(drop)
    }
}

const RESET: &str = "RESET default_transaction_read_only";

/// A walsender lets go of its slot a moment after its receiver has gone.
async fn drop_slot(session: &Client, slot: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let drop =
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1";
        match session.execute(drop, &[&slot]).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error).context("drop the slot"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Starts a copy as a standby that becomes a server of its own before the record at that position.
async fn recover_to(server: &Server, from: &Server, end: &str) -> anyhow::Result<()> {
    let data = server.data();
    let own = data.join("postgresql.auto.conf");
    let before = tokio::fs::read(&own).await.unwrap_or_default();
    let text = format!(
        "\nprimary_conninfo = 'host={} port={} user={SUPERUSER}'\nrecovery_target_lsn = \
         '{end}'\nrecovery_target_inclusive = off\nrecovery_target_action = promote\n",
        from.sockets.display(),
        from.port
    );
    tokio::fs::write(&own, [&before[..], text.as_bytes()].concat()).await?;
    touch(server, &data.join("standby.signal"))?;
    server.start().await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let session = server.connect(SUPERUSER, "postgres").await;
        if let Ok(session) = session
            && !session.query_one("SELECT pg_is_in_recovery()", &[]).await?.get::<_, bool>(0)
        {
            break;
        }
        if Instant::now() > deadline {
            bail!("the copy does not get to {end}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::fs::write(&own, before).await?;
    Ok(())
}

/// Its owner is the server's, which removes it.
fn touch(server: &Server, path: &Path) -> anyhow::Result<()> {
    std::fs::write(path, "")?;
    server.user.own(path)
}
