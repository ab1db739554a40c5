//! The places whose values the policy replaces, worked out from the policy and the catalog, each
//! with the fingerprints that were taken of it.
//!
//! What was read back from the run bucket is compared with this list and never goes into SQL: a
//! place that the policy does not mask, or one that lacks its fingerprints, is refused.

use std::collections::BTreeMap;

use policy::{Masking, Rule, TableName, TableRule};
use runbook::{Error, Result, postgres::query_failed};

use crate::{
    daily_sync::{
        fingerprints::{Fingerprint, Place, Within},
        sanitize_databases::record::Record,
    },
    shared::sessions::Sessions,
};

#[derive(Debug)]
pub struct MaskedPlace {
    /// The place in words.
    pub said: String,
    pub rule: Rule,
    /// Other paths go on from this one: it is about values that are no objects and no arrays.
    pub scalar: bool,
    pub taken: Fingerprint,
}

/// Those of one database, with the fingerprints that its record had.
pub async fn places(
    sessions: &Sessions<'_>,
    masking: &Masking,
    record: &mut Record,
) -> Result<Vec<MaskedPlace>> {
    let mut left: BTreeMap<Place, Fingerprint> = BTreeMap::new();
    for fingerprint in std::mem::take(&mut record.fingerprints) {
        if let Some(twice) = left.insert(fingerprint.place.clone(), fingerprint) {
            return Err(not_ours(&format!("it has {} twice", said(&twice.place))));
        }
    }
    let mut places = Vec::new();
    let database = &record.database;
    let arrays = arrays(sessions, database).await?;
    let rules = masking.databases.get(database);
    for (table, rule) in rules.into_iter().flat_map(|rules| &rules.tables) {
        let TableRule::Columns(rules) = rule else { continue };
        for (column, whole) in rules.iter().filter(|(_, rule)| **rule != Rule::Keep) {
            let key = (table.clone(), column.clone());
            let Some(array) = arrays.get(&key) else {
                return Err(not_ours(&format!("the policy masks {table}.{column}, which {database} lacks")));
            };
            for (within, rule) in parts(*array, whole) {
                let place = Place {
                    database: database.clone(),
                    table: table.clone(),
                    column: column.clone(),
                    within,
                };
                let taken =
                    left.remove(&place).ok_or_else(|| not_ours(&format!("it lacks {}", said(&place))))?;
                let scalar = goes_on(&place.within, whole);
                places.push(MaskedPlace { said: said(&place), rule: rule.clone(), scalar, taken });
            }
        }
    }
    match left.first_key_value() {
        None => Ok(places),
        Some((place, _)) => Err(not_ours(&format!("it has {}, which the policy does not mask", said(place)))),
    }
}

fn parts(array: bool, rule: &Rule) -> Vec<(Within, &Rule)> {
    match rule {
        Rule::Json { paths } => {
            paths.iter().map(|(path, rule)| (Within::Path(path.clone()), &rule.rule)).collect()
        }
        // These replace the value as a whole.
        Rule::Null | Rule::Constant { .. } | Rule::Sql { .. } => vec![(Within::Column, rule)],
        _ if array => vec![(Within::Elements, rule)],
        _ => vec![(Within::Column, rule)],
    }
}

fn goes_on(within: &Within, rule: &Rule) -> bool {
    let (Within::Path(path), Rule::Json { paths }) = (within, rule) else { return false };
    paths.keys().any(|other| other.0.len() > path.0.len() && other.0.starts_with(&path.0))
}

/// Every column that holds values of its own, and whether each of them is an array.
async fn arrays(sessions: &Sessions<'_>, database: &str) -> Result<BTreeMap<(TableName, String), bool>> {
    let client = sessions.open(database).await?;
    let rows = client
        .query(include_str!("../sql/attest/places.sql"), &[])
        .await
        .map_err(|error| query_failed("read columns", &error))?;
    let column = |row: &tokio_postgres::Row| {
        let table = TableName { schema: row.get("schema"), table: row.get("table") };
        ((table, row.get("column")), row.get("array"))
    };
    Ok(rows.iter().map(column).collect())
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
        "what SanitizeDatabases recorded is not what the policy asks for: {why}. Nothing of it was used"
    ))
    .fix("look who may write the run bucket")
    .then(runbook::error::Then::StartAgain)
}
