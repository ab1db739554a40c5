//! The rows of every table into the new database: several pairs of sessions take from one queue,
//! the biggest part first.
//!
//! A big table is read in parts, by ranges of its pages. What cannot be loaded is noted and the
//! others go on; when all are through it is tried again, for a CHECK may ask what is in another
//! table.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    pin::pin,
};

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use futures::{SinkExt, TryStreamExt, future::try_join_all};
use parking_lot::Mutex;
use policy::TableName;
use runbook::{
    Result,
    postgres::{is_of_the_moment, query_failed, quote, said},
};
use tokio_postgres::{Client, error::SqlState};

use super::{
    plan::{PlannedColumn, Rows as Planned, TablePlan, Value},
    rows::{self, Misfit, Rows},
    schema::Heap,
};
use crate::{
    daily_sync::replace::{Key, Seen},
    shared::sessions::{Lanes, Sessions},
};

const BATCH: usize = 256 * 1024;

/// What was met in the columns of a table, by their numbers in the plan.
#[derive(Default)]
pub struct Done {
    pub rows: u64,
    pub seen: BTreeMap<usize, Seen>,
    /// Kept columns whose values look like credentials.
    pub credentials: BTreeSet<usize>,
}

impl Done {
    pub fn none(plan: &TablePlan, key: &Key) -> Result<Self> {
        let Planned::All(columns) = &plan.rows else { return Ok(Self::default()) };
        Ok(Self { seen: Rows::new(key, columns)?.done(), ..Self::default() })
    }
}

/// Why a table is not in the new database.
#[derive(Debug)]
pub enum Refused {
    /// PostgreSQL does not take the rows.
    Load(String),
    /// A rule has no replacement for a value of this column.
    Misfit { column: Option<String>, why: String },
}

pub type Outcome = std::result::Result<Done, Refused>;

/// Some pages of a table, or of a partition of it.
struct Part<'a> {
    plan: &'a TablePlan,
    columns: &'a [PlannedColumn],
    heap: &'a Heap,
    /// From the first to before the second; to the end where there is none.
    pages: (i64, Option<i64>),
}

/// Loads all that the plans say from the old database into the new one.
pub async fn load<'a>(
    sessions: &Sessions<'_>,
    (old, new): (&str, &str),
    plans: &'a [TablePlan],
    key: &Key,
    lanes: Lanes,
) -> Result<BTreeMap<&'a TableName, Outcome>> {
    let all = plans.iter().flat_map(|plan| parts(plan, lanes.pages)).collect();
    let mut outcomes = run(sessions, (old, new), all, key, lanes).await?;
    loop {
        let again: Vec<&TablePlan> = plans
            .iter()
            .filter(|plan| matches!(outcomes.get(&plan.table.name), Some(Err(Refused::Load(_)))))
            .collect();
        if again.is_empty() {
            return Ok(outcomes);
        }
        let client = sessions.open(new).await?;
        for plan in &again {
            let empty = format!("TRUNCATE {}", plan.table.sql());
            client
                .batch_execute(&empty)
                .await
                .map_err(|error| query_failed("begin a table again", &error))?;
        }
        let parts = again.iter().copied().flat_map(|plan| parts(plan, lanes.pages)).collect();
        let second = run(sessions, (old, new), parts, key, lanes).await?;
        let helped = second.values().any(std::result::Result::is_ok);
        outcomes.extend(second);
        if !helped {
            return Ok(outcomes);
        }
    }
}

fn parts(plan: &TablePlan, at_a_time: i64) -> Vec<Part<'_>> {
    let Planned::All(columns) = &plan.rows else { return Vec::new() };
    let mut parts = Vec::new();
    for heap in &plan.table.heaps {
        // Showing hidden rows locks the table.
        let last = if heap.hides { 0 } else { (heap.pages - 1).max(0) / at_a_time };
        parts.extend((0..=last).map(|number| Part {
            plan,
            columns,
            heap,
            pages: (number * at_a_time, (number < last).then_some((number + 1) * at_a_time)),
        }));
    }
    parts
}

async fn run<'a>(
    sessions: &Sessions<'_>,
    databases: (&str, &str),
    mut parts: Vec<Part<'a>>,
    key: &Key,
    lanes: Lanes,
) -> Result<BTreeMap<&'a TableName, Outcome>> {
    let mut outcomes: BTreeMap<&TableName, Outcome> =
        parts.iter().map(|part| (&part.plan.table.name, Ok(Done::default()))).collect();
    parts.sort_by_key(|part| part.pages.1.unwrap_or(part.heap.pages) - part.pages.0);
    let total = parts.len();
    let (queue, shared) = (Mutex::new(VecDeque::from(parts)), Mutex::new(&mut outcomes));
    let turns = (0..lanes.sessions.min(total)).map(|_| async {
        let from = sessions.open_to_evaluate(databases.0).await?;
        let to = sessions.open_to_copy(databases.1).await?;
        loop {
            let (next, left) = {
                let mut queue = queue.lock();
                (queue.pop_back(), queue.len())
            };
            let Some(part) = next else { return Ok::<_, runbook::Error>(()) };
            let name = &part.plan.table.name;
            let (now, database) = (total - left, databases.0);
            sessions.cx.progress.say(format!("masking {name} of database {database} ({now} of {total})"));
            if part.heap.hides {
                part.heap.unhide(&from).await?;
            }
            let done = copy(&from, &to, &part, key).await?;
            if part.heap.hides {
                let again = from.batch_execute("ROLLBACK").await;
                again.map_err(|error| query_failed("hide rows again", &error))?;
            }
            let mut outcomes = shared.lock();
            if let Some(outcome) = outcomes.get_mut(name) {
                join(outcome, done);
            }
        }
    });
    try_join_all(turns).await?;
    Ok(outcomes)
}

fn join(outcome: &mut Outcome, part: Outcome) {
    match (&mut *outcome, part) {
        (Ok(all), Ok(part)) => {
            all.rows += part.rows;
            all.credentials.extend(part.credentials);
            for (column, seen) in part.seen {
                all.seen.entry(column).and_modify(|all| all.add(&seen)).or_insert(seen);
            }
        }
        (Ok(_), Err(refused)) => *outcome = Err(refused),
        (Err(_), _) => {}
    }
}

/// What is read: only columns and the policy's expressions, of this one table, and no row that a
/// policy of the table's would add or hide.
fn select(part: &Part<'_>) -> String {
    let mut values = Vec::new();
    for column in part.columns {
        values.push(quote(&column.name));
        if let Value::Sql { expression } = &column.value {
            values.push(format!("({expression})::{}", column.value_type));
        }
    }
    let (from, to) = part.pages;
    let mut pages = format!("ctid >= '({from},0)'::tid");
    if let Some(to) = to {
        pages += &format!(" AND ctid < '({to},0)'::tid");
    }
    format!("SELECT {} FROM ONLY {} WHERE {pages}", values.join(", "), part.heap.sql)
}

async fn copy(from: &Client, to: &Client, part: &Part<'_>, key: &Key) -> Result<Outcome> {
    let name = &part.plan.table.name;
    let reading = |error: tokio_postgres::Error| {
        if error.code() == Some(&SqlState::CHARACTER_NOT_IN_REPERTOIRE) {
            let why = rows::NOT_UTF8.to_owned();
            return Ok(Err(Refused::Misfit { column: None, why }));
        }
        Err(runbook::postgres::failed(&format!("read {name}"), &error))
    };
    let mut rows = Rows::new(key, part.columns)?;
    let target: Vec<String> = part.columns.iter().map(|column| quote(&column.name)).collect();
    let source = match from.copy_out(&format!("COPY ({}) TO STDOUT", select(part))).await {
        Ok(source) => source,
        Err(error) => return reading(error),
    };
    let target = if target.is_empty() { String::new() } else { format!("({})", target.join(", ")) };
    let into = format!("COPY {} {target} FROM STDIN", part.plan.table.sql());
    let sink = match to.copy_in::<_, Bytes>(&into).await {
        Ok(sink) => sink,
        Err(error) => return refused(&error),
    };
    let (mut source, mut sink) = (pin!(source), pin!(sink));
    let mut lines = BytesMut::with_capacity(BATCH * 2);
    loop {
        let chunk = match source.try_next().await {
            Ok(chunk) => chunk,
            Err(error) => return reading(error),
        };
        let end = chunk.is_none();
        lines.extend_from_slice(&chunk.unwrap_or_default());
        if lines.is_empty() || !end && lines.len() < BATCH {
            if end {
                break;
            }
            continue;
        }
        // The server sends a row a message; the rest of one that it did not is kept.
        let whole = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let batch = lines.split_to(whole).freeze();
        let made = if rows.pass() {
            rows.count += batch.iter().filter(|byte| **byte == b'\n').count() as u64;
            Ok(batch)
        } else {
            let (back, made) = tokio::task::spawn_blocking(move || {
                let made = rows.replace(&batch);
                (rows, made)
            })
            .await
            .context("a thread that replaces values")?;
            rows = back;
            made?.map(Bytes::from)
        };
        let made = match made {
            Ok(made) => made,
            Err(Misfit { column, why }) => {
                let column = column.map(|number| part.columns[number].name.clone());
                return Ok(Err(Refused::Misfit { column, why }));
            }
        };
        // The server's own words come at the end; a sink that takes no more has none.
        if sink.send(made).await.is_err() {
            break;
        }
        if end {
            break;
        }
    }
    match sink.as_mut().finish().await {
        Ok(loaded) if loaded == rows.count => {
            Ok(Ok(Done { rows: loaded, credentials: rows.credentials(), seen: rows.done() }))
        }
        // A trigger cannot be it: there are none yet.
        Ok(loaded) => Ok(Err(Refused::Load(format!("{} rows were sent and {loaded} arrived", rows.count)))),
        Err(error) => refused(&error),
    }
}

fn refused(error: &tokio_postgres::Error) -> Result<Outcome> {
    if is_of_the_moment(error) {
        return Err(query_failed("load a table", error));
    }
    // src/backend/executor/execPartition.c
    let nowhere = error.as_db_error().is_some_and(|error| error.routine() == Some("ExecFindPartition"));
    let why = if nowhere { "a row with its masked values fits no partition".into() } else { said(error) };
    Ok(Err(Refused::Load(why)))
}
