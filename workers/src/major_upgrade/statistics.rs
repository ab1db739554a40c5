//! The planner's statistics, carried over an upgrade that does not bring them.
//!
//! From 18 on pg_upgrade keeps them, unless it is called with `--no-statistics`
//! (https://www.postgresql.org/docs/18/pgupgrade.html); nobody has published how Aurora calls it.
//! So InspectDatabases copies pg_stats and the sizes of pg_class into the schema
//! `aurora_runbooks_statistics` of each database, and RunAnalyze writes back what is lacking and
//! drops the schema.
//!
//! They hold values of rows, so they are copied by the server, from its catalog to a table beside
//! it, and never come here. That is why it is not `pg_dump --statistics-only`, whose output would
//! pass through this process and be run as SQL. Nobody but the master user is granted the tables;
//! where a publication of all tables or a logical slot would pass them on, there is no record.

use std::collections::BTreeMap;

use runbook::{
    Context, Result,
    postgres::{self, Login, is_gone, query_failed, said},
};
use serde::Serialize;
use tokio_postgres::{Client, Row};

use crate::shared::roles::{self, Of};

/// Where the record is, in each database.
pub const SCHEMA: &str = "aurora_runbooks_statistics";

/// The first version that can be told statistics.
/// (https://www.postgresql.org/docs/18/functions-admin.html)
pub const SINCE: u32 = 18;

/// Tables of a statement: each keeps its lock until the statement ends.
const CHUNK: usize = 200;

/// As values are written, so they are read (pg_dump sets the same).
const FORMATS: &str = "SET search_path = pg_catalog; SET DateStyle = ISO; SET IntervalStyle = postgres; \
                       SET extra_float_digits = 3; SET bytea_output = hex; SET lc_monetary = 'C'";

/// Makes the record in a database, or answers why there is none: an upgrade goes well without it.
pub async fn keep(cx: &Context, login: &Login, database: &str) -> Result<Option<String>> {
    let client = postgres::connect(cx, login, database).await?;
    match keep_in(&client).await {
        Ok(why_not) => Ok(why_not),
        Err(error) if is_gone(&error) => {
            Err(query_failed(&format!("keep the statistics of {database}"), &error))
        }
        Err(error) => {
            let reason = said(&error);
            tracing::warn!(database, reason, "the planner's statistics are not kept");
            Ok(Some(reason))
        }
    }
}

async fn keep_in(client: &Client) -> std::result::Result<Option<String>, tokio_postgres::Error> {
    // Ten minutes are what it may take; who waits for one of our locks does not wait longer.
    client.batch_execute(FORMATS).await?;
    client
        .batch_execute("SET row_security = off; SET statement_timeout = '10min'; SET lock_timeout = '5s'")
        .await?;
    let state = client.query_one(include_str!("sql/statistics/state.sql"), &[]).await?;
    if let Some(why_not) = why_not(&state) {
        return Ok(Some(why_not.to_owned()));
    }
    // Of nothing there is no record: what is made from template1 meanwhile would have a copy of it.
    if !state.get::<_, bool>("tables") {
        return Ok(None);
    }
    client.batch_execute("BEGIN").await?;
    client.batch_execute(include_str!("sql/statistics/make.sql")).await?;
    for grant in client.query(include_str!("sql/statistics/grants.sql"), &[]).await? {
        client.batch_execute(grant.get(0)).await?;
    }
    client.execute(include_str!("sql/statistics/relations.sql"), &[]).await?;
    client.execute(include_str!("sql/statistics/columns.sql"), &[]).await?;
    client.batch_execute("COMMIT").await?;
    Ok(None)
}

fn why_not(state: &Row) -> Option<&'static str> {
    if state.get::<_, Option<bool>>("ours") == Some(false) {
        return Some("somebody else has a schema of that name");
    }
    if state.get("published") {
        return Some("a publication of all tables would send the record to its subscribers");
    }
    state.get::<_, bool>("decoded").then_some("a logical slot would send the record to its consumer")
}

/// Lets the session see what the planner knows of other owners' tables, as long as it works:
/// pg_stats shows what one may read.
pub async fn acting_for_owners<T>(
    cx: &Context,
    login: &Login,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let client = postgres::connect(cx, login, "postgres").await?;
    let set = client.batch_execute("SET search_path = pg_catalog").await;
    set.map_err(|error| query_failed("set up a session", &error))?;
    roles::learn_system_roles(&client).await?;
    let memberships = roles::become_member(&client, Of::Owners).await?;
    let done = work.await;
    memberships.give_back(&client).await?;
    done
}

/// What was written back.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenBack {
    /// Tables that had lost their statistics.
    pub tables: usize,
    /// Columns and expressions of indexes.
    pub columns: usize,
    /// Columns that were not, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub left: BTreeMap<&'static str, usize>,
}

impl WrittenBack {
    pub fn add(&mut self, other: Self) {
        self.tables += other.tables;
        self.columns += other.columns;
        for (reason, columns) in other.left {
            *self.left.entry(reason).or_default() += columns;
        }
    }

    fn leave(&mut self, reason: &'static str, columns: i64) {
        if columns > 0 {
            *self.left.entry(reason).or_default() += usize::try_from(columns).unwrap_or_default();
        }
    }
}

/// Writes the record of the connected database back where statistics are lacking, and drops it.
/// A table that fails is left to ANALYZE.
pub async fn write_back(client: &Client, database: &str) -> Result<WrittenBack> {
    let failed =
        |error: tokio_postgres::Error| query_failed(&format!("write statistics back in {database}"), &error);
    let owner = "SELECT nspowner = current_user::regrole FROM pg_catalog.pg_namespace WHERE nspname = $1";
    let ours = client.query_opt(owner, &[&SCHEMA]).await.map_err(failed)?;
    if !ours.is_some_and(|row| row.get(0)) {
        return Ok(WrittenBack::default());
    }
    // What PostgreSQL does not take it says in a WARNING with the value: nobody asks for those.
    client.batch_execute(FORMATS).await.map_err(failed)?;
    client.batch_execute("SET client_min_messages = error").await.map_err(failed)?;
    // The upgrade that has lost statistics has lost the record's own.
    client.batch_execute(include_str!("sql/statistics/analyze.sql")).await.map_err(failed)?;
    let mut back = WrittenBack::default();
    let lacking = client.query(include_str!("sql/statistics/lacking.sql"), &[]).await.map_err(failed)?;
    let lacking: Vec<u32> = lacking.iter().map(|row| row.get(0)).collect();
    let checked = include_str!("sql/statistics/checked_types.sql");
    let checked: Option<Vec<u32>> = client.query_one(checked, &[]).await.map_err(failed)?.get(0);
    let checked = checked.unwrap_or_default();
    for tables in lacking.chunks(CHUNK) {
        back.add(write(client, tables, &checked, database).await?);
    }
    client.batch_execute("RESET client_min_messages").await.map_err(failed)?;
    if let Err(error) = client.batch_execute(include_str!("sql/statistics/drop.sql")).await {
        if is_gone(&error) {
            return Err(failed(error));
        }
        // VerifyUpgrade says it to a person, with the statement.
        tracing::warn!(database, reason = said(&error), "the record of the statistics is still there");
    }
    Ok(back)
}

/// All of them in one statement, or one after the other where one is locked or refused.
async fn write(client: &Client, tables: &[u32], checked: &[u32], database: &str) -> Result<WrittenBack> {
    match client.query_one(include_str!("sql/statistics/write_back.sql"), &[&tables, &checked]).await {
        Ok(row) => {
            let columns: i64 = row.get("columns");
            let mut back = WrittenBack {
                tables: tables.len(),
                columns: usize::try_from(columns).unwrap_or_default(),
                ..WrittenBack::default()
            };
            back.leave("PostgreSQL refuses them", row.get("refused"));
            back.leave("the column has another type now", row.get("retyped"));
            back.leave("a CHECK constraint of their domain would run", row.get("checked"));
            Ok(back)
        }
        Err(error) if is_gone(&error) => {
            Err(query_failed(&format!("write statistics back in {database}"), &error))
        }
        Err(_) if tables.len() > 1 => {
            let mut back = WrittenBack::default();
            for table in tables.chunks(1) {
                back.add(Box::pin(write(client, table, checked, database)).await?);
            }
            Ok(back)
        }
        Err(error) => {
            tracing::warn!(database, reason = said(&error), "statistics of a table are not written back");
            let mut back = WrittenBack::default();
            back.leave("the table is locked or cannot be changed", 1);
            Ok(back)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_back_is_counted_by_its_reason() {
        let mut all = WrittenBack { tables: 2, columns: 5, ..WrittenBack::default() };
        let mut one = WrittenBack { tables: 1, columns: 1, ..WrittenBack::default() };
        one.leave("PostgreSQL refuses them", 2);
        one.leave("the column has another type now", 0);
        all.add(one.clone());
        all.add(one);
        assert_eq!((all.tables, all.columns), (4, 7));
        assert_eq!(all.left, [("PostgreSQL refuses them", 4)].into());
    }
}
