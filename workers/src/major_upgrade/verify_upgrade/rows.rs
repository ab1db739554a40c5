//! The rows of every table, before and after. A `pg_upgrade` can end with success and every row
//! invisible.

use serde::Serialize;

use crate::major_upgrade::inspection::{Inspection, Table};

/// Longer lists help nobody; the numbers tell how many there are.
const LISTED: usize = 50;

#[derive(Debug, Default, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rows {
    /// Tables that were there before.
    pub tables: usize,
    /// Tables whose rows were counted both times.
    pub counted: usize,
    /// Of these, with exactly as many rows.
    pub equal: usize,
    pub rows_before: i64,
    pub rows_after: i64,
    /// Counted both times and different: the application writes. At most 50.
    pub changed: Vec<Change>,
    /// Had rows and has none, as `database/schema.table`.
    pub emptied: Vec<Change>,
    /// Was there and is not, as `database/schema.table`. At most 50.
    pub gone: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// `database/schema.table`
    pub table: String,
    pub before: i64,
    pub after: i64,
}

pub fn compare(before: &Inspection, after: &Inspection) -> Rows {
    let mut rows = Rows { tables: before.tables(), ..Rows::default() };
    for (database, was) in &before.databases {
        for (name, was) in &was.tables {
            let name_in = format!("{database}/{name}");
            match after.databases.get(database).and_then(|is| is.tables.get(name)) {
                Some(is) => rows.add(name_in, was, is),
                None if rows.gone.len() < LISTED => rows.gone.push(name_in),
                None => {}
            }
        }
    }
    rows
}

impl Rows {
    fn add(&mut self, table: String, was: &Table, is: &Table) {
        let known = was
            .rows
            .unwrap_or_else(|| if was.empty == Some(false) { was.estimate.max(1.0) as i64 } else { 0 });
        if known > 0 && is.empty == Some(true) {
            self.emptied.push(Change { table: table.clone(), before: known, after: 0 });
        }
        let (Some(before), Some(after)) = (was.rows, is.rows) else { return };
        self.counted += 1;
        self.rows_before += before;
        self.rows_after += after;
        if before == after {
            self.equal += 1;
        } else if after > 0 && self.changed.len() < LISTED {
            self.changed.push(Change { table, before, after });
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use policy::TableName;

    use super::*;
    use crate::major_upgrade::inspection::Database;

    fn counted(rows: i64) -> Table {
        Table { rows: Some(rows), empty: Some(rows == 0), ..Table::default() }
    }

    fn inspection(tables: &[(&str, Table)]) -> Inspection {
        let name = |name: &str| TableName { schema: "public".into(), table: name.into() };
        let tables = tables.iter().map(|(table, is)| (name(table), is.clone())).collect();
        Inspection {
            source_version: "16.14".parse().unwrap(),
            target: "18.4".parse().unwrap(),
            inspected: Timestamp::UNIX_EPOCH,
            databases: [("shop".to_owned(), Database { statements: None, tables })].into(),
        }
    }

    #[test]
    fn as_many_rows_as_before_are_equal_and_more_are_changed() {
        let rows = compare(
            &inspection(&[("a", counted(5)), ("b", counted(7))]),
            &inspection(&[("a", counted(5)), ("b", counted(9))]),
        );
        assert_eq!((rows.counted, rows.equal, rows.rows_before, rows.rows_after), (2, 1, 12, 14));
        assert_eq!(rows.changed, [Change { table: "shop/public.b".into(), before: 7, after: 9 }]);
        assert!(rows.emptied.is_empty() && rows.gone.is_empty());
    }

    #[test]
    fn a_table_that_lost_every_row_is_told_also_when_it_was_too_large_to_count() {
        let large = Table { estimate: 9e6, empty: Some(false), ..Table::default() };
        let rows = compare(
            &inspection(&[("a", counted(5)), ("b", large)]),
            &inspection(&[("a", counted(0)), ("b", counted(0))]),
        );
        assert_eq!(rows.emptied.iter().map(|change| change.before).collect::<Vec<_>>(), [5, 9_000_000]);
    }

    #[test]
    fn a_table_that_was_empty_or_is_gone_is_no_lost_table() {
        let rows =
            compare(&inspection(&[("a", counted(0)), ("b", counted(3))]), &inspection(&[("a", counted(0))]));
        assert!(rows.emptied.is_empty());
        assert_eq!(rows.gone, ["shop/public.b"]);
    }
}
