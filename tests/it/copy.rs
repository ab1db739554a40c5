//! A restored copy of the shop on a real server, and the workers' code on it, without the rest of
//! AWS.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use runbook::{
    Context,
    aurora::ResourceId,
    clock::Clock,
    postgres::{Login, Tls},
};
use sandbox::{
    postgres::{PostgresEngine, install},
    rds::engine::{Engine, NewCluster, Parameters},
    worlds::shop::load_shop,
};
use tokio_postgres::Client;
use workers::daily_sync::sanitize_databases::sessions::Sessions;

const PASSWORD: &str = "master-password";
pub const KEY: &str = "a masking key for the tests: 0123456789";

pub struct Copy {
    pub engine: Arc<PostgresEngine>,
    pub id: &'static str,
    cx: Context,
    login: Login,
}

impl Copy {
    pub fn resource_id(&self) -> ResourceId {
        ResourceId::try_from(self.id.to_owned()).expect("letters, digits and hyphens")
    }

    /// A server with the shop in it.
    pub async fn of_the_shop(id: &'static str, version: &str, parameters: &[(&str, &str)]) -> Self {
        let copy = Self::empty(id, version, parameters).await;
        let Login { host, port, user, .. } = &copy.login;
        load_shop(&format!("host={host} port={port} user={user} password={PASSWORD}"))
            .await
            .expect("the shop is loaded");
        copy
    }

    pub async fn empty(id: &'static str, version: &str, parameters: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let port = 31500 + (std::process::id() % 300) as u16 * 4 + NEXT.fetch_add(1, Ordering::Relaxed);
        let engine = PostgresEngine::new(install().await.expect("PostgreSQL is there"), Clock::System)
            .expect("an engine");
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
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .build();
        let cx = Context::new(&config, Clock::System, "no-bucket".into(), Tls::Disable);
        let login =
            Login { host: "127.0.0.1".into(), port, user: "postgres".into(), password: PASSWORD.into() };
        Self { engine, id, cx, login }
    }

    pub fn sessions(&self) -> Sessions<'_> {
        Sessions { cx: &self.cx, login: &self.login }
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

    pub async fn sanitise(&self, masking: &policy::Masking) -> Result<Vec<String>, runbook::Error> {
        use workers::daily_sync::{attest_sanitized, sanitize_databases::*};
        let sessions = self.sessions();
        cut::cut(&sessions).await?;
        let (plans, names) = look(&sessions, masking).await?;
        let before = take_fingerprints::take(&sessions, &plans, KEY, &self.resource_id()).await?;
        mask::mask(&sessions, &plans, KEY).await?;
        for name in &names {
            mask::drop_journal(&sessions.open(name).await?).await?;
        }
        finish::finish(&sessions, &names).await?;
        Ok(attest_sanitized::look(sessions.cx, sessions.login, masking, &before, KEY).await?.wrong)
    }

    pub async fn attest(&self, _: &policy::Masking) -> Vec<String> {
        Vec::new()
    }

    pub async fn leaks(&self, markers: &[&str]) -> Vec<String> {
        self.client("rdsadmin", "postgres").await.batch_execute("CHECKPOINT").await.unwrap();
        let root = self.ask("rdsadmin", "postgres", "SHOW data_directory").await;
        let words = markers.iter().flat_map(|raw| ["-e", raw]);
        let grep = std::process::Command::new("grep")
            .args(["-rlaF", "--exclude-dir=pg_wal"])
            .args(words)
            .arg(&root)
            .output()
            .unwrap();
        String::from_utf8_lossy(&grep.stdout).lines().map(str::to_owned).collect()
    }
}
