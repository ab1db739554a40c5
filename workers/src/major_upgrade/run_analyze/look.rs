//! What a database needs before the first ANALYZE: its statistics from before the upgrade, where
//! there is a record of them, its extensions, and the list of its tables.

use std::collections::BTreeSet;

use policy::TableName;
use runbook::{Result, postgres::query_failed};
use tokio_postgres::Row;

use super::{
    extensions::{self, Left, Updated},
    plan::Table,
    sessions::{For, Sessions},
};
use crate::major_upgrade::{
    inspection::{self, Inspection},
    reindex_collations,
    statistics::{self, WrittenBack},
};

#[derive(Debug, Default)]
pub struct Look {
    pub updated: Vec<Updated>,
    pub left: Vec<Left>,
    pub tables: Vec<Table>,
    pub back: WrittenBack,
    /// Indexes that a changed collation has ordered.
    pub drifted: usize,
}

impl Look {
    pub fn add(&mut self, other: Self) {
        self.updated.extend(other.updated);
        self.left.extend(other.left);
        self.tables.extend(other.tables);
        self.back.add(other.back);
        self.drifted += other.drifted;
    }
}

pub async fn look(sessions: &Sessions<'_>, before: Option<&Inspection>, database: String) -> Result<Look> {
    let session = sessions.take(&database, For::Look).await?;
    let back = match sessions.server >= statistics::SINCE {
        true => statistics::write_back(&session.client, &database).await?,
        false => WrittenBack::default(),
    };
    let (updated, left) = extensions::update(&session.client, &database).await?;
    let doing = format!("list the tables of database {database}");
    let ask =
        async |sql: &str| session.client.query(sql, &[]).await.map_err(|error| query_failed(&doing, &error));
    let rows = ask(include_str!("../sql/analyze/tables.sql")).await?;
    let of = |rows: Vec<Row>| -> BTreeSet<u32> { rows.iter().map(|row| row.get(0)).collect() };
    // Before 18 an upgrade forgets them all (https://www.postgresql.org/docs/17/pgupgrade.html).
    let bare = match sessions.server >= statistics::SINCE {
        true => Some(of(ask(include_str!("../sql/analyze/without_statistics.sql")).await?)),
        false => None,
    };
    let rough = match rows.iter().any(|row| row.get("done") && !row.get::<_, bool>("catalog")) {
        true => of(ask(include_str!("../sql/analyze/rough.sql")).await?),
        false => BTreeSet::new(),
    };
    let drifted = reindex_collations::drifted(&session.client, sessions.server, &database).await?;
    sessions.give_back(session);
    let known = before.and_then(|before| before.databases.get(&database));
    let tables = rows
        .iter()
        .map(|row| {
            let name = TableName { schema: row.get("schema"), table: row.get("relname") };
            let known = known.and_then(|known| known.tables.get(&name));
            let (pages, rows) = size(row.get("pages"), row.get("rows"), known);
            let oid = row.get("oid");
            let mut table = Table {
                database: database.clone(),
                oid,
                parent: row.get("parent"),
                catalog: row.get("catalog"),
                ancestors: row.get("ancestors"),
                pages,
                rows,
                row_cost: row.get("row_cost"),
                target: f64::from(row.get::<_, i32>("target")),
                own_target: f64::from(row.get::<_, i32>("own_target")),
                scans: known.map_or(0.0, |known| known.scans as f64),
                done: row.get("done"),
                bare: bare.as_ref().is_none_or(|bare| bare.contains(&oid)),
                name: row.get("table"),
            };
            // A killed run may have left it at a stage: nothing else says that it has.
            table.done &= !(rough.contains(&oid) && table.is_staged());
            table
        })
        .collect();
    Ok(Look { updated, left, tables, back, drifted })
}

/// Pages and rows; before 18 an upgrade forgets them, and what was seen before it is the better
/// guess.
fn size(pages: i64, rows: f64, known: Option<&inspection::Table>) -> (f64, f64) {
    match known {
        Some(known) if pages == 0 || rows < 0.0 => {
            (known.pages as f64, known.rows.map_or(known.estimate, |rows| rows as f64).max(0.0))
        }
        _ => (pages as f64, rows.max(0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forgotten_size_is_taken_from_before_the_upgrade() {
        let known =
            inspection::Table { pages: 700, estimate: 9.0, scans: 1, rows: Some(50_000), empty: Some(false) };
        assert_eq!(size(0, -1.0, Some(&known)), (700.0, 50_000.0));
        assert_eq!(size(8, 100.0, Some(&known)), (8.0, 100.0));
        assert_eq!(size(0, -1.0, None), (0.0, 0.0));
    }
}
