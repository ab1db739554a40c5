//! The places whose values the policy replaces, worked out from the policy and the catalog, each
//! with the fingerprints that were taken of it.
//!
//! What was read back from the run bucket is compared with this list and never goes into SQL: a
//! place that the policy does not mask, or one that lacks its fingerprints, is refused.

use std::collections::{BTreeMap, BTreeSet};

use policy::{Masking, Rule, TableName, TableRule};
use runbook::{Error, Result, postgres::query_failed};

use crate::daily_sync::{
    fingerprints::{Fingerprint, Fingerprints, Mark, Place, Within, is_telling},
    sanitize_databases::sessions::Sessions,
};

#[derive(Debug)]
pub struct MaskedPlace<'a> {
    pub place: Place,
    pub rule: &'a Rule,
    pub partitioned: bool,
    /// The planner's number.
    pub rows: f64,
    pub taken: &'a Fingerprint,
}

impl MaskedPlace<'_> {
    pub fn marks(&self) -> impl Iterator<Item = &str> {
        self.taken.values.iter().map(Mark::as_str)
    }

    pub fn is_telling(&self) -> bool {
        is_telling(self.rule)
    }
}

/// What the catalog says of a column.
struct Column {
    partitioned: bool,
    rows: f64,
    array: bool,
}

pub async fn places<'a>(
    sessions: &Sessions<'_>,
    masking: &'a Masking,
    databases: &[String],
    taken: &'a Fingerprints,
) -> Result<Vec<MaskedPlace<'a>>> {
    let mut left: BTreeMap<&Place, &Fingerprint> = BTreeMap::new();
    for fingerprint in &taken.columns {
        if left.insert(&fingerprint.place, fingerprint).is_some() {
            return Err(not_ours(&format!("it has {} twice", said(&fingerprint.place))));
        }
    }
    let mut places = Vec::new();
    for database in databases {
        let columns = columns(sessions, database).await?;
        let rules = masking.databases.get(database);
        for (table, rule) in rules.into_iter().flat_map(|rules| &rules.tables) {
            let TableRule::Columns(rules) = rule else { continue };
            for (name, rule) in rules.iter().filter(|(_, rule)| **rule != Rule::Keep) {
                let key = (table.clone(), name.clone());
                let Some(column) = columns.get(&key) else {
                    return Err(not_ours(&format!(
                        "the policy masks {table}.{name}, which {database} lacks"
                    )));
                };
                for (within, rule) in parts(column, rule) {
                    let place = Place {
                        database: database.clone(),
                        table: key.0.clone(),
                        column: key.1.clone(),
                        within,
                    };
                    let taken =
                        left.remove(&place).ok_or_else(|| not_ours(&format!("it lacks {}", said(&place))))?;
                    let Column { partitioned, rows, .. } = *column;
                    places.push(MaskedPlace { place, rule, partitioned, rows, taken });
                }
            }
        }
    }
    match left.first_key_value() {
        None => Ok(places),
        Some((place, _)) => Err(not_ours(&format!("it has {}, which the policy does not mask", said(place)))),
    }
}

fn parts<'a>(column: &Column, rule: &'a Rule) -> Vec<(Within, &'a Rule)> {
    match rule {
        Rule::Json { paths } => {
            paths.iter().map(|(path, at)| (Within::Path(path.clone()), &at.rule)).collect()
        }
        // These replace the value as a whole.
        Rule::Null | Rule::Constant { .. } | Rule::Sql { .. } => vec![(Within::Column, rule)],
        _ if column.array => vec![(Within::Elements, rule)],
        _ => vec![(Within::Column, rule)],
    }
}

async fn columns(sessions: &Sessions<'_>, database: &str) -> Result<BTreeMap<(TableName, String), Column>> {
    let client = sessions.open(database).await?;
    let rows = client
        .query(include_str!("../sql/attest/places.sql"), &[])
        .await
        .map_err(|error| query_failed("read columns", &error))?;
    let column = |row: &tokio_postgres::Row| {
        let table = TableName { schema: row.get("schema"), table: row.get("table") };
        let column =
            Column { partitioned: row.get("partitioned"), rows: row.get("rows"), array: row.get("array") };
        ((table, row.get("column")), column)
    };
    Ok(rows.iter().map(column).collect())
}

/// The marks of all these places, each once.
pub fn marks<'a>(places: impl Iterator<Item = &'a MaskedPlace<'a>>) -> Vec<&'a str> {
    places.flat_map(MaskedPlace::marks).collect::<BTreeSet<_>>().into_iter().collect()
}

pub fn said(place: &Place) -> String {
    let Place { database, table, column, within } = place;
    match within {
        Within::Column | Within::Elements => format!("{database}: {table}.{column}"),
        Within::Path(path) => format!("{database}: {table}.{column} at {path}"),
    }
}

fn not_ours(why: &str) -> Error {
    Error::refused(format!(
        "fingerprints.json of this run is not what SanitizeDatabases writes: {why}. Nothing of the file was \
         used"
    ))
    .fix("look who may write the run bucket")
    .then(runbook::error::Then::StartAgain)
}
