//! The engine of the real gear: every cluster is a PostgreSQL server of this machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use clock::Clock;
use tokio_postgres::Client;

use super::{
    area::{Area, private_folder},
    blue_green::Feed,
    configuration, export, extensions,
    install::Installs,
    precheck,
    server::Server,
    template::{self, SUPERUSER},
    upgrade,
};
use crate::rds::engine::{BlueGreen, Engine, NewCluster, Parameters, UpgradeFailure};
use crate::rds::exports::Source;

pub struct PostgresEngine {
    installs: Installs,
    clock: Clock,
    area: Area,
    clusters: Mutex<BTreeMap<String, Cluster>>,
    snapshots: Mutex<BTreeMap<String, Snapshot>>,
    pub(super) feeds: Mutex<BTreeMap<String, Feed>>,
}

#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) server: Server,
    pub(super) master: String,
}

#[derive(Debug, Clone)]
struct Snapshot {
    major: u32,
    master: String,
}

impl PostgresEngine {
    pub fn new(installs: Installs, clock: Clock) -> anyhow::Result<Arc<Self>> {
        let area = Area::new(&installs)?;
        Ok(Arc::new(Self {
            installs,
            clock,
            area,
            clusters: Mutex::default(),
            snapshots: Mutex::default(),
            feeds: Mutex::default(),
        }))
    }

    /// A session without a password, as any role.
    pub async fn connect(&self, resource_id: &str, user: &str, database: &str) -> anyhow::Result<Client> {
        self.cluster(resource_id)?.server.connect(user, database).await
    }

    /// The name of the cluster's master user.
    pub fn master(&self, resource_id: &str) -> anyhow::Result<String> {
        Ok(self.cluster(resource_id)?.master)
    }

    /// Where the cluster's volume lies: what a snapshot of it would hold, and the WAL, which an
    /// Aurora snapshot does not hold.
    pub fn volume(&self, resource_id: &str) -> anyhow::Result<std::path::PathBuf> {
        Ok(self.cluster(resource_id)?.server.data())
    }

    /// The major version that the cluster runs.
    pub fn major(&self, resource_id: &str) -> anyhow::Result<u32> {
        Ok(self.cluster(resource_id)?.server.major)
    }

    /// Where its servers listen besides TCP; gone with the engine.
    pub fn sockets(&self) -> &std::path::Path {
        self.area.sockets()
    }

    pub(super) fn cluster(&self, resource_id: &str) -> anyhow::Result<Cluster> {
        let clusters = self.clusters.lock().expect("no thread panics with the clusters in hand");
        clusters.get(resource_id).cloned().with_context(|| format!("there is no cluster {resource_id}"))
    }

    fn keep(&self, resource_id: &str, cluster: Cluster) {
        self.clusters
            .lock()
            .expect("no thread panics with the clusters in hand")
            .insert(resource_id.to_owned(), cluster);
    }

    fn find_snapshot(&self, name: &str) -> anyhow::Result<Snapshot> {
        let snapshots = self.snapshots.lock().expect("no thread panics with the snapshots in hand");
        snapshots.get(name).cloned().with_context(|| format!("there is no snapshot {name}"))
    }

    /// An empty folder for a new cluster, and its server, not started yet.
    pub(super) fn place(&self, resource_id: &str, major: u32, port: u16) -> anyhow::Result<Server> {
        ensure!(self.cluster(resource_id).is_err(), "cluster {resource_id} exists");
        let server = Server {
            major,
            bin: self.installs.require(major)?.to_owned(),
            folder: self.area.cluster(resource_id),
            sockets: self.area.sockets().to_owned(),
            port,
            user: self.installs.user(),
        };
        private_folder(&server.folder, server.user)?;
        Ok(server)
    }

    /// Keeps a cluster whose data directory is `Ok`, not started; what fails leaves nothing behind.
    pub(super) async fn settle(
        &self,
        resource_id: &str,
        cluster: Cluster,
        prepared: anyhow::Result<()>,
        parameters: &Parameters,
    ) -> anyhow::Result<()> {
        let server = &cluster.server;
        let written = async {
            prepared?;
            // What the sandbox has set on the server that it is a copy of, in the name of RDS.
            tokio::fs::write(server.data().join("postgresql.auto.conf"), "").await?;
            server.write_parameters(&server.data(), parameters).await
        };
        if let Err(error) = written.await {
            let _ = tokio::fs::remove_dir_all(&server.folder).await;
            return Err(error);
        }
        self.keep(resource_id, cluster);
        Ok(())
    }
}

#[async_trait]
impl Engine for PostgresEngine {
    fn blue_green(&self) -> Option<&dyn BlueGreen> {
        Some(self)
    }

    fn majors(&self) -> BTreeSet<u32> {
        self.installs.majors().collect()
    }

    async fn create(&self, new: NewCluster<'_>) -> anyhow::Result<()> {
        let server = self.place(new.resource_id, major(new.engine_version)?, new.port)?;
        let prepared = template::fresh(&self.installs, server.major, &server.data()).await;
        let cluster = Cluster { server, master: new.master_username.to_owned() };
        self.settle(new.resource_id, cluster, prepared, new.parameters).await?;
        let populated = async {
            self.start(new.resource_id).await?;
            populate(&self.connect(new.resource_id, SUPERUSER, "postgres").await?, &new).await
        };
        let populated = populated.await;
        if populated.is_err() {
            self.delete(new.resource_id).await?;
        }
        populated
    }

    async fn configure(
        &self,
        resource_id: &str,
        parameters: &Parameters,
        restart: bool,
    ) -> anyhow::Result<Vec<String>> {
        let server = self.cluster(resource_id)?.server;
        let former = std::fs::read(server.data().join(configuration::FILE)).ok();
        server.write_parameters(&server.data(), parameters).await?;
        if restart {
            server.restart(former).await.map(|()| Vec::new())
        } else if server.is_running() {
            server.reload().await
        } else {
            Ok(Vec::new())
        }
    }

    async fn start(&self, resource_id: &str) -> anyhow::Result<()> {
        self.cluster(resource_id)?.server.start().await
    }

    async fn stop(&self, resource_id: &str) -> anyhow::Result<()> {
        self.cluster(resource_id)?.server.stop().await
    }

    async fn delete(&self, resource_id: &str) -> anyhow::Result<()> {
        let server = self.cluster(resource_id)?.server;
        server.stop().await?;
        tokio::fs::remove_dir_all(&server.folder).await?;
        self.clusters.lock().expect("no thread panics with the clusters in hand").remove(resource_id);
        Ok(())
    }

    async fn set_master_password(
        &self,
        resource_id: &str,
        username: &str,
        password: &str,
    ) -> anyhow::Result<()> {
        let admin = self.connect(resource_id, SUPERUSER, "postgres").await?;
        written(
            &admin,
            "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)",
            &[&username, &password],
        )
        .await
    }

    async fn snapshot(&self, resource_id: &str, snapshot: &str) -> anyhow::Result<()> {
        let Cluster { server, master } = self.cluster(resource_id)?;
        ensure!(self.find_snapshot(snapshot).is_err(), "snapshot {snapshot} exists");
        let to = self.area.snapshot(snapshot);
        if let Err(error) = server.copy_data(&to).await {
            let _ = tokio::fs::remove_dir_all(to).await;
            return Err(error);
        }
        let taken = Snapshot { major: server.major, master };
        self.snapshots
            .lock()
            .expect("no thread panics with the snapshots in hand")
            .insert(snapshot.to_owned(), taken);
        Ok(())
    }

    async fn delete_snapshot(&self, snapshot: &str) -> anyhow::Result<()> {
        self.find_snapshot(snapshot)?;
        tokio::fs::remove_dir_all(self.area.snapshot(snapshot)).await?;
        self.snapshots.lock().expect("no thread panics with the snapshots in hand").remove(snapshot);
        Ok(())
    }

    async fn open(&self, snapshot: &str) -> anyhow::Result<Box<dyn Source>> {
        let Snapshot { major, master } = self.find_snapshot(snapshot)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let name = format!("export-{}", uuid::Uuid::new_v4().simple());
        let server = self.place(&name, major, port)?;
        let started = async {
            template::copy(server.user, &self.area.snapshot(snapshot), &server.data()).await?;
            server.write_parameters(&server.data(), &export::parameters()).await?;
            server.start().await
        };
        if let Err(error) = started.await {
            let _ = tokio::fs::remove_dir_all(&server.folder).await;
            return Err(error);
        }
        Ok(Box::new(export::Opened { server, master }))
    }

    async fn restore(
        &self,
        snapshot: &str,
        resource_id: &str,
        port: u16,
        parameters: &Parameters,
    ) -> anyhow::Result<()> {
        let Snapshot { major, master } = self.find_snapshot(snapshot)?;
        let server = self.place(resource_id, major, port)?;
        let prepared = template::copy(server.user, &self.area.snapshot(snapshot), &server.data()).await;
        self.settle(resource_id, Cluster { server, master }, prepared, parameters).await
    }

    async fn clone_cluster(
        &self,
        source: &str,
        resource_id: &str,
        port: u16,
        parameters: &Parameters,
    ) -> anyhow::Result<()> {
        let Cluster { server: from, master } = self.cluster(source)?;
        let server = self.place(resource_id, from.major, port)?;
        let prepared = from.copy_data(&server.data()).await;
        self.settle(resource_id, Cluster { server, master }, prepared, parameters).await
    }

    async fn upgrade(
        &self,
        resource_id: &str,
        target_version: &str,
        parameters: &Parameters,
    ) -> anyhow::Result<Result<(), UpgradeFailure>> {
        let cluster = self.cluster(resource_id)?;
        let target = major(target_version)?;
        if target == cluster.server.major {
            // A minor upgrade: the same programs, restarted.
            self.configure(resource_id, parameters, true).await?;
            return Ok(Ok(()));
        }
        if let Some(failure) = precheck::check(&cluster.server, target_version, self.clock.now()).await? {
            return Ok(Err(failure));
        }
        let owners = extensions::owners(&cluster.server).await?;
        match upgrade::upgrade(&self.installs, &cluster.server, target, parameters).await? {
            Ok(server) => {
                server.connect(SUPERUSER, "postgres").await?.batch_execute(include_str!("roles.sql")).await?;
                extensions::give_back(&server, &owners).await?;
                self.keep(resource_id, Cluster { server, ..cluster });
                Ok(Ok(()))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }
}

/// What a new cluster holds: RDS's roles and database, the master user, and its first database.
async fn populate(admin: &Client, new: &NewCluster<'_>) -> anyhow::Result<()> {
    admin.batch_execute(include_str!("roles.sql")).await?;
    // REPLICATION: what membership in rds_replication gives on Aurora is an attribute on a plain
    // server.
    let create = "SELECT format('CREATE ROLE %I LOGIN CREATEDB CREATEROLE REPLICATION PASSWORD %L VALID \
    UNTIL ''infinity''', $1::text, $2::text)";
    written(admin, create, &[&new.master_username, &new.master_password]).await?;
    written(
        admin,
        "SELECT format('GRANT rds_superuser TO %I WITH ADMIN OPTION', $1::text)",
        &[&new.master_username],
    )
    .await?;
    for database in ["postgres", "template1"] {
        written(
            admin,
            "SELECT format('ALTER DATABASE %I OWNER TO %I', $1::text, $2::text)",
            &[&database, &new.master_username],
        )
        .await?;
    }
    admin.execute("CREATE DATABASE rdsadmin", &[]).await?;
    admin.execute("REVOKE ALL ON DATABASE rdsadmin FROM PUBLIC", &[]).await?;
    // The one that every server has may be asked for.
    if let Some(database) = new.database_name.filter(|name| *name != "postgres") {
        written(
            admin,
            "SELECT format('CREATE DATABASE %I OWNER %I', $1::text, $2::text)",
            &[&database, &new.master_username],
        )
        .await?;
    }
    Ok(())
}

/// Runs a statement that the server itself wrote from names and literals.
async fn written(
    admin: &Client,
    writer: &str,
    values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> anyhow::Result<()> {
    let statement: String = admin.query_one(writer, values).await?.get(0);
    // The error must not repeat the statement: it may hold a password.
    admin.batch_execute(&statement).await.context("could not set up the cluster's roles and databases")
}

/// `16` of `16.14`.
fn major(version: &str) -> anyhow::Result<u32> {
    version
        .split('.')
        .next()
        .unwrap_or_default()
        .parse()
        .with_context(|| format!("{version:?} is no PostgreSQL version"))
}
