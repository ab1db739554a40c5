//! A restored copy of the shop on a real server, and the workers' code on it, without the rest of
//! AWS.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use policy::Masking;
use runbook::{
    Result,
    clock::Clock,
    postgres::{Login, Tls},
};
use sandbox::{
    postgres::{Installs, PostgresEngine, install},
    rds::engine::{Engine, NewCluster, Parameters},
    trial::{Trial, programs},
    worlds::shop::load_shop,
};
use tokio_postgres::Client;
use workers::{
    daily_sync::sanitize_databases::cut::Wire,
    shared::sessions::{Lanes, Sessions},
};

const PASSWORD: &str = "master-password";
pub const KEY: &str = "a masking key for the tests: 0123456789";

pub struct Copy {
    pub engine: Arc<PostgresEngine>,
    pub id: &'static str,
    pub trial: Trial,
    /// What was cut so far.
    wires: Mutex<Vec<Wire>>,
}

impl Copy {
    /// A server with the shop in it.
    pub async fn of_the_shop(id: &'static str, version: &str, parameters: &[(&str, &str)]) -> Self {
        let copy = Self::empty(id, version, parameters).await;
        let Login { host, port, user, .. } = &copy.trial.login;
        load_shop(&format!("host={host} port={port} user={user} password={PASSWORD}"))
            .await
            .expect("the shop is loaded");
        copy
    }

    pub async fn empty(id: &'static str, version: &str, parameters: &[(&str, &str)]) -> Self {
        Self::on(install().await.expect("PostgreSQL is there"), id, version, parameters).await
    }

    /// The same, on other programs.
    pub async fn on(
        installs: Installs,
        id: &'static str,
        version: &str,
        parameters: &[(&str, &str)],
    ) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let port = 31500 + (std::process::id() % 300) as u16 * 4 + NEXT.fetch_add(1, Ordering::Relaxed);
        let programs = programs(&installs);
        let engine = PostgresEngine::new(installs, Clock::System).expect("an engine");
        let parameters: Parameters =
            parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let new = NewCluster {
            resource_id: id,
            engine_version: version,
            master_username: "postgres",
            master_password: PASSWORD,
            database_name: Some("shop"),
            port,
            parameters: &parameters,
        };
        engine.create(new).await.expect("a cluster");
        let login =
            Login { host: "127.0.0.1".into(), port, user: "postgres".into(), password: PASSWORD.into() };
        let mut trial = Trial::new(login, Tls::Disable, programs).expect("a trial");
        // What large tables alone meet otherwise.
        trial.lanes = Some(Lanes { sessions: 3, pages: 1 });
        Self { engine, id, trial, wires: Mutex::default() }
    }

    /// All of SanitizeDatabases, and what AttestSanitized finds wrong.
    pub async fn sanitise(&self, masking: &Masking) -> Result<Vec<String>> {
        // As the run bucket keeps them for the next attempt.
        let cut = self.trial.cut(masking).await?;
        let wires = {
            let mut wires = self.wires.lock().unwrap();
            wires.extend(cut);
            wires.clone()
        };
        self.trial.mask(masking, &wires, KEY).await?;
        Ok(self.trial.attest(masking, KEY).await?.wrong)
    }

    /// Files of the cluster that hold one of these. The write-ahead log and the server's own log
    /// are left out: a snapshot of Aurora carries none.
    pub async fn leaks(&self, markers: &[&str]) -> Vec<String> {
        self.client("rdsadmin", "postgres").await.batch_execute("CHECKPOINT").await.unwrap();
        let root = self.ask("rdsadmin", "postgres", "SHOW data_directory").await;
        // Faster than this test's own unoptimised code.
        let words = markers.iter().flat_map(|marker| ["-e", marker]);
        let grep = std::process::Command::new("grep")
            .args(["-rlaF", "--exclude-dir=pg_wal", "--exclude-dir=log"])
            .args(words)
            .arg(&root)
            .output()
            .unwrap();
        let mut found = Vec::new();
        for path in String::from_utf8_lossy(&grep.stdout).lines() {
            found.push(self.relation(Path::new(path)).await);
        }
        found
    }

    /// What a file of the cluster is, as far as the server can tell.
    async fn relation(&self, path: &Path) -> String {
        let name = |path: Option<&Path>| {
            path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let (node, database) = (name(Some(path)), name(path.parent()));
        let of = format!("SELECT datname::text FROM pg_database WHERE oid::text = '{database}'");
        let Ok(Some(row)) = self.client("rdsadmin", "postgres").await.query_opt(&of, &[]).await else {
            return path.display().to_string();
        };
        let database: String = row.get(0);
        let node = node.split('.').next().unwrap_or_default();
        let table = format!("SELECT pg_filenode_relation(0, '{node}')::regclass::text");
        let table = self.ask("rdsadmin", &database, &table).await;
        format!("{database}: {table} ({})", path.display())
    }

    pub fn sessions(&self) -> Sessions<'_> {
        self.trial.sessions()
    }

    pub async fn client(&self, user: &str, database: &str) -> Client {
        self.engine.connect(self.id, user, database).await.expect("a session")
    }

    /// As the master user, who is no superuser.
    pub async fn run(&self, database: &str, sql: &str) {
        self.client("postgres", database)
            .await
            .batch_execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{error:?} in {sql}"));
    }

    /// One text.
    pub async fn ask(&self, user: &str, database: &str, sql: &str) -> String {
        let row = self
            .client(user, database)
            .await
            .query_one(sql, &[])
            .await
            .unwrap_or_else(|error| panic!("{error:?} in {sql}"));
        row.get::<_, Option<String>>(0).unwrap_or_default()
    }
}
