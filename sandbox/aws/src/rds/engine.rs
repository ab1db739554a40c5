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

#[async_trait]
pub trait Engine: Send + Sync {
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
