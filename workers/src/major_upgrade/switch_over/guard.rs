//! Whether green follows, by SQL: no field of RDS's API says so (AuroraUserGuide,
//! blue-green-deployments-switching, "Switchover guardrails"; the console shows "Replication
//! degraded").

use std::{collections::BTreeMap, future::Future, time::Duration};

use runbook::{
    Context, Error, Finding, Level, Result,
    aurora::{self, Cluster},
    postgres::{self, Login, query_failed},
};

use super::{Eyes, probe};
use crate::major_upgrade::inspection::open;

pub struct Sql<'a> {
    pub cx: &'a Context,
    pub secret_arn: Option<String>,
}

/// What a switchover catches up with in a moment.
const LAG: i64 = 16 * 1024 * 1024;
/// An apply worker that fails is started again every few seconds, and its slot is active meanwhile.
const LOOKS: usize = 12;
const BETWEEN: Duration = Duration::from_secs(5);

/// A slot of the deployment's on blue, one a database.
struct Slot {
    name: String,
    database: String,
    active: bool,
    /// Bytes that green has not confirmed.
    lag: i64,
}

impl Eyes for Sql<'_> {
    async fn check(&self, blue: &Cluster, green: &Cluster) -> Result<()> {
        let blue = aurora::login(self.cx, blue, self.secret_arn.as_deref()).await?;
        let green = aurora::login(self.cx, green, self.secret_arn.as_deref()).await?;
        let findings = self.other_schemas(&blue, &green).await?;
        if !findings.is_empty() {
            return Err(Error::Blocked(findings));
        }
        self.follows(&blue).await
    }

    async fn watch<T: Send>(
        &self,
        blue: &Cluster,
        done: impl Future<Output = T> + Send,
    ) -> (T, Option<probe::Downtime>) {
        // Without a login there is nothing to ask; the switchover does not hang on it.
        match aurora::login(self.cx, blue, self.secret_arn.as_deref()).await {
            Ok(login) => {
                let (ended, downtime) = probe::watch(self.cx, &login, done).await;
                (ended, Some(downtime))
            }
            Err(_) => (done.await, None),
        }
    }
}

impl Sql<'_> {
    /// All slots at work at one of the looks, and little left to be confirmed.
    async fn follows(&self, blue: &Login) -> Result<()> {
        let client = open(self.cx, blue, "postgres").await?;
        let mut idle: BTreeMap<String, String> = BTreeMap::new();
        let mut behind = 0;
        for look in 0..LOOKS {
            let slots = slots(&client).await?;
            if slots.is_empty() {
                return Err(Error::NotReady("the slots that green follows by to be seen on blue".into()));
            }
            behind = slots.iter().map(|slot| slot.lag).max().unwrap_or_default();
            if look == 0 {
                idle = slots.iter().map(|slot| (slot.name.clone(), slot.database.clone())).collect();
            }
            for slot in slots.iter().filter(|slot| slot.active) {
                idle.remove(&slot.name);
            }
            if idle.is_empty() && behind <= LAG {
                return Ok(());
            }
            self.cx.progress.say(format!("waiting for green to catch up ({behind} bytes behind)"));
            self.cx.clock.sleep(BETWEEN).await;
        }
        if idle.is_empty() {
            return Err(Error::NotReady(format!("green to catch up (it is {behind} bytes behind)")));
        }
        let degraded = idle.into_iter().map(|(slot, database)| Finding {
            check: "green-degraded".into(),
            level: Level::Block,
            database: Some(database),
            object: slot,
            reason:
                "nobody reads this slot: green no longer follows. DDL, a refreshed materialized view or a \
                     large object on blue does that"
                    .into(),
            remedy: REMEDY.into(),
        });
        Err(Error::Blocked(degraded.collect()))
    }

    /// DDL on blue that green has not got: it may not have failed yet, and would after the
    /// switchover.
    async fn other_schemas(&self, blue: &Login, green: &Login) -> Result<Vec<Finding>> {
        let client = open(self.cx, blue, "postgres").await?;
        let mut findings = Vec::new();
        for database in postgres::databases(&client).await? {
            let (before, after) = (self.tables(blue, &database).await?, self.tables(green, &database).await?);
            let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
            for name in names.filter(|name| before.get(*name) != after.get(*name)) {
                let side = match (before.get(name), after.get(name)) {
                    (Some(_), None) => "green does not have it",
                    (None, Some(_)) => "blue no longer has it",
                    _ => "its columns differ between blue and green",
                };
                findings.push(Finding {
                    check: "ddl-on-blue".into(),
                    level: Level::Block,
                    database: Some(database.clone()),
                    object: name.clone(),
                    reason: format!("{side}: somebody has changed the schema since green was made"),
                    remedy: REMEDY.into(),
                });
            }
        }
        Ok(findings)
    }

    /// Every table of the owner's, and its columns.
    async fn tables(&self, login: &Login, database: &str) -> Result<BTreeMap<String, String>> {
        let client = open(self.cx, login, database).await?;
        let rows = client.query(include_str!("../sql/green/tables.sql"), &[]).await;
        let rows = rows.map_err(|error| query_failed(&format!("list the tables of {database}"), &error))?;
        Ok(rows.iter().map(|row| (row.get("name"), row.get("columns"))).collect())
    }
}

const REMEDY: &str = "delete the deployment with its green (aws rds delete-blue-green-deployment \
                      --delete-target; the report has the whole command), and start a new run";

async fn slots(client: &tokio_postgres::Client) -> Result<Vec<Slot>> {
    let rows = client.query(include_str!("../sql/green/slots.sql"), &[]).await;
    let rows = rows.map_err(|error| query_failed("look at the replication slots", &error))?;
    let slot = |row: &tokio_postgres::Row| Slot {
        name: row.get("name"),
        database: row.get("database"),
        active: row.get("active"),
        lag: row.get("lag"),
    };
    Ok(rows.iter().map(slot).collect())
}
