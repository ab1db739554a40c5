//! Chooses the versions to go through and checks that the cluster can be upgraded.
//!
//! Changes: takes the run's lease on the cluster, so that two executions never work on one. Nothing
//! of the cluster. Again is harmless: the lease is already ours, the rest only reads. Undo: none
//! needed; a lease ends with its execution. Errors: `Refused` (input, no such cluster, no path),
//! `Blocked` (something of the cluster must change first), `Conflict` (another execution has the
//! lease), `NotReady` (the cluster is being changed at this moment).

use std::time::Duration;

use aws_sdk_rds::types::PendingModifiedValues;
use policy::Tell;
use runbook::{
    Arn, Context, Error, Finding, Level, Result, Run, SkippedFinding, State,
    aurora::{self, Cluster, EngineVersion, Instance, ResourceId, Status},
    daily_sync::tags::Maker,
    error::{Then, aws, judge},
    lease,
    major_upgrade::{Collations, Method},
    rehearse_upgrade::plans::PlanRegression,
    state::{self, default_deadline, friendly_duration, friendly_duration_or_none},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    blue_green::{Stage, Way},
    check_window::too_short,
    path::{Targets, shortest},
    rehearsed,
    ties::{self, Ties, finding},
    window::{Standing, Window},
};

/// The module sets it where every upgrade of the installation is to be approved.
const REQUIRE_APPROVAL: &str = "REQUIRE_APPROVAL";

/// What a person types into the console to start an upgrade.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolveUpgrade {
    /// The DB cluster identifier, as the RDS console shows it.
    #[schemars(regex(pattern = r"^[A-Za-z][A-Za-z0-9-]{0,62}$"))]
    pub cluster: String,
    /// A major version such as "18" (its newest minor version that can be reached), or an exact one
    /// such as "18.4".
    #[schemars(with = "String", regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub target: EngineVersion,
    /// How long a state may wait for AWS, e.g. "8h" (the default) or "90m"; 48h at most.
    #[serde(default = "default_deadline", serialize_with = "friendly_duration::serialize")]
    #[serde(deserialize_with = "state::deadline")]
    #[schemars(with = "String")]
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
    /// What is done about indexes in an order that their collation no longer has: "reindex" (the
    /// default), concurrently and after the upgrade, or "tell".
    #[serde(default)]
    pub collations: Collations,
    /// "in-place" (the default), or "blue-green": a copy is upgraded, follows the cluster and takes
    /// its place. A rehearsal is in place all the same.
    #[serde(default)]
    pub method: Method,
    /// By Blue/Green: for how many seconds RDS tries to switch over before it takes everything
    /// back.
    #[serde(default = "default_switchover")]
    #[schemars(range(min = 30, max = 3600))]
    pub switchover_timeout: u32,
    /// Whether a person is asked before anything is done that users feel. An installation may ask
    /// for every upgrade (`require_approval` of the module).
    #[serde(default)]
    pub approval: bool,
    /// When the upgrade may begin, e.g. "Sun 02:00-04:00 Europe/Berlin". It begins only when
    /// `expectedDuration` is left of it, and what has begun is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub window: Option<Window>,
    /// How long maintenance, snapshot and upgrade are expected to take, e.g. "90m"; by default the
    /// most that the last rehearsal expects, or "1h" where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "friendly_duration_or_none")]
    #[schemars(with = "Option<String>")]
    pub expected_duration: Option<Duration>,
    /// Change Calendars of AWS Systems Manager, by name or ARN: the upgrade begins when all are
    /// open.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub change_calendars: Vec<String>,
    /// What of the run is told in a message beside that it has succeeded or failed: "started",
    /// "blocked" (it waits for a person).
    #[serde(default = "policy::default_tell", deserialize_with = "policy::tell")]
    pub tell: Vec<Tell>,
    /// Whether the upgrade is only rehearsed, on a clone that is deleted: the runbook
    /// rehearse-upgrade, with this input. What says when to begin then means nothing.
    #[serde(default)]
    pub rehearse: bool,
    /// Of a rehearsal: what is done about a query whose plan has become that much more expensive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_regression: Option<PlanRegression>,
    /// How old a rehearsal of the same path may be for the upgrade to begin, e.g. "7d".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "friendly_duration_or_none::serialize", deserialize_with = "state::age")]
    #[schemars(with = "Option<String>")]
    pub require_rehearsal: Option<Duration>,
    /// The execution that has started this one, by AWS's convention
    /// (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-nested-workflows.html).
    #[serde(
        default,
        rename = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub started_by: Option<Arn>,
}

/// SwitchoverTimeout takes 30 to 3,600 seconds, and 300 is its default (botocore rds 2014-10-31;
/// AuroraUserGuide, blue-green-deployments-switching).
fn default_switchover() -> u32 {
    300
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
    resource_id: ResourceId,
    from: EngineVersion,
    /// The exact version at the end of the path.
    target: EngineVersion,
    /// The versions still to go through, the next one first. Empty when the cluster is at the
    /// target.
    path: Vec<EngineVersion>,
    #[serde(with = "friendly_duration")]
    deadline: Duration,
    parameters: Vec<ParameterOverride>,
    skip: Vec<SkippedFinding>,
    secret_arn: Option<String>,
    collations: Collations,
    method: Method,
    /// What is done next that users feel.
    stage: Stage,
    switchover_timeout: u32,
    /// In place: whether Blue/Green would fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_way: Option<String>,
    /// Worth knowing, and what was skipped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Finding>,
    /// What a person decides on; null when nobody is asked.
    decision: Option<String>,
    window: Option<Window>,
    #[serde(with = "friendly_duration")]
    expected_duration: Duration,
    change_calendars: Vec<String>,
}

/// Where neither the input nor a rehearsal says.
const EXPECTED: Duration = Duration::from_hours(1);

impl State for ResolveUpgrade {
    const NAME: &'static str = "ResolveUpgrade";
    type Output = Plan;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Plan> {
        self.check()?;
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        ties::check(&cluster)?;
        lease::take(cx, run, cluster.resource_id.as_str()).await?;

        let members = aurora::members(cx, &cluster).await?;
        check_statuses(&cluster, &members)?;
        aurora::ready(&cluster, &members)?;
        no_version_change(&cluster)?;
        let from = cluster.version.clone();
        let path = shortest(&upgrade_targets(cx).await?, &from, &self.target)
            .ok_or_else(|| no_path(&from, &self.target))?;
        let way = Way::of(cx, self.method, &cluster, &path).await?;
        let findings = find(cx, &cluster, &members, &path, (&way, &self.skip)).await?;
        let (blocking, warnings): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| finding.level == Level::Block);
        if !blocking.is_empty() {
            return Err(Error::Blocked(blocking));
        }
        let target = path.last().unwrap_or(&from).clone();
        let is_rehearsal = Maker::rehearsal(&cluster.tags).is_some();
        let last = if is_rehearsal { None } else { rehearsed::last(cx, run, &cluster, &path).await? };
        if let Some(within) = self.require_rehearsal.filter(|_| !is_rehearsal && !path.is_empty()) {
            rehearsed::require(cx, &cluster, last.as_ref(), within, &target)?;
        }
        let hops: Vec<String> = path.iter().map(EngineVersion::to_string).collect();
        let mut summary = match path.as_slice() {
            [] => format!("{} is at {from}: nothing to upgrade", cluster.id),
            _ => format!(
                "{} goes from {from} to {}{}",
                cluster.id,
                hops.join(" and then to "),
                way.words(members.len()).unwrap_or_else(|| rehearsed::words(last.as_ref()))
            ),
        };
        if !warnings.is_empty() {
            let ids: Vec<String> = warnings.iter().map(Finding::id).collect();
            summary.push_str(&format!(". Worth knowing: {}", ids.join(", ")));
        }
        // Nobody feels what happens to a clone.
        let asked = !is_rehearsal && (self.approval || cx.variable(REQUIRE_APPROVAL) == Some("true"));
        let other_way = way.other(&cluster, &path);
        let decision = asked.then(|| self.decision(&cluster, &path, way.stage));
        let Self {
            deadline,
            parameters,
            mut skip,
            secret_arn,
            collations,
            method,
            switchover_timeout,
            window,
            expected_duration,
            change_calendars,
            ..
        } = self;
        // The states behind look for other things.
        skip.retain(|skip| !warnings.iter().any(|found| skip.names(found)));
        let expected_duration = expected_duration
            .or(way.expected())
            .or(last.map(|last| Duration::from_secs(last.duration.at_most)))
            .unwrap_or(EXPECTED);
        if let Some(window) = &window
            && window.standing(cx.clock.now(), expected_duration) == Standing::TooShort
        {
            return Err(too_short(window, expected_duration));
        }
        Ok(Plan {
            summary,
            cluster: cluster.id,
            resource_id: cluster.resource_id,
            from,
            target,
            path,
            deadline,
            parameters,
            skip,
            secret_arn,
            collations,
            method,
            stage: way.stage,
            switchover_timeout,
            other_way,
            warnings,
            decision,
            window,
            expected_duration,
            change_calendars,
        })
    }
}

impl ResolveUpgrade {
    /// The same for the same upgrade: of another one, such as to a minor version that RDS has since
    /// begun to offer, the answer to this question says nothing, and a yes to a reboot is none to a
    /// switchover.
    fn decision(&self, cluster: &Cluster, path: &[EngineVersion], stage: Stage) -> String {
        let about = serde_json::json!([
            cluster.resource_id,
            cluster.version,
            path,
            self.parameters,
            self.skip,
            stage
        ]);
        hex::encode(&Sha256::digest(about.to_string())[..8])
    }
}

/// Statuses that no waiting ends.
fn check_statuses(cluster: &Cluster, members: &[Instance]) -> Result<()> {
    if members.is_empty() {
        return Err(Error::refused(format!("{} has no instance, so no writer to upgrade", cluster.id))
            .fix("create one")
            .then(Then::StartAgain));
    }
    let members = members.iter().map(|member| (&member.id, &member.status));
    for (id, status) in [(&cluster.id, &cluster.status)].into_iter().chain(members) {
        if status.is_lost() || *status == Status::Stopped {
            return Err(Error::refused(format!("{id} is {status}, and waiting does not end that"))
                .fix("bring it back to available")
                .then(Then::StartAgain));
        }
    }
    Ok(())
}

/// For a while after ModifyDBCluster the cluster is still `available`, and only the pending version
/// tells (hashicorp/terraform-provider-aws#28339).
pub fn no_version_change(cluster: &Cluster) -> Result<()> {
    let pending = cluster.shown.pending_modified_values().and_then(|pending| pending.engine_version());
    match pending {
        Some(version) => {
            Err(Error::NotReady(format!("the upgrade of {} to {version} that RDS has accepted", cluster.id)))
        }
        None => Ok(()),
    }
}

fn no_path(from: &EngineVersion, target: &EngineVersion) -> Error {
    Error::refused(format!(
        "RDS offers no way from {from} to {target} (ValidUpgradeTarget of DescribeDBEngineVersions, over \
         any number of hops); a version is never lowered"
    ))
    .fix("choose another target")
}

pub(crate) async fn upgrade_targets(cx: &Context) -> Result<Targets> {
    let request = cx.rds.describe_db_engine_versions().engine("aurora-postgresql").include_all(true);
    let versions = request.into_paginator().items().send();
    let versions = versions.try_collect().await.map_err(aws("rds:DescribeDBEngineVersions"))?;
    let read = |version: Option<&str>| {
        let version =
            version.ok_or("a version without a name".to_owned()).and_then(str::parse::<EngineVersion>);
        version.map_err(|why| Error::unexpected(format!("RDS offers {why}")))
    };
    let mut targets = Targets::new();
    for version in &versions {
        let to = version.valid_upgrade_target().iter().map(|target| read(target.engine_version()));
        // Limitless is another product under the same engine name.
        let to: Vec<_> = to.collect::<Result<_>>()?;
        let to = to.into_iter().filter(|to| !to.is_limitless()).collect();
        targets.insert(read(version.engine_version())?, to);
    }
    Ok(targets)
}

/// What a person must change on the AWS side before RDS would take the upgrade, and what is worth
/// knowing before it.
async fn find(
    cx: &Context,
    cluster: &Cluster,
    members: &[Instance],
    path: &[EngineVersion],
    (way, skip): (&Way, &[SkippedFinding]),
) -> Result<Vec<Finding>> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let is_major = path.iter().any(|version| version.major() != cluster.version.major());
    let ties = Ties::look(cx, cluster).await?;
    let ours = way.deployment.as_deref();
    let mut findings = ties.findings_beside(ours, cluster, is_major || ours.is_some())?;
    findings.extend(judge(way.findings(cx, cluster, members, &ties).await?, skip).0);
    for member in members {
        let id = &member.id;
        if member
            .shown
            .pending_modified_values()
            .is_some_and(|pending| *pending != PendingModifiedValues::builder().build())
        {
            findings.push(finding(
                "pending-modification",
                id,
                "RDS refuses an engine version while another change of an instance waits for the \
                maintenance window"
                    .into(),
                format!(
                    "aws rds modify-db-instance --db-instance-identifier {id} --apply-immediately, or \
                undo the change"
                ),
            ));
        }
        let class = member.shown.db_instance_class();
        let class = class
            .ok_or_else(|| Error::unexpected(format!("RDS shows no DBInstanceClass of instance {id}")))?;
        for version in path {
            if !orderable(cx, version, class).await? {
                findings.push(finding(
                    "instance-class",
                    id,
                    format!(
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

async fn orderable(cx: &Context, version: &EngineVersion, class: &str) -> Result<bool> {
    let request = cx
        .rds
        .describe_orderable_db_instance_options()
        .engine("aurora-postgresql")
        .engine_version(version.to_string())
        .db_instance_class(class);
    let answer = request.send().await.map_err(aws("rds:DescribeOrderableDBInstanceOptions"))?;
    Ok(!answer.orderable_db_instance_options().is_empty())
}
