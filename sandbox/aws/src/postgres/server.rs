//! One PostgreSQL server: its data directory, its configuration, its life.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tokio_postgres::{Client, NoTls};

use super::{
    configuration::{self, Place},
    template::SUPERUSER,
    user::{User, run},
};
use crate::rds::engine::Parameters;

#[derive(Debug, Clone)]
pub struct Server {
    pub major: u32,
    pub bin: PathBuf,
    /// Holds the data directory `data` and the log `server.log`.
    pub folder: PathBuf,
    pub sockets: PathBuf,
    pub port: u16,
    pub user: User,
}

impl Server {
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn is_running(&self) -> bool {
        self.data().join("postmaster.pid").exists()
    }

    pub async fn start(&self) -> anyhow::Result<()> {
        self.pg_ctl(&["start"]).await
    }

    pub async fn stop(&self) -> anyhow::Result<()> {
        if self.is_running() { self.pg_ctl(&["stop", "-m", "fast"]).await } else { Ok(()) }
    }

    async fn pg_ctl(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let log = self.folder.join("server.log");
        let before = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
        let mut command = self.program("pg_ctl");
        command.args(arguments).args(["-w", "-t", "60", "-s", "-D"]).arg(self.data()).arg("-l").arg(&log);
        match run(command).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.context(format!("the server's log says:\n{}", tail(&log, before)))),
        }
    }

    /// Writes the parameters into the server's configuration. A configuration that the server
    /// refuses is taken back.
    pub async fn write_parameters(&self, data: &Path, parameters: &Parameters) -> anyhow::Result<()> {
        let place = Place { port: self.port, sockets: &self.sockets, bin: &self.bin };
        let text = configuration::render(&place, parameters)?;
        let path = data.join(configuration::FILE);
        let former = std::fs::read(&path).ok();
        std::fs::write(&path, text)?;
        let mut check = self.program("postgres");
        check.arg("-D").arg(data).args(["-C", "port"]);
        if let Err(error) = run(check).await {
            match former {
                Some(former) => std::fs::write(&path, former)?,
                None => std::fs::remove_file(&path)?,
            }
            return Err(error.context("PostgreSQL refuses the parameters"));
        }
        Ok(())
    }

    /// Restarts with the parameters as written; should that fail, with those of before.
    pub async fn restart(&self, former: Option<Vec<u8>>) -> anyhow::Result<()> {
        self.stop().await?;
        let Err(error) = self.start().await else { return Ok(()) };
        let Some(former) = former else { return Err(error) };
        std::fs::write(self.data().join(configuration::FILE), former)?;
        self.start().await.context("the server does not even start with its former parameters")?;
        Err(error.context("PostgreSQL does not start with the parameters; it runs with the former ones"))
    }

    /// Takes the parameters over that need no restart; answers the names of those that do.
    pub async fn reload(&self) -> anyhow::Result<Vec<String>> {
        let loaded = "SELECT pg_conf_load_time()::text";
        let before: String = self.connect(SUPERUSER, "postgres").await?.query_one(loaded, &[]).await?.get(0);
        // The load time has microseconds, but two loads within one do not happen: each is a signal
        // and a file read.
        self.connect(SUPERUSER, "postgres").await?.execute("SELECT pg_reload_conf()", &[]).await?;
        for _ in 0..200 {
            // A new session inherits what the server has read by now.
            let session = self.connect(SUPERUSER, "postgres").await?;
            if session.query_one(loaded, &[]).await?.get::<_, String>(0) != before {
                let rows = session
                    .query("SELECT name FROM pg_settings WHERE pending_restart ORDER BY name", &[])
                    .await?;
                return Ok(rows.iter().map(|row| row.get(0)).collect());
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        bail!("the server did not take its configuration over within two seconds")
    }

    /// A session over the server's private socket, where no password is asked.
    pub async fn connect(&self, user: &str, database: &str) -> anyhow::Result<Client> {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(&self.sockets)
            .port(self.port)
            .user(user)
            .dbname(database)
            .application_name("sandbox");
        if user == SUPERUSER {
            // Whatever a blue/green deployment forbids clients.
            config.options("-c default_transaction_read_only=off");
        }
        let (client, connection) = config
            .connect(NoTls)
            .await
            .with_context(|| format!("could not connect to {database} as {user}"))?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Copies the data directory of a running server, complete in itself and without its slots.
    pub async fn base_backup(&self, to: &Path) -> anyhow::Result<()> {
        let mut backup = self.program("pg_basebackup");
        backup.arg("-D").arg(to).arg("-h").arg(&self.sockets).args([
            "-p",
            &self.port.to_string(),
            "-U",
            SUPERUSER,
        ]);
        backup.args(["--wal-method=stream", "--checkpoint=fast", "--no-sync", "--no-manifest"]);
        run(backup).await.map(drop)
    }

    /// Copies the data directory, of a running server as a base backup.
    pub async fn copy_data(&self, to: &Path) -> anyhow::Result<()> {
        if !self.is_running() {
            return super::template::copy(self.user, &self.data(), to).await;
        }
        self.base_backup(to).await?;
        // A base backup leaves the slots out
        // (https://www.postgresql.org/docs/18/protocol-replication.html, BASE_BACKUP); on Aurora
        // they lie on the volume that a snapshot is of, and a restored copy has them: with a
        // wal_level below logical PostgreSQL then refuses to start (slot.c, RestoreSlotFromDisk).
        let slots = to.join("pg_replslot");
        tokio::fs::remove_dir_all(&slots).await?;
        super::template::copy(self.user, &self.data().join("pg_replslot"), &slots).await
    }

    pub fn program(&self, name: &str) -> tokio::process::Command {
        self.user.command(self.bin.join(name), &self.folder)
    }
}

/// The last lines that were written to a log since it had that length.
fn tail(log: &Path, since: u64) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(since as usize..).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
