//! Looks for original values by the fingerprints that were taken before masking: in their columns,
//! in statistics, materialised views and comments. The values themselves are not known here either;
//! the server compares fingerprints.

use std::collections::{BTreeMap, BTreeSet};

use policy::{Masking, Rule, TableName, TableRule};
use runbook::{
    Result,
    postgres::{query_failed, quote},
};
use tokio_postgres::Client;

use crate::daily_sync::sanitize_databases::{
    fingerprints::{Fingerprint, Fingerprints},
    sessions::{Sessions, texts},
};

/// Of a bigger table pages are sampled.
const ROWS: f64 = 2_000_000.0;

#[derive(Debug, Default)]
pub struct Survivors {
    pub looked_for: usize,
    pub rows: i64,
    /// Where, never what.
    pub found: Vec<String>,
}

/// The fingerprint of `text`, in SQL.
fn mark(text: &str) -> String {
    format!(
        "encode(substring(sha256(convert_to(concat(current_setting('mask.key'), ':fingerprint:', {text}), \
        'UTF8')) FOR 16), 'hex')"
    )
}

pub async fn find(
    sessions: &Sessions<'_>,
    masking: &Masking,
    databases: &[String],
    before: &Fingerprints,
    key: &str,
) -> Result<Survivors> {
    let mut survivors = Survivors {
        looked_for: before.columns.iter().map(|column| column.values.len()).sum(),
        ..Survivors::default()
    };
    let telling: Vec<&str> = distinct(before.columns.iter().filter(|column| column.telling));
    for database in databases {
        let client = sessions.open_with_key(database, key).await?;
        for column in before.columns.iter().filter(|column| column.database == *database) {
            sessions.cx.progress.say(format!(
                "looking for original values in {}.{}.{}",
                column.schema, column.table, column.column
            ));
            in_column(&client, column, &mut survivors).await?;
        }
        in_statistics(&client, database, before, &telling, &mut survivors).await?;
        in_views(&client, database, &telling, &mut survivors).await?;
        let words = format!(
            "SELECT count(*)::text FROM ({}) AS w WHERE length(w.text) >= 6 AND {} = ANY ($1)",
            include_str!("../sql/attest/words.sql"),
            mark("w.text")
        );
        if counted(&client, "look through comments", &words, &telling).await? > 0 {
            survivors.found.push(format!("{database}: a comment holds an original value"));
        }
        leftovers(&client, database, masking, &mut survivors).await?;
        statements(&client, database, &mut survivors).await?;
    }
    Ok(survivors)
}

fn distinct<'a>(columns: impl Iterator<Item = &'a Fingerprint>) -> Vec<&'a str> {
    columns
        .flat_map(|column| column.values.iter().map(String::as_str))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

async fn counted(client: &Client, doing: &str, sql: &str, values: &[&str]) -> Result<i64> {
    let row = client.query_one(sql, &[&values]).await.map_err(|error| query_failed(doing, &error))?;
    Ok(row.get::<_, String>(0).parse().unwrap_or(i64::MAX))
}

async fn in_column(client: &Client, column: &Fingerprint, survivors: &mut Survivors) -> Result<()> {
    let table = format!("{}.{}", quote(&column.schema), quote(&column.table));
    let place = format!("{}: {}.{}.{}", column.database, column.schema, column.table, column.column);
    let doing = format!("look for original values in {place}");
    let size = format!(
        "SELECT relkind::text || ':' || greatest(reltuples, 1) FROM pg_class WHERE oid = '{}'::regclass",
        table.replace('\'', "''")
    );
    let size = texts(client, &doing, &size).await?.first().cloned().unwrap_or_default();
    let (kind, rows) = size.split_once(':').unwrap_or(("r", "1"));
    let rows: f64 = rows.parse().unwrap_or(1.0);
    let sample = if kind == "r" && rows > ROWS {
        format!(" TABLESAMPLE SYSTEM ({})", 100.0 * ROWS / rows)
    } else {
        String::new()
    };
    let values = format!("(SELECT {} AS v FROM {table}{sample}) AS sample", column.values_of);
    if !column.values.is_empty() {
        let sql = format!("SELECT count(*) FILTER (WHERE {} = ANY ($1)), count(*) FROM {values}", mark("v"));
        let row =
            client.query_one(&sql, &[&column.values]).await.map_err(|error| query_failed(&doing, &error))?;
        let (found, rows): (i64, i64) = (row.get(0), row.get(1));
        survivors.rows += rows;
        if found > 0 {
            survivors
                .found
                .push(format!("{place}: {found} original values are there (rule {})", column.rule));
        }
    }
    if let Some(whole) = &column.whole {
        let number = format!("('x' || left({}, 8))::bit(32)::bigint", mark("v"));
        let sql = format!(
            "SELECT sum({number})::text FROM (SELECT {} AS v FROM {table}) AS t WHERE v IS NOT NULL",
            column.values_of
        );
        let now: Option<String> =
            client.query_one(&sql, &[]).await.map_err(|error| query_failed(&doing, &error))?.get(0);
        if now.as_ref() == Some(whole) {
            survivors.found.push(format!("{place}: it is as it was (rule {})", column.rule));
        }
    }
    let too_many = match column.rule.as_str() {
        "null" => format!("SELECT count(v)::text FROM {values}"),
        "constant" => format!("SELECT greatest(count(DISTINCT v) - 1, 0)::text FROM {values}"),
        _ => return Ok(()),
    };
    if texts(client, &doing, &too_many).await? != ["0"] && !column.values_of.contains("jsonb_path_query") {
        survivors.found.push(format!("{place}: other values than the rule {} makes are there", column.rule));
    }
    Ok(())
}

/// In all statistics of the database values that nobody writes twice by chance; in those of a
/// column all that were its own.
async fn in_statistics(
    client: &Client,
    database: &str,
    before: &Fingerprints,
    telling: &[&str],
    survivors: &mut Survivors,
) -> Result<()> {
    let doing = format!("look through the statistics of {database}");
    let sql = format!(
        "SELECT DISTINCT schemaname, tablename, attname, mark FROM (
             SELECT s.*, {} AS mark FROM ({}) AS s (schemaname, tablename, attname, text)) AS t
         WHERE mark = ANY ($1)",
        mark("s.text"),
        include_str!("../sql/attest/statistics.sql")
    );
    let all: Vec<&str> = distinct(before.columns.iter());
    let telling: BTreeSet<&str> = telling.iter().copied().collect();
    let own: BTreeMap<(&str, &str, &str), &Fingerprint> = before
        .columns
        .iter()
        .filter(|column| column.database == database)
        .map(|column| ((column.schema.as_str(), column.table.as_str(), column.column.as_str()), column))
        .collect();
    let mut places = BTreeSet::new();
    for row in client.query(&sql, &[&all]).await.map_err(|error| query_failed(&doing, &error))? {
        let (schema, table, column, mark): (String, String, String, String) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let its_own = own
            .get(&(schema.as_str(), table.as_str(), column.as_str()))
            .is_some_and(|own| own.values.contains(&mark));
        if its_own || telling.contains(mark.as_str()) {
            places.insert(format!(
                "{database}: statistics of {schema}.{table}.{column} hold an original value"
            ));
        }
    }
    survivors.found.extend(places);
    Ok(())
}

async fn in_views(
    client: &Client,
    database: &str,
    telling: &[&str],
    survivors: &mut Survivors,
) -> Result<()> {
    let columns = "SELECT format('SELECT %L, %I::text FROM %I.%I', n.nspname || '.' || c.relname || '.' || a.attname, a.attname, n.nspname, c.relname)
                   FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                   WHERE c.relkind = 'm' AND c.relispopulated";
    for values in texts(client, "read materialised views", columns).await? {
        let sql = format!(
            "SELECT DISTINCT place FROM ({values}) AS v (place, text) WHERE length(text) >= 6 AND {} = ANY \
            ($1)",
            mark("v.text")
        );
        let rows = client
            .query(&sql, &[&telling])
            .await
            .map_err(|error| query_failed("look through materialised views", &error))?;
        survivors.found.extend(
            rows.iter().map(|row| format!("{database}: {} holds an original value", row.get::<_, String>(0))),
        );
    }
    Ok(())
}

/// Dead rows, and statistics of empty tables, where anything of the table is not kept.
async fn leftovers(
    client: &Client,
    database: &str,
    masking: &Masking,
    survivors: &mut Survivors,
) -> Result<()> {
    let rows = client
        .query(include_str!("../sql/attest/leftovers.sql"), &[])
        .await
        .map_err(|error| query_failed("look for dead rows", &error))?;
    for row in rows {
        let name = TableName { schema: row.get(3), table: row.get(2) };
        let kept = match masking.databases.get(database).and_then(|rules| rules.tables.get(&name)) {
            Some(TableRule::Columns(columns)) => columns.values().all(|rule| *rule == Rule::Keep),
            _ => false,
        };
        if !kept {
            survivors.found.push(format!(
                "{database}: {} has {}",
                row.get::<_, String>(0),
                row.get::<_, String>(4)
            ));
        }
    }
    Ok(())
}

/// The masking key stands in no statement that the server remembers.
async fn statements(client: &Client, database: &str, survivors: &mut Survivors) -> Result<()> {
    let there = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE c.relname = 'pg_stat_statements' AND c.relkind = 'v'";
    for view in texts(client, "look for pg_stat_statements", there).await? {
        let sql = format!(
            "SELECT count(*)::text FROM {view} WHERE position(current_setting('mask.key') IN query) > 0"
        );
        // Without its library in memory the view only gives an error, and no text.
        if texts(client, "look through statements", &sql).await.is_ok_and(|count| count != ["0"]) {
            survivors
                .found
                .push(format!("{database}: a statement that the server remembers holds the masking key"));
        }
    }
    Ok(())
}
