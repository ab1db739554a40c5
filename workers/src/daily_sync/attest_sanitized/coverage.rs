//! Is there anything that the policy says nothing of? Asked of the information schema, not of what
//! masking has read.

use std::collections::BTreeSet;

use policy::{LargeObjects, Masking, TableName, TableRule};
use runbook::{Result, postgres::query_failed};

use super::heaps::heaps;
use crate::shared::sessions::{Sessions, texts};

#[derive(Debug, Default)]
pub struct Coverage {
    pub columns: usize,
    /// Columns without a rule, tables that should be empty, databases that nobody can look into.
    pub wrong: Vec<String>,
}

pub async fn check(sessions: &Sessions<'_>, masking: &Masking, databases: &[String]) -> Result<Coverage> {
    let mut coverage = Coverage::default();
    let closed = "SELECT datname::text FROM pg_database
                  WHERE (NOT datallowconn OR datconnlimit IN (-2, 0))
                    AND datname NOT IN ('template0', 'rdsadmin')";
    for database in texts(&sessions.open("postgres").await?, "look for closed databases", closed).await? {
        coverage.wrong.push(format!("database {database} refuses connections"));
    }
    for database in databases {
        let client = sessions.open(database).await?;
        let rules = masking.databases.get(database);
        let rows = client
            .query(include_str!("../sql/attest/columns.sql"), &[])
            .await
            .map_err(|error| query_failed("read columns", &error))?;
        for row in rows {
            let (schema, table, column): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            coverage.columns += 1;
            let name = TableName { schema, table };
            let known = match rules.and_then(|rules| rules.tables.get(&name)) {
                None => false,
                Some(TableRule::Truncate) => true,
                Some(TableRule::Columns(columns)) => columns.contains_key(&column),
            };
            if !known {
                coverage.wrong.push(format!("{database}: {name}.{column} has no rule"));
            }
        }
        let is_truncated = |name: &TableName| {
            rules.is_some_and(|rules| rules.tables.get(name) == Some(&TableRule::Truncate))
        };
        let mut filled = BTreeSet::new();
        for heap in heaps(&client).await?.into_iter().filter(|heap| is_truncated(&heap.table)) {
            if heap.has_rows(&client).await? {
                filled.insert(heap.table);
            }
        }
        let said = |name| format!("{database}: {name} shall be empty and has rows");
        coverage.wrong.extend(filled.into_iter().map(said));
        let objects =
            texts(&client, "look for large objects", "SELECT oid::text FROM pg_largeobject_metadata LIMIT 1")
                .await?;
        match rules.and_then(|rules| rules.large_objects) {
            Some(LargeObjects::Keep) => {}
            Some(LargeObjects::Truncate) | None if objects.is_empty() => {}
            _ => coverage.wrong.push(format!("{database}: there are large objects")),
        }
    }
    Ok(coverage)
}
