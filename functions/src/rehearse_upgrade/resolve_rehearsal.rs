//! Reads what is to be rehearsed, and checks that the cluster can be cloned.
//!
//! Where the input names an execution instead, the run only cleans up after that one. Changes:
//! nothing. Again is harmless: it only reads. Undo: none needed. Errors: `Refused` (input, no such
//! cluster, one that cannot be cloned), `NotReady` (the cluster is being changed, or the execution
//! to clean up after is at work).

use std::time::Duration;

use policy::Tell;
use runbook::{
    Arn, Context, Error, Result, Run, SkippedFinding, State,
    aurora::{self, Cluster, EngineVersion, ResourceId},
    daily_sync::{names, tags::Maker},
    error::Then,
    major_upgrade::Collations,
    rehearse_upgrade::{plans::PlanRegression, upgrade_name},
    state::{self, default_deadline, friendly_duration},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    major_upgrade::resolve_upgrade::{ParameterOverride, ResolveUpgrade},
    shared::after::{self, After, Input},
};

/// What a person, a schedule or an upgrade gives: that of an upgrade (`cluster`, `target`, …), or
/// `after`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[schemars(title = "Input of rehearse-upgrade", extend("oneOf" = json!([
    {"required": ["cluster", "target"]}, {"required": ["after"]}
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolveRehearsal {
    /// The DB cluster identifier, as the RDS console shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = r"^[A-Za-z][A-Za-z0-9-]{0,62}$"))]
    cluster: Option<String>,
    /// A major version such as "18", or an exact one such as "18.4".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    target: Option<EngineVersion>,
    /// The ARN of an execution of rehearse-upgrade that is over: only what it left is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = "^arn:[^:]+:states:[^:]+:[0-9]{12}:execution:[^:]+:[^:]+$"))]
    after: Option<Arn>,
    /// How long a state may wait for AWS, e.g. "8h" (the default) or "90m"; 48h at most.
    #[serde(default = "default_deadline", serialize_with = "friendly_duration::serialize")]
    #[serde(deserialize_with = "state::deadline")]
    #[schemars(with = "String")]
    deadline: Duration,
    /// As of the upgrade: values that the new parameter groups get instead of what would be carried
    /// over.
    #[serde(default)]
    parameters: Vec<ParameterOverride>,
    /// As of the upgrade: findings of InspectDatabases that shall not stop it.
    #[serde(default)]
    skip: Vec<SkippedFinding>,
    /// The secret with "username" and "password" of the cluster, for pg_stat_statements. Not needed
    /// when RDS manages the master password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_arn: Option<String>,
    /// As of the upgrade.
    #[serde(default)]
    collations: Collations,
    /// What is done about a query whose plan has become that much more expensive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan_regression: Option<PlanRegression>,
    /// What of the run is told in a message beside that it has succeeded or failed: "started",
    /// "blocked" (it waits for a person).
    #[serde(default = "policy::default_tell", deserialize_with = "policy::tell")]
    tell: Vec<Tell>,
    /// As of the upgrade: a fleet that has started it.
    #[serde(
        default,
        rename = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    started_by: Option<Arn>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    summary: String,
    #[serde(with = "friendly_duration")]
    deadline: Duration,
    /// There is nothing to rehearse: it only cleans up.
    skipped: bool,
    cluster: Option<String>,
    resource_id: Option<ResourceId>,
    secret_arn: Option<String>,
    plan_regression: Option<PlanRegression>,
    /// The execution of major-upgrade that is started on the clone: its name and its input.
    upgrade_name: Option<String>,
    upgrade: Option<Value>,
}

/// The 16th clone of a volume is a full copy
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Managing.Clone.html).
const MOST_CLONES: usize = 15;

impl State for ResolveRehearsal {
    const NAME: &'static str = "ResolveRehearsal";
    type Output = Plan;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Plan> {
        let deadline = self.deadline;
        let upgrade = match (&self.cluster, &self.target, &self.after) {
            (Some(_), Some(_), None) => self.upgrade()?,
            (None, None, Some(after)) => {
                let summary = comes_after(cx, run, after.clone()).await?;
                return Ok(Plan { summary, deadline, skipped: true, ..Plan::default() });
            }
            _ => {
                return Err(Error::refused("the input has to have either cluster and target, or after")
                    .fix("see the runbook's input.schema.json"));
            }
        };
        let cluster = aurora::cluster(cx, &upgrade.cluster).await?;
        check(cx, &cluster).await?;
        let members = aurora::members(cx, &cluster).await?;
        aurora::ready(&cluster, &members)?;
        if members.is_empty() {
            return Err(Error::refused(format!(
                "{} has no instance, so no class to rehearse on",
                cluster.id
            ))
            .fix("create one")
            .then(Then::StartAgain));
        }
        let clone = names::quarantine(&cluster.id, run);
        let Self { parameters, skip, collations, .. } = &self;
        let input = json!({
            "cluster": clone,
            "target": upgrade.target,
            "deadline": serde_json::to_value(&upgrade).unwrap_or_default()["deadline"],
            "parameters": parameters,
            "skip": skip,
            "collations": collations,
            "tell": [],
            "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": run.execution,
        });
        Ok(Plan {
            summary: format!(
                "{} of {} is cloned as {clone}, and the clone upgraded to {}",
                cluster.id, cluster.version, upgrade.target
            ),
            deadline,
            skipped: false,
            cluster: Some(cluster.id),
            resource_id: Some(cluster.resource_id),
            secret_arn: self.secret_arn,
            plan_regression: self.plan_regression,
            upgrade_name: Some(upgrade_name(run)),
            upgrade: Some(input),
        })
    }
}

impl ResolveRehearsal {
    /// The upgrade that is rehearsed: what it would refuse is refused here.
    fn upgrade(&self) -> Result<ResolveUpgrade> {
        let input = serde_json::to_value(self).map_err(|error| Error::Unexpected(error.into()))?;
        let upgrade: ResolveUpgrade = state::read(input).map_err(Error::refused)?;
        upgrade.check()?;
        Ok(upgrade)
    }
}

async fn check(cx: &Context, cluster: &Cluster) -> Result<()> {
    if Maker::rehearsal(&cluster.tags).is_some() {
        return Err(Error::refused(format!("{} is the clone of a rehearsal itself", cluster.id))
            .fix("name the cluster that was cloned"));
    }
    // Everything is listed: a filter that matches nothing looks like a cluster without clones.
    let Some(group) = cluster.shown.clone_group_id() else { return Ok(()) };
    let all = aurora::clusters(cx).await?;
    let clones = all.iter().filter(|other| other.shown.clone_group_id() == Some(group)).count();
    if clones > MOST_CLONES {
        return Err(Error::refused(format!(
            "{} has {} clones: another one would be a full copy of its volume, in hours",
            cluster.id,
            clones - 1
        ))
        .fix("delete clones that nobody uses")
        .then(Then::StartAgain));
    }
    Ok(())
}

async fn comes_after(cx: &Context, run: &Run, after: Arn) -> Result<String> {
    let read = |text: &str| {
        let input: ResolveRehearsal = serde_json::from_str(text).ok()?;
        match (input.cluster, input.after) {
            (Some(cluster), None) => Some(Input::Work(cluster)),
            (None, Some(after)) => Some(Input::After(after)),
            _ => None,
        }
    };
    match after::look(cx, run, after, read).await? {
        After::Running(execution) => Err(Error::NotReady(format!("{execution} to end"))),
        After::Refused(execution) => Ok(format!("{execution} was refused and has made nothing")),
        After::Over(cluster, former) => Ok(format!(
            "there is nothing to rehearse: this only removes what {} left of {cluster}",
            former.execution
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upgrade(input: Value) -> Result<ResolveUpgrade> {
        serde_json::from_value::<ResolveRehearsal>(input).unwrap().upgrade()
    }

    #[test]
    fn what_the_upgrade_would_refuse_is_refused_before_it() {
        let input = upgrade(json!({ "cluster": "orders", "target": "18", "deadline": "3h" })).unwrap();
        assert_eq!((input.cluster.as_str(), input.deadline), ("orders", Duration::from_hours(3)));
        for bad in [
            json!({ "cluster": "orders; drop", "target": "18" }),
            json!({ "cluster": "orders", "target": "18.4.1" }),
            json!({ "cluster": "orders", "target": "18", "secretArn": "arn:aws:s3:::x" }),
            json!({ "cluster": "orders", "target": "18", "skip": [{ "finding": "x", "reason": " " }] }),
        ] {
            assert!(matches!(upgrade(bad.clone()), Err(Error::Refused(_))), "{bad} was taken");
        }
    }
}
