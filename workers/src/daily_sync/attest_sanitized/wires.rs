//! Looks for live wires once more, in another way than they were cut: it reads the catalog with
//! queries of its own and judges here, so that a mistake in the queries of the cut does not prove
//! itself right. What looks like a credential or like a queue is one question with one answer
//! ([`policy::secrets`], [`policy::is_queue`]); what the policy keeps is not counted.

use std::collections::{BTreeMap, BTreeSet};

use policy::{Action, Exception, is_queue, secrets};
use runbook::{Result, postgres::query_failed};
use tokio_postgres::{Client, Row};

use super::heaps::heaps;
use crate::shared::sessions::Sessions;

/// What a kind has left, with a name for each.
pub type Found = BTreeMap<String, Vec<String>>;

const EXTENSIONS: [(&str, &[&str]); 6] = [
    ("replication-extension", &["pglogical", "pglogical_origin", "pgactive", "bdr", "spock"]),
    ("cron-job", &["pg_cron"]),
    ("scheduler", &["pgagent", "pg_timetable", "timescaledb", "pg_background"]),
    (
        "foreign-data-wrapper",
        &[
            "postgres_fdw",
            "dblink",
            "oracle_fdw",
            "mysql_fdw",
            "tds_fdw",
            "file_fdw",
            "log_fdw",
            "http",
            "pgsql_http",
            "pg_net",
            "plproxy",
        ],
    ),
    ("aws-extension", &["aws_lambda", "aws_s3", "aws_ml", "aws_commons"]),
    ("hook-extension", &["pg_tle", "apg_plan_mgmt"]),
];

const SCHEMAS: [(&str, &str); 12] = [
    ("replication-extension", "pglogical"),
    ("replication-extension", "pgactive"),
    ("replication-extension", "bdr"),
    ("replication-extension", "spock"),
    ("cron-job", "cron"),
    ("scheduler", "pgagent"),
    ("scheduler", "timetable"),
    ("aws-extension", "aws_lambda"),
    ("aws-extension", "aws_s3"),
    ("aws-extension", "aws_ml"),
    ("hook-extension", "pgtle"),
    ("hook-extension", "apg_plan_mgmt"),
];

/// The objects that default privileges are of, as ALTER DEFAULT PRIVILEGES calls them.
const DEFAULTS: [(&str, &str); 6] = [
    ("r", "TABLES"),
    ("S", "SEQUENCES"),
    ("f", "FUNCTIONS"),
    ("T", "TYPES"),
    ("n", "SCHEMAS"),
    ("L", "LARGE OBJECTS"),
];

pub async fn find(sessions: &Sessions<'_>, databases: &[String], exceptions: &[Exception]) -> Result<Found> {
    let mut found = Found::new();
    for (number, database) in databases.iter().enumerate() {
        sessions.cx.progress.say(format!(
            "looking for live wires in database {database} ({} of {})",
            number + 1,
            databases.len()
        ));
        let client = sessions.open(database).await?;
        let mut add = |kind: &str, object: String| {
            if Exception::of(exceptions, kind, Some(database), &object).is_none_or(is_done) {
                found.entry(kind.to_owned()).or_default().push(format!("{database}: {object}"));
            }
        };
        for row in
            rows(&client, "count what must not be there", include_str!("../sql/attest/counts.sql")).await?
        {
            add(row.get(0), row.get::<_, Option<String>>(1).unwrap_or_default());
        }
        extensions(&client, &mut add).await?;
        functions(&client, &mut add).await?;
        for row in rows(&client, "read texts of the catalog", include_str!("../sql/attest/texts.sql")).await?
        {
            let (kind, object, text): (String, Option<String>, Option<String>) =
                (row.get(0), row.get(1), row.get(2));
            let (object, text) = (object.unwrap_or_default(), text.unwrap_or_default());
            if kind == "rule" && calls_out(&text.to_lowercase()) {
                add("calling-rule", object.clone());
            }
            let found = if kind == "comment" { secrets::in_text(&text) } else { secrets::in_code(&text) };
            if !found.is_empty() {
                let kind = if kind == "rule" { "definition" } else { kind.as_str() };
                add(&format!("secret-in-{kind}"), object);
            }
        }
        queues(&client, &mut add).await?;
        let defaults = "SELECT pg_get_userbyid(defaclrole)::text, defaclobjtype::text, defaclacl::text[], \
        coalesce(' in ' || nspname, '') FROM pg_default_acl LEFT JOIN pg_namespace AS n \
        ON n.oid = defaclnamespace";
        for row in rows(&client, "read default privileges", defaults).await? {
            let (owner, kind, entries): (String, String, Vec<String>) = (row.get(0), row.get(1), row.get(2));
            let usual = |entry: &String| {
                entry.trim_matches('"').starts_with(&format!("{owner}="))
                    || entry.starts_with('=') && "fT".contains(&kind)
            };
            if !entries.iter().all(usual) {
                let (_, word) = DEFAULTS.iter().find(|(of, _)| *of == kind).unwrap_or(&("", "objects"));
                add("default-privilege", format!("{word} of {owner}{}", row.get::<_, String>(3)));
            }
        }
        let settings =
            "SELECT datname::text FROM pg_database AS d JOIN pg_db_role_setting AS s ON s.setdatabase = d.oid
                        WHERE s.setrole = 0 AND datname = current_database()";
        for row in rows(&client, "read settings", settings).await? {
            add("role-setting", row.get(0));
        }
    }
    roles(&sessions.open("postgres").await?, exceptions, &mut found).await?;
    Ok(found)
}

/// What the policy only wants cut in another way is a wire when it is still there.
fn is_done(exception: &Exception) -> bool {
    exception.action != Action::Keep
}

async fn rows(client: &Client, doing: &str, sql: &str) -> Result<Vec<Row>> {
    client.query(sql, &[]).await.map_err(|error| query_failed(doing, &error))
}

async fn extensions(client: &Client, add: &mut impl FnMut(&str, String)) -> Result<()> {
    let names =
        "SELECT extname::text, '' FROM pg_extension UNION ALL SELECT '', nspname::text FROM pg_namespace";
    for row in rows(client, "read extensions and schemas", names).await? {
        let (extension, schema): (String, String) = (row.get(0), row.get(1));
        for (kind, _) in EXTENSIONS.iter().filter(|(_, names)| names.contains(&extension.as_str())) {
            add(kind, format!("extension {extension}"));
        }
        for (kind, _) in SCHEMAS.iter().filter(|(_, name)| *name == schema) {
            add(kind, format!("schema {schema}"));
        }
    }
    Ok(())
}

async fn functions(client: &Client, add: &mut impl FnMut(&str, String)) -> Result<()> {
    let triggers = "SELECT tgname::text, lower(pg_get_functiondef(tgfoid)) FROM pg_trigger
                    WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgparentid = 0
                    AND (SELECT prolang FROM pg_proc WHERE oid = tgfoid) NOT IN (SELECT oid
                    FROM pg_language WHERE lanname IN ('c', 'internal'))";
    for row in rows(client, "read triggers", triggers).await? {
        if calls_out(&row.get::<_, String>(1)) {
            add("calling-trigger", row.get(0));
        }
    }
    for row in rows(client, "read functions", include_str!("../sql/attest/functions.sql")).await? {
        let (name, text, definer, acl, owner, public): (String, String, bool, String, String, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5));
        let others = acl
            .trim_matches(['{', '}'])
            .split(',')
            .any(|entry| !entry.is_empty() && !entry.trim_matches('"').starts_with(&format!("{owner}=")));
        if definer && (public || others) {
            add("security-definer", name.clone());
        }
        if !secrets::in_code(&text).is_empty() {
            add("secret-in-function", name);
        }
    }
    Ok(())
}

async fn queues(client: &Client, add: &mut impl FnMut(&str, String)) -> Result<()> {
    let mut filled = BTreeSet::new();
    for heap in heaps(client).await?.into_iter().filter(|heap| !heap.is_view) {
        let queue = [&heap.table, &heap.heap].into_iter().find(|name| is_queue(name)).cloned();
        if let Some(name) = queue
            && heap.has_rows(client).await?
        {
            filled.insert(name);
        }
    }
    filled.into_iter().for_each(|name| add("queue-table", name.to_string()));
    Ok(())
}

async fn roles(client: &Client, exceptions: &[Exception], found: &mut Found) -> Result<()> {
    for row in rows(client, "read roles", include_str!("../sql/attest/roles.sql")).await? {
        let name: String = row.get(0);
        let mut add = |kind: &str, object: String| {
            if Exception::of(exceptions, kind, None, &object).is_none_or(is_done) {
                found.entry(kind.to_owned()).or_default().push(object);
            }
        };
        if row.get(1) {
            add("login-role", name.clone());
        }
        if row.get(2) {
            add("privileged-role", name.clone());
        }
        for other in row.get::<_, Vec<String>>(3) {
            let kind = if ["rds_iam", "rds_ad"].contains(&other.as_str()) {
                "external-login"
            } else {
                "privileged-member"
            };
            add(kind, format!("{name} in {other}"));
        }
        row.get::<_, Vec<String>>(5).into_iter().for_each(|admin| add("role-admin", admin));
        if row.get(4) {
            add("role-setting", name);
        }
    }
    Ok(())
}

/// In lower case: does this code reach out of the database?
fn calls_out(code: &str) -> bool {
    let words = [
        "aws_lambda.",
        "aws_s3.",
        "aws_ml.",
        "aws_commons.",
        "dblink",
        "net.http_",
        "http_get(",
        "http_post(",
        "http_put(",
        "http_delete(",
        "lo_export",
    ];
    let copies = code
        .split("copy ")
        .skip(1)
        .any(|rest| rest.split(';').next().unwrap_or_default().contains(" program "));
    copies || words.iter().any(|word| code.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_reaches_out_is_recognised() {
        assert!(
            calls_out("perform aws_lambda.invoke('x')")
                && calls_out("copy t to program 'curl'")
                && !calls_out("perform pg_notify('x', 'y')")
        );
    }
}
