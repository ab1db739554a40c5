//! Looks for live wires once more, in another way than they were cut: it reads the catalog and
//! judges here, so that a mistake in the queries of the cut does not prove itself right.

use std::collections::BTreeMap;

use runbook::{Result, postgres::query_failed};
use tokio_postgres::{Client, Row};

use crate::daily_sync::sanitize_databases::sessions::Sessions;

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

/// Names of work that waits: whole, or with a star at an end.
const QUEUES: [&str; 27] = [
    "que_jobs",
    "delayed_jobs",
    "good_jobs",
    "good_job_executions",
    "solid_queue_*",
    "oban_jobs",
    "river_job",
    "procrastinate_jobs",
    "procrastinate_events",
    "gue_jobs",
    "neoq_jobs",
    "queue_classic_jobs",
    "*outbox*",
    "celery_taskmeta",
    "django_q_ormq",
    "sidekiq_jobs",
    "jobs_queue",
    "job_queue",
    "mail_queue",
    "email_queue",
    "message_queue",
    "webhook_deliveries",
    "pgmq.q_*",
    "pgmq.a_*",
    "pgboss.job",
    "pgboss.archive",
    "graphile_worker.*jobs",
];

pub async fn find(sessions: &Sessions<'_>, databases: &[String]) -> Result<Found> {
    let mut found = Found::new();
    for (number, database) in databases.iter().enumerate() {
        sessions.cx.progress.say(format!(
            "looking for live wires in database {database} ({} of {})",
            number + 1,
            databases.len()
        ));
        let client = sessions.open(database).await?;
        let mut add = |kind: &str, object: String| {
            found.entry(kind.to_owned()).or_default().push(format!("{database}: {object}"))
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
                add("calling-rule", object);
            } else if kind != "rule" && holds_secret(&text) {
                add(&format!("secret-in-{kind}"), object);
            }
        }
        queues(&client, &mut add).await?;
        let defaults = "SELECT pg_get_userbyid(defaclrole)::text, defaclobjtype::text, defaclacl::text[] \
        FROM pg_default_acl";
        for row in rows(&client, "read default privileges", defaults).await? {
            let (owner, kind, entries): (String, String, Vec<String>) = (row.get(0), row.get(1), row.get(2));
            let usual = |entry: &String| {
                entry.trim_matches('"').starts_with(&format!("{owner}="))
                    || entry.starts_with('=') && "fT".contains(&kind)
            };
            if !entries.iter().all(usual) {
                add("default-privilege", owner);
            }
        }
        let settings =
            "SELECT datname::text FROM pg_database AS d JOIN pg_db_role_setting AS s ON s.setdatabase = d.oid
                        WHERE s.setrole = 0 AND datname = current_database()";
        for row in rows(&client, "read settings", settings).await? {
            add("role-setting", row.get(0));
        }
    }
    roles(&sessions.open("postgres").await?, &mut found).await?;
    Ok(found)
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
        if holds_secret(&text) {
            add("secret-in-function", name);
        }
    }
    Ok(())
}

async fn queues(client: &Client, add: &mut impl FnMut(&str, String)) -> Result<()> {
    let tables = "SELECT table_schema::text, table_name::text, format('%I.%I', table_schema,
                  table_name) FROM information_schema.tables
                  WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog',
                  'information_schema')";
    for row in rows(client, "read the names of tables", tables).await? {
        let (schema, table, sql): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let waiting = QUEUES.iter().any(|pattern| match pattern.split_once('.') {
            Some((of, pattern)) => of == schema && fits(&table, pattern),
            None => fits(&table, pattern),
        });
        if waiting
            && rows(client, "look into a queue", &format!("SELECT EXISTS (SELECT FROM {sql})")).await?[0]
                .get(0)
        {
            add("queue-table", format!("{schema}.{table}"));
        }
    }
    Ok(())
}

fn fits(name: &str, pattern: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => name.contains(rest.trim_end_matches('*')),
        (Some(end), None) => name.ends_with(end),
        (None, Some(begin)) => name.starts_with(begin),
        (None, None) => name == pattern,
    }
}

async fn roles(client: &Client, found: &mut Found) -> Result<()> {
    for row in rows(client, "read roles", include_str!("../sql/attest/roles.sql")).await? {
        let name: String = row.get(0);
        let mut add = |kind: &str, object: String| found.entry(kind.to_owned()).or_default().push(object);
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

/// A key, token or password by its looks.
fn holds_secret(text: &str) -> bool {
    let lower = text.to_lowercase();
    let marks =
        ["hooks.slack.com/services/", "private key-----", "sk_live_", "xoxb-", "xoxp-", "ghp_", "password="];
    let keys = ["akia", "asia"].iter().any(|mark| {
        lower
            .match_indices(mark)
            .any(|(at, _)| lower[at..].chars().take(20).filter(char::is_ascii_alphanumeric).count() == 20)
    });
    let login = lower.split("://").skip(1).any(|rest| {
        let host = rest.split(['/', ' ', '\'', '"']).next().unwrap_or_default();
        host.split_once('@')
            .is_some_and(|(login, _)| login.split_once(':').is_some_and(|(_, password)| !password.is_empty()))
    });
    keys || login || marks.iter().any(|mark| lower.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_reaches_out_and_texts_with_secrets_are_recognised() {
        assert!(
            calls_out("perform aws_lambda.invoke('x')")
                && calls_out("copy t to program 'curl'")
                && !calls_out("perform pg_notify('x', 'y')")
        );
        assert!(
            holds_secret("key AKIAABCDEFGHIJKLMNOP")
                && holds_secret("https://a:b@c.example")
                && holds_secret("host=x password=y")
        );
        assert!(
            !holds_secret("https://example.com/a:b@c")
                && !holds_secret("the akia is a dog")
                && !holds_secret("the password of the day")
        );
    }

    #[test]
    fn queues_are_recognised_by_their_names() {
        assert!(
            fits("mail_outbox", "*outbox*")
                && fits("solid_queue_jobs", "solid_queue_*")
                && fits("_private_jobs", "*jobs")
                && !fits("jobs", "que_jobs")
        );
    }
}
