//! Takes the fingerprints of original values, before masking.
//!
//! The server computes them: no original value leaves it. What is looked for later follows from the
//! rule: values that chance can make again (an address among 16 million, a shifted date) are not
//! looked for one by one; their column as a whole must have changed.

use policy::{JsonPath, Rule, Step};
use runbook::{
    Result,
    aurora::ResourceId,
    postgres::{literal, query_failed, quote, table},
};
use tokio_postgres::{Client, Row};

use super::{
    plan::{MaskedColumn, Plan, TablePlan},
    rules::Kind,
    sessions::Sessions,
};
use crate::daily_sync::fingerprints::{Fingerprint, Fingerprints, Mark, Place, Within};

/// Values of a column: some hundred of its rows, and those in its statistics.
const VALUES: usize = 300;
/// Above this number of rows pages are sampled.
const SMALL: i64 = 50_000;

/// The fingerprint of the SQL expression `value`, as SQL. Attesting has its own wording of the
/// same.
fn fingerprint(value: &str) -> String {
    format!(
        "substr(encode(sha256(convert_to(current_setting('mask.key') || ':fingerprint:' || {value}, \
        'UTF8')), 'hex'), 1, 32)"
    )
}

pub async fn take(
    sessions: &Sessions<'_>,
    plans: &[Plan],
    key: &str,
    resource_id: &ResourceId,
) -> Result<Fingerprints> {
    let mut columns = Vec::new();
    for plan in plans.iter().filter(|plan| !plan.is_empty()) {
        let client = sessions.open_with_key(&plan.database, key).await?;
        for table in plan.tables.iter().filter(|table| !table.masked.is_empty()) {
            let (name, database) = (&table.table.name, &plan.database);
            sessions.cx.progress.say(format!("taking fingerprints of {name} of database {database}"));
            for column in &table.masked {
                for (within, rule) in parts(table, column) {
                    let place = Place {
                        database: database.clone(),
                        table: name.clone(),
                        column: column.name.clone(),
                        within,
                    };
                    columns.push(of_place(&client, table, place, rule).await?);
                }
            }
        }
    }
    Ok(Fingerprints { resource_id: resource_id.clone(), columns })
}

/// The parts of a column that are replaced, each by its rule.
fn parts<'a>(table: &TablePlan, masked: &'a MaskedColumn) -> Vec<(Within, &'a Rule)> {
    let array = table.table.column(&masked.name).is_some_and(|column| column.array);
    match &masked.rule {
        Rule::Json { paths } => {
            paths.iter().map(|(path, at)| (Within::Path(path.clone()), &at.rule)).collect()
        }
        rule @ (Rule::Null | Rule::Constant { .. } | Rule::Sql { .. }) => vec![(Within::Column, rule)],
        rule if array => vec![(Within::Elements, rule)],
        rule => vec![(Within::Column, rule)],
    }
}

/// The single values at a place, as a set-returning SQL expression.
fn values(place: &Place) -> String {
    let name = quote(&place.column);
    match &place.within {
        Within::Column => format!("{name}::text"),
        Within::Elements => format!("unnest({name})::text"),
        Within::Path(path) => {
            let path = literal(&sql_path(path));
            format!("jsonb_path_query({name}::jsonb, {path}::jsonpath) #>> '{{}}'")
        }
    }
}

/// The path in PostgreSQL's own language
/// (https://www.postgresql.org/docs/current/functions-json.html, SQL/JSON path).
fn sql_path(path: &JsonPath) -> String {
    let step = |step: &Step| match step {
        Step::Key(key) => format!(".{}", serde_json::Value::from(key.as_str())),
        Step::Elements => "[*]".to_owned(),
        Step::Members => ".*".to_owned(),
    };
    format!("lax ${}", path.0.iter().map(step).collect::<String>())
}

async fn of_place(client: &Client, plan: &TablePlan, place: Place, rule: &Rule) -> Result<Fingerprint> {
    let column = plan.table.column(&place.column);
    let short = column.and_then(|column| column.length).is_some_and(|length| length < 10);
    let single = !short
        && matches!(
            rule,
            Rule::Email
                | Rule::Name
                | Rule::Phone
                | Rule::Address
                | Rule::FreeText
                | Rule::Url
                | Rule::Uuid
                | Rule::Hash
        );
    let whole = matches!(rule, Rule::Integer { .. } | Rule::DateShift { .. } | Rule::Ip)
        && column.is_some_and(|column| !column.array && Kind::of(&column.base) != Kind::Json);
    let failed =
        |error: tokio_postgres::Error| query_failed(&format!("take fingerprints of {}", place.table), &error);
    let (values_of, from) = (values(&place), table(&place.table));
    let (mut values, mut sum) = (Vec::new(), None);
    if single {
        let least = match rule {
            Rule::Name | Rule::Address => 1,
            // What is only as long as it was can come out by chance when it is short.
            Rule::FreeText => 12,
            _ => 6,
        };
        let sample = if plan.table.rows > SMALL && plan.table.kind == 'r' {
            format!("TABLESAMPLE SYSTEM ({})", 100 * SMALL / plan.table.rows + 1)
        } else {
            String::new()
        };
        let sql = format!(
            "SELECT DISTINCT {} FROM (
                 SELECT DISTINCT v FROM (SELECT {values_of} AS v FROM {from} {sample} LIMIT 20000)
                  AS t WHERE length(v) >= {least} LIMIT {VALUES}
             ) AS sample
             UNION
             SELECT {} FROM (
                 SELECT unnest(coalesce(most_common_vals::text::text[], '{{}}')
                  || coalesce(histogram_bounds::text::text[], '{{}}')) AS v
                 FROM pg_stats WHERE schemaname = $1 AND tablename = $2 AND attname = $3 AND NOT $4
             ) AS known WHERE length(v) >= {least}",
            fingerprint("v"),
            fingerprint("v")
        );
        let nested = place.within != Within::Column;
        let rows = client
            .query(&sql, &[&place.table.schema, &place.table.table, &place.column, &nested])
            .await
            .map_err(failed)?;
        let mark = |row: &Row| Mark::try_from(row.get::<_, String>(0)).map_err(anyhow::Error::msg);
        values = rows.iter().map(mark).collect::<anyhow::Result<_>>()?;
    } else if whole {
        // Modulo 2^62, so that any number of rows has a sum.
        let sql = format!(
            "SELECT (sum(('x' || substr({}, 1, 8))::bit(32)::bigint) % 4611686018427387904)::bigint
             FROM (SELECT {values_of} AS v FROM {from}) AS t WHERE v IS NOT NULL",
            fingerprint("v")
        );
        sum = client.query_one(&sql, &[]).await.map_err(failed)?.get(0);
    }
    Ok(Fingerprint { place, values, whole: sum })
}
