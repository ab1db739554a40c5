//! Checks that the version, the parameter groups, the statistics and the rows are as they must be.
//!
//! Changes nothing. Tells the attributes that make the next `terraform plan` empty.
//!
//! Again is harmless: it looks again.
//!
//! Nothing to undo.
//!
//! Errors: `NotReady` while a member, a parameter group or the server is not there yet;
//! `OperationFailed` when the version is not the target, a table that had rows shows none, or a
//! table has no statistics.

use std::{collections::BTreeMap, fmt::Write};

use futures::{StreamExt, TryStreamExt, stream};
use policy::TableName;
use runbook::{
    Context, Error, Finding, Result, Run, SkippedFinding, State,
    aurora::{self, Cluster, EngineVersion, Instance, Tags},
    error::{Then, aws},
    major_upgrade::MANAGED_BY,
    postgres::{self, Login, query_failed},
    rehearse_upgrade::{Rehearsal, rehearsal_key},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::major_upgrade::{
    inspection::{self, Inspection, open, server_version},
    statistics::SCHEMA,
};

mod members;
mod rows;
mod terraform;

use rows::Rows;
use terraform::{Group, Kind};

/// Databases that are looked at at the same time.
const CONNECTIONS: usize = 4;
/// Warnings of an answer, which Step Functions takes up to 262,144 bytes of.
const WARNINGS: usize = 200;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyUpgrade {
    /// The DB cluster identifier.
    pub cluster: String,
    /// The secret with `username` and `password`; RDS's own for the cluster when absent.
    pub secret_arn: Option<String>,
    /// The engine version that the cluster shall have.
    #[schemars(with = "String")]
    pub target: EngineVersion,
    /// Tables that may be empty though they had rows, e.g. `emptied-table:shop/public.queue`, each
    /// with a reason.
    #[serde(default)]
    pub skip: Vec<SkippedFinding>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    pub summary: String,
    pub version: EngineVersion,
    /// Absent when no rows were counted before the upgrade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
    /// Worth a look, and no reason to fail.
    pub warnings: Vec<String>,
    /// The attributes that make the next `terraform plan` empty.
    pub terraform: String,
}

impl State for VerifyUpgrade {
    const NAME: &'static str = "VerifyUpgrade";
    type Output = Verified;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Verified> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        let members = aurora::members(cx, &cluster).await?;
        members::verify(&cluster, &members, &self.target)?;

        let login = aurora::login(cx, &cluster, self.secret_arn.as_deref()).await?;
        let client = open(cx, &login, "postgres").await?;
        let version = server_version(&client).await?;
        if version.major() != self.target.major() {
            return Err(Error::failed(format!(
                "RDS says {}, but the server itself says {version}",
                self.target
            ))
            .changed("nothing by this state")
            .fix("ask AWS Support"));
        }
        let before: Option<Inspection> = cx.store.get_json(&inspection::key(&cluster)).await?;
        let before = before.filter(|before| before.target.major() == self.target.major());
        let looks = look(cx, &login, postgres::databases(&client).await?).await?;

        let missing = missing(&looks, before.as_ref());
        let mut warnings = members::out_of_sync(&cluster, &members);
        warnings.extend(looks.iter().flat_map(|look| look.warnings.clone()));
        warnings.extend(self.not_rehearsed(cx, run, &cluster).await?);
        if warnings.len() > WARNINGS {
            let more = warnings.len() - WARNINGS;
            warnings.truncate(WARNINGS);
            warnings.push(format!("and {more} more"));
        }
        let databases: BTreeMap<_, _> = looks.into_iter().map(|look| (look.database, look.tables)).collect();
        let after = Inspection {
            source_version: version.clone(),
            target: self.target.clone(),
            inspected: cx.clock.now(),
            databases,
        };
        let rows = before.map(|before| rows::compare(&before, &after));
        if let Some(text) = failed(rows.as_ref(), &missing, &self.skip) {
            return Err(Error::failed(text).changed("nothing by this state").then(Then::Redrive));
        }
        Ok(Verified {
            summary: summary(&self.target, members.len(), after.tables(), rows.as_ref()),
            terraform: terraform(cx, &cluster, &members).await?,
            version,
            rows,
            warnings,
        })
    }
}

impl VerifyUpgrade {
    /// What InspectDatabases found of the cluster that its rehearsal had not found.
    async fn not_rehearsed(&self, cx: &Context, run: &Run, cluster: &Cluster) -> Result<Vec<String>> {
        let rehearsal: Option<Rehearsal> = cx.store.get_json(&rehearsal_key(&cluster.resource_id)).await?;
        let Some(rehearsal) = rehearsal.filter(|one| one.path.last() == Some(&self.target)) else {
            return Ok(Vec::new());
        };
        let found: Option<Vec<Finding>> =
            cx.store.get_json(&format!("{}/findings.json", run.prefix())).await?;
        let found = found.unwrap_or_default().into_iter().map(|finding| finding.id());
        let new = found.filter(|id| !rehearsal.findings.contains(id));
        let day = rehearsal.rehearsed.strftime("%Y-%m-%d");
        Ok(new.map(|id| format!("{id} was not there in the rehearsal of {day}")).collect())
    }
}

/// What one database shows after the upgrade.
struct Look {
    database: String,
    tables: inspection::Database,
    missing: Vec<Missing>,
    warnings: Vec<String>,
}

/// A table without statistics.
struct Missing {
    table: TableName,
    remedy: String,
    /// Never analysed nor vacuumed: as a table that the application has just made.
    never: bool,
}

async fn look(cx: &Context, login: &Login, databases: Vec<String>) -> Result<Vec<Look>> {
    let number = databases.len();
    stream::iter(databases.into_iter().enumerate())
        .map(|(index, database): (usize, String)| async move {
            cx.progress.say(format!("verifying database {database} ({} of {number})", index + 1));
            let client = open(cx, login, &database).await?;
            let doing = format!("verify database {database}");
            let query =
                async |sql: &str| client.query(sql, &[]).await.map_err(|error| query_failed(&doing, &error));
            let missing = query(include_str!("sql/verify/missing_statistics.sql"))
                .await?
                .iter()
                .map(|row| Missing {
                    table: TableName { schema: row.get("schema"), table: row.get("table") },
                    remedy: row.get("remedy"),
                    never: row.get("never"),
                })
                .collect();
            let mut warnings: Vec<String> = query(include_str!("sql/verify/invalid_indexes.sql"))
                .await?
                .iter()
                .map(|row| {
                    format!(
                        "{database}: index {} is invalid; REINDEX or drop it",
                        row.get::<_, String>("name")
                    )
                })
                .collect();
            if !query(include_str!("sql/verify/left_record.sql")).await?.is_empty() {
                warnings.push(format!(
                    "{database}: the statistics that InspectDatabases kept are still there; DROP SCHEMA \
                    {SCHEMA} CASCADE"
                ));
            }
            for row in query(include_str!("sql/analyze/extensions.sql")).await? {
                let (name, from, to): (String, String, String) =
                    (row.get("name"), row.get("from_version"), row.get("to_version"));
                warnings
                    .push(format!("{database}: extension {name} is at {from}, the server's default is {to}"));
            }
            client
                .batch_execute(inspection::QUICK)
                .await
                .map_err(|error| query_failed("set up a session", &error))?;
            let tables = inspection::look(&client, cx.clock, inspection::counting(number), &database).await?;
            Ok(Look { database, tables, missing, warnings })
        })
        .buffered(CONNECTIONS)
        .try_collect()
        .await
}

/// Tables without statistics: those that were there before the upgrade, or all when nothing is
/// known of before.
fn missing(looks: &[Look], before: Option<&Inspection>) -> Vec<String> {
    let mut missing = Vec::new();
    for look in looks {
        let known = before.map(|before| before.databases.get(&look.database));
        for table in &look.missing {
            let is_new = match known {
                Some(database) => {
                    table.never
                        && !database.is_some_and(|database| database.tables.contains_key(&table.table))
                }
                None => false,
            };
            if !is_new {
                missing.push(format!("{}: {}", look.database, table.remedy));
            }
        }
    }
    missing
}

fn failed(rows: Option<&Rows>, missing: &[String], skip: &[SkippedFinding]) -> Option<String> {
    let emptied: Vec<_> = rows
        .map_or(&[][..], |rows| &rows.emptied)
        .iter()
        .map(|change| (change, format!("emptied-table:{}", change.table)))
        .collect();
    let emptied: Vec<_> =
        emptied.into_iter().filter(|(_, id)| skip.iter().all(|skip| skip.finding != *id)).collect();
    let mut text = String::new();
    if !emptied.is_empty() {
        let _ = write!(text, "{} tables had rows before the upgrade and show none now:", emptied.len());
        for (change, id) in &emptied {
            let _ = write!(text, "\n  {id} had {} rows", change.before);
        }
        text.push_str(
            "\nStop the application and compare with the snapshot taken before the upgrade. What the \
            application itself emptied can be named \
             in \"skip\", with a reason.",
        );
    }
    if !missing.is_empty() {
        let _ = write!(
            text,
            "{}{} tables have rows and no statistics. Run:",
            if text.is_empty() { "" } else { "\n\n" },
            missing.len()
        );
        for statement in missing {
            let _ = write!(text, "\n  {statement}");
        }
        text.push_str("\nThen redrive the execution.");
    }
    (!text.is_empty()).then_some(text)
}

fn summary(target: &EngineVersion, members: usize, tables: usize, rows: Option<&Rows>) -> String {
    let instances = if members == 1 { "instance".to_owned() } else { format!("{members} instances") };
    let mut text =
        format!("The cluster and its {instances} run {target}; {tables} tables have their statistics");
    match rows {
        None => text.push_str(". Rows were not counted before the upgrade."),
        Some(rows) => {
            let _ = write!(
                text,
                "; of {} tables counted before and after, {} have exactly as many rows",
                rows.counted, rows.equal
            );
            let changed = rows.counted - rows.equal;
            text.push_str(&if changed == 0 {
                ".".to_owned()
            } else {
                format!(", {changed} have changed since.")
            });
        }
    }
    text
}

async fn terraform(cx: &Context, cluster: &Cluster, members: &[Instance]) -> Result<String> {
    let cluster_group = cluster.shown.db_cluster_parameter_group().ok_or_else(|| {
        Error::unexpected(format!("RDS shows no DBClusterParameterGroup of cluster {}", cluster.id))
    })?;
    let instances = members
        .iter()
        .map(|member| Ok((member.id.clone(), member.parameter_group()?.to_owned())))
        .collect::<Result<Vec<_>>>()?;
    let mut groups = Vec::new();
    let describe =
        cx.rds.describe_db_cluster_parameter_groups().db_cluster_parameter_group_name(cluster_group);
    let answer = describe.send().await.map_err(aws("rds:DescribeDBClusterParameterGroups"))?;
    for group in answer.db_cluster_parameter_groups() {
        let (arn, family) = (group.db_cluster_parameter_group_arn(), group.db_parameter_group_family());
        groups.push(read_group(cx, Kind::Cluster, cluster_group, (arn, family)).await?);
    }
    let names: std::collections::BTreeSet<&String> = instances.iter().map(|(_, group)| group).collect();
    for name in names {
        let describe = cx.rds.describe_db_parameter_groups().db_parameter_group_name(name);
        let answer = describe.send().await.map_err(aws("rds:DescribeDBParameterGroups"))?;
        for group in answer.db_parameter_groups() {
            let (arn, family) = (group.db_parameter_group_arn(), group.db_parameter_group_family());
            groups.push(read_group(cx, Kind::Instance, name, (arn, family)).await?);
        }
    }
    let version = cluster.version.to_string();
    let cluster = terraform::Cluster { name: &cluster.id, version: &version, group: cluster_group };
    Ok(terraform::text(cluster, &instances, &groups))
}

async fn read_group(
    cx: &Context,
    kind: Kind,
    name: &str,
    (arn, family): (Option<&str>, Option<&str>),
) -> Result<Group> {
    let (Some(arn), Some(family)) = (arn, family) else {
        return Err(Error::unexpected(format!("RDS shows no ARN or no family of parameter group {name}")));
    };
    // A default group is RDS's own, and nobody can tag it.
    let ours = !name.starts_with("default.") && {
        let answer = cx.rds.list_tags_for_resource().resource_name(arn).send().await;
        let tags = Tags::from(answer.map_err(aws("rds:ListTagsForResource"))?.tag_list());
        // Everything that a run makes carries this tag.
        tags.is(MANAGED_BY.0, MANAGED_BY.1)
    };
    Ok(Group { kind, name: name.to_owned(), family: family.to_owned(), ours })
}

#[cfg(test)]
mod tests {
    use super::{rows::Change, *};

    fn rows(emptied: &[&str]) -> Rows {
        let emptied =
            emptied.iter().map(|table| Change { table: (*table).to_owned(), before: 9, after: 0 }).collect();
        Rows { counted: 4, equal: 3, emptied, ..Rows::default() }
    }

    #[test]
    fn a_table_that_lost_its_rows_fails_unless_it_is_skipped_with_a_reason() {
        let lost = rows(&["shop/public.orders"]);
        let text = failed(Some(&lost), &[], &[]).unwrap();
        assert!(text.contains("emptied-table:shop/public.orders had 9 rows"), "{text}");
        let skip =
            SkippedFinding { finding: "emptied-table:shop/public.orders".into(), reason: "a queue".into() };
        assert_eq!(failed(Some(&lost), &[], &[skip]), None);
    }

    #[test]
    fn missing_statistics_fail_with_the_statement_to_run() {
        let text = failed(None, &["shop: ANALYZE public.orders;".to_owned()], &[]).unwrap();
        assert!(
            text.contains("1 tables have rows and no statistics") && text.contains("ANALYZE public.orders;"),
            "{text}"
        );
    }

    #[test]
    fn the_summary_tells_what_was_compared() {
        assert!(
            summary(&"18.4".parse().unwrap(), 2, 40, Some(&rows(&[]))).contains(
                "of 4 tables counted before and after, 3 have exactly as many rows, 1 have changed"
            )
        );
        assert!(summary(&"18.4".parse().unwrap(), 2, 40, None).contains("not counted"));
    }
}
