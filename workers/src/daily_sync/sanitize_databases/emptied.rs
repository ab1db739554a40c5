//! Marks of what is left behind: values of emptied tables, looked for everywhere else.
//!
//! Only values that would tell something elsewhere, too: text of some length that is (nearly) never
//! the same twice in its column, and that is no number, no UUID and no reference to another table.

use std::collections::BTreeSet;

use runbook::{
    Result,
    postgres::{failed, quote},
};
use tokio_postgres::{Client, SimpleQueryMessage, error::SqlState};

use super::plan::{Plan, Rows, TablePlan};
use crate::{
    daily_sync::{
        fingerprints::{Fingerprint, Place, Within},
        replace::{Key, Kind, Tally},
    },
    shared::sessions::Sessions,
};

/// Rows of a table that are looked at.
const ROWS: i64 = 20_000;
const LEAST: usize = 8;

pub async fn marks(sessions: &Sessions<'_>, plan: &Plan, key: &Key) -> Result<Vec<Fingerprint>> {
    let mut marks = Vec::new();
    for table in plan.tables.iter().filter(|table| matches!(table.rows, Rows::None)) {
        let client = sessions.open_to_copy(&plan.database).await?;
        for column in &table.table.columns {
            if !matches!(Kind::of(&column.base), Kind::Text | Kind::Char) || column.array || column.generated
            {
                continue;
            }
            marks.extend(of_column(&client, plan, table, &column.name, key).await?);
        }
    }
    Ok(marks)
}

async fn of_column(
    client: &Client,
    plan: &Plan,
    table: &TablePlan,
    column: &str,
    key: &Key,
) -> Result<Option<Fingerprint>> {
    let (mut values, mut distinct) = (0u64, BTreeSet::new());
    for heap in &table.table.heaps {
        let name = quote(column);
        // Every n-th page, from the whole of the table.
        let sample = (100.0 * ROWS as f64 / (table.table.rows.max(1) as f64)).clamp(0.001, 100.0);
        let sql = format!(
            "SELECT {name} FROM ONLY {} TABLESAMPLE SYSTEM ({sample}) WHERE {name} IS NOT NULL LIMIT {ROWS}",
            heap.sql
        );
        if heap.hides {
            heap.unhide(client).await?;
        }
        let rows = match client.simple_query(&sql).await {
            // Bytes that are no text are no text elsewhere either.
            Err(error) if error.code() == Some(&SqlState::CHARACTER_NOT_IN_REPERTOIRE) => Vec::new(),
            rows => rows.map_err(|error| failed(&format!("read {}", table.table.name), &error))?,
        };
        for row in rows {
            let SimpleQueryMessage::Row(row) = row else { continue };
            let Some(value) = row.get(0) else { continue };
            values += 1;
            if is_telling(value) {
                distinct.insert(value.to_owned());
            }
        }
        if heap.hides {
            client.batch_execute("ROLLBACK").await.map_err(|error| failed("hide rows again", &error))?;
        }
    }
    if (distinct.len() as u64) * 2 < values {
        return Ok(None);
    }
    let mut tally = Tally::watching(key, LEAST);
    distinct.iter().for_each(|value| tally.met(value, false));
    Ok(Some(Fingerprint {
        place: Place {
            database: plan.database.clone(),
            table: table.table.name.clone(),
            column: column.to_owned(),
            within: Within::Column,
        },
        values,
        sum: 0,
        marks: tally.part().marks.ranked().collect(),
    }))
}

fn is_telling(value: &str) -> bool {
    let uuid = value.len() == 36 && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    value.len() >= LEAST && value.chars().any(char::is_alphabetic) && !uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_words_and_uuids_tell_nothing_elsewhere() {
        assert!(is_telling("jane@mail.example") && is_telling("a session of somebody"));
        assert!(!is_telling("123456789012") && !is_telling("done"));
        assert!(!is_telling("0f8fad5b-d9cb-469f-a165-70867728950e"));
    }
}
