//! Counts the rows of every table on the restored copy, which nobody but the worker reaches.
//!
//! It reads `count(*)` of tables alone, in sessions that write nothing and evaluate nothing of
//! production's: no view, no policy, no function. Changes: the master user becomes a member of the
//! tables' owners, in the copy; writes into the run's folder what it has counted. Again is
//! harmless: what is counted is not counted again. Undo: RemoveLeftovers deletes the copy. Errors:
//! `Conflict` (the copy is gone: it is restored again), `Refused` (no copy of this run),
//! `OperationFailed` (tables whose rows are hidden, by name);
//! `NotReady` while the server does not answer.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use policy::TableName;
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, ResourceId, Status},
    daily_sync::tags::Maker,
    error::Then,
    postgres::{self, query_failed, table},
    snapshot_export,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counts::{self, Database, Table, is_wanted};
use crate::shared::{
    quarantine::Quarantined,
    roles::{Of, become_member},
    seal::{Seal, Sealed},
    sessions::Sessions,
};

/// Two for each of two processors: one waits for the disk while the other counts.
const CONNECTIONS: usize = 4;
/// How much counting a worker that dies loses.
const REMEMBERED_EVERY: SignedDuration = SignedDuration::from_secs(30);
/// How many hidden tables the error names.
const NAMED: usize = 20;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CountRows {
    /// The export, as the policy names it.
    pub export: String,
    /// The restored cluster.
    pub cluster: String,
    /// Its DbClusterResourceId.
    #[schemars(with = "String")]
    pub resource_id: ResourceId,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    pub summary: String,
    pub tables: usize,
    pub rows: u64,
    pub seconds: u64,
    /// The digest of what was counted.
    pub counted: String,
}

/// Something with rows of its own, and the table that it belongs to.
#[derive(Debug)]
struct Heap {
    name: TableName,
    root: TableName,
    has_rows: bool,
    hidden: bool,
}

/// Database → table as SQL writes it → rows.
type Known = BTreeMap<String, BTreeMap<String, u64>>;

impl State for CountRows {
    const NAME: &'static str = "CountRows";
    type Output = Counted;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Counted> {
        let began = cx.clock.now();
        self.check_stands(cx).await?;
        let maker = Maker::Export(&self.export);
        let copy = Quarantined { cluster: &self.cluster, maker, resource_id: &self.resource_id };
        let login = copy.login(cx, run).await?;
        let only = snapshot_export::policy(cx, run, &self.export).await?.only;
        let sessions = Sessions { cx, login: &login };
        // The password is this copy's alone, and dies with it.
        let seal = Seal::new(&login.password, run, &self.resource_id);
        let memory = Memory::recall(cx, run, &seal).await?;

        let client = sessions.open("template1").await?;
        become_member(&client, Of::Owners).await?;
        let mut databases = postgres::databases(&client).await?;
        drop(client);
        databases
            .retain(|name| only.is_empty() || only.iter().any(|part| part.split('.').next() == Some(name)));
        let mut all = Vec::new();
        for database in databases {
            let tables = count(&sessions, &database, &only, &memory).await?;
            if !tables.is_empty() {
                all.push(Database { database, tables });
            }
        }
        memory.remember().await?;

        let tables: usize = all.iter().map(|database| database.tables.len()).sum();
        let rows = all.iter().flat_map(|database| &database.tables).map(|table| table.rows).sum();
        let counted = counts::put(cx, run, &all).await?;
        let seconds = u64::try_from((cx.clock.now() - began).get_seconds()).unwrap_or_default();
        Ok(Counted {
            summary: format!("{rows} rows in {tables} tables of {} databases are counted", all.len()),
            tables,
            rows,
            seconds,
            counted,
        })
    }
}

impl CountRows {
    /// What a failed run restored is cleaned up after, and a redrive begins here: the machine then
    /// restores it again.
    async fn check_stands(&self, cx: &Context) -> Result<()> {
        let found = aurora::find_cluster(cx, &self.cluster).await?;
        if found.is_some_and(|cluster| cluster.status != Status::Deleting) {
            return Ok(());
        }
        Err(Error::conflict(format!("the restored copy {} is gone: it is restored again", self.cluster)))
    }
}

async fn count(
    sessions: &Sessions<'_>,
    database: &str,
    only: &[String],
    memory: &Memory<'_>,
) -> Result<Vec<Table>> {
    let client = sessions.open_to_count(database).await?;
    let mut heaps = heaps(&client).await?;
    drop(client);
    let target = |name: &TableName| format!("{database}.{}.{}", name.schema, name.table);
    heaps.retain(|heap| is_wanted(&target(&heap.root), only));
    refuse_hidden(database, &heaps)?;
    let todo: Vec<&Heap> = heaps
        .iter()
        .filter(|heap| heap.has_rows && memory.rows(database, &table(&heap.name)).is_none())
        .collect();
    let all = todo.len();
    let queue = Mutex::new(todo);
    let lane = async || -> Result<()> {
        let client = sessions.open_to_count(database).await?;
        loop {
            let Some(heap) = queue.lock().pop() else { return Ok(()) };
            let name = table(&heap.name);
            let left = queue.lock().len();
            sessions.cx.progress.say(format!("{} of {all} tables of {database} are counted", all - left - 1));
            // Rows of its own: what inherits from it is a table of its own.
            let row = client.query_one(&format!("SELECT count(*) FROM ONLY {name}"), &[]).await;
            let rows: i64 = row.map_err(|error| query_failed(&format!("count {name}"), &error))?.get(0);
            memory.note(database, name, u64::try_from(rows).unwrap_or_default()).await?;
        }
    };
    try_join_all((0..CONNECTIONS.min(all)).map(|_| lane())).await?;
    let mut sums: BTreeMap<String, Table> = BTreeMap::new();
    for heap in &heaps {
        let sum = sums.entry(table(&heap.root)).or_insert(Table { table: heap.root.clone(), rows: 0 });
        sum.rows += memory.rows(database, &table(&heap.name)).unwrap_or_default();
    }
    Ok(sums.into_values().collect())
}

async fn heaps(client: &tokio_postgres::Client) -> Result<Vec<Heap>> {
    let rows = client.query(include_str!("sql/tables.sql"), &[]).await;
    let rows = rows.map_err(|error| query_failed("list tables", &error))?;
    let name = |schema, table| TableName { schema, table };
    let heap = |row: &tokio_postgres::Row| Heap {
        name: name(row.get(0), row.get(1)),
        root: name(row.get(2), row.get(3)),
        has_rows: row.get(4),
        hidden: row.get(5),
    };
    Ok(rows.iter().map(heap).collect())
}

/// To show them would be a change that event triggers, which are production's code, are called for
/// (https://www.postgresql.org/docs/current/event-trigger-matrix.html).
fn refuse_hidden(database: &str, heaps: &[Heap]) -> Result<()> {
    let hidden: Vec<String> =
        heaps.iter().filter(|heap| heap.has_rows && heap.hidden).map(|heap| table(&heap.name)).collect();
    if hidden.is_empty() {
        return Ok(());
    }
    let more = hidden.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let named = hidden[..hidden.len().min(NAMED)].join(", ");
    Err(Error::failed(format!(
        "not every row of these tables of {database} is shown to their owner, so they cannot be counted: \
         {named}{more}"
    ))
    .changed("nothing; the copy is deleted, and latest.json leads where it led")
    .fix(
        "end FORCE ROW LEVEL SECURITY on them, and let their owners read them; or leave them out of the \
         export (only), or set verify: aws",
    )
    .then(Then::StartAgain))
}

/// What is counted already, also by a worker of this run that died.
struct Memory<'a> {
    cx: &'a Context,
    seal: &'a Seal,
    key: String,
    known: Mutex<(Known, Timestamp)>,
}

impl<'a> Memory<'a> {
    /// What this run did not write is counted again.
    async fn recall(cx: &'a Context, run: &Run, seal: &'a Seal) -> Result<Self> {
        let key = format!("{}/counting.json", run.prefix());
        let sealed: Option<Sealed<Known>> = cx.store.get_json(&key).await?;
        let known = sealed.and_then(|sealed| seal.open(&key, sealed).ok()).unwrap_or_default();
        Ok(Self { cx, seal, key, known: Mutex::new((known, cx.clock.now())) })
    }

    fn rows(&self, database: &str, table: &str) -> Option<u64> {
        self.known.lock().0.get(database)?.get(table).copied()
    }

    async fn note(&self, database: &str, table: String, rows: u64) -> Result<()> {
        let now = self.cx.clock.now();
        let is_due = {
            let (known, remembered) = &mut *self.known.lock();
            known.entry(database.to_owned()).or_default().insert(table, rows);
            let is_due = now.duration_since(*remembered) >= REMEMBERED_EVERY;
            if is_due {
                *remembered = now;
            }
            is_due
        };
        if is_due { self.remember().await } else { Ok(()) }
    }

    async fn remember(&self) -> Result<()> {
        let known = self.known.lock().0.clone();
        self.cx.store.put_json(&self.key, &self.seal.seal(&self.key, known)?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_rows_stop_the_count_with_their_tables_and_a_partitioned_table_hides_none() {
        let heap = |name: &str, has_rows: bool, hidden: bool| {
            let name = TableName { schema: "public".into(), table: name.into() };
            Heap { root: name.clone(), name, has_rows, hidden }
        };
        assert!(refuse_hidden("shop", &[heap("a", true, false), heap("b", false, true)]).is_ok());
        let error = refuse_hidden("shop", &[heap("a", true, false), heap("c", true, true)]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("\"public\".\"c\"") && !text.contains("\"a\""), "{text}");
        assert_eq!(error.name(), "OperationFailed");
    }
}
