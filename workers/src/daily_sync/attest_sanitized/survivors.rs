//! Looks for original values: every row of every table and view is read once more, every statistic
//! and every definition, and compared here by the marks that were taken while values were replaced.
//! The values themselves are not known here either.
//!
//! Rows are asked for without a cast, so that the server's own output is all that stands between
//! the page and this code.

use std::{collections::BTreeMap, pin::pin};

use futures::TryStreamExt;
use policy::{JsonPath, Rule, Step, TableName};
use runbook::{
    Result,
    postgres::{query_failed, quote, table},
};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{
    marks::{Marker, Wanted},
    places::MaskedPlace,
};
use crate::{
    daily_sync::{
        fingerprints::{Within, is_by_chance, is_telling},
        sanitize_databases::record::Record,
    },
    shared::sessions::Sessions,
};

#[derive(Debug, Default)]
pub struct Survivors {
    pub looked_for: usize,
    pub values: u64,
    /// Where, never what.
    pub found: Vec<String>,
}

/// What is looked for everywhere, of all databases.
pub fn telling<'a>(places: &'a [MaskedPlace<'a>], records: &'a [Record]) -> Wanted<'a> {
    let mut wanted = Wanted::default();
    for place in places.iter().filter(|place| is_telling(place.rule)) {
        wanted.add(place.taken, &place.said);
    }
    for emptied in records.iter().flat_map(|record| &record.emptied) {
        wanted.add(emptied, "a table that was emptied");
    }
    wanted
}

pub struct Search<'a> {
    pub sessions: &'a Sessions<'a>,
    pub marker: Marker,
    /// In order.
    pub places: &'a [MaskedPlace<'a>],
    pub telling: Wanted<'a>,
}

impl Search<'_> {
    pub async fn in_database(&self, database: &str, survivors: &mut Survivors) -> Result<()> {
        let client = self.sessions.open_to_copy(database).await?;
        // Rows that a policy hides from their owner are shown for the time of this transaction,
        // which is rolled back.
        let begin = |error| query_failed("begin to look", &error);
        client.batch_execute("BEGIN").await.map_err(begin)?;
        let rows = client.query(include_str!("../sql/attest/heaps.sql"), &[]).await;
        for row in rows.map_err(|error| query_failed("list tables", &error))? {
            let (name, only, forced) = (
                TableName { schema: row.get(0), table: row.get(1) },
                row.get::<_, bool>(2),
                row.get::<_, bool>(3),
            );
            if forced {
                let name = table(&name);
                let show = format!(
                    "ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY; GRANT SELECT ON {name} TO CURRENT_USER"
                );
                client.batch_execute(&show).await.map_err(|error| query_failed("see all rows", &error))?;
            }
            self.sessions.cx.progress.say(format!("looking for original values in {database}: {name}"));
            self.in_table(&client, database, &name, only, survivors).await?;
        }
        client.batch_execute("ROLLBACK").await.map_err(begin)?;
        self.in_statistics(&client, database, survivors).await?;
        self.in_definitions(&client, database, survivors).await
    }

    fn of_table<'b>(
        &'b self,
        database: &'b str,
        name: &'b TableName,
    ) -> impl Iterator<Item = &'b MaskedPlace<'b>> {
        let of = |place: &MaskedPlace<'_>| {
            (place.place.database.as_str(), &place.place.table).cmp(&(database, name))
        };
        let from = self.places.partition_point(|place| of(place).is_lt());
        self.places[from..].iter().take_while(move |place| of(place).is_eq())
    }

    async fn in_table(
        &self,
        client: &Client,
        database: &str,
        name: &TableName,
        only: bool,
        survivors: &mut Survivors,
    ) -> Result<()> {
        let from = format!("FROM {}{}", if only { "ONLY " } else { "" }, table(name));
        let mut looks: BTreeMap<&str, Look<'_>> = self
            .of_table(database, name)
            .filter(|place| place.place.within == Within::Column)
            .map(|place| (place.place.column.as_str(), Look::at(place)))
            .collect();
        let mut found = BTreeMap::new();
        let rows = client.simple_query_raw(&format!("SELECT * {from}")).await;
        let mut rows = pin!(rows.map_err(|error| query_failed("read a table", &error))?);
        while let Some(message) =
            rows.try_next().await.map_err(|error| query_failed("read a table", &error))?
        {
            let SimpleQueryMessage::Row(row) = message else { continue };
            for (number, column) in row.columns().iter().enumerate() {
                let Some(value) = row.get(number) else { continue };
                survivors.values += 1;
                if let Some(look) = looks.get_mut(column.name()) {
                    look.see(&self.marker, value);
                }
                let bytes = text_of_bytes(value);
                let text = bytes.as_deref().unwrap_or(value);
                if let Some(of) = self.telling.in_text(&self.marker, text) {
                    *found.entry((column.name().to_owned(), of)).or_insert(0u64) += 1;
                }
            }
        }
        for ((column, of), times) in found {
            let own = looks.get(column.as_str()).is_some_and(|look| look.place.said == of);
            if !own {
                survivors.found.push(format!(
                    "{database}: {name}.{column} holds original values of {of} in {times} rows"
                ));
            }
        }
        for look in looks.values() {
            look.judge(survivors);
        }
        for place in self.of_table(database, name).filter(|place| place.place.within != Within::Column) {
            let mut look = Look::at(place);
            let rows = client.simple_query_raw(&format!("SELECT {} {from}", parts(place))).await;
            let mut rows = pin!(rows.map_err(|error| query_failed("read parts of values", &error))?);
            while let Some(message) =
                rows.try_next().await.map_err(|error| query_failed("read parts of values", &error))?
            {
                let SimpleQueryMessage::Row(row) = message else { continue };
                if let Some(value) = row.get(0) {
                    look.see(&self.marker, value);
                }
            }
            look.judge(survivors);
        }
        Ok(())
    }

    /// Statistics hold samples of rows as they were when they were taken.
    async fn in_statistics(&self, client: &Client, database: &str, survivors: &mut Survivors) -> Result<()> {
        let rows = client.query(include_str!("../sql/attest/statistics.sql"), &[]).await;
        let mut found = BTreeMap::new();
        for row in rows.map_err(|error| query_failed("look through statistics", &error))? {
            let name = TableName { schema: row.get(0), table: row.get(1) };
            let (column, value): (String, Option<String>) = (row.get(2), row.get(3));
            let Some(value) = value else { continue };
            let own = self
                .of_table(database, &name)
                .filter(|place| place.place.column == column && !is_by_chance(place.rule))
                .any(|place| {
                    let mut own = Wanted::default();
                    own.add(place.taken, &place.said);
                    own.of(&self.marker, &value).is_some()
                });
            if own || self.telling.in_text(&self.marker, &value).is_some() {
                *found.entry(format!("{name}.{column}")).or_insert(0u64) += 1;
            }
        }
        let said = |(place, _)| format!("{database}: statistics of {place} hold an original value");
        survivors.found.extend(found.into_iter().map(said));
        Ok(())
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
fn parts(place: &MaskedPlace<'_>) -> String {
    let column = quote(&place.place.column);
    match &place.place.within {
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

/// What is seen at a place that was masked.
struct Look<'a> {
    place: &'a MaskedPlace<'a>,
    own: Wanted<'a>,
    values: u64,
    sum: u64,
    original: u64,
    others: u64,
    first: Option<String>,
}

impl<'a> Look<'a> {
    fn at(place: &'a MaskedPlace<'a>) -> Self {
        let mut own = Wanted::default();
        if !is_by_chance(place.rule) {
            own.add(place.taken, &place.said);
        }
        Self { place, own, values: 0, sum: 0, original: 0, others: 0, first: None }
    }

    fn see(&mut self, marker: &Marker, value: &str) {
        let rank = marker.rank(value);
        self.values += 1;
        self.sum = self.sum.wrapping_add(rank);
        self.original += u64::from(self.own.ranked(marker, value, rank).is_some());
        self.others += match self.place.rule {
            // The server may write a constant in another way than the policy.
            Rule::Constant { .. } => u64::from(self.first.get_or_insert_with(|| value.to_owned()) != value),
            Rule::Null => 1,
            _ => 0,
        };
    }

    fn judge(&self, survivors: &mut Survivors) {
        let (place, rule, taken) = (&self.place.said, self.place.rule, self.place.taken);
        let mut wrong =
            |what: String| survivors.found.push(format!("{place}: {what} (rule {})", rule.name()));
        if self.original > 0 {
            wrong(format!("{} original values are there", self.original));
        }
        if self.others > 0 {
            wrong(format!("{} other values than the rule makes are there", self.others));
        }
        let same_number = !matches!(rule, Rule::Null | Rule::Sql { .. })
            && !matches!(self.place.place.within, Within::Path(_));
        if same_number && self.values != taken.values {
            wrong(format!("{} values were looked at, of {}", self.values, taken.values));
        }
        let can_be_same = matches!(rule, Rule::Keep | Rule::Constant { .. } | Rule::Null);
        if taken.values > 0 && !can_be_same && self.values == taken.values && self.sum == taken.sum {
            wrong("it is as it was".to_owned());
        }
    }
}
