//! Builds the indexes again that a changed collation has ordered, without blocking writes.
//!
//! An index on text is in the order of a collation library; where that has changed since, a search
//! in it may miss rows and a unique one may hold doubles
//! (https://www.postgresql.org/docs/current/sql-altercollation.html, "Notes"). Changes: in each
//! database one index after the other, the smallest first, `REINDEX INDEX CONCURRENTLY`; when all
//! of a database are done, `ALTER COLLATION` and `ALTER DATABASE … REFRESH COLLATION VERSION`. With
//! `tell` it changes nothing. It is entered only where RunAnalyze has seen such an index.
//!
//! Again is harmless: what is done stands in `runs/<execution>/reindexed.json` by the OID that
//! REINDEX gave it, and what an interrupted one left (`…_ccnew`, invalid) is dropped first. A new
//! execution builds the indexes once more of a database that was not finished.
//!
//! Nothing to undo.
//!
//! Errors: `OperationFailed` with every index that could not be built, why, and the statement;
//! `NotReady` when the server goes away in the middle; `Refused` when the login is refused.

use std::{collections::BTreeSet, fmt::Write};

use runbook::{
    Context, Error, Result, Run, State, aurora,
    error::Then,
    major_upgrade::Collations,
    postgres::{self, Login, is_gone, query_failed, said},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use crate::{
    major_upgrade::inspection::server_version,
    shared::roles::{self, Of},
};

/// More of them in a text help nobody.
const LISTED: usize = 20;
/// Of an answer, which Step Functions takes up to 262,144 bytes of.
const KEPT: usize = 200;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReindexCollations {
    /// The DB cluster identifier.
    pub cluster: String,
    /// The secret with `username` and `password`; RDS's own for the cluster when absent.
    pub secret_arn: Option<String>,
    /// Whether the indexes are built again, or only told.
    #[serde(default)]
    pub collations: Collations,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reindexed {
    pub summary: String,
    /// Built by this execution.
    pub indexes: usize,
    /// Statements that a person may run, each with the reason; at most 200.
    pub left: Vec<Left>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    pub database: String,
    pub statement: String,
    pub reason: String,
}

/// An index that is in the new order, by what it is called after its REINDEX.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Done {
    database: String,
    oid: u32,
}

struct Index {
    oid: u32,
    name: String,
    bytes: i64,
    exclusion: bool,
}

impl State for ReindexCollations {
    const NAME: &'static str = "ReindexCollations";
    type Output = Reindexed;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Reindexed> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        let login = aurora::login(cx, &cluster, self.secret_arn.as_deref()).await?;
        reindex(cx, run, &login, self.collations).await
    }
}

/// Looks through a server, whether it is a cluster's or not.
pub async fn reindex(cx: &Context, run: &Run, login: &Login, collations: Collations) -> Result<Reindexed> {
    let client = session(cx, login, "postgres").await?;
    let server = server_version(&client).await?.major();
    roles::learn_system_roles(&client).await?;
    let databases = postgres::databases(&client).await?;
    let key = format!("{}/reindexed.json", run.prefix());
    let done = cx.store.get_json::<BTreeSet<Done>>(&key).await?.unwrap_or_default();
    let mut work = Work { cx, server, key, done, left: Vec::new(), failed: Vec::new() };
    if collations == Collations::Tell {
        for database in &databases {
            work.tell(&session(cx, login, database).await?, database).await?;
        }
        let summary = told(&work.left);
        work.left.truncate(KEPT);
        return Ok(Reindexed { summary, indexes: 0, left: work.left });
    }
    let memberships = roles::become_member(&client, Of::Owners).await?;
    let all = async {
        for database in &databases {
            work.database(&session(cx, login, database).await?, database).await?;
        }
        Ok::<_, Error>(())
    };
    let ended = all.await;
    memberships.give_back(&client).await?;
    ended?;
    if !work.failed.is_empty() {
        return Err(Error::failed(failed(&work.failed, work.done.len()))
            .changed("indexes as far as it came")
            .then(Then::Redrive));
    }
    let (indexes, summary) = (work.done.len(), summary(work.done.len(), &work.left));
    work.left.truncate(KEPT);
    Ok(Reindexed { summary, indexes, left: work.left })
}

/// The indexes of the connected database whose collation has changed, the smallest first; and
/// whether the database's own has.
async fn affected(client: &Client, server: u32, database: &str) -> Result<(Vec<Index>, bool)> {
    // 15 was the first to note it for a database (https://www.postgresql.org/docs/release/15.0/).
    let of_database = server >= 15 && of_database(client, database).await?;
    let rows = client.query(include_str!("sql/reindex/indexes.sql"), &[&of_database]).await;
    let rows = rows.map_err(|error| query_failed(&format!("list the indexes of {database}"), &error))?;
    let index = |row: &tokio_postgres::Row| Index {
        oid: row.get("oid"),
        name: row.get("name"),
        bytes: row.get("bytes"),
        exclusion: row.get("exclusion"),
    };
    Ok((rows.iter().map(index).collect(), of_database))
}

/// How many indexes of the connected database a changed collation has ordered.
pub async fn drifted(client: &Client, server: u32, database: &str) -> Result<usize> {
    Ok(affected(client, server, database).await?.0.len())
}

async fn of_database(client: &Client, database: &str) -> Result<bool> {
    let row = client.query_one(include_str!("sql/reindex/database.sql"), &[]).await;
    let row = row.map_err(|error| query_failed(&format!("look at the collation of {database}"), &error))?;
    Ok(row.get("drifted"))
}

async fn session(cx: &Context, login: &Login, database: &str) -> Result<Client> {
    let client = postgres::connect(cx, login, database).await?;
    // It waits for every transaction that may still use the old index, and nobody waits for it.
    let set = "SET search_path = pg_catalog; SET statement_timeout = 0; SET lock_timeout = 0; \
               SET client_min_messages = error";
    client.batch_execute(set).await.map_err(|error| query_failed("set up a session", &error))?;
    Ok(client)
}

struct Work<'a> {
    cx: &'a Context,
    /// The server's major version.
    server: u32,
    key: String,
    done: BTreeSet<Done>,
    left: Vec<Left>,
    failed: Vec<Left>,
}

impl Work<'_> {
    async fn tell(&mut self, client: &Client, database: &str) -> Result<()> {
        for index in affected(client, self.server, database).await?.0 {
            self.leave(database, index.statement(), "its collation has changed");
        }
        Ok(())
    }

    async fn database(&mut self, client: &Client, database: &str) -> Result<()> {
        let (indexes, of_database) = affected(client, self.server, database).await?;
        let before = (self.left.len(), self.failed.len());
        let oids: Vec<u32> = indexes.iter().map(|index| index.oid).collect();
        self.each(client, database, include_str!("sql/reindex/leftovers.sql"), &oids).await?;
        let number = indexes.len();
        for (place, index) in indexes.iter().enumerate() {
            let megabytes = index.bytes / 1_000_000;
            self.cx.progress.say(format!(
                "index {} of {number} of database {database}: {} ({megabytes} MB)",
                place + 1,
                index.name
            ));
            self.index(client, database, index).await?;
        }
        // One that is not in the new order keeps the old version on record.
        if before == (self.left.len(), self.failed.len()) {
            self.each(client, database, include_str!("sql/reindex/refresh.sql"), &of_database).await?;
        }
        Ok(())
    }

    async fn index(&mut self, client: &Client, database: &str, index: &Index) -> Result<()> {
        let key = |oid| Done { database: database.to_owned(), oid };
        if self.done.contains(&key(index.oid)) {
            return Ok(());
        }
        if index.exclusion {
            self.leave(database, index.statement(), "of an exclusion constraint: it locks the table");
            return Ok(());
        }
        match client.batch_execute(&index.statement()).await {
            Ok(()) => {}
            Err(error) if is_gone(&error) => return Err(query_failed(&index.statement(), &error)),
            Err(error) => {
                let (statement, reason) = (index.statement(), said(&error));
                tracing::warn!(database, statement, reason, "an index could not be built again");
                self.failed.push(Left { database: database.to_owned(), statement, reason });
                return Ok(());
            }
        }
        let oid = "SELECT to_regclass($1)::oid";
        let oid = client.query_one(oid, &[&index.name]).await;
        let oid = oid.map_err(|error| query_failed(&format!("look for index {}", index.name), &error))?;
        if let Some(oid) = oid.get(0) {
            self.done.insert(key(oid));
            self.cx.store.put_json(&self.key, &self.done).await?;
        }
        Ok(())
    }

    /// Runs the statements that a query writes; one that fails is left to a person.
    async fn each(
        &mut self,
        client: &Client,
        database: &str,
        writer: &str,
        parameter: &(dyn tokio_postgres::types::ToSql + Sync),
    ) -> Result<()> {
        let doing = format!("put the collations of database {database} in order");
        let rows = client.query(writer, &[parameter]).await.map_err(|error| query_failed(&doing, &error))?;
        for row in rows {
            let statement: String = row.get("statement");
            match client.batch_execute(&statement).await {
                Ok(()) => {}
                Err(error) if is_gone(&error) => return Err(query_failed(&doing, &error)),
                Err(error) => self.leave(database, statement, &said(&error)),
            }
        }
        Ok(())
    }

    fn leave(&mut self, database: &str, statement: String, reason: &str) {
        let database = database.to_owned();
        self.left.push(Left { database, statement, reason: reason.to_owned() });
    }
}

impl Index {
    fn statement(&self) -> String {
        let concurrently = if self.exclusion { "" } else { "CONCURRENTLY " };
        format!("REINDEX INDEX {concurrently}{}", self.name)
    }
}

fn list(text: &mut String, all: &[Left]) {
    for Left { database, statement, reason } in all.iter().take(LISTED) {
        let _ = write!(text, "\n\n{database}: {statement}\n  why: {reason}\n  do:  {statement};");
    }
    if all.len() > LISTED {
        let _ = write!(text, "\n\nand {} more", all.len() - LISTED);
    }
}

fn failed(all: &[Left], done: usize) -> String {
    let mut text = format!(
        "{} indexes that a changed collation has ordered could not be built again; {done} were. The cluster \
        is upgraded and in use; searches in these may miss rows.",
        all.len()
    );
    list(&mut text, all);
    text.push_str("\n\nFix the cause and redrive the execution: only these are built.");
    text
}

fn told(left: &[Left]) -> String {
    let mut text = format!(
        "{} indexes are in an order that their collation no longer has; nothing was changed, as the input \
        says.",
        left.len()
    );
    list(&mut text, left);
    text
}

fn summary(indexes: usize, left: &[Left]) -> String {
    let mut text = format!("{indexes} indexes that a changed collation had ordered are built again.");
    list(&mut text, left);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(number: usize) -> Vec<Left> {
        let one = |number| Left {
            database: "shop".into(),
            statement: format!("REINDEX INDEX CONCURRENTLY public.i{number}"),
            reason: "because".into(),
        };
        (0..number).map(one).collect()
    }

    #[test]
    fn what_could_not_be_built_is_named_with_its_statement_and_not_without_end() {
        let text = failed(&left(30), 4);
        assert!(text.contains("do:  REINDEX INDEX CONCURRENTLY public.i19;"), "{text}");
        assert!(text.contains("and 10 more") && !text.contains("i20"), "{text}");
    }

    #[test]
    fn an_index_of_an_exclusion_constraint_is_not_asked_for_concurrently() {
        let index = |exclusion| Index { oid: 1, name: "public.i".into(), bytes: 0, exclusion };
        assert_eq!(index(true).statement(), "REINDEX INDEX public.i");
        assert_eq!(index(false).statement(), "REINDEX INDEX CONCURRENTLY public.i");
    }

    #[test]
    fn what_is_only_told_says_so() {
        assert!(told(&left(2)).contains("nothing was changed"));
        assert_eq!(summary(3, &[]), "3 indexes that a changed collation had ordered are built again.");
    }
}
