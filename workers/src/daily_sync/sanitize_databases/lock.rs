//! One worker at a time: one that was given up may still be at work, and its session holds this
//! lock until it ends. A lock of the server belongs to its database, so it has one of its own,
//! which nobody makes again.

use runbook::{
    Error, Result,
    postgres::{query_failed, quote},
};
use tokio_postgres::Client;

use super::rebuild::drop_database;
use crate::shared::{seal::Seal, sessions::Sessions};

pub struct Lock {
    name: String,
    held: Client,
}

impl Lock {
    pub async fn take(sessions: &Sessions<'_>, seal: &Seal) -> Result<Self> {
        let name = seal.name("", "lock");
        let base = sessions.open("postgres").await?;
        let there = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
        let row = base.query_one(there, &[&name]).await;
        if !row.map_err(|error| query_failed("look for the lock", &error))?.get::<_, bool>(0) {
            let create = format!("CREATE DATABASE {} TEMPLATE template0", quote(&name));
            base.batch_execute(&create).await.map_err(|error| query_failed("make the lock", &error))?;
        }
        let held = sessions.open(&name).await?;
        let sql = "SELECT pg_try_advisory_lock(hashtext('aurora-runbooks sanitize-databases'))";
        let row = held.query_one(sql, &[]).await.map_err(|error| query_failed("take the lock", &error))?;
        if row.get(0) {
            Ok(Self { name, held })
        } else {
            Err(Error::NotReady("a former worker to let go of the databases".into()))
        }
    }

    pub async fn give_back(self, sessions: &Sessions<'_>) -> Result<()> {
        drop(self.held);
        drop_database(&sessions.open("postgres").await?, &self.name).await
    }
}
