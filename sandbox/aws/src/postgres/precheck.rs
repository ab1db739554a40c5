//! What RDS checks by itself before it takes a cluster offline for pg_upgrade.

use std::fmt::Write;

use jiff::Timestamp;

use super::{server::Server, template::SUPERUSER};
use crate::rds::engine::UpgradeFailure;

/// The first three wordings are RDS's own (AmazonRDS UserGuide,
/// USER_UpgradeDBInstance.PostgreSQL.MajorVersion.Process, and its sample log).
const LOGICAL_SLOTS: &str = "The instance could not be upgraded because one or more databases have logical \
replication slots. Please drop all \
                             logical replication slots and try again.";
const PREPARED_TRANSACTIONS: &str =
    "There are uncommitted prepared transactions. Please commit or rollback all prepared transactions.";
const RESERVED_ROLES: &str =
    "One or more role names start with 'pg_'. Rename all role names that start with 'pg_'.";
/// The page names the condition, not the words.
const INVALID_DATABASES: &str = "One or more databases are invalid. Drop all invalid databases.";
const ODD_NAME: &str =
    "The database name contains characters that are not supported by RDS PostgreSQL. Rename the database.";

/// Answers what stands in the way, as the event and the file `pg_upgrade_precheck.log` tell it.
pub async fn check(
    server: &Server,
    target_version: &str,
    now: Timestamp,
) -> anyhow::Result<Option<UpgradeFailure>> {
    let admin = server.connect(SUPERUSER, "postgres").await?;
    // From 17 on pg_upgrade takes logical slots along, but for those that are invalid or have
    // something left to send (https://www.postgresql.org/docs/17/pgupgrade.html, step 9;
    // `check_old_cluster_for_valid_slots` of its check.c says so in its own words).
    let logical_slots = if server.major < 17 {
        "EXISTS (SELECT FROM pg_replication_slots WHERE slot_type = 'logical')"
    } else {
        "false"
    };
    let conditions = [
        (PREPARED_TRANSACTIONS, "EXISTS (SELECT FROM pg_prepared_xacts)"),
        (LOGICAL_SLOTS, logical_slots),
        // Roles of the server itself have OIDs below 16384.
        (RESERVED_ROLES, "EXISTS (SELECT FROM pg_roles WHERE rolname ~ '^pg_' AND oid >= 16384)"),
        (INVALID_DATABASES, "EXISTS (SELECT FROM pg_database WHERE datconnlimit = -2)"),
    ];
    let mut issues = Vec::new();
    for (text, condition) in conditions {
        if admin.query_one(&format!("SELECT {condition}"), &[]).await?.get(0) {
            issues.push(text);
        }
    }
    let odd = admin
        .query(r#"SELECT datname FROM pg_database WHERE datname ~ '["''$`\\[:cntrl:]]' ORDER BY 1"#, &[])
        .await?;
    let odd: Vec<String> = odd.iter().map(|row| row.get(0)).collect();
    if issues.is_empty() && odd.is_empty() {
        return Ok(None);
    }
    let version: String = admin.query_one("SHOW server_version", &[]).await?.get(0);
    let version = version.split(' ').next().unwrap_or_default();
    let reason = match (issues.as_slice(), odd.as_slice()) {
        ([only], []) => (*only).to_owned(),
        ([], [_]) => ODD_NAME.to_owned(),
        _ => "The instance is not compatible with the target engine version. Please check the precheck log \
            file for more details."
            .to_owned(),
    };
    Ok(Some(UpgradeFailure {
        reason: format!("PreUpgrade checks failed: {reason}"),
        files: vec![("pg_upgrade_precheck.log".to_owned(), log(version, target_version, now, &issues, &odd))],
    }))
}

fn log(version: &str, target_version: &str, now: Timestamp, issues: &[&str], odd: &[String]) -> String {
    let line = "-".repeat(66);
    let mut text = format!(
        "{line}\nUpgrade could not be run on {}\n{line}\nThe instance could not be upgraded from {version} \
        to {target_version} because of \
         following reasons. Please take appropriate action on databases that have usages incompatible with \
         requested major engine version \
         upgrade and try again.\n",
        now.strftime("%a %b %d %H:%M:%S %Y")
    );
    for issue in issues {
        let _ = writeln!(text, "- {issue}");
    }
    for database in odd {
        let _ = writeln!(
            text,
            "- Following usages in database '{database}' need to be corrected before upgrade:\n-- {ODD_NAME}"
        );
    }
    text + "\n----------------------- END OF LOG ----------------------\n"
}
