//! Chooses the versions to go through and checks that the cluster can be upgraded.
//!
//! Changes: takes the run's lease on the cluster, so that two executions never work on one. Nothing
//! of the cluster. Again is harmless: the lease is already ours, the rest only reads. Undo: none
//! needed; a lease ends with its execution. Errors: `Refused` (input, no such cluster, no path),
//! `Blocked` (something of the cluster must change first), `Conflict` (another execution has the
//! lease), `NotReady` (the cluster is being changed at this moment).

use std::time::Duration;

use aws_sdk_rds::types::{DbCluster, DbInstance, PendingModifiedValues};
use runbook::{
    Context, Error, Finding, Level, Result, Run, SkippedFinding, State, aurora,
    error::aws,
    lease,
    state::{default_deadline, friendly_duration},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::{Targets, shortest};

/// How much of a worker's input `skip` and `secretArn` may take, in the characters of
/// [`ResolveUpgrade::worker_characters`]. "A total of 8192 characters are allowed for overrides.
/// This limit includes the JSON formatting characters" (botocore ecs, RunTaskRequest), and 2,048
/// of them may be the task token (botocore stepfunctions, TaskToken). Longer ones must not fail
/// VerifyUpgrade when the upgrade is done.
pub const WORKER_CHARACTERS: usize = 4800;

/// What a person types into the console to start an upgrade.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolveUpgrade {
    /// The DB cluster identifier, as the RDS console shows it.
    #[schemars(regex(pattern = r"^[A-Za-z][A-Za-z0-9-]{0,62}$"))]
    pub cluster: String,
    /// A major version such as "18" (its newest minor version that can be reached), or an exact one
    /// such as "18.4".
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub target: String,
    /// How long a state may wait for AWS, e.g. "8h" (the default) or "90m".
    #[serde(default = "default_deadline", with = "friendly_duration")]
    #[schemars(with = "String", default = "eight_hours")]
    pub deadline: Duration,
    /// Values that the new parameter groups get instead of what would be carried over.
    #[serde(default)]
    pub parameters: Vec<ParameterOverride>,
    /// Findings of InspectDatabases that shall not stop this run; about 4,800 characters in all.
    #[serde(default)]
    pub skip: Vec<SkippedFinding>,
    /// The secret with "username" and "password" for the workers. Not needed when RDS manages the
    /// master password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_arn: Option<String>,
}

fn eight_hours() -> &'static str {
    "8h"
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParameterOverride {
    /// The parameter's name, e.g. "work_mem".
    pub name: String,
    /// Its value in the new groups, as a parameter group writes it; null leaves the default of the
    /// new family.
    pub value: Option<String>,
    /// Why, for the report.
    #[schemars(length(min = 1))]
    pub reason: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    summary: String,
    cluster: String,
    /// DbClusterResourceId: it survives a rename.
    resource_id: String,
    from: String,
    /// The exact version at the end of the path.
    target: String,
    /// The versions still to go through, the next one first. Empty when the cluster is at the
    /// target.
    path: Vec<String>,
    #[serde(with = "friendly_duration")]
    deadline: Duration,
    parameters: Vec<ParameterOverride>,
    skip: Vec<SkippedFinding>,
    secret_arn: Option<String>,
}

impl State for ResolveUpgrade {
    const NAME: &'static str = "ResolveUpgrade";
    type Output = Plan;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Plan> {
        self.check()?;
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        check_kind(&cluster)?;
        let resource_id = cluster.db_cluster_resource_id().unwrap_or_default().to_owned();
        lease::take(cx, run, &resource_id).await?;

        let members = aurora::members(cx, &cluster).await?;
        check_statuses(&cluster, &members)?;
        if let Some(what) = aurora::busy(&cluster, &members).or_else(|| version_change(&cluster)) {
            return Err(Error::NotReady(what));
        }
        let from = cluster.engine_version().unwrap_or_default().to_owned();
        let path = shortest(&upgrade_targets(cx).await?, &from, &self.target)
            .ok_or_else(|| no_path(&from, &self.target))?;
        let blockers = blockers(cx, &cluster, &members, &path).await?;
        if !blockers.is_empty() {
            return Err(Error::Blocked(blockers));
        }
        let target = path.last().unwrap_or(&from).clone();
        let summary = match path.as_slice() {
            [] => format!("{} is at {from}: nothing to upgrade", self.cluster),
            path => format!("{} goes from {from} to {}", self.cluster, path.join(" and then to ")),
        };
        let Self { cluster, deadline, parameters, skip, secret_arn, .. } = self;
        Ok(Plan {
            summary,
            cluster: cluster.to_lowercase(),
            resource_id,
            from,
            target,
            path,
            deadline,
            parameters,
            skip,
            secret_arn,
        })
    }
}

impl ResolveUpgrade {
    fn check(&self) -> Result<()> {
        let valid = |name: &str| {
            name.len() <= 63
                && name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if !valid(&self.cluster) {
            return Err(Error::Refused(format!(
                "cluster {:?} is no DB cluster identifier (letters, digits and hyphens, at most 63). \
                Nothing was touched.",
                self.cluster
            )));
        }
        let parts: Vec<_> = self.target.split('.').collect();
        if parts.len() > 2
            || parts
                .iter()
                .any(|part| part.is_empty() || part.len() > 4 || !part.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(Error::Refused(format!(
                "target {:?} is no version. Give a major version such as \"18\", or an exact one such as \
                \"18.4\". Nothing was touched.",
                self.target
            )));
        }
        let reasons = self
            .parameters
            .iter()
            .map(|p| (&p.name, &p.reason))
            .chain(self.skip.iter().map(|s| (&s.finding, &s.reason)));
        match reasons.into_iter().find(|(_, reason)| reason.trim().is_empty()) {
            Some((name, _)) => Err(Error::Refused(format!(
                "{name:?} needs a reason: whoever reads the report will ask for it. Nothing was touched."
            ))),
            None => self.check_room(),
        }
    }

    fn check_room(&self) -> Result<()> {
        let characters = self.worker_characters();
        if characters > WORKER_CHARACTERS {
            return Err(Error::Refused(format!(
                "\"skip\" takes {characters} characters of the workers' input, with \"secretArn\" and the \
                signs that JSON adds, and {WORKER_CHARACTERS} fit. Shorten the reasons, or skip a whole \
                check by its name alone. Nothing was touched."
            )));
        }
        Ok(())
    }

    /// What `skip` and `secretArn` take of RunTask's overrides: JSON in a text in JSON. Bytes, of
    /// which there never are fewer than characters, however they are counted.
    pub fn worker_characters(&self) -> usize {
        let input = serde_json::json!({"secretArn": self.secret_arn, "skip": self.skip});
        serde_json::Value::from(input.to_string()).to_string().len()
    }
}

/// What this runbook is not for.
fn check_kind(cluster: &DbCluster) -> Result<()> {
    let name = cluster.db_cluster_identifier().unwrap_or_default();
    let engine = cluster.engine().unwrap_or_default();
    if engine != "aurora-postgresql" {
        return Err(Error::Refused(format!(
            "{name} is {engine}; this runbook upgrades aurora-postgresql. Nothing was touched."
        )));
    }
    if cluster.engine_mode().is_some_and(|mode| mode != "provisioned") {
        return Err(Error::Refused(format!(
            "{name} has the engine mode {}, which ModifyDBCluster cannot upgrade. Nothing was touched.",
            cluster.engine_mode().unwrap_or_default()
        )));
    }
    if let Some(global) = cluster.global_cluster_identifier().filter(|id| !id.is_empty()) {
        return Err(Error::Refused(format!(
            "{name} belongs to the global cluster {global}, whose version is raised with \
            ModifyGlobalCluster for every Region at once. This runbook does not do that; nothing was touched."
        )));
    }
    Ok(())
}

/// Statuses that no waiting ends.
fn check_statuses(cluster: &DbCluster, members: &[DbInstance]) -> Result<()> {
    let name = cluster.db_cluster_identifier().unwrap_or_default();
    if members.is_empty() {
        return Err(Error::Refused(format!(
            "{name} has no instance, so no writer that could be upgraded. Create one, then run this again. \
            Nothing was touched."
        )));
    }
    let statuses = members.iter().map(|m| {
        (m.db_instance_identifier().unwrap_or_default(), m.db_instance_status().unwrap_or_default())
    });
    for (name, status) in [(name, cluster.status().unwrap_or_default())].into_iter().chain(statuses) {
        let stuck = [
            "stopped",
            "failed",
            "deleting",
            "storage-full",
            "inaccessible-encryption-credentials",
            "inaccessible-encryption-credentials-recoverable",
        ];
        if stuck.contains(&status) || status.starts_with("incompatible-") {
            return Err(Error::Refused(format!(
                "{name} is {status}: it cannot be upgraded so, and waiting does not end it. Bring it back \
                to available, then run this again. Nothing was touched."
            )));
        }
    }
    Ok(())
}

/// For a while after ModifyDBCluster the cluster is still `available`, and only the pending version
/// tells (hashicorp/terraform-provider-aws#28339).
pub fn version_change(cluster: &DbCluster) -> Option<String> {
    let version = cluster.pending_modified_values()?.engine_version()?;
    Some(format!(
        "the upgrade of {} to {version} that RDS has accepted",
        cluster.db_cluster_identifier().unwrap_or_default()
    ))
}

fn no_path(from: &str, target: &str) -> Error {
    Error::Refused(format!(
        "RDS offers no way from {from} to {target} (ValidUpgradeTarget of DescribeDBEngineVersions, over \
        any number of hops). \
         A version is never lowered. Choose another target; nothing was touched."
    ))
}

async fn upgrade_targets(cx: &Context) -> Result<Targets> {
    let pages = cx
        .rds
        .describe_db_engine_versions()
        .engine("aurora-postgresql")
        .include_all(true)
        .into_paginator()
        .items()
        .send();
    let versions: Vec<_> =
        pages.collect::<std::result::Result<_, _>>().await.map_err(aws("rds:DescribeDBEngineVersions"))?;
    let mut targets = Targets::new();
    for version in versions {
        let to = version.valid_upgrade_target().iter().filter_map(|target| target.engine_version());
        // Limitless is another product under the same engine name.
        let to = to.filter(|to| !to.contains("limitless")).map(str::to_owned).collect();
        targets.insert(version.engine_version().unwrap_or_default().to_owned(), to);
    }
    Ok(targets)
}

/// What a person must change on the AWS side before RDS would take the upgrade.
async fn blockers(
    cx: &Context,
    cluster: &DbCluster,
    members: &[DbInstance],
    path: &[String],
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if path.is_empty() {
        return Ok(findings);
    }
    let name = cluster.db_cluster_identifier().unwrap_or_default();
    if cluster.activity_stream_status().is_some_and(|status| status.as_str() != "stopped") {
        findings.push(finding(
            "activity-stream",
            name,
            "RDS does not upgrade a cluster with a database activity stream",
            format!(
                "aws rds stop-activity-stream --apply-immediately --resource-arn {}",
                cluster.db_cluster_arn().unwrap_or_default()
            ),
        ));
    }
    for member in members {
        let id = member.db_instance_identifier().unwrap_or_default();
        if member
            .pending_modified_values()
            .is_some_and(|pending| *pending != PendingModifiedValues::builder().build())
        {
            findings.push(finding(
                "pending-modification",
                id,
                "RDS refuses an engine version while another change of an instance waits for the \
                maintenance window",
                format!(
                    "aws rds modify-db-instance --db-instance-identifier {id} --apply-immediately, or \
                undo the change"
                ),
            ));
        }
        let class = member.db_instance_class().unwrap_or_default();
        for version in path {
            if !orderable(cx, version, class).await? {
                findings.push(finding(
                    "instance-class",
                    id,
                    &format!(
                        "its class {class} is not offered for {version} \
                    (DescribeOrderableDBInstanceOptions)"
                    ),
                    format!(
                        "aws rds modify-db-instance --db-instance-identifier {id} --db-instance-class \
                    <a class offered for {version}> --apply-immediately"
                    ),
                ));
            }
        }
    }
    Ok(findings)
}

fn finding(check: &str, object: &str, reason: &str, remedy: String) -> Finding {
    Finding {
        check: check.into(),
        level: Level::Block,
        database: None,
        object: object.into(),
        reason: reason.into(),
        remedy,
    }
}

async fn orderable(cx: &Context, version: &str, class: &str) -> Result<bool> {
    let request = cx
        .rds
        .describe_orderable_db_instance_options()
        .engine("aurora-postgresql")
        .engine_version(version)
        .db_instance_class(class);
    let answer = request.send().await.map_err(aws("rds:DescribeOrderableDBInstanceOptions"))?;
    Ok(!answer.orderable_db_instance_options().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(json: serde_json::Value) -> Result<()> {
        let input: ResolveUpgrade =
            serde_json::from_value(json).map_err(|error| Error::Refused(error.to_string()))?;
        input.check()
    }

    #[test]
    fn the_smallest_input_is_enough() {
        input(serde_json::json!({"cluster": "orders", "target": "18"})).unwrap();
    }

    #[test]
    fn malformed_input_is_refused() {
        for bad in [
            serde_json::json!({"cluster": "orders"}),
            serde_json::json!({"cluster": "orders", "target": 18}),
            serde_json::json!({"cluster": "orders; drop", "target": "18"}),
            serde_json::json!({"cluster": "orders", "target": "eighteen"}),
            serde_json::json!({"cluster": "orders", "target": "18.4.1"}),
            serde_json::json!({"cluster": "orders", "target": "18", "dryRun": true}),
            serde_json::json!({"cluster": "orders", "target": "18", "deadline": "soon"}),
            serde_json::json!({"cluster": "orders", "target": "18", "skip": [{"finding": "x"}]}),
            serde_json::json!({"cluster": "orders", "target": "18", "skip": [{"finding": "x", "reason": " "}]}),
        ] {
            assert!(matches!(input(bad.clone()), Err(Error::Refused(_))), "{bad} was taken");
        }
    }

    #[test]
    fn a_skip_list_that_no_worker_could_get_is_refused_at_once() {
        let skip = |count: usize, reason: &str| {
            let entry = serde_json::json!({"finding": "reg-column:shop/public.a.b", "reason": reason});
            input(serde_json::json!({"cluster": "orders", "target": "18", "skip": vec![entry; count]}))
        };
        skip(40, "unused").unwrap();
        let Err(Error::Refused(text)) = skip(80, "unused") else { panic!("80 entries were taken") };
        assert!(text.contains("skip a whole check by its name alone"), "{text}");
        // Each quote becomes four characters.
        skip(1, &"'".repeat(2000)).unwrap();
        assert!(matches!(skip(1, &"\"".repeat(2000)), Err(Error::Refused(_))));
    }
}
