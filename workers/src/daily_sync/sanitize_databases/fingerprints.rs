//! Keyed fingerprints of original values, taken before masking, so that attesting can look for the
//! values without anybody having kept them.
//!
//! The server computes them: no original value leaves it. What is looked for later is told by the
//! rule: values that chance can make again (an address among 16 million, a shifted date) are not
//! looked for one by one; their column as a whole must have changed.

use policy::{JsonPath, Rule, Step};
use runbook::{
    Result,
    postgres::{query_failed, quote},
};
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::{
    plan::{MaskedColumn, Plan, TablePlan, Way},
    rules::Kind,
    schema::Column,
    sessions::Sessions,
};

/// Values of a column: some hundred of its rows, and those in its statistics.
const VALUES: usize = 300;
/// Above this number of rows pages are sampled.
const SMALL: i64 = 50_000;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fingerprints {
    /// The DbClusterResourceId that they are of.
    pub resource_id: String,
    pub columns: Vec<Fingerprint>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fingerprint {
    pub database: String,
    pub schema: String,
    pub table: String,
    pub column: String,
    pub rule: String,
    /// How to come from the column to its single values.
    pub values_of: String,
    /// Of single values.
    pub values: Vec<String>,
    /// Of all values together.
    pub whole: Option<String>,
    /// Values that are looked for outside of their column, too: nobody writes them twice by chance.
    pub telling: bool,
}

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
    resource_id: &str,
) -> Result<Fingerprints> {
    let mut all = Fingerprints { resource_id: resource_id.to_owned(), columns: Vec::new() };
    for plan in plans.iter().filter(|plan| !plan.is_empty()) {
        let client = sessions.open_with_key(&plan.database, key).await?;
        for table in plan.tables.iter().filter(|table| matches!(table.way, Way::Alter | Way::Reload)) {
            sessions.cx.progress.say(format!(
                "taking fingerprints of {} of database {}",
                table.table.id(),
                plan.database
            ));
            for column in &table.masked {
                for (values_of, rule) in sources(table, column) {
                    all.columns
                        .push(of_column(&client, &plan.database, table, column, values_of, rule).await?);
                }
            }
        }
    }
    Ok(all)
}

/// Where in a column the replaced values are, as a set-returning SQL expression, and by which rule
/// they are replaced.
fn sources<'a>(table: &'a TablePlan, masked: &'a MaskedColumn) -> Vec<(String, &'a Rule)> {
    let name = quote(&masked.name);
    let array = table.table.column(&masked.name).is_some_and(|column: &Column| column.array);
    match &masked.rule {
        Rule::Json { paths } => paths
            .iter()
            .map(|(path, rule)| {
                let path = postgres_protocol::escape::escape_literal(&sql_path(path));
                (format!("jsonb_path_query({name}::jsonb, {path}::jsonpath) #>> '{{}}'"), rule)
            })
            .collect(),
        rule if array => vec![(format!("unnest({name})::text"), rule)],
        rule => vec![(format!("{name}::text"), rule)],
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

async fn of_column(
    client: &Client,
    database: &str,
    plan: &TablePlan,
    masked: &MaskedColumn,
    values_of: String,
    rule: &Rule,
) -> Result<Fingerprint> {
    let table = &plan.table;
    let column = table.column(&masked.name);
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
        |error: tokio_postgres::Error| query_failed(&format!("take fingerprints of {}", table.id()), &error);
    let mut of = Fingerprint {
        database: database.to_owned(),
        schema: table.schema.clone(),
        table: table.name.clone(),
        column: masked.name.clone(),
        rule: rule.name().to_owned(),
        values_of: values_of.clone(),
        values: Vec::new(),
        whole: None,
        telling: matches!(
            rule,
            Rule::Email | Rule::Phone | Rule::FreeText | Rule::Url | Rule::Uuid | Rule::Hash
        ),
    };
    if single {
        let least = match rule {
            Rule::Name | Rule::Address => 1,
            // What is only as long as it was can come out by chance when it is short.
            Rule::FreeText => 12,
            _ => 6,
        };
        let sample = if table.rows > SMALL && table.kind == 'r' {
            format!("TABLESAMPLE SYSTEM ({})", 100 * SMALL / table.rows + 1)
        } else {
            String::new()
        };
        let sql = format!(
            "SELECT DISTINCT {} FROM (
                 SELECT DISTINCT v FROM (SELECT {values_of} AS v FROM {} {sample} LIMIT 20000) AS t WHERE length(v) >= {least} LIMIT {VALUES}
             ) AS sample
             UNION
             SELECT {} FROM (
                 SELECT unnest(coalesce(most_common_vals::text::text[], '{{}}') || coalesce(histogram_bounds::text::text[], '{{}}')) AS v
                 FROM pg_stats WHERE schemaname = $1 AND tablename = $2 AND attname = $3 AND NOT $4
             ) AS known WHERE length(v) >= {least}",
            fingerprint("v"),
            table.sql(),
            fingerprint("v")
        );
        let nested = matches!(masked.rule, Rule::Json { .. }) || column.is_some_and(|column| column.array);
        let rows =
            client.query(&sql, &[&table.schema, &table.name, &masked.name, &nested]).await.map_err(failed)?;
        of.values = rows.iter().map(|row| row.get(0)).collect();
    } else if whole {
        let number = format!("('x' || substr({}, 1, 8))::bit(32)::bigint", fingerprint("v"));
        let sql = format!(
            "SELECT sum({number})::text FROM (SELECT {values_of} AS v FROM {}) AS t WHERE v IS NOT NULL",
            table.sql()
        );
        of.whole = client.query_one(&sql, &[]).await.map_err(failed)?.get(0);
    }
    Ok(of)
}
