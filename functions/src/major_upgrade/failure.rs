//! Reads from RDS's events and the writer's log files why an upgrade failed, and says what to do.
//!
//! Events are best effort and come under the cluster or the writer instance (facts seen in the
//! field), so the log files count as much. Log files of pg_upgrade:
//! https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_UpgradeDBInstance.Upgrading.html

use aws_sdk_rds::{primitives::DateTime, types::SourceType};
use jiff::Timestamp;
use runbook::{
    Context, Result,
    aurora::{Cluster, Fault},
    error::aws,
};

pub struct Failure {
    /// What RDS and pg_upgrade say.
    pub evidence: String,
    pub remedy: &'static str,
    /// RDS itself says that it failed. A log alone does not: RDS's pre-checks write one while the
    /// cluster is online and the upgrade goes on.
    pub is_certain: bool,
}

/// What is known of an upgrade that failed since `since`; `None` when nothing hints at one.
pub async fn read(cx: &Context, cluster: &Cluster, since: Timestamp) -> Result<Option<Failure>> {
    let mut events = events(cx, SourceType::DbCluster, &cluster.id, since).await?;
    let mut logs = Vec::new();
    if let Some(writer) = cluster.writer() {
        events.extend(self::events(cx, SourceType::DbInstance, writer, since).await?);
        logs = self::logs(cx, writer, since).await?;
    }
    Ok(told(events, &logs))
}

/// What RDS's events and pg_upgrade's log files say, by their names.
pub fn told(events: Vec<String>, logs: &[(String, String)]) -> Option<Failure> {
    let mut failures: Vec<String> = events.into_iter().filter(|message| tells_failure(message)).collect();
    failures.dedup();
    if failures.is_empty() && logs.is_empty() {
        return None;
    }
    let mut evidence = String::new();
    for message in &failures {
        evidence.push_str(&format!("\n\nRDS says: {message}"));
    }
    for (file, content) in logs {
        evidence.push_str(&format!("\n\n{file}:\n{}", excerpt(content)));
    }
    Some(Failure { remedy: remedy(&evidence), evidence, is_certain: !failures.is_empty() })
}

fn remedy(evidence: &str) -> &'static str {
    REMEDIES.iter().find(|(sign, _)| evidence.contains(sign)).map_or(NO_REMEDY, |(_, remedy)| remedy)
}

const NO_REMEDY: &str = "remove what the evidence above names";

/// A sign in the evidence → what to do. pg_upgrade's names of checks and files: PostgreSQL's
/// src/bin/pg_upgrade/check.c.
const REMEDIES: &[(&str, &str)] = &[
    (
        "replication slots",
        "ask the slot's consumer to stop and plan its resync, then \
         SELECT pg_drop_replication_slot(slot_name)",
    ),
    (
        "prepared transactions",
        "finish them (SELECT gid, database FROM pg_prepared_xacts, then COMMIT PREPARED or ROLLBACK \
         PREPARED in that database)",
    ),
    (
        "tables_using_reg",
        "change the column of a reg* type to text or drop it: pg_upgrade cannot carry it over",
    ),
    ("reg_data_type", "change the column of a reg* type to text or drop it: pg_upgrade cannot carry it over"),
    ("tables_using_composite", "drop or change the column that has the row type of a system table"),
    (
        "not_null_inconsistent_columns",
        "give the child table its parent's NOT NULL (ALTER TABLE child ALTER COLUMN c SET NOT NULL)",
    ),
    (
        "loadable_libraries",
        "update or DROP EXTENSION the one whose library does not exist in the target version",
    ),
    (
        "databases_cannot_connect_to",
        "let the database that is invalid or refuses connections be connected to (ALTER DATABASE … \
         ALLOW_CONNECTIONS true), or drop it",
    ),
    (
        "out of shared memory",
        "raise max_locks_per_transaction in the parameter group: pg_upgrade locks every relation",
    ),
    (
        "invalid configuration parameter",
        "reset the parameter that the target does not have (ALTER ROLE, DATABASE or FUNCTION … RESET name)",
    ),
    (
        "unrecognized configuration parameter",
        "reset the parameter that the target does not have (ALTER ROLE, DATABASE or FUNCTION … RESET name)",
    ),
    (
        "role \"pg_",
        "REASSIGN OWNED, DROP OWNED and DROP ROLE the one whose name begins with pg_: it is reserved and \
         cannot be renamed",
    ),
    (
        "does not exist",
        "drop the view or function that uses what the target's catalogs do not have, and create it again \
         after the upgrade",
    ),
];

fn tells_failure(message: &str) -> bool {
    [
        "cannot be upgraded",
        "could not be upgraded",
        "upgrade failed",
        "reported failure",
        "PreUpgrade checks failed",
    ]
    .iter()
    .any(|sign| message.contains(sign))
}

async fn events(cx: &Context, source: SourceType, id: &str, since: Timestamp) -> Result<Vec<String>> {
    let since = DateTime::from_millis(since.as_millisecond());
    let until = DateTime::from_millis(cx.clock.now().as_millisecond());
    let request =
        cx.rds.describe_events().source_type(source).source_identifier(id).start_time(since).end_time(until);
    let events = request.into_paginator().items().send();
    let events = events.try_collect().await.map_err(aws("rds:DescribeEvents"))?;
    Ok(events.into_iter().filter_map(|event| event.message).collect())
}

/// pg_upgrade's files that were written since, their ends at most.
async fn logs(cx: &Context, writer: &str, since: Timestamp) -> Result<Vec<(String, String)>> {
    let request = cx
        .rds
        .describe_db_log_files()
        .db_instance_identifier(writer)
        .file_last_written(since.as_millisecond());
    let files = match request.into_paginator().items().send().try_collect().await {
        // The instance does not serve its logs at this moment; the events alone must do.
        Err(error) if Fault::of(&error) == Some(Fault::DBInstanceNotReady) => return Ok(Vec::new()),
        files => files.map_err(aws("rds:DescribeDBLogFiles"))?,
    };
    let mut logs = Vec::new();
    for file in files.iter().filter_map(|file| file.log_file_name()) {
        let name = file.rsplit('/').next().unwrap_or(file);
        let details = name.contains(".txt")
            || name.starts_with("pg_upgrade_dump")
            || name.starts_with("pg_upgrade_precheck");
        if details || name.starts_with("pg_upgrade_internal") || name.starts_with("pg_upgrade_server") {
            let request = cx
                .rds
                .download_db_log_file_portion()
                .db_instance_identifier(writer)
                .log_file_name(file)
                .number_of_lines(200);
            match request.send().await {
                Ok(portion) => logs.push((file.to_owned(), portion.log_file_data.unwrap_or_default())),
                // Gone by rotation, or not served at this moment.
                Err(error)
                    if matches!(
                        Fault::of(&error),
                        Some(Fault::DBLogFileNotFoundFault | Fault::DBInstanceNotReady)
                    ) => {}
                Err(error) => return Err(aws("rds:DownloadDBLogFilePortion")(error)),
            }
        }
    }
    // The detail files say what; pg_upgrade's own log says where it stopped.
    logs.sort_by_key(|(file, _)| file.contains("pg_upgrade_internal") || file.contains("pg_upgrade_server"));
    Ok(logs)
}

/// The lines that matter, for people: errors and what stands around them, or the end.
fn excerpt(content: &str) -> String {
    let lines: Vec<&str> = content.lines().filter(|line| !line.trim().is_empty()).collect();
    let telling = |line: &&&str| {
        ["error", "fatal", "failure", "detail:", "hint:"]
            .iter()
            .any(|sign| line.to_lowercase().contains(sign))
    };
    let mut chosen: Vec<&str> = lines.iter().filter(telling).take(12).copied().collect();
    if chosen.is_empty() {
        chosen = lines[lines.len().saturating_sub(12)..].to_vec();
    }
    chosen.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_errors_or_the_end() {
        assert_eq!(
            excerpt("a\nb\npg_restore: error: column \"x\" does not exist\nc"),
            "  pg_restore: error: column \"x\" does not exist"
        );
        assert_eq!(excerpt("In database: shop\n  public.t.c\n"), "  In database: shop\n    public.t.c");
    }

    #[test]
    fn the_remedy_fits_the_evidence() {
        for (evidence, part) in [
            (
                "pg_restore: error: could not execute query: ERROR:  column b.buffers_backend does not exist",
                "the view or function",
            ),
            (
                "pg_restore: error: could not execute query: ERROR:  role \"pg_evil\" does not exist",
                "REASSIGN OWNED",
            ),
            ("tables_using_reg.txt:\n  In database: shop\n    public.t.column", "reg* type"),
            ("HINT: the disk is full, column 3", NO_REMEDY),
        ] {
            assert!(remedy(evidence).contains(part), "{evidence}: {}", remedy(evidence));
        }
    }

    #[test]
    fn only_failures_are_read_as_failures() {
        assert!(tells_failure(
            "Database cluster is in a state that cannot be upgraded: fatal : pg_upgrade reported failure \
            for check_for_reg_data_type_usage"
        ));
        assert!(!tells_failure(
            "Database cluster engine 18.4 version upgrade started. Cluster remains online."
        ));
    }
}
