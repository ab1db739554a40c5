//! Looks for original values by the fingerprints that were taken before masking: in their columns,
//! in statistics, materialised views and comments. The values themselves are not known here either;
//! the server compares fingerprints.

use std::collections::{BTreeMap, BTreeSet};

use policy::{JsonPath, Masking, Rule, Step, TableName, TableRule};
use runbook::{
    Result,
    postgres::{query_failed, quote, table},
};
use tokio_postgres::{Client, types::ToSql};

use super::places::{MaskedPlace, marks, places, said};
use crate::daily_sync::{
    fingerprints::{Fingerprints, Within},
    sanitize_databases::sessions::{Sessions, texts},
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
    let places = places(sessions, masking, databases, before).await?;
    let mut survivors = Survivors {
        looked_for: places.iter().map(|place| place.marks().count()).sum(),
        ..Survivors::default()
    };
    let telling = marks(places.iter().filter(|place| place.is_telling()));
    for database in databases {
        let client = sessions.open_with_key(database, key).await?;
        for place in places.iter().filter(|place| place.place.database == *database) {
            let column = said(&place.place);
            sessions.cx.progress.say(format!("looking for original values in {column}"));
            in_column(&client, place, &mut survivors).await?;
        }
        in_statistics(&client, database, &places, &mut survivors).await?;
        in_views(&client, database, &telling, &mut survivors).await?;
        let words = format!(
            "SELECT count(*) FROM ({}) AS w WHERE length(w.text) >= 6 AND {} = ANY ($1)",
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

async fn counted(client: &Client, doing: &str, sql: &str, values: &[&str]) -> Result<i64> {
    let row = client.query_one(sql, &[&values]).await.map_err(|error| query_failed(doing, &error))?;
    Ok(row.get(0))
}

/// The single values at a place as rows `v`, and the path that is the query's first parameter.
fn values(of: &MaskedPlace<'_>, sample: &str) -> (String, Option<String>) {
    let (column, from) = (quote(&of.place.column), table(&of.place.table));
    match &of.place.within {
        Within::Column => (format!("SELECT {column}::text AS v FROM {from}{sample}"), None),
        Within::Elements => (
            format!("SELECT e::text AS v FROM {from}{sample} CROSS JOIN LATERAL unnest({column}) AS e"),
            None,
        ),
        Within::Path(path) => (
            format!(
                "SELECT found #>> '{{}}' AS v FROM {from}{sample} CROSS JOIN LATERAL \
                jsonb_path_query({column}::jsonb, $1::text::jsonpath) AS found"
            ),
            Some(in_sql(path)),
        ),
    }
}

/// A path as PostgreSQL reads it; keys are quoted like JSON's strings
/// (https://www.postgresql.org/docs/current/datatype-json.html, jsonpath Type).
fn in_sql(path: &JsonPath) -> String {
    path.0.iter().fold("$".to_owned(), |text, step| match step {
        Step::Key(key) => text + "." + &serde_json::Value::from(key.as_str()).to_string(),
        Step::Elements => text + "[*]",
        Step::Members => text + ".*",
    })
}

async fn in_column(client: &Client, of: &MaskedPlace<'_>, survivors: &mut Survivors) -> Result<()> {
    let place = said(&of.place);
    let doing = format!("look for original values in {place}");
    let sample = if !of.partitioned && of.rows > ROWS {
        format!(" TABLESAMPLE SYSTEM ({})", 100.0 * ROWS / of.rows)
    } else {
        String::new()
    };
    let rule = of.rule.name();
    let marks: Vec<&str> = of.marks().collect();
    if !marks.is_empty() {
        let (values, path) = values(of, &sample);
        let number = if path.is_some() { 2 } else { 1 };
        let sql = format!(
            "SELECT count(*) FILTER (WHERE {} = ANY (${number})), count(*) FROM ({values}) AS sample",
            mark("v")
        );
        let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::new();
        parameters.extend(path.as_ref().map(|path| path as &(dyn ToSql + Sync)));
        parameters.push(&marks);
        let row = client.query_one(&sql, &parameters).await.map_err(|error| query_failed(&doing, &error))?;
        let (found, rows): (i64, i64) = (row.get(0), row.get(1));
        survivors.rows += rows;
        if found > 0 {
            survivors.found.push(format!("{place}: {found} original values are there (rule {rule})"));
        }
    }
    // What is below needs no path: these rules are checked in whole columns only.
    let (Within::Column, (values, None)) = (&of.place.within, values(of, "")) else { return Ok(()) };
    if let Some(whole) = of.taken.whole {
        let sql = format!(
            "SELECT mod(sum(('x' || left({}, 8))::bit(32)::bigint), 4611686018427387904)::bigint
             FROM ({values}) AS t WHERE v IS NOT NULL",
            mark("v")
        );
        let row = client.query_one(&sql, &[]).await.map_err(|error| query_failed(&doing, &error))?;
        if row.get::<_, Option<i64>>(0) == Some(whole) {
            survivors.found.push(format!("{place}: it is as it was (rule {rule})"));
        }
    }
    let others = match of.rule {
        Rule::Null => "max(v) IS NOT NULL",
        Rule::Constant { .. } => "max(v) IS DISTINCT FROM min(v)",
        _ => return Ok(()),
    };
    let sql = format!("SELECT {others} FROM ({values}) AS t");
    let row = client.query_one(&sql, &[]).await.map_err(|error| query_failed(&doing, &error))?;
    if row.get(0) {
        survivors.found.push(format!("{place}: other values than the rule {rule} makes are there"));
    }
    Ok(())
}

/// In all statistics of the database values that nobody writes twice by chance; in those of a
/// column all that were its own.
async fn in_statistics(
    client: &Client,
    database: &str,
    all: &[MaskedPlace<'_>],
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
    let telling: BTreeSet<&str> =
        all.iter().filter(|place| place.is_telling()).flat_map(MaskedPlace::marks).collect();
    let mut own: BTreeMap<(&TableName, &str), BTreeSet<&str>> = BTreeMap::new();
    for place in all.iter().filter(|place| place.place.database == database) {
        let column = (&place.place.table, place.place.column.as_str());
        own.entry(column).or_default().extend(place.marks());
    }
    let mut places = BTreeSet::new();
    let rows =
        client.query(&sql, &[&marks(all.iter())]).await.map_err(|error| query_failed(&doing, &error))?;
    for row in rows {
        let table = TableName { schema: row.get(0), table: row.get(1) };
        let (column, mark): (String, String) = (row.get(2), row.get(3));
        let its_own = own.get(&(&table, column.as_str())).is_some_and(|own| own.contains(mark.as_str()));
        if its_own || telling.contains(mark.as_str()) {
            places.insert(format!("{database}: statistics of {table}.{column} hold an original value"));
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
    let columns = "SELECT format('SELECT %L, %I::text FROM %I.%I', n.nspname || '.' || c.relname
                    || '.' || a.attname, a.attname, n.nspname, c.relname)
                   FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
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
    let there = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace
                    AS n ON n.oid = c.relnamespace
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
