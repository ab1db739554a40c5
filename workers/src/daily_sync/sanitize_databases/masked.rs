//! What the report says about the masking: of each place the rule and how many values it had, never
//! a value.

use policy::{Masking, Rule, TableRule};
use serde::Serialize;

use super::record::Record;
use crate::daily_sync::fingerprints::{Place, Within};

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Masked {
    database: String,
    table: String,
    /// With the path in it, where only what stands there was replaced.
    column: String,
    rule: &'static str,
    values: u64,
}

pub fn masked(masking: &Masking, records: &[Record]) -> Vec<Masked> {
    let fingerprints = records.iter().flat_map(|record| &record.fingerprints);
    fingerprints
        .map(|one| Masked {
            database: one.place.database.clone(),
            table: one.place.table.to_string(),
            column: match &one.place.within {
                Within::Path(path) => format!("{} {path}", one.place.column),
                Within::Column | Within::Elements => one.place.column.clone(),
            },
            rule: rule(masking, &one.place).map_or("of the table that it belongs to", Rule::name),
            values: one.values,
        })
        .collect()
}

/// A partition is masked by the rules of its parent, which the policy names instead.
fn rule<'a>(masking: &'a Masking, place: &Place) -> Option<&'a Rule> {
    let TableRule::Columns(columns) = masking.databases.get(&place.database)?.tables.get(&place.table)?
    else {
        return None;
    };
    match (columns.get(&place.column)?, &place.within) {
        (Rule::Json { paths }, Within::Path(path)) => Some(&paths.get(path)?.rule),
        (rule, _) => Some(rule),
    }
}
