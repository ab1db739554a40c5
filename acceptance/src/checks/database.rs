//! What PostgreSQL on Aurora lets its master user do. Everything that a check makes it drops again.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use crate::{
    check::{Answer, Check, Expected},
    local,
    subject::{Session, Subject},
};

pub const CHECKS: &[Check] = &[
    Check {
        name: "master-is-no-superuser",
        expected: Expected::Holds("the master user is no superuser, and may create roles and databases"),
        source: "AuroraUserGuide, Appendix.PostgreSQL.CommonDBATasks.Roles",
        local: local!("src/postgres/engine.rs", "CREATE ROLE %I LOGIN CREATEDB CREATEROLE REPLICATION"),
        ask: |on| {
            Box::pin(async move {
                let row = on
                    .session()
                    .await?
                    .client
                    .query_one(
                        "SELECT rolsuper, rolcreaterole AND rolcreatedb, rolreplication, rolbypassrls \
                     FROM pg_catalog.pg_roles WHERE rolname = current_user",
                        &[],
                    )
                    .await?;
                let (superuser, creates): (bool, bool) = (row.get(0), row.get(1));
                let (replication, bypass): (bool, bool) = (row.get(2), row.get(3));
                let seen = format!(
                    "superuser {superuser}, CREATEROLE and CREATEDB {creates}, REPLICATION \
                    {replication}, BYPASSRLS {bypass}"
                );
                Ok(Answer::of(!superuser && creates, seen))
            })
        },
    },
    Check {
        name: "master-has-rds-superuser",
        expected: Expected::Holds("the master user is a member of rds_superuser with ADMIN"),
        source: "AuroraUserGuide, Appendix.PostgreSQL.CommonDBATasks.Roles",
        local: local!("src/postgres/engine.rs", "GRANT rds_superuser TO %I WITH ADMIN OPTION"),
        ask: |on| {
            Box::pin(async move {
                let found = memberships(on, "current_user").await?;
                Ok(Answer::of(found.contains("rds_superuser with ADMIN"), format!("it is in {found:?}")))
            })
        },
    },
    Check {
        name: "roles-of-rds",
        expected: Expected::Holds(
            "of RDS there are rdsadmin, rds_iam, rds_password, rds_replication and rds_superuser, no other",
        ),
        source: "AuroraUserGuide, Appendix.PostgreSQL.CommonDBATasks.Roles",
        local: local!("src/postgres/roles.sql", "ARRAY['rds_superuser', 'rds_replication'"),
        ask: |on| {
            Box::pin(async move {
                let rows = on
                    .session()
                    .await?
                    .client
                    .query(
                        "SELECT rolname::text FROM pg_catalog.pg_roles \
                     WHERE rolname !~ '^pg_' AND rolname <> current_user ORDER BY 1",
                        &[],
                    )
                    .await?;
                let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
                let known = ["rds_iam", "rds_password", "rds_replication", "rds_superuser", "rdsadmin"];
                Ok(Answer::of(found == known, format!("beside the master there are {found:?}")))
            })
        },
    },
    Check {
        name: "rights-of-rds-superuser",
        expected: Expected::Holds(
            "rds_superuser has pg_monitor, pg_signal_backend, pg_checkpoint, rds_password and \
             rds_replication with ADMIN",
        ),
        source: "AuroraUserGuide, Appendix.PostgreSQL.CommonDBATasks.Roles",
        local: local!("src/postgres/roles.sql", "'pg_monitor', 'pg_signal_backend'"),
        ask: |on| {
            Box::pin(async move {
                let found = memberships(on, "'rds_superuser'").await?;
                let expected =
                    ["pg_monitor", "pg_signal_backend", "pg_checkpoint", "rds_password", "rds_replication"];
                let all = expected.iter().all(|role| found.contains(&format!("{role} with ADMIN")));
                Ok(Answer::of(all, format!("it is in {found:?}")))
            })
        },
    },
    Check {
        name: "vacuum-full-of-statistics",
        expected: Expected::Holds("the owner of a database may VACUUM FULL its pg_statistic"),
        source: "PostgreSQL's VACUUM: owners may vacuum all of their database but shared catalogs",
        local: local!("src/postgres/engine.rs", "\"SELECT format('ALTER DATABASE %I OWNER TO %I'"),
        ask: |on| {
            Box::pin(async move {
                let mut session = on.session().await?;
                let done = execute(&session, "VACUUM FULL pg_catalog.pg_statistic").await;
                let mut said = vec![format!("{done:?}")];
                while let Ok(notice) = session.notices.try_recv() {
                    said.push(notice.message().to_owned());
                }
                Ok(Answer::of(done.is_ok() && said.len() == 1, said.join("; ")))
            })
        },
    },
    Check {
        name: "drop-of-a-replication-origin",
        expected: Expected::Holds("the master user may not call pg_replication_origin_create or drop"),
        source: "PostgreSQL's functions of replication: only superusers unless granted",
        local: local!("src/postgres/roles.sql", "GRANT SET ON PARAMETER session_replication_role"),
        ask: |on| {
            Box::pin(async move {
                let session = on.session().await?;
                let create = "SELECT pg_catalog.pg_replication_origin_create('acceptance_check')";
                let drop = "SELECT pg_catalog.pg_replication_origin_drop('acceptance_check')";
                let made = execute(&session, create).await;
                let dropped = execute(&session, drop).await;
                let refused = is_denied(&made) && is_denied(&dropped);
                Ok(Answer::of(refused, format!("create: {made:?}; drop: {dropped:?}")))
            })
        },
    },
    Check {
        name: "session-replication-role",
        expected: Expected::Holds("the master user may set session_replication_role"),
        source: "https://repost.aws/knowledge-center/rds-aurora-postgresql-dump-import-triggers",
        local: local!("src/postgres/roles.sql", "GRANT SET ON PARAMETER session_replication_role"),
        ask: |on| {
            Box::pin(async move {
                let set = execute(&on.session().await?, "SET session_replication_role = replica").await;
                Ok(Answer::of(set.is_ok(), format!("{set:?}")))
            })
        },
    },
    Check {
        name: "stored-passwords-are-closed",
        expected: Expected::Holds("the master user may not read pg_authid"),
        source: "AuroraUserGuide, Appendix.PostgreSQL.CommonDBATasks.Roles: no superuser",
        local: local!("src/postgres/template.rs", "The superuser of every server, as on RDS."),
        ask: |on| {
            Box::pin(async move {
                let read = "SELECT FROM pg_catalog.pg_authid WHERE rolpassword IS NOT NULL";
                let read = execute(&on.session().await?, read).await;
                Ok(Answer::of(is_denied(&read), format!("{read:?}")))
            })
        },
    },
    Check {
        name: "extension-that-is-not-trusted",
        expected: Expected::Holds("the master user creates and drops pg_stat_statements"),
        source: "AuroraUserGuide, Appendix.PostgreSQL.CommonDBATasks.Extensions",
        local: local!("src/postgres/packages.rs", "On Aurora `rds_superuser` creates any extension"),
        ask: |on| {
            Box::pin(async move {
                let session = on.session().await?;
                let made = execute(&session, "CREATE EXTENSION pg_stat_statements").await;
                let dropped = execute(&session, "DROP EXTENSION IF EXISTS pg_stat_statements").await;
                Ok(Answer::of(made.is_ok() && dropped.is_ok(), format!("{made:?}, {dropped:?}")))
            })
        },
    },
    Check {
        name: "databases-that-everybody-has",
        expected: Expected::Holds(
            "the master user owns postgres and template1; template0 is closed; rdsadmin is RDS's own",
        ),
        source: "AuroraUserGuide: every cluster has the database rdsadmin, which nobody else may use",
        local: local!("src/postgres/engine.rs", "CREATE DATABASE rdsadmin"),
        ask: |on| Box::pin(databases(on)),
    },
];

async fn memberships(on: &Subject, of: &str) -> Result<BTreeSet<String>> {
    let query = format!(
        "SELECT granted.rolname || CASE WHEN member.admin_option THEN ' with ADMIN' ELSE '' END \
         FROM pg_catalog.pg_auth_members AS member \
         JOIN pg_catalog.pg_roles AS granted ON granted.oid = member.roleid \
         JOIN pg_catalog.pg_roles AS holder ON holder.oid = member.member \
         WHERE holder.rolname = {of}"
    );
    let rows = on.session().await?.client.query(&query, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Nothing, or the class and the words of the server.
async fn execute(session: &Session, statement: &str) -> std::result::Result<(), String> {
    session.client.batch_execute(statement).await.map_err(|error| match error.as_db_error() {
        Some(said) => format!("{}: {}", said.code().code(), said.message()),
        None => error.to_string(),
    })
}

/// insufficient_privilege
fn is_denied(outcome: &std::result::Result<(), String>) -> bool {
    outcome.as_ref().is_err_and(|said| said.starts_with("42501"))
}

async fn databases(on: &Subject) -> Result<Answer> {
    let rows = on
        .session()
        .await?
        .client
        .query(
            "SELECT datname::text, pg_catalog.pg_get_userbyid(datdba)::text, datallowconn, \
         pg_catalog.pg_get_userbyid(datdba) = current_user FROM pg_catalog.pg_database ORDER BY 1",
            &[],
        )
        .await?;
    let mut seen = Vec::new();
    let (mut owned, mut open) = (BTreeSet::new(), BTreeSet::new());
    for row in &rows {
        let (name, owner): (String, String) = (row.get(0), row.get(1));
        let (connects, own): (bool, bool) = (row.get(2), row.get(3));
        seen.push(format!("{name} of {owner}{}", if connects { "" } else { ", closed" }));
        if own {
            owned.insert(name.clone());
        }
        if connects {
            open.insert(name);
        }
    }
    let login = on.read_login(&on.cluster().await?).await.context("read the master's secret")?;
    let admitted = runbook::postgres::connect(&on.cx, &login, "rdsadmin").await;
    seen.push(match &admitted {
        Ok(_) => "rdsadmin lets the master in".to_owned(),
        Err(error) => format!("rdsadmin: {error}"),
    });
    let as_said = owned.contains("postgres")
        && owned.contains("template1")
        && !owned.contains("rdsadmin")
        && !open.contains("template0")
        && admitted.is_err();
    Ok(Answer::of(as_said, seen.join("; ")))
}
