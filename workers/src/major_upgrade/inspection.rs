//! What is known of every table before an upgrade, because the upgrade forgets it: how often it is
//! read, how many rows it has.
//!
//! One object a cluster, `upgrades/<resource id>/inspection.json`: InspectDatabases writes it,
//! RunAnalyze orders its work by it, VerifyUpgrade compares the rows with it. The resource id stays
//! when a cluster is renamed and is never used again (DBCluster.DbClusterResourceId, RDS API
//! reference).

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use policy::TableName;
use runbook::{
    Context, Error, Result,
    aurora::{Cluster, EngineVersion},
    clock::Clock,
    major_upgrade::inspection_key,
    postgres::{self, Login, query_failed},
};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, error::SqlState, types::FromSql};

/// Larger tables are not counted: reading 160 MB takes longer than it is worth.
const LARGEST_COUNTED_PAGES: i64 = 20_000;
/// How long a database may take to be counted, and all of them one after the other.
const COUNTING: Duration = Duration::from_secs(300);
const COUNTING_ALL: Duration = Duration::from_secs(2 * 3600);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inspection {
    pub source_version: EngineVersion,
    pub target: EngineVersion,
    pub inspected: Timestamp,
    pub databases: BTreeMap<String, Database>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Database {
    /// `None` when pg_stat_statements is not there or may not be read.
    pub statements: Option<Statements>,
    pub tables: BTreeMap<TableName, Table>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statements {
    pub calls: i64,
    pub total_ms: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Table {
    pub pages: i64,
    /// The planner's number of rows; -1 when it never looked.
    pub estimate: f64,
    /// Sequential and index scans since the counters began.
    pub scans: i64,
    /// The number of rows, when it was counted.
    pub rows: Option<i64>,
    /// Whether it shows no row at all; larger tables, too.
    pub empty: Option<bool>,
}

pub fn key(cluster: &Cluster) -> String {
    inspection_key(&cluster.resource_id)
}

/// A session that only looks.
pub async fn open(cx: &Context, login: &Login, database: &str) -> Result<Client> {
    let client = postgres::connect(cx, login, database).await?;
    client.batch_execute(READ_ONLY).await.map_err(|error| query_failed("set up a session", &error))?;
    Ok(client)
}

pub async fn server_version(client: &Client) -> Result<EngineVersion> {
    let row = client
        .query_one("SHOW server_version", &[])
        .await
        .map_err(|error| query_failed("ask for the version", &error))?;
    row.get::<_, &str>(0).parse().map_err(|why| Error::unexpected(format!("the server runs {why}")))
}

impl Inspection {
    /// The record to keep. Counters die in every hop and rows may, so what an earlier look for the
    /// same target saw is worth more.
    pub fn merge(self, earlier: Option<Inspection>) -> Inspection {
        let Some(earlier) = earlier.filter(|earlier| earlier.target.major() == self.target.major()) else {
            return self;
        };
        if earlier.source_version.major() >= self.source_version.major() {
            return self;
        }
        if self.source_version.major() >= self.target.major() {
            return earlier;
        }
        let mut merged = self;
        for (name, database) in &mut merged.databases {
            let Some(before) = earlier.databases.get(name) else { continue };
            database.statements = before.statements.clone().or(database.statements.take());
            for (name, table) in &mut database.tables {
                if let Some(before) = before.tables.get(name) {
                    table.scans = table.scans.saturating_add(before.scans);
                    if table.empty == Some(true) && before.empty == Some(false) {
                        // The first hop may have lost them.
                        (table.rows, table.empty) = (before.rows, before.empty);
                    }
                }
            }
        }
        merged
    }

    pub fn tables(&self) -> usize {
        self.databases.values().map(|database| database.tables.len()).sum()
    }
}

/// How long each of so many databases may take to be counted: none keeps the others from their
/// turn before the state's time is over.
pub fn counting(databases: usize) -> Duration {
    let share = COUNTING_ALL / u32::try_from(databases.max(1)).unwrap_or(u32::MAX);
    share.min(COUNTING)
}

/// Everything known of the tables of the connected database. Rows are counted where that is quick,
/// as long as `counting` lasts.
pub async fn look(client: &Client, clock: Clock, counting: Duration, database: &str) -> Result<Database> {
    let failed = |error: tokio_postgres::Error| {
        query_failed(&format!("look at the tables of database {database}"), &error)
    };
    let rows = client.query(include_str!("sql/tables.sql"), &[]).await.map_err(failed)?;
    let mut tables = BTreeMap::new();
    let began = clock.now();
    for row in &rows {
        let name = TableName { schema: row.get("schema"), table: row.get("table") };
        let mut table = Table {
            pages: row.get("pages"),
            estimate: row.get("estimate"),
            scans: row.get("scans"),
            rows: None,
            empty: None,
        };
        let in_time = Duration::try_from(clock.now() - began).is_ok_and(|taken| taken < counting);
        let sql = postgres::table(&name);
        if in_time && row.get("readable") {
            if table.pages <= LARGEST_COUNTED_PAGES {
                table.rows = ask(client, &format!("SELECT count(*) FROM ONLY {sql}")).await?;
            }
            table.empty = match table.rows {
                Some(rows) => Some(rows == 0),
                None => ask(client, &format!("SELECT NOT EXISTS (SELECT FROM ONLY {sql})")).await?,
            };
        }
        tables.insert(name, table);
    }
    Ok(Database { statements: statements(client).await?, tables })
}

/// The one value that a question about a table's rows has. Without ONLY a parent would answer for
/// its children, too. `None` when it takes too long, is locked, or when row security would hide
/// rows.
async fn ask<T: for<'a> FromSql<'a>>(client: &Client, sql: &str) -> Result<Option<T>> {
    match client.query_one(sql, &[]).await {
        Ok(row) => Ok(Some(row.get(0))),
        Err(error) if error.code().is_some_and(not_countable) => Ok(None),
        Err(error) => Err(query_failed(sql, &error)),
    }
}

fn not_countable(code: &SqlState) -> bool {
    // 55000: a materialized view that was never filled; 42P01: dropped meanwhile; 42501:
    // row_security = off refuses to hide rows.
    [
        SqlState::QUERY_CANCELED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        SqlState::UNDEFINED_TABLE,
    ]
    .contains(code)
}

async fn statements(client: &Client) -> Result<Option<Statements>> {
    let failed = |error: tokio_postgres::Error| query_failed("look for pg_stat_statements", &error);
    let sql = "SELECT format('%I.pg_stat_statements', n.nspname) FROM pg_extension e JOIN pg_namespace n ON \
    n.oid = e.extnamespace \
               WHERE e.extname = 'pg_stat_statements'";
    let Some(row) = client.query_opt(sql, &[]).await.map_err(failed)? else { return Ok(None) };
    let view: String = row.get(0);
    // Since 13 it is total_exec_time. Without the library preloaded, or the right to read it, the
    // view only answers with an error.
    let sql = format!(
        "SELECT coalesce(sum(calls), 0)::bigint, coalesce(sum(total_exec_time), 0)::float8 FROM {view} \
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    );
    Ok(client
        .query_one(&sql, &[])
        .await
        .ok()
        .map(|row| Statements { calls: row.get(0), total_ms: row.get(1) }))
}

/// How a session that only looks is set up: names printed in full, nothing changed, nobody kept
/// waiting, no row hidden.
const READ_ONLY: &str = "SET search_path = pg_catalog; SET default_transaction_read_only = on; SET \
row_security = off; \
                             SET statement_timeout = '60s'; SET lock_timeout = '5s'; SET \
                             idle_in_transaction_session_timeout = 0";
/// Counting gives up sooner than a check.
pub const QUICK: &str = "SET statement_timeout = '5s'; SET lock_timeout = '1s'";

#[cfg(test)]
mod tests {
    use super::*;

    fn inspection(source: &str, target: &str, scans: i64, rows: i64) -> Inspection {
        let table = Table { pages: 1, estimate: 1.0, scans, rows: Some(rows), empty: Some(rows == 0) };
        let database = Database { statements: None, tables: [(orders_table(), table)].into() };
        Inspection {
            source_version: source.parse().unwrap(),
            target: target.parse().unwrap(),
            inspected: Timestamp::UNIX_EPOCH,
            databases: [("shop".to_owned(), database)].into(),
        }
    }

    fn orders_table() -> TableName {
        TableName { schema: "public".into(), table: "orders".into() }
    }

    fn orders(inspection: &Inspection) -> (i64, Option<i64>) {
        let table = &inspection.databases["shop"].tables[&orders_table()];
        (table.scans, table.rows)
    }

    #[test]
    fn what_is_no_inspection_is_not_read_back() {
        let good = serde_json::to_value(inspection("16.14", "18.4", 3, 0)).unwrap();
        serde_json::from_value::<Inspection>(good.clone()).unwrap();
        for (at, value) in [
            ("/sql", serde_json::json!("DROP TABLE x")),
            (
                "/databases/shop/tables/public.orders; DROP",
                good["databases"]["shop"]["tables"]["public.orders"].clone(),
            ),
            ("/databases/shop/tables/public.orders/statement", serde_json::json!("ANALYZE")),
            ("/databases/shop/tables/public.orders/rows", serde_json::json!("1; DROP TABLE x")),
        ] {
            let mut hostile = good.clone();
            let (parent, field) = at.rsplit_once('/').unwrap();
            hostile.pointer_mut(parent).unwrap()[field] = value;
            // A name may hold anything that a name of PostgreSQL may hold: it is only looked up.
            assert_eq!(serde_json::from_value::<Inspection>(hostile).is_ok(), at.ends_with("; DROP"), "{at}");
        }
    }

    #[test]
    fn two_thousand_databases_are_counted_within_two_hours() {
        assert_eq!(counting(3), COUNTING);
        assert!(counting(2_000) * 2_000 <= COUNTING_ALL);
    }

    #[test]
    fn a_look_after_the_upgrade_does_not_replace_the_one_before_it() {
        let kept = inspection("18.4", "18.4", 3, 0).merge(Some(inspection("16.14", "18.4", 900, 50)));
        assert_eq!(orders(&kept), (900, Some(50)));
    }

    #[test]
    fn between_two_hops_the_workload_is_carried_over_and_the_rows_are_counted_anew() {
        let kept = inspection("16.14", "18.4", 3, 51).merge(Some(inspection("15.18", "18.5", 900, 50)));
        assert_eq!(orders(&kept), (903, Some(51)));
    }

    #[test]
    fn rows_that_a_hop_may_have_lost_are_not_forgotten() {
        assert_eq!(
            orders(&inspection("16.14", "18.4", 3, 0).merge(Some(inspection("15.18", "18.4", 900, 50)))),
            (903, Some(50))
        );
    }

    #[test]
    fn the_record_of_another_upgrade_or_of_the_same_version_is_replaced() {
        assert_eq!(
            orders(&inspection("16.14", "18.4", 3, 51).merge(Some(inspection("15.18", "16.14", 900, 50)))),
            (3, Some(51))
        );
        assert_eq!(
            orders(&inspection("16.14", "18.4", 3, 51).merge(Some(inspection("16.10", "18.4", 900, 50)))),
            (3, Some(51))
        );
    }
}
