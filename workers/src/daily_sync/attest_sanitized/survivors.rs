//! Looks for original values: every row of every table and view is read once more, every statistic
//! and every definition, and compared here by the marks that were taken while values were replaced.
//! The values themselves are not known here either.
//!
//! Rows are asked for without a cast, so that the server's own output is all that stands between
//! the page and this code. Comparing takes longer than reading, so several sessions take from one
//! queue, each on whatever processor is free.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    pin::pin,
    sync::Arc,
};

use anyhow::Context as _;
use futures::TryStreamExt;
use parking_lot::Mutex;
use policy::{JsonPath, Rule, Step, TableName};
use runbook::{
    Context, Result,
    postgres::{Login, is_of_the_moment, query_failed, quote, said, table},
};
use tokio::task::JoinSet;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{
    heaps::{Heap, heaps},
    marks::{Marker, Wanted},
    places::MaskedPlace,
};
use crate::{
    daily_sync::{
        fingerprints::{Within, is_by_chance, is_telling},
        sanitize_databases::record::Record,
    },
    shared::sessions::{Lanes, Sessions},
};

/// What is looked for everywhere, of all databases.
pub fn telling(places: &[MaskedPlace], records: &[Record]) -> Wanted {
    let mut wanted = Wanted::default();
    for place in places.iter().filter(|place| is_telling(&place.rule)) {
        wanted.add(&place.taken, &place.said);
    }
    for emptied in records.iter().flat_map(|record| &record.emptied) {
        wanted.add(emptied, "a table that was emptied");
    }
    wanted
}

/// What the sessions that look share.
pub struct Search {
    pub cx: Context,
    pub login: Login,
    pub marker: Marker,
    /// In order.
    pub places: Vec<MaskedPlace>,
    pub telling: Wanted,
}

/// What one session looks through before it asks for more.
#[derive(Debug)]
enum Unit {
    Part(Part),
    /// Tables that have to be changed before all their rows are seen, then all that is no row.
    Rest(Vec<Heap>),
}

/// Some pages of a table or of a partition of it.
#[derive(Debug, Clone)]
struct Part {
    of: Heap,
    pages: Option<Range<i64>>,
}

#[derive(Debug, Default)]
pub struct Survivors {
    pub values: u64,
    /// Where, never what.
    pub found: Vec<String>,
    /// By the number of its place.
    looks: BTreeMap<usize, Look>,
    /// Values of another place than theirs: in which column of which table, of which place, in how
    /// many rows.
    strange: BTreeMap<(String, String), u64>,
}

impl Search {
    pub async fn everywhere(self, databases: &[String], lanes: Lanes) -> Result<Survivors> {
        let mut queue = Vec::new();
        for database in databases {
            let units = self.units(database, lanes.pages).await?;
            queue.extend(units.into_iter().map(|unit| (database.clone(), unit)));
        }
        let (search, lanes) = (Arc::new(self), lanes.sessions.min(queue.len()));
        let queue = Arc::new(Mutex::new(VecDeque::from(queue)));
        // They end when this is dropped.
        let mut tasks = JoinSet::new();
        for _ in 0..lanes {
            let (search, queue) = (search.clone(), queue.clone());
            tasks.spawn(async move { search.lane(&queue).await });
        }
        let mut all = Survivors::default();
        while let Some(ended) = tasks.join_next().await {
            all.add(ended.context("a session that looks for original values")??);
        }
        for ((place, of), times) in &all.strange {
            all.found.push(format!("{place} holds original values of {of} in {times} rows"));
        }
        for (number, place) in search.places.iter().enumerate() {
            let look = all.looks.remove(&number).unwrap_or_default();
            all.found.extend(look.judge(place));
        }
        all.found.sort();
        Ok(all)
    }

    /// What there is to look through in a database, the longest first.
    async fn units(&self, database: &str, at_a_time: i64) -> Result<Vec<Unit>> {
        let client = self.sessions().open(database).await?;
        let (mut parts, mut rest) = (Vec::new(), Vec::new());
        for heap in heaps(&client).await? {
            let pages = heap.pages;
            if heap.hides {
                rest.push(heap);
                continue;
            }
            let whole = Part { of: heap, pages: None };
            if pages <= at_a_time {
                parts.push((pages, whole));
            } else {
                let last = (pages - 1) / at_a_time;
                parts.extend((0..=last).map(|number| {
                    let end = if number < last { (number + 1) * at_a_time } else { i64::MAX };
                    (at_a_time, Part { pages: Some(number * at_a_time..end), ..whole.clone() })
                }));
            }
        }
        parts.sort_by_key(|(pages, _)| -pages);
        let parts = parts.into_iter().map(|(_, part)| Unit::Part(part));
        Ok([Unit::Rest(rest)].into_iter().chain(parts).collect())
    }

    fn sessions(&self) -> Sessions<'_> {
        Sessions { cx: &self.cx, login: &self.login }
    }

    async fn lane(&self, queue: &Mutex<VecDeque<(String, Unit)>>) -> Result<Survivors> {
        let mut survivors = Survivors::default();
        let mut session: Option<(String, Client)> = None;
        loop {
            let next = queue.lock().pop_front();
            let Some((database, unit)) = next else { return Ok(survivors) };
            let client = match session.take().filter(|(connected, _)| *connected == database) {
                Some((_, client)) => client,
                None => self.sessions().open_to_copy(&database).await?,
            };
            match &unit {
                Unit::Part(part) => self.in_part(&client, &database, part, &mut survivors).await?,
                Unit::Rest(hidden) => {
                    self.in_hidden(&client, &database, hidden, &mut survivors).await?;
                    self.in_statistics(&client, &database, &mut survivors).await?;
                    self.in_definitions(&client, &database, &mut survivors).await?;
                }
            }
            session = Some((database, client));
        }
    }

    /// Rows that a policy hides from their owner are shown for the time of a transaction, which is
    /// rolled back.
    async fn in_hidden(
        &self,
        client: &Client,
        database: &str,
        hidden: &[Heap],
        survivors: &mut Survivors,
    ) -> Result<()> {
        let begin = |error| query_failed("begin to look", &error);
        for heap in hidden {
            client.batch_execute("BEGIN").await.map_err(begin)?;
            heap.show(client).await?;
            self.in_part(client, database, &Part { of: heap.clone(), pages: None }, survivors).await?;
            client.batch_execute("ROLLBACK").await.map_err(begin)?;
        }
        Ok(())
    }

    /// The places of a table, with their numbers.
    fn of_table<'a>(
        &'a self,
        database: &'a str,
        name: &'a TableName,
    ) -> impl Iterator<Item = (usize, &'a MaskedPlace)> {
        let of = |place: &MaskedPlace| {
            (place.taken.place.database.as_str(), &place.taken.place.table).cmp(&(database, name))
        };
        let from = self.places.partition_point(|place| of(place).is_lt());
        (from..).zip(&self.places[from..]).take_while(move |(_, place)| of(place).is_eq())
    }

    async fn in_part(
        &self,
        client: &Client,
        database: &str,
        part: &Part,
        survivors: &mut Survivors,
    ) -> Result<()> {
        let name = &part.of.table;
        self.cx.progress.say(format!("looking for original values in {database}: {name}"));
        let from = part.from();
        let whole = |(_, place): &(usize, &MaskedPlace)| place.taken.place.within == Within::Column;
        let mut own: BTreeMap<&str, (usize, &MaskedPlace, Wanted, Look)> = BTreeMap::new();
        for (number, place) in self.of_table(database, name).filter(whole) {
            let column = place.taken.place.column.as_str();
            own.insert(column, (number, place, place.own(), Look::default()));
        }
        let rows = client.simple_query_raw(&format!("SELECT * {from}")).await;
        let mut rows = pin!(rows.map_err(|error| query_failed("read a table", &error))?);
        while let Some(message) =
            rows.try_next().await.map_err(|error| query_failed("read a table", &error))?
        {
            let SimpleQueryMessage::Row(row) = message else { continue };
            for (number, column) in row.columns().iter().enumerate() {
                let Some(value) = row.get(number) else { continue };
                survivors.values += 1;
                let mut own_said = None;
                if let Some((_, place, own, look)) = own.get_mut(column.name()) {
                    look.see(&self.marker, place, own, value);
                    own_said = Some(place.said.as_str());
                }
                let bytes = text_of_bytes(value);
                let text = bytes.as_deref().unwrap_or(value);
                if let Some(of) = self.telling.in_text(&self.marker, text).filter(|of| Some(*of) != own_said)
                {
                    let place = format!("{database}: {name}.{}", column.name());
                    *survivors.strange.entry((place, of.to_owned())).or_default() += 1;
                }
            }
        }
        for (number, _, _, look) in own.into_values() {
            survivors.looks.entry(number).or_default().add(look);
        }
        for (number, place) in self.of_table(database, name).filter(|place| !whole(place)) {
            let (own, mut look) = (place.own(), Look::default());
            let parts = client.simple_query_raw(&format!("SELECT {} {from}", parts(place))).await;
            let seen = async {
                let mut rows = pin!(parts?);
                while let Some(message) = rows.try_next().await? {
                    let SimpleQueryMessage::Row(row) = message else { continue };
                    if let Some(value) = row.get(0) {
                        look.see(&self.marker, place, &own, value);
                    }
                }
                Ok::<_, tokio_postgres::Error>(())
            };
            match seen.await {
                Ok(()) => {}
                // json takes what jsonb does not, \u0000 or a number without end.
                Err(error) if !is_of_the_moment(&error) => {
                    survivors.found.push(format!(
                        "{}: a value cannot be read by its path ({}); give the whole column a rule, or \
                         correct the value in production",
                        place.said,
                        said(&error)
                    ));
                }
                Err(error) => return Err(query_failed("read parts of values", &error)),
            }
            survivors.looks.entry(number).or_default().add(look);
        }
        Ok(())
    }

    /// Statistics hold samples of rows as they were when they were taken.
    async fn in_statistics(&self, client: &Client, database: &str, survivors: &mut Survivors) -> Result<()> {
        let rows = client.query(include_str!("../sql/attest/statistics.sql"), &[]).await;
        let mut found = BTreeSet::new();
        // Values of one column come one after the other.
        let mut own: Option<((TableName, String), Wanted)> = None;
        for row in rows.map_err(|error| query_failed("look through statistics", &error))? {
            let name = TableName { schema: row.get(0), table: row.get(1) };
            let (column, value): (String, Option<String>) = (row.get(2), row.get(3));
            let Some(value) = value else { continue };
            let at = (name, column);
            let (at, wanted) = match own.take().filter(|(last, _)| *last == at) {
                Some(same) => same,
                None => {
                    let wanted = self.own_of_column(database, &at.0, &at.1);
                    (at, wanted)
                }
            };
            let original = wanted.of(&self.marker, &value).is_some()
                || self.telling.in_text(&self.marker, &value).is_some();
            if original {
                found.insert(format!("{}.{}", at.0, at.1));
            }
            own = Some((at, wanted));
        }
        let said = |place| format!("{database}: statistics of {place} hold an original value");
        survivors.found.extend(found.into_iter().map(said));
        Ok(())
    }

    fn own_of_column(&self, database: &str, name: &TableName, column: &str) -> Wanted {
        let mut wanted = Wanted::default();
        for (_, place) in self.of_table(database, name) {
            if place.taken.place.column == column && !is_by_chance(&place.rule) {
                wanted.add(&place.taken, &place.said);
            }
        }
        wanted
    }

    async fn in_definitions(&self, client: &Client, database: &str, survivors: &mut Survivors) -> Result<()> {
        let rows = client.query(include_str!("../sql/attest/definitions.sql"), &[]).await;
        for row in rows.map_err(|error| query_failed("look through definitions", &error))? {
            let (object, text): (Option<String>, Option<String>) = (row.get(0), row.get(1));
            let Some(text) = text else { continue };
            // A literal is a value, spaces and all.
            let literals = text.split('\'').filter_map(|literal| self.telling.of(&self.marker, literal));
            let of = literals.into_iter().next().or_else(|| self.telling.in_text(&self.marker, &text));
            if let Some(of) = of {
                let object = object.unwrap_or_default();
                survivors.found.push(format!("{database}: {object} holds an original value of {of}"));
            }
        }
        Ok(())
    }
}

/// The text that a value of type bytea may be.
fn text_of_bytes(value: &str) -> Option<String> {
    let bytes = hex::decode(value.strip_prefix("\\x")?).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The single values of a place that is not a whole column, as a set-returning expression.
fn parts(place: &MaskedPlace) -> String {
    let column = quote(&place.taken.place.column);
    match &place.taken.place.within {
        Within::Column => column,
        Within::Elements => format!("unnest({column})"),
        Within::Path(path) => {
            let scalar = r#" ? (@.type() != "object" && @.type() != "array")"#;
            let path = in_sql(path) + if place.scalar { scalar } else { "" };
            let path = runbook::postgres::literal(&path);
            format!("jsonb_path_query({column}::jsonb, {path}::jsonpath) #>> '{{}}'")
        }
    }
}

/// A path as PostgreSQL reads it; keys are quoted like JSON's strings
/// (https://www.postgresql.org/docs/current/datatype-json.html, jsonpath Type).
fn in_sql(path: &JsonPath) -> String {
    path.0.iter().fold("$".to_owned(), |text, step| match step {
        Step::Key(key) => text + "." + &serde_json::Value::from(key.as_str()).to_string(),
        Step::Elements => text + "[*]",
        Step::Members => text + ".*",
    })
}

impl Part {
    /// Nothing inherits from what has the rows, or it is listed itself.
    fn from(&self) -> String {
        let from = format!("FROM ONLY {}", table(&self.of.heap));
        match &self.pages {
            None => from,
            Some(Range { start, end: i64::MAX }) => format!("{from} WHERE ctid >= '({start},0)'::tid"),
            Some(Range { start, end }) => {
                format!("{from} WHERE ctid >= '({start},0)'::tid AND ctid < '({end},0)'::tid")
            }
        }
    }
}

impl MaskedPlace {
    /// Its original values, where chance does not make them again.
    fn own(&self) -> Wanted {
        let mut own = Wanted::default();
        if !is_by_chance(&self.rule) {
            own.add(&self.taken, &self.said);
        }
        own
    }
}

impl Survivors {
    fn add(&mut self, other: Self) {
        self.values += other.values;
        self.found.extend(other.found);
        for (number, look) in other.looks {
            self.looks.entry(number).or_default().add(look);
        }
        for (place, times) in other.strange {
            *self.strange.entry(place).or_default() += times;
        }
    }
}

/// What is seen at a place that was masked.
#[derive(Debug, Default)]
struct Look {
    values: u64,
    sum: u64,
    original: u64,
    others: u64,
    first: Option<String>,
}

impl Look {
    fn see(&mut self, marker: &Marker, place: &MaskedPlace, own: &Wanted, value: &str) {
        let rank = marker.rank(value);
        self.values += 1;
        self.sum = self.sum.wrapping_add(rank);
        self.original += u64::from(own.ranked(marker, value, rank).is_some());
        self.others += match place.rule {
            // The server may write a constant in another way than the policy.
            Rule::Constant { .. } => u64::from(self.first.get_or_insert_with(|| value.to_owned()) != value),
            Rule::Null => 1,
            _ => 0,
        };
    }

    /// Of other pages of the same table.
    fn add(&mut self, other: Self) {
        self.values += other.values;
        self.sum = self.sum.wrapping_add(other.sum);
        self.original += other.original;
        self.others += match (&self.first, &other.first) {
            (Some(first), Some(its)) if first != its => other.values,
            _ => other.others,
        };
        self.first = self.first.take().or(other.first);
    }

    fn judge(&self, place: &MaskedPlace) -> Vec<String> {
        let (said, rule, taken) = (&place.said, &place.rule, &place.taken);
        let mut wrong = Vec::new();
        if self.original > 0 {
            wrong.push(format!("{} original values are there", self.original));
        }
        if self.others > 0 {
            wrong.push(format!("{} other values than the rule makes are there", self.others));
        }
        let same_number =
            !matches!(rule, Rule::Null | Rule::Sql { .. }) && !matches!(taken.place.within, Within::Path(_));
        if same_number && self.values != taken.values {
            wrong.push(format!("{} values were looked at, of {}", self.values, taken.values));
        }
        let can_be_same = matches!(rule, Rule::Keep | Rule::Constant { .. } | Rule::Null);
        if taken.values > 0 && !can_be_same && self.values == taken.values && self.sum == taken.sum {
            wrong.push("it is as it was".to_owned());
        }
        wrong.into_iter().map(|what| format!("{said}: {what} (rule {})", rule.name())).collect()
    }
}
