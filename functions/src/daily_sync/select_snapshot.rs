//! Chooses production's snapshot by the policy, and fixes the policy for this run.
//!
//! Changes: takes the sync's lease and keeps a copy of the policy in the run's folder; nothing in
//! any database account. Again is harmless: the choice is made as of the state's first entry. Undo:
//! none needed. Errors: `NotReady` (AWS does not answer), `Refused` (input, policy, accounts),
//! `Conflict` (another run of this sync goes on), `OperationFailed` (no snapshot fits, and the
//! policy says that this is a failure).

use std::time::Duration;

use jiff::Timestamp;
use policy::{Otherwise, Sync};
use runbook::{
    Arn, Context, Error, Result, Run, State,
    aurora::{EngineVersion, Snapshot},
    daily_sync::{self, names},
    error::Then,
    lease,
    state::{default_deadline, friendly_duration},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::production::Source;

/// What a person or the schedule gives.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Input of daily-sync")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SelectSnapshot {
    /// The sync's name in the policy.
    #[schemars(regex(pattern = "^[a-z]([a-z0-9]|-[a-z0-9])*$"), length(max = 40))]
    sync: String,
    /// The time as of which the snapshot is chosen; now when it is left out.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    at: Option<Timestamp>,
    /// How long each state may wait, such as "8h", the default.
    #[serde(default = "default_deadline", with = "friendly_duration")]
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
    /// No snapshot fits, and the policy says that this is no failure.
    skipped: bool,
    /// The chosen one.
    snapshot: Option<Arn>,
    taken: Option<Timestamp>,
    engine_version: Option<EngineVersion>,
    source_cluster: String,
    /// The cluster that will hold the raw data.
    quarantine: String,
    /// The stable names.
    targets: Vec<String>,
}

impl State for SelectSnapshot {
    const NAME: &'static str = "SelectSnapshot";
    type Output = Selected;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Selected> {
        lease::take(cx, run, &format!("sync-{}", self.sync)).await?;
        let policy = daily_sync::keep_policy(cx, run, &self.sync).await?;
        check_accounts(&policy, run.account())?;
        let source = Source::open(cx, &self.sync, &policy).await;
        let rule = &policy.source.snapshot;
        let described = source.snapshots(&policy.source.cluster, rule.kind.as_str()).await?;
        let snapshots: Vec<policy::Snapshot> = described.iter().filter_map(snapshot).collect();
        let choice = rule.choose(&snapshots, self.at.unwrap_or(run.entered), &policy.schedule.time_zone);
        let because = because(&policy.source.cluster, &choice.because);
        let summary = match (&choice.chosen, choice.otherwise) {
            (Some(chosen), _) => format!("{} of {} is taken", chosen.id, chosen.taken),
            (None, Otherwise::Skip) => format!("there is nothing to sync today. {because}"),
            (None, Otherwise::Fail) => {
                return Err(Error::failed(format!(
                    "no snapshot of {} fits the policy. {because}",
                    policy.source.cluster
                ))
                .changed("nothing")
                .fix("take a snapshot that fits, or change source.snapshot in the policy")
                .then(Then::StartAgain));
            }
        };
        let chosen = choice.chosen.as_ref();
        let shown = chosen.and_then(|chosen| described.iter().find(|one| one.arn.as_str() == chosen.arn));
        Ok(Selected {
            summary,
            deadline: self.deadline,
            skipped: chosen.is_none(),
            engine_version: shown.map(|shown| shown.version.clone()),
            snapshot: shown.map(|shown| shown.arn.clone()),
            taken: chosen.map(|chosen| chosen.taken),
            source_cluster: policy.source.cluster.clone(),
            quarantine: names::quarantine(&self.sync, run),
            targets: policy.targets.iter().map(|target| target.cluster.clone()).collect(),
            sync: self.sync,
        })
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
        if target.account == policy.source.account && target.cluster == policy.source.cluster {
            return Err(Error::refused(format!("{} is both source and target", target.cluster)));
        }
    }
    Ok(())
}

fn because(cluster: &str, sentences: &[String]) -> String {
    if sentences.is_empty() {
        format!("{cluster} has no snapshot of that type.")
    } else {
        format!("Looked at:\n- {}", sentences.join("\n- "))
    }
}

/// As the policy looks at it; one in the making has no time yet.
fn snapshot(described: &Snapshot) -> Option<policy::Snapshot> {
    let shown = &described.shown;
    Some(policy::Snapshot {
        id: described.id.clone(),
        arn: described.arn.to_string(),
        taken: Timestamp::from_millisecond(shown.snapshot_create_time()?.to_millis().ok()?).ok()?,
        kind: shown.snapshot_type()?.to_owned(),
        tags: described.tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        status: described.status.to_string(),
        encrypted: shown.storage_encrypted() == Some(true),
    })
}

#[cfg(test)]
mod tests {
    use super::super::clean_up::tests::policy;
    use super::*;

    #[test]
    fn targets_lie_in_the_runbooks_own_account_and_are_never_the_source() {
        let mut policy = policy();
        let account = policy.targets[0].account.clone();
        check_accounts(&policy, &account).unwrap();
        assert_eq!(check_accounts(&policy, "999999999999").unwrap_err().name(), "Refused");
        policy.source.account = account.clone();
        policy.source.cluster = policy.targets[0].cluster.clone();
        assert_eq!(check_accounts(&policy, &account).unwrap_err().name(), "Refused");
    }

    #[test]
    fn malformed_input_is_refused() {
        for bad in [
            serde_json::json!({}),
            serde_json::json!({"sync": 1}),
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
