//! Masks the tables: several connections take from one queue, across all databases, the biggest
//! table first.
//!
//! The masking of a table and the line of the journal that says so are one transaction. Killed at
//! any moment and begun again, no table is masked twice and none is left out; foreign keys that
//! were taken away are in the journal until they are back.

use std::collections::VecDeque;

use parking_lot::Mutex;

use futures::future::try_join_all;
use policy::{LargeObjects, TableName};
use runbook::{Result, postgres::query_failed};
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::{
    foreign_keys,
    plan::{Plan, TablePlan, Way},
    sessions::Sessions,
    table,
};

/// The server's two processors at least are busy, and big tables do not wait for small ones.
const CONNECTIONS: usize = 3;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaskedTable {
    pub database: String,
    pub table: TableName,
    pub way: Way,
    pub rows: i64,
}

/// Everything that the plans say, and the list of what was done by this attempt and former ones.
pub async fn mask(sessions: &Sessions<'_>, plans: &[Plan], key: &str) -> Result<Vec<MaskedTable>> {
    let busy: Vec<&Plan> = plans.iter().filter(|plan| !plan.is_empty()).collect();
    for plan in &busy {
        prepare(sessions, plan, key).await?;
    }
    let mut queue: Vec<(&Plan, &TablePlan)> =
        busy.iter().flat_map(|plan| plan.tables.iter().map(move |table| (*plan, table))).collect();
    queue.sort_by_key(|(_, table)| std::cmp::Reverse(table.table.bytes));
    let total = queue.len();
    let queue = Mutex::new(VecDeque::from(queue));
    try_join_all((0..CONNECTIONS).map(|_| take_turns(sessions, &queue, total, key))).await?;
    for plan in &busy {
        let client = sessions.open_with_key(&plan.database, key).await?;
        sessions.cx.progress.say(format!("bringing back the foreign keys of database {}", plan.database));
        foreign_keys::bring_back(&client).await?;
        if plan.large_objects == Some(LargeObjects::Truncate) {
            remove_large_objects(&client).await?;
        }
    }
    let mut masked = Vec::new();
    for plan in &busy {
        masked.extend(journal(&sessions.open(&plan.database).await?, &plan.database).await?);
    }
    Ok(masked)
}

async fn prepare(sessions: &Sessions<'_>, plan: &Plan, key: &str) -> Result<()> {
    let mut client = sessions.open_with_key(&plan.database, key).await?;
    let set_up = client.batch_execute(include_str!("../sql/mask/journal.sql")).await;
    set_up.map_err(|error| query_failed(&format!("set up the journal in {}", plan.database), &error))?;
    for helper in plan.tables.iter().flat_map(|table| &table.helpers) {
        client
            .batch_execute(helper)
            .await
            .map_err(|error| query_failed(&format!("create a function in {}", plan.database), &error))?;
    }
    foreign_keys::take_away(&mut client, &plan.foreign_keys).await
}

async fn take_turns(
    sessions: &Sessions<'_>,
    queue: &Mutex<VecDeque<(&Plan, &TablePlan)>>,
    total: usize,
    key: &str,
) -> Result<()> {
    let mut session: Option<(String, Client)> = None;
    loop {
        let (next, left) = {
            let mut queue = queue.lock();
            (queue.pop_front(), queue.len())
        };
        let Some((plan, table)) = next else { return Ok(()) };
        sessions.cx.progress.say(format!(
            "masking {} of database {} ({} of {total})",
            table.table.name,
            plan.database,
            total - left
        ));
        let mut open = match session.take() {
            Some(open) if open.0 == plan.database => open,
            _ => (plan.database.clone(), sessions.open_with_key(&plan.database, key).await?),
        };
        table::mask(&mut open.1, &plan.database, table).await?;
        session = Some(open);
    }
}

async fn remove_large_objects(client: &Client) -> Result<()> {
    let failed = |error: tokio_postgres::Error| query_failed("remove large objects", &error);
    // In portions: every one of them takes a lock until the end of its transaction.
    let sql =
        "SELECT count(lo_unlink(oid)) FROM (SELECT oid FROM pg_largeobject_metadata LIMIT 2000) AS portion";
    while client.query_one(sql, &[]).await.map_err(failed)?.get::<_, i64>(0) > 0 {}
    // ANALYZE leaves the statistics of an empty table as they are, with samples of what was in it:
    // here is something else to be sampled.
    let other = "SELECT lo_from_bytea(0, '\\x00')::oid";
    let other: u32 = client.query_one(other, &[]).await.map_err(failed)?.get(0);
    client
        .batch_execute(&format!("ANALYZE pg_catalog.pg_largeobject; SELECT lo_unlink({other})"))
        .await
        .map_err(failed)
}

async fn journal(client: &Client, database: &str) -> Result<Vec<MaskedTable>> {
    let sql = "SELECT name, way, coalesce(rows, 0) FROM aurora_runbooks.masked ORDER BY name";
    let rows = client.query(sql, &[]).await.map_err(|error| query_failed("read the journal", &error))?;
    let masked = |row: &tokio_postgres::Row| {
        let (table, way): (String, String) = (row.get(0), row.get(1));
        Ok(MaskedTable {
            database: database.to_owned(),
            table: table.parse().map_err(anyhow::Error::msg)?,
            way: way.parse()?,
            rows: row.get(2),
        })
    };
    rows.iter().map(masked).collect()
}

/// Drops the journal of a database. From then on nothing in it says that it is masked: the caller
/// has written that down elsewhere.
pub async fn drop_journal(client: &Client) -> Result<()> {
    let sql = "SET client_min_messages = warning; DROP SCHEMA IF EXISTS aurora_runbooks CASCADE; RESET \
    client_min_messages";
    client.batch_execute(sql).await.map_err(|error| query_failed("drop the journal", &error))
}
