//! Chooses production's snapshot by the policy, or another account's sanitised one, and fixes the
//! policy for this run.
//!
//! Where the input names an execution instead of a sync, the run only cleans up after that one:
//! nothing is chosen, and the policy is the one that it went by. Changes: takes the sync's lease
//! and keeps a copy of the policy in the run's folder; nothing in any database account. Again is
//! harmless: the choice is made as of the state's first entry. Undo: none needed. Errors:
//! `NotReady` (AWS does not answer), `Refused` (input, policy, accounts, a version past its end of
//! standard support for which the policy does not pay), `Conflict` (another run of this sync goes
//! on), `OperationFailed` (no snapshot fits, and the policy says that this is a failure).

use std::time::Duration;

use aws_sdk_rds::types::{DbMajorEngineVersion, LifecycleSupportName};
use jiff::{Timestamp, tz::TimeZone};
use policy::{LifecycleSupport, Otherwise, Sync};
use runbook::{
    Arn, Context, Error, Result, Run, State,
    aurora::EngineVersion,
    daily_sync::{self, names},
    error::{Then, aws},
    lease,
    state::{self, default_deadline, friendly_duration},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::production::Source;
use crate::shared::{
    after::{self, After, Input},
    choice::{because, snapshot},
    restore::ENGINE,
};

/// What a person, the schedule or the rule on stopped executions gives: `sync` or `after`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Input of daily-sync", extend("oneOf" = json!([
    {"required": ["sync"]}, {"required": ["after"]}
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SelectSnapshot {
    /// The sync's name in the policy.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = "^[a-z]([a-z0-9]|-[a-z0-9])*$"), length(max = 40))]
    sync: Option<String>,
    /// The ARN of an execution of daily-sync that is over: only what it left is removed.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = "^arn:[^:]+:states:[^:]+:[0-9]{12}:execution:[^:]+:[^:]+$"))]
    after: Option<Arn>,
    /// The time as of which the snapshot is chosen; now when it is left out.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    at: Option<Timestamp>,
    /// How long each state may wait, such as "8h", the default; 48h at most.
    #[serde(default = "default_deadline", deserialize_with = "state::deadline")]
    #[schemars(with = "String")]
    deadline: Duration,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selected {
    summary: String,
    sync: String,
    #[serde(with = "friendly_duration")]
    deadline: Duration,
    /// There is nothing to do but to clean up: no snapshot fits and the policy says that this is no
    /// failure, or no more was asked for.
    skipped: bool,
    /// The chosen one.
    snapshot: Option<Arn>,
    taken: Option<Timestamp>,
    engine_version: Option<EngineVersion>,
    storage_type: Option<String>,
    /// The cluster, or the sync of another account.
    source: String,
    /// It is sanitised already: nothing raw is touched.
    sanitized: bool,
    /// The cluster that will hold the raw data.
    quarantine: Option<String>,
    /// The stable names.
    targets: Vec<String>,
}

impl State for SelectSnapshot {
    const NAME: &'static str = "SelectSnapshot";
    type Output = Selected;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Selected> {
        let (sync, after) = match (self.sync, self.after) {
            (Some(sync), None) => {
                policy::check_sync(&sync).map_err(|why| Error::refused(format!("sync: {why}")))?;
                (sync, None)
            }
            (None, Some(after)) => {
                let (sync, after) = stopped(cx, run, after).await?;
                (sync, Some(after))
            }
            _ => {
                return Err(Error::refused("the input has to have either sync or after")
                    .fix("see the runbook's input.schema.json"));
            }
        };
        lease::take(cx, run, &format!("sync-{sync}")).await?;
        let policy = daily_sync::keep_policy(cx, run, &sync, after.as_ref()).await?;
        check_accounts(&policy, run.account())?;
        let selected = |summary: String| Selected {
            summary,
            deadline: self.deadline,
            skipped: true,
            snapshot: None,
            taken: None,
            engine_version: None,
            storage_type: None,
            source: policy.source.name().to_owned(),
            sanitized: policy.source.sync.is_some(),
            quarantine: policy.quarantine.as_ref().map(|_| names::quarantine(&sync, run)),
            targets: policy.targets.iter().map(|target| target.cluster.clone()).collect(),
            sync: sync.clone(),
        };
        if let Some(after) = after {
            return Ok(selected(format!(
                "there is nothing to sync: this only removes what {} left",
                after.execution
            )));
        }
        let source = Source::open(cx, &sync, &policy).await;
        let rule = &policy.source.snapshot;
        let described = source.snapshots(&policy.source).await?;
        let snapshots: Vec<policy::Snapshot> = described.iter().filter_map(snapshot).collect();
        let choice = rule.choose(&snapshots, self.at.unwrap_or(run.entered), &policy.schedule.time_zone);
        let because = because(policy.source.name(), &choice.because);
        let chosen = match (&choice.chosen, choice.otherwise) {
            (Some(chosen), _) => chosen,
            (None, Otherwise::Skip) => {
                return Ok(selected(format!("there is nothing to sync today. {because}")));
            }
            (None, Otherwise::Fail) => {
                return Err(Error::failed(format!(
                    "no snapshot of {} fits the policy. {because}",
                    policy.source.name()
                ))
                .changed("nothing")
                .fix("take a snapshot that fits, or change source.snapshot in the policy")
                .then(Then::StartAgain));
            }
        };
        let shown = described.iter().find(|one| one.arn.as_str() == chosen.arn);
        let shown = shown.ok_or_else(|| Error::unexpected(format!("{} was not described", chosen.arn)))?;
        let mut summary = format!("{} of {} is taken", chosen.id, chosen.taken);
        if let Some(ended) = end_of_standard_support(cx, &shown.version).await? {
            summary += &support_said(&shown.version, ended, policy.engine_lifecycle_support)?;
        }
        Ok(Selected {
            skipped: false,
            engine_version: Some(shown.version.clone()),
            // RDS has said `aurora` of snapshots, and nothing; it takes the word (botocore rds
            // 2014-10-31, RestoreDBClusterFromSnapshot).
            storage_type: shown.shown.storage_type().map(str::to_owned),
            snapshot: Some(shown.arn.clone()),
            taken: Some(chosen.taken),
            ..selected(summary)
        })
    }
}

/// The sync of an execution of this state machine that is over, and its run: the one that worked,
/// where it was itself a clean-up.
async fn stopped(cx: &Context, run: &Run, execution: Arn) -> Result<(String, Run)> {
    let read = |input: &str| match serde_json::from_str(input).ok()? {
        SelectSnapshot { sync: Some(sync), after: None, .. } => Some(Input::Work(sync)),
        SelectSnapshot { sync: None, after: Some(earlier), .. } => Some(Input::After(earlier)),
        _ => None,
    };
    match after::look(cx, run, execution, read).await? {
        After::Over(sync, run) => Ok((sync, run)),
        After::Refused(execution) => Err(Error::refused(format!(
            "the input of {execution} names no sync: it was refused and has made nothing"
        ))),
        After::Running(execution) => {
            Err(Error::conflict(format!("{execution} is at work, and cleans up after itself"))
                .fix("stop it first if it has to end now"))
        }
    }
}

/// When the version's standard support ended, if it has.
async fn end_of_standard_support(cx: &Context, version: &EngineVersion) -> Result<Option<Timestamp>> {
    let describe = cx.rds.describe_db_major_engine_versions().engine(ENGINE);
    let describe = describe.major_engine_version(version.major().to_string());
    let described = describe.send().await.map_err(aws("rds:DescribeDBMajorEngineVersions"))?;
    let ends = described.db_major_engine_versions().iter().filter_map(standard_support_ends);
    Ok(ends.max().filter(|end| *end <= cx.clock.now()))
}

fn standard_support_ends(version: &DbMajorEngineVersion) -> Option<Timestamp> {
    let standard = version.supported_engine_lifecycles().iter().find(|lifecycle| {
        lifecycle.lifecycle_support_name() == Some(&LifecycleSupportName::OpenSourceRdsStandardSupport)
    })?;
    Timestamp::from_millisecond(standard.lifecycle_support_end_date()?.to_millis().ok()?).ok()
}

/// What the end of standard support means for the run. Without Extended Support RDS "automatically
/// upgrades your restored DB cluster to a higher engine version" (RestoreDBClusterFromSnapshot,
/// botocore rds 2014-10-31): then it would not be a copy.
fn support_said(version: &EngineVersion, ended: Timestamp, policy: LifecycleSupport) -> Result<String> {
    let ended = ended.to_zoned(TimeZone::UTC).date();
    let past = format!("standard support of PostgreSQL {} ended on {ended}", version.major());
    match policy {
        LifecycleSupport::OpenSourceRdsExtendedSupport => {
            Ok(format!(". {past}: AWS charges RDS Extended Support for quarantine and targets"))
        }
        LifecycleSupport::OpenSourceRdsExtendedSupportDisabled => Err(Error::refused(format!(
            "{past}, and without Extended Support RDS would upgrade the copy by itself"
        ))
        .fix("upgrade production, or set engine-lifecycle-support: open-source-rds-extended-support")
        .then(Then::StartAgain)),
    }
}

/// The first guard rail: what is replaced lies in the account that the runbook runs in, and is not
/// what is read.
fn check_accounts(policy: &Sync, account: &str) -> Result<()> {
    for target in &policy.targets {
        if target.account != account {
            return Err(Error::refused(format!(
                "target {} lies in account {}, and this runbook runs in {account}: it replaces clusters of \
                 its own account only",
                target.cluster, target.account
            )));
        }
        if target.account == policy.source.account && policy.source.cluster.as_ref() == Some(&target.cluster)
        {
            return Err(Error::refused(format!("{} is both source and target", target.cluster)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::{
        primitives::{DateTime, DateTimeFormat},
        types::SupportedEngineLifecycle,
    };

    use super::super::clean_up::tests::policy;
    use super::*;

    #[test]
    fn targets_lie_in_the_runbooks_own_account_and_are_never_the_source() {
        let mut policy = policy();
        let account = policy.targets[0].account.clone();
        check_accounts(&policy, &account).unwrap();
        assert_eq!(check_accounts(&policy, "999999999999").unwrap_err().name(), "Refused");
        policy.source.account = account.clone();
        policy.source.cluster = Some(policy.targets[0].cluster.clone());
        assert_eq!(check_accounts(&policy, &account).unwrap_err().name(), "Refused");
    }

    #[test]
    fn a_version_past_its_standard_support_is_paid_for_or_refused() {
        let lifecycle = |name: LifecycleSupportName, end: &str| {
            let end = DateTime::from_str(end, DateTimeFormat::DateTime).unwrap();
            SupportedEngineLifecycle::builder()
                .lifecycle_support_name(name)
                .lifecycle_support_end_date(end)
                .build()
        };
        let version = DbMajorEngineVersion::builder()
            .supported_engine_lifecycles(lifecycle(
                LifecycleSupportName::OpenSourceRdsExtendedSupport,
                "2029-02-28T23:59:59Z",
            ))
            .supported_engine_lifecycles(lifecycle(
                LifecycleSupportName::OpenSourceRdsStandardSupport,
                "2026-02-28T23:59:59Z",
            ))
            .build();
        let ended = standard_support_ends(&version).unwrap();
        let thirteen = "13.20".parse().unwrap();
        let said = support_said(&thirteen, ended, LifecycleSupport::default()).unwrap();
        assert!(said.contains("PostgreSQL 13 ended on 2026-02-28") && said.contains("charges"), "{said}");
        let disabled = LifecycleSupport::OpenSourceRdsExtendedSupportDisabled;
        assert_eq!(support_said(&thirteen, ended, disabled).unwrap_err().name(), "Refused");
        assert_eq!(standard_support_ends(&DbMajorEngineVersion::builder().build()), None);
    }

    #[test]
    fn malformed_input_is_refused() {
        for bad in [
            serde_json::json!({"sync": 1}),
            serde_json::json!({"after": "yesterday"}),
            serde_json::json!({"sync": "orders", "at": "yesterday"}),
            serde_json::json!({"sync": "orders", "deadline": "soon"}),
            serde_json::json!({"sync": "orders", "source": "other"}),
        ] {
            assert!(serde_json::from_value::<SelectSnapshot>(bad.clone()).is_err(), "{bad} was taken");
        }
        serde_json::from_value::<SelectSnapshot>(
            serde_json::json!({"sync": "orders", "at": "2026-01-02T03:30:00Z"}),
        )
        .unwrap();
    }
}
