//! How PostgreSQL plans a query whose values nobody knows: on every version by a prepared
//! statement's generic plan (EXPLAIN's option for it came with 16,
//! https://www.postgresql.org/docs/release/16.0/), as the role that ran it, in a transaction that
//! may write nothing and is rolled back.
//!
//! A session of its own: what planning has run here may have changed its settings.

use runbook::{
    Context, Error, Result,
    postgres::{self, Login, is_of_the_moment, query_failed, quote, said},
    rehearse_upgrade::plans::Node,
};
use serde_json::Value;
use tokio_postgres::{Client, error::SqlState};

/// Of the prepared statement.
const NAME: &str = "aurora_runbooks_plan";

const NO_TEXT: &str = "its text is not one statement that can be prepared (pg_stat_statements makes \
                       interval $1 of interval '1 day')";

/// The plan, or why there is none: a reason of ours, for what PostgreSQL says may hold values.
pub type Explained = std::result::Result<Vec<Node>, String>;

pub struct Planner(Client);

impl Planner {
    pub async fn connect(cx: &Context, login: &Login, database: &str) -> Result<Self> {
        Ok(Self(postgres::connect(cx, login, database).await?))
    }

    pub async fn explain(&self, role: &str, text: &str) -> Result<Explained> {
        let explained = self.inside(role, text).await;
        let ended = self.0.batch_execute("ROLLBACK").await;
        if let Err(error) = ended {
            let doing = "end the planning of a query";
            // Whatever the session says, it is of no use any more: another one begins.
            return Err(match is_of_the_moment(&error) {
                true => query_failed(doing, &error),
                false => Error::NotReady(format!("a session to {doing} ({})", said(&error))),
            });
        }
        // Prepared statements outlive their transaction.
        match self.0.batch_execute(&format!("DEALLOCATE {NAME}")).await {
            Err(error) if is_of_the_moment(&error) => return Err(query_failed("forget a query", &error)),
            // It was never prepared.
            Ok(()) | Err(_) => {}
        }
        explained
    }

    async fn inside(&self, role: &str, text: &str) -> Result<Explained> {
        let client = &self.0;
        let begin = "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog; \
                     SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL statement_timeout = '10s'";
        client.batch_execute(begin).await.map_err(|error| query_failed("begin to plan", &error))?;
        if let Err(error) = client.batch_execute(&format!("SET LOCAL ROLE {}", quote(role))).await {
            reason(&error)?;
            return Ok(Err("the master user may not act for its role".into()));
        }
        match self.plan(role, text).await {
            Ok(json) => Ok(nodes(&json)),
            Err(error) => Ok(Err(reason(&error)?)),
        }
    }

    async fn plan(&self, role: &str, text: &str) -> std::result::Result<Value, tokio_postgres::Error> {
        let client = &self.0;
        client.execute(include_str!("sql/settings.sql"), &[&role]).await?;
        // The extended protocol takes one statement: a second one in the text is refused
        // (https://www.postgresql.org/docs/current/protocol-flow.html, Extended Query).
        client.execute(&format!("PREPARE {NAME} AS {text}"), &[]).await?;
        let parameters = format!(
            "SELECT pg_catalog.cardinality(parameter_types) FROM pg_catalog.pg_prepared_statements \
             WHERE name OPERATOR(pg_catalog.=) '{NAME}'"
        );
        let parameters: i32 = client.query_one(&parameters, &[]).await?.get(0);
        let nulls = vec!["NULL"; usize::try_from(parameters).unwrap_or_default()].join(", ");
        let arguments = if nulls.is_empty() { nulls } else { format!("({nulls})") };
        let explain = format!("EXPLAIN (FORMAT JSON, VERBOSE, COSTS) EXECUTE {NAME}{arguments}");
        Ok(client.query_one(&explain, &[]).await?.get(0))
    }
}

/// Whether a table of somebody's own is read or written: queries of monitoring and of ours are not.
pub fn reads_a_table(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| {
        let own =
            |table: &String| !["pg_catalog.", "information_schema."].iter().any(|s| table.starts_with(s));
        node.relation.as_ref().is_some_and(own) || reads_a_table(&node.below)
    })
}

/// What the moment causes is an error: the query is as good as before.
fn reason(error: &tokio_postgres::Error) -> Result<String> {
    let Some(code) = error.code() else { return Err(query_failed("plan a query", error)) };
    // The transaction is the one that writes nothing, and not the server.
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return Ok("planning it runs a function that writes".into());
    }
    if is_of_the_moment(error) {
        return Err(query_failed("plan a query", error));
    }
    Ok(match code.code() {
        "57014" => "planning it takes more than 10 s".into(),
        "42601" | "42P02" => NO_TEXT.into(),
        "42P01" | "42703" | "42704" | "42883" | "3F000" => {
            "a name in it is unknown to its role: it ran with another search_path, inside of a \
             function, or on a table that is gone"
                .into()
        }
        "42501" => "its role has no right to what it reads".into(),
        "42P18" | "42804" | "42725" | "42P08" | "42846" => "the types of its parameters are not known".into(),
        code => format!("PostgreSQL does not plan it (SQLSTATE {code})"),
    })
}

fn nodes(json: &Value) -> Explained {
    let plans = json.as_array().into_iter().flatten();
    let nodes: Option<Vec<Node>> = plans.map(|plan| node(plan.get("Plan")?)).collect();
    match nodes {
        Some(nodes) if !nodes.is_empty() => Ok(nodes),
        _ => Err("PostgreSQL shows no plan of it".into()),
    }
}

/// Names, cost and rows, and nothing else: everything else may hold values.
fn node(json: &Value) -> Option<Node> {
    let text = |key: &str| json.get(key).and_then(Value::as_str);
    let number = |key: &str| json.get(key).and_then(Value::as_f64).unwrap_or_default();
    let mut kind = text("Node Type")?.to_owned();
    if json.get("Parallel Aware").and_then(Value::as_bool) == Some(true) {
        kind.insert_str(0, "Parallel ");
    }
    let how = [text("Strategy"), text("Join Type"), text("Operation"), text("Partial Mode")];
    for how in how.into_iter().flatten().filter(|how| !["Plain", "Inner", "Simple"].contains(how)) {
        kind.push_str(&format!(" ({how})"));
    }
    let below = json.get("Plans").and_then(Value::as_array);
    Some(Node {
        kind,
        relation: text("Relation Name").map(|table| match text("Schema") {
            Some(schema) => format!("{schema}.{table}"),
            None => table.to_owned(),
        }),
        index: text("Index Name").map(str::to_owned),
        cost: number("Total Cost"),
        rows: number("Plan Rows"),
        below: below.into_iter().flatten().map(node).collect::<Option<_>>()?,
        left_out: 0,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_keeps_names_costs_and_rows_and_no_condition() {
        let json = json!([{"Plan": {
            "Node Type": "Hash Join", "Join Type": "Left", "Total Cost": 12.5, "Plan Rows": 3,
            "Hash Cond": "(o.name = 'Zeisigmann'::text)", "Output": ["'Zeisigmann'::text"],
            "Alias": "Zeisigmann",
            "Plans": [
                {"Node Type": "Index Scan", "Relation Name": "orders", "Schema": "public", "Alias": "o",
                 "Index Name": "orders_pkey", "Index Cond": "(id = 4711)", "Total Cost": 8.0, "Plan Rows": 1},
                {"Node Type": "Aggregate", "Strategy": "Hashed", "Partial Mode": "Simple", "Total Cost": 4.0,
                 "Plan Rows": 2, "Plans": [{"Node Type": "Seq Scan", "Parallel Aware": true,
                 "Relation Name": "pg_class", "Schema": "pg_catalog", "Filter": "Zeisigmann"}]},
            ],
        }}]);
        let nodes = nodes(&json).unwrap();
        let kept = serde_json::to_string(&nodes).unwrap();
        assert!(!kept.contains("eisigmann") && !kept.contains("4711"), "{kept}");
        assert_eq!((nodes[0].kind.as_str(), nodes[0].cost, nodes[0].size()), ("Hash Join (Left)", 12.5, 4));
        let [scan, aggregate] = &nodes[0].below[..] else { panic!("{kept}") };
        assert_eq!(scan.relation.as_deref(), Some("public.orders"));
        assert_eq!(scan.index.as_deref(), Some("orders_pkey"));
        assert_eq!(aggregate.kind, "Aggregate (Hashed)");
        assert_eq!(aggregate.below[0].kind, "Parallel Seq Scan");
        assert!(reads_a_table(&nodes) && !reads_a_table(&nodes[0].below[1..]));
    }

    #[test]
    fn what_is_no_plan_has_a_reason() {
        for json in [json!([]), json!({}), json!([{"Plan": {"Total Cost": 1}}]), json!(["Utility Statement"])]
        {
            assert_eq!(nodes(&json).unwrap_err(), "PostgreSQL shows no plan of it", "{json}");
        }
    }
}
