//! What stands behind a simulated cluster: real PostgreSQL servers, or nothing (the model gear).

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::exports::Source;

/// A PostgreSQL parameter name and its value, as a parameter group holds them.
pub type Parameters = BTreeMap<String, String>;

pub struct NewCluster<'a> {
    /// DbClusterResourceId: it survives renames, so everything on disk is named by it.
    pub resource_id: &'a str,
    pub engine_version: &'a str,
    pub master_username: &'a str,
    pub master_password: &'a str,
    pub database_name: Option<&'a str>,
    pub port: u16,
    pub parameters: &'a Parameters,
}

/// Why an upgrade did not happen, as RDS leaves it behind: an event text and log files of the
/// writer.
#[derive(Debug, Clone)]
pub struct UpgradeFailure {
    /// The tail of RDS-EVENT-0174's text, e.g. `pg_upgrade reported failure for
    /// check_for_reg_data_type_usage`.
    pub reason: String,
    /// File name without the timestamp suffix (`pg_upgrade_internal.log`, `tables_using_reg.txt`,
    /// ...) and content.
    pub files: Vec<(String, String)>,
}

/// What a blue/green deployment finds on its source.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Each needs a slot of its own.
    pub databases: usize,
    /// Names of logical slots that somebody else reads.
    pub logical_slots: Vec<String>,
}

/// How one cluster's server follows another's by logical replication. All are named by their
/// resource ids, slots and the like by the deployment's.
#[async_trait]
pub trait BlueGreen: Send + Sync {
    async fn look(&self, blue: &str) -> anyhow::Result<Look>;
    /// Green as a copy of blue, running, and slots on blue that begin where the copy ends: of what
    /// blue commits, green has each transaction or will be sent it, and none twice.
    async fn branch(
        &self,
        deployment: &str,
        blue: &str,
        green: &str,
        port: u16,
        parameters: &Parameters,
    ) -> anyhow::Result<()>;
    /// From now on green, upgraded by now, applies what blue commits and takes no client's write.
    async fn follow(&self, deployment: &str, blue: &str, green: &str) -> anyhow::Result<()>;
    /// Why green must not take over.
    async fn obstacle(&self, deployment: &str, blue: &str, green: &str) -> anyhow::Result<Option<String>>;
    /// Drops every client, and waits until it has gone.
    async fn drop_clients(&self, resource_id: &str) -> anyhow::Result<()>;
    /// Waits until green has all that blue has.
    async fn catch_up(
        &self,
        deployment: &str,
        blue: &str,
        green: &str,
        deadline: tokio::time::Instant,
    ) -> anyhow::Result<()>;
    async fn copy_sequences(&self, blue: &str, green: &str) -> anyhow::Result<()>;
    /// Ends the following, and leaves nothing of it on either side.
    async fn part(&self, deployment: &str, blue: &str, green: &str) -> anyhow::Result<()>;
    async fn set_read_only(&self, resource_id: &str, read_only: bool) -> anyhow::Result<()>;
}

#[async_trait]
pub trait Engine: Send + Sync {
    /// For blue/green deployments; none: it can be no side of one.
    fn blue_green(&self) -> Option<&dyn BlueGreen> {
        None
    }
    /// The major versions that it has a server for.
    fn majors(&self) -> BTreeSet<u32>;
    /// initdb, start, roles (`rdsadmin` superuser, `rds_superuser`, the master user), the first
    /// database.
    async fn create(&self, cluster: NewCluster<'_>) -> anyhow::Result<()>;
    /// Writes the parameters into the server's configuration. With `restart` the server is
    /// restarted; without, reloaded. Answers the names that wait for a restart
    /// (`pg_settings.pending_restart`).
    async fn configure(
        &self,
        resource_id: &str,
        parameters: &Parameters,
        restart: bool,
    ) -> anyhow::Result<Vec<String>>;
    async fn start(&self, resource_id: &str) -> anyhow::Result<()>;
    async fn stop(&self, resource_id: &str) -> anyhow::Result<()>;
    async fn delete(&self, resource_id: &str) -> anyhow::Result<()>;
    async fn set_master_password(
        &self,
        resource_id: &str,
        username: &str,
        password: &str,
    ) -> anyhow::Result<()>;
    /// Copies the volume of a running or stopped cluster into a snapshot of that name.
    async fn snapshot(&self, resource_id: &str, snapshot: &str) -> anyhow::Result<()>;
    async fn delete_snapshot(&self, snapshot: &str) -> anyhow::Result<()>;
    /// Opens a snapshot for an export, which reads it and changes nothing.
    async fn open(&self, snapshot: &str) -> anyhow::Result<Box<dyn Source>>;
    /// A new cluster from a snapshot, not started: without an instance nothing answers.
    async fn restore(
        &self,
        snapshot: &str,
        resource_id: &str,
        port: u16,
        parameters: &Parameters,
    ) -> anyhow::Result<()>;
    /// The same from another's present volume, copy-on-write where the file system can.
    async fn clone_cluster(
        &self,
        source: &str,
        resource_id: &str,
        port: u16,
        parameters: &Parameters,
    ) -> anyhow::Result<()>;
    /// Aurora's own pre-checks, then pg_upgrade; the server runs again afterwards, upgraded or as
    /// it was.
    async fn upgrade(
        &self,
        resource_id: &str,
        target_version: &str,
        parameters: &Parameters,
    ) -> anyhow::Result<Result<(), UpgradeFailure>>;
}
