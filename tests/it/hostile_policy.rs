//! A policy for whatever tables there are: what a place says of its own, else `email` for what is
//! called so, and `keep`.

use std::collections::BTreeMap;

use policy::{Exception, Masking, TableName};
use serde_json::{Map, Value, json};

use crate::{
    copy::Copy,
    hostile::{databases, open},
    hostile_places::Place,
};

#[derive(Default)]
pub struct Rules {
    /// By table and column as they are in the catalog, with a dot between.
    columns: BTreeMap<(String, String), Value>,
    tables: BTreeMap<String, String>,
    exceptions: Vec<Exception>,
}

impl Rules {
    pub fn of(places: &[&Place]) -> Self {
        let mut rules = Self::default();
        for place in places {
            for (table, column, rule) in &place.rules {
                rules.columns.insert((table.clone(), column.clone()), rule.clone());
            }
            rules.tables.extend(place.tables.iter().cloned());
            rules.exceptions.extend(place.exceptions.iter().cloned());
        }
        rules
    }
}

/// Every table that a person could know of: what claims to be an extension's is nobody's.
const COLUMNS: &str = "
    SELECT n.nspname, c.relname, a.attname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attgenerated = ''
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.deptype = 'e')
    ORDER BY 1, 2, a.attnum";

pub async fn masking(copy: &Copy, rules: &Rules) -> Masking {
    let mut all = Map::new();
    for database in databases(copy).await {
        let client = open(copy, "rdsadmin", &database).await;
        let mut tables = Map::new();
        for row in client.query(COLUMNS, &[]).await.unwrap() {
            let name = TableName { schema: row.get(0), table: row.get(1) };
            let plain = format!("{}.{}", name.schema, name.table);
            match rules.tables.get(&plain).map(String::as_str) {
                Some("nobody") => continue,
                Some(word) => {
                    tables.insert(name.to_string(), word.into());
                    continue;
                }
                None => {}
            }
            let columns = tables.entry(name.to_string()).or_insert_with(|| json!({}));
            let Some(column) = row.get::<_, Option<String>>(2) else { continue };
            let default = if column == "email" { "email" } else { "keep" };
            let rule = rules.columns.get(&(plain, column.clone())).cloned();
            columns[&column] = rule.unwrap_or_else(|| default.into());
        }
        let objects = client.query("SELECT FROM pg_largeobject_metadata LIMIT 1", &[]).await.unwrap();
        if !objects.is_empty() {
            tables.insert("large-objects".to_owned(), "truncate".into());
        }
        // What an attempt has left behind goes with the next; what is empty needs no rules.
        if !database.starts_with("aurora_runbooks_") && !tables.is_empty() {
            all.insert(database, Value::Object(tables));
        }
    }
    let policy = json!({"key-secret": "masking-key", "databases": all, "exceptions": rules.exceptions});
    serde_json::from_value(policy).expect("the policy is well-formed")
}
