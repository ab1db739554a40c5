//! Chooses the snapshot to export by the policy, and claims it for this execution.
//!
//! Started by a snapshot's event, it ends the run well where there is nothing to do: no export
//! takes that snapshot, an execution has claimed it before, or readers are led to newer data. An
//! event only says where to look; all else is what RDS shows. Where the input names an execution
//! instead, the run only cleans up after that one. Changes: the claim and a copy of the
//! policy, both in the run bucket. Again is harmless: the claim is this execution's. Undo: none
//! needed. Errors: `NotReady` (the snapshot is in the making, AWS does not answer), `Refused`
//! (input, policy, bucket), `Conflict` (another execution exports it now), `OperationFailed` (no
//! snapshot fits, and the policy says that this is a failure).

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use policy::{Export, Otherwise, Policy, Verify};
use runbook::{
    Arn, Context, Error, Result, Run, State,
    aurora::{self, EngineVersion, Snapshot},
    daily_sync::tags::{self, Role},
    error::{Then, aws},
    kept_policy, lease,
    snapshot_export::{
        self,
        manifest::{Latest, latest_key},
        names,
    },
    state::{self, friendly_duration},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::shared::{
    after::{self, After, Input},
    choice,
};

/// What a person, a schedule or a rule gives: `export`, `snapshot` or both; or `after`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Input of snapshot-export", extend("anyOf" = json!([
    {"required": ["export"]}, {"required": ["snapshot"]}, {"required": ["after"]}
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SelectExport {
    /// The export's name in the policy.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = "^[a-z]([a-z0-9]|-[a-z0-9])*$"), length(max = 30))]
    export: Option<String>,
    /// The ARN of the snapshot. Alone, as an event gives it, it is exported at most once, and only
    /// if an export of the policy takes it.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = "^arn:[^:]+:rds:[^:]+:[0-9]{12}:cluster-snapshot:.+$"))]
    snapshot: Option<Arn>,
    /// The ARN of an execution of snapshot-export that is over: only what it left is removed.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = "^arn:[^:]+:states:[^:]+:[0-9]{12}:execution:[^:]+:[^:]+$"))]
    after: Option<Arn>,
    /// Whether a snapshot that has been exported is exported again, into another folder.
    #[serde(default)]
    again: bool,
    /// The time as of which the snapshot is chosen; now when it is left out.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    at: Option<Timestamp>,
    /// How long each state may wait, such as "24h", the default; 48h at most.
    #[serde(default = "a_day", deserialize_with = "state::deadline")]
    #[schemars(with = "String")]
    deadline: Duration,
}

/// RDS works on five export tasks of an account at a time (`LIMIT` in export_snapshot.rs), and the
/// snapshots of the night all come at once: the last of 500 waits 17 hours (docs/reliability.md).
fn a_day() -> Duration {
    Duration::from_hours(24)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selected {
    summary: String,
    #[serde(with = "friendly_duration")]
    deadline: Duration,
    /// There is something to export.
    due: bool,
    again: bool,
    export: Option<String>,
    snapshot: Option<Arn>,
    taken: Option<Timestamp>,
    /// Another account has shared it: RDS exports an account's own snapshots only.
    shared: bool,
    /// Its rows are counted on a restore, of this version and storage.
    counted: bool,
    engine_version: Option<EngineVersion>,
    storage_type: Option<String>,
    /// What runs left that are over is removed.
    cleans: bool,
}

/// What was looked for.
enum Found<'p> {
    This { name: &'p str, export: &'p Export, snapshot: Box<Snapshot>, taken: Timestamp },
    Nothing(String),
}

impl State for SelectExport {
    const NAME: &'static str = "SelectExport";
    type Output = Selected;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Selected> {
        let nothing = |summary: String| Selected {
            summary,
            deadline: self.deadline,
            due: false,
            again: self.again,
            export: None,
            snapshot: None,
            taken: None,
            shared: false,
            counted: false,
            engine_version: None,
            storage_type: None,
            cleans: false,
        };
        if let Some(export) = &self.export {
            policy::check_export(export).map_err(|why| Error::refused(format!("export: {why}")))?;
        }
        let former = match &self.after {
            Some(after) => match self.over(cx, run, after.clone()).await? {
                Comes::After(former) => Some(former),
                Comes::InVain(why) => return Ok(nothing(format!("there is nothing to do: {why}"))),
            },
            None => None,
        };
        let policy = kept_policy::keep(cx, run, former.as_ref(), |policy| {
            self.export.as_ref().map(|name| snapshot_export::one(policy, name).map(drop)).transpose()?;
            Ok(policy.clone())
        })
        .await?;
        if let Some(former) = former {
            let what =
                format!("there is nothing to export: this only removes what {} left", former.execution);
            return Ok(Selected { cleans: true, ..nothing(what) });
        }
        let found = match (&self.export, &self.snapshot) {
            (Some(name), only) => self.of_export(cx, run, &policy, name, only.as_ref()).await?,
            (None, Some(snapshot)) => self.of_event(cx, run, &policy, snapshot).await?,
            (None, None) => {
                return Err(Error::refused("the input has to have export, snapshot or after")
                    .fix("see the runbook's input.schema.json"));
            }
        };
        let (name, export, snapshot, taken) = match found {
            Found::This { name, export, snapshot, taken } => (name, export, snapshot, taken),
            Found::Nothing(why) => return Ok(nothing(format!("there is nothing to export: {why}"))),
        };
        if let Some(why) = self.published(cx, name, export, &snapshot, taken).await? {
            return Ok(nothing(why));
        }
        let claim = names::claim(name, &snapshot.arn, taken);
        if self.export.is_some() {
            lease::take(cx, run, &claim).await?;
        } else if let Some(other) = lease::claim(cx, run, &claim).await? {
            return Ok(nothing(format!(
                "{} exports {} or has tried to; if it has failed, redrive it",
                other, snapshot.id
            )));
        }
        Ok(Selected {
            due: true,
            cleans: true,
            counted: export.verify == Verify::Restore,
            engine_version: Some(snapshot.version.clone()),
            storage_type: snapshot.shown.storage_type().map(str::to_owned),
            export: Some(name.to_owned()),
            shared: snapshot.arn.account() != run.account(),
            snapshot: Some(snapshot.arn.clone()),
            taken: Some(taken),
            ..nothing(format!("{} of {taken} is exported as {name}", snapshot.id))
        })
    }
}

/// Whether the run comes after another one.
enum Comes {
    /// It only removes what that one left.
    After(Run),
    InVain(String),
}

impl SelectExport {
    /// Whom this run cleans up after.
    async fn over(&self, cx: &Context, run: &Run, execution: Arn) -> Result<Comes> {
        if self.export.is_some() || self.snapshot.is_some() {
            return Err(Error::refused("the input has after, and beside it something to export")
                .fix("see the runbook's input.schema.json"));
        }
        let read = |input: &str| {
            let input: Self = serde_json::from_str(input).ok()?;
            Some(input.after.map_or(Input::Work(()), Input::After))
        };
        Ok(match after::look(cx, run, execution, read).await? {
            After::Running(execution) => Comes::InVain(format!("{execution} is at work again")),
            After::Refused(execution) => {
                Comes::InVain(format!("{execution} was refused and has made nothing"))
            }
            After::Over((), former) => Comes::After(former),
        })
    }

    /// Asked for by its name: the newest snapshot that fits, or the one that is asked for.
    async fn of_export<'p>(
        &self,
        cx: &Context,
        run: &Run,
        policy: &'p Policy,
        name: &str,
        only: Option<&Arn>,
    ) -> Result<Found<'p>> {
        let (name, export) = policy
            .exports
            .get_key_value(name)
            .ok_or_else(|| Error::unexpected(format!("the policy has lost its export {name}")))?;
        let mut candidates = candidates(cx, run, export).await?;
        candidates.retain(|snapshot| {
            takes(export, snapshot, run.account()) && only.is_none_or(|only| snapshot.arn == *only)
        });
        let at = self.at.unwrap_or(run.entered);
        Ok(match choose(export, &candidates, at) {
            Ok((snapshot, taken)) => {
                Found::This { name, export, snapshot: Box::new(snapshot.clone()), taken }
            }
            Err((because, _)) if only.is_some_and(|only| !candidates.iter().any(|one| one.arn == *only)) => {
                let only = only.map(Arn::as_str).unwrap_or_default();
                return Err(Error::refused(format!(
                    "snapshot {only} is none that the export {name} takes. {because}"
                ))
                .fix("name one of its source, or leave snapshot out"));
            }
            Err((because, Otherwise::Skip)) => Found::Nothing(because),
            Err((because, Otherwise::Fail)) => {
                return Err(Error::failed(format!("no snapshot fits the export {name}. {because}"))
                    .changed("nothing")
                    .fix("take a snapshot that fits, or change the export's source in the policy")
                    .then(Then::StartAgain));
            }
        })
    }

    /// What an event names: nothing of it is believed.
    async fn of_event<'p>(
        &self,
        cx: &Context,
        run: &Run,
        policy: &'p Policy,
        arn: &Arn,
    ) -> Result<Found<'p>> {
        let is_here = arn.account() == run.account() && arn.service() == "rds";
        if !is_here || arn.kind() != "cluster-snapshot" {
            return Ok(Found::Nothing(format!("{arn} is no cluster snapshot of account {}", run.account())));
        }
        // RDS looks in its own Region: an ARN of another one has the name of another snapshot.
        let found = aurora::find_snapshot(cx, arn.name()).await?.filter(|found| found.arn == *arn);
        let Some(snapshot) = found else {
            return Ok(Found::Nothing(format!("there is no snapshot {arn} (any more)")));
        };
        let taken_by = policy.exports.iter().find(|(_, export)| takes(export, &snapshot, run.account()));
        let Some((name, export)) = taken_by else {
            return Ok(Found::Nothing(format!("no export of the policy takes {}", snapshot.id)));
        };
        snapshot.ready("snapshot").map_err(|error| error.changed("nothing").then(Then::StartAgain))?;
        Ok(match choose(export, std::slice::from_ref(&snapshot), self.at.unwrap_or(run.entered)) {
            Ok((snapshot, taken)) => {
                Found::This { name, export, snapshot: Box::new(snapshot.clone()), taken }
            }
            Err((because, _)) => Found::Nothing(because),
        })
    }

    /// Why nothing is to be done, by where readers are led.
    async fn published(
        &self,
        cx: &Context,
        name: &str,
        export: &Export,
        snapshot: &Snapshot,
        taken: Timestamp,
    ) -> Result<Option<String>> {
        let key = latest_key(&export.folder(name));
        let latest: Option<Latest> = snapshot_export::bucket(cx, export).get_json(&key).await?;
        let Some(latest) = latest.filter(|_| !self.again) else { return Ok(None) };
        let is_same = latest.snapshot == snapshot.arn && latest.snapshot_time == taken;
        Ok(if is_same {
            Some(format!("{} is published already, as {}", snapshot.id, latest.task))
        } else if self.export.is_none() && latest.snapshot_time >= taken {
            Some(format!("readers have {}, which is newer than {}", latest.task, snapshot.id))
        } else {
            None
        })
    }
}

/// Every snapshot among which an export may choose.
async fn candidates(cx: &Context, run: &Run, export: &Export) -> Result<Vec<Snapshot>> {
    let source = &export.source;
    let describe = cx.rds.describe_db_cluster_snapshots();
    let shared = source.account.as_deref().is_some_and(|account| account != run.account());
    let describe = match (&source.cluster, &source.snapshot) {
        (Some(_), Some(_)) if shared => describe.snapshot_type("shared").include_shared(true),
        (Some(cluster), Some(rule)) => {
            describe.db_cluster_identifier(cluster).snapshot_type(rule.kind.as_str())
        }
        _ => return aurora::manual_snapshots(cx).await,
    };
    let all = describe.into_paginator().items().send().try_collect().await;
    all.map_err(aws("rds:DescribeDBClusterSnapshots"))?.into_iter().map(Snapshot::parse).collect()
}

/// Whether the snapshot is of the export's source, whatever its age.
fn takes(export: &Export, snapshot: &Snapshot, account: &str) -> bool {
    let source = &export.source;
    match (&source.sync, &source.cluster) {
        (Some(sync), _) => {
            snapshot.arn.account() == account
                && tags::is_of_sync(&snapshot.tags, sync)
                && tags::has_role(&snapshot.tags, Role::Sanitized)
                && snapshot.tags.get(tags::ATTESTED_RUN).is_some()
        }
        (None, Some(cluster)) => {
            let of = source.account.as_deref().unwrap_or(account);
            snapshot.arn.account() == of && snapshot.shown.db_cluster_identifier() == Some(cluster)
        }
        (None, None) => false,
    }
}

/// The newest that fits, or why none does.
fn choose<'s>(
    export: &Export,
    snapshots: &'s [Snapshot],
    at: Timestamp,
) -> std::result::Result<(&'s Snapshot, Timestamp), (String, Otherwise)> {
    let seen = snapshots.iter().filter_map(|snapshot| Some((snapshot, choice::snapshot(snapshot)?)));
    let Some(rule) = &export.source.snapshot else {
        let attested = seen.filter(|(_, seen)| seen.status == "available");
        let newest = attested.max_by_key(|(_, seen)| (seen.taken, seen.id.clone()));
        return newest
            .map(|(snapshot, seen)| (snapshot, seen.taken))
            .ok_or(("the sync has no sanitised snapshot".to_owned(), Otherwise::Fail));
    };
    // Shared is what another account calls manual, and only a copy under a customer key needs
    // encryption.
    let seen: Vec<_> = seen
        .map(|(_, seen)| policy::Snapshot {
            kind: if seen.kind == "shared" { "manual".to_owned() } else { seen.kind },
            encrypted: true,
            ..seen
        })
        .collect();
    let zone = export.schedule.as_ref().map_or(TimeZone::UTC, |schedule| schedule.time_zone.clone());
    let choice = rule.choose(&seen, at, &zone);
    let chosen = choice.chosen.as_ref().and_then(|chosen| {
        let found = snapshots.iter().find(|snapshot| snapshot.arn.as_str() == chosen.arn);
        Some((found?, chosen.taken))
    });
    let cluster = export.source.cluster.as_deref().unwrap_or_default();
    chosen.ok_or_else(|| (choice::because(cluster, &choice.because), choice.otherwise))
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::{primitives::DateTime, types::Tag};

    use super::*;
    use crate::testing::{self, Parse};

    const ACCOUNT: &str = "444455556666";

    fn export(source: &str) -> Export {
        let rest = "bucket: abc, role: 'arn:aws:iam::444455556666:role/x', kms-key: alias/x";
        let text = format!(
            "exports: {{orders: {{source: {source}, {rest}, verify: aws, keep: {{count: 1, age: 1d}}}}}}"
        );
        Policy::parse(&text).unwrap_or_else(|errors| panic!("{errors}")).exports.remove("orders").unwrap()
    }

    fn raw() -> Export {
        export("{cluster: orders, snapshot: {type: automated, max-age: 26h}, accept-raw: x}")
    }

    fn snapshot(name: &str, at: &str, tags: Vec<Tag>) -> Snapshot {
        let at: Timestamp = at.parse().unwrap();
        testing::snapshot(name, tags)
            .snapshot_type("automated")
            .db_cluster_identifier("orders")
            .snapshot_create_time(DateTime::from_millis(at.as_millisecond()))
            .parse()
    }

    #[test]
    fn a_raw_export_takes_its_clusters_snapshots_and_no_others() {
        let export = raw();
        let ours = snapshot("rds:orders-1", "2026-01-05T02:00:00Z", vec![]);
        assert!(takes(&export, &ours, ACCOUNT));
        assert!(!takes(&export, &ours, "999999999999"), "of another account");
        let other = testing::snapshot("x", vec![]).db_cluster_identifier("orders-eu").parse();
        assert!(!takes(&export, &other, ACCOUNT));
    }

    #[test]
    fn the_newest_that_the_rule_lets_pass_is_exported_encrypted_or_not() {
        let snapshots = [
            snapshot("rds:orders-1", "2026-01-04T02:00:00Z", vec![]),
            snapshot("rds:orders-2", "2026-01-05T02:00:00Z", vec![]),
        ];
        let choose = |at: &str| {
            let chosen = super::choose(&raw(), &snapshots, at.parse().unwrap());
            chosen.map(|(snapshot, _)| snapshot.id.clone()).map_err(|(because, _)| because)
        };
        assert_eq!(choose("2026-01-05T03:00:00Z").as_deref(), Ok("rds:orders-2"));
        assert_eq!(choose("2026-01-05T01:00:00Z").as_deref(), Ok("rds:orders-1"), "as of an earlier time");
        assert!(choose("2026-01-09T03:00:00Z").unwrap_err().contains("more than 26h"));
    }

    #[test]
    fn malformed_input_is_refused() {
        for bad in [
            json!({"export": 1}),
            json!({"snapshot": "rds:orders-1"}),
            json!({"export": "orders", "again": "yes"}),
            json!({"export": "orders", "sync": "orders"}),
            json!({"after": "monday"}),
        ] {
            assert!(serde_json::from_value::<SelectExport>(bad.clone()).is_err(), "{bad} was taken");
        }
    }
}
