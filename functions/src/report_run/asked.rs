//! What was asked of a run: by the policy that it goes by, or by its input where it has none. Which
//! messages are sent, by when the data is to be there, and what a swap has left to go back to.

use std::sync::Arc;

use jiff::Timestamp;
use policy::{Policy, Schedule, Swap, Target};
use runbook::{
    Arn, Context, Result,
    daily_sync::{POLICY_KEY, names},
    kept_policy,
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    history::History,
    report::{Kind, Report, Step},
    sections::{FreshBy, Journal, Punctuality},
    words::{duration, is_plain},
};

/// Of RestoreTarget's output.
#[derive(Deserialize)]
struct Restored {
    cluster: String,
    former: Option<String>,
}

impl Report {
    pub(super) async fn add_asked(&mut self, cx: &Context, history: &History, folder: &str) -> Result<()> {
        let by_input = ["major-upgrade", "rehearse-upgrade", "upgrade-fleet"];
        let by_input = by_input.contains(&self.runbook.as_str());
        if let Some(tell) = self.input.get("tell").filter(|_| by_input) {
            // What is not understood is refused by the run itself.
            if let Ok(tell) = serde_json::from_value(tell.clone()) {
                self.tell = tell;
            }
            return Ok(());
        }
        let (sync, export) = (self.sync.clone(), self.exports());
        if sync.is_none() && export.is_none() {
            return Ok(());
        }
        let Some(policy) = policy(cx, folder).await? else { return Ok(()) };
        if let Some(export) = export.and_then(|name| policy.exports.get(&name)) {
            self.tell.clone_from(&export.tell);
        }
        if let Some(sync) = sync.and_then(|name| policy.syncs.get(&name)) {
            self.tell.clone_from(&sync.tell);
            // One that only cleans up after another brings no data.
            if self.input.get("sync").is_some() {
                self.fresh_by = self.fresh_by(&sync.schedule);
            }
            self.keep_journal(&sync.targets, history);
        }
        Ok(())
    }

    /// An upgrade of a clone is told by its rehearsal, what goes well of a fleet by the fleet, and
    /// so is an upgrade that is only rehearsed, unless it could not begin that.
    pub(super) fn is_told_by_another(&self) -> bool {
        let by = self.input.get("AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID").and_then(Value::as_str);
        let by = by.and_then(|by| Arn::try_from(by.to_owned()).ok());
        let of_clone = by.as_ref().is_some_and(|by| by.name().contains("rehearse-upgrade:"));
        let rehearses = self.input.get("rehearse") == Some(&Value::Bool(true));
        let began = self.error.as_deref().is_none_or(|error| error == "States.TaskFailed");
        // A fleet tells how many have come through; who is asked or has to do something is told by
        // the run itself.
        let of_fleet = by.is_some_and(|by| by.name().contains("upgrade-fleet:"));
        let is_quiet = matches!(self.kind, Kind::Running | Kind::Succeeded) && self.approval.is_none();
        (of_fleet && is_quiet) || (self.runbook == "major-upgrade" && (of_clone || (rehearses && began)))
    }

    /// The export's name; of one that an event has started it is known once SelectExport is done.
    fn exports(&self) -> Option<String> {
        let chosen = self.export.as_ref().map(|export| export.name.as_str());
        let asked = self.input.get("export").filter(|_| self.runbook == "snapshot-export");
        chosen.or(asked?.as_str()).map(str::to_owned)
    }

    fn fresh_by(&self, schedule: &Schedule) -> Option<FreshBy> {
        let (time, until) = (schedule.fresh_by?, schedule.fresh_until(self.started)?);
        let published: Option<Vec<Timestamp>> = self.targets.iter().map(|target| target.published).collect();
        let last = published.and_then(|published| published.into_iter().max());
        let at = last.unwrap_or(self.until());
        let outcome = match (last.is_some(), at <= until) {
            (true, true) => Punctuality::Kept,
            (true, false) => Punctuality::Late,
            (false, true) => Punctuality::Open,
            (false, false) => Punctuality::Missed,
        };
        Some(FreshBy {
            time: time.to_string(),
            time_zone: schedule.time_zone.iana_name().unwrap_or("UTC").to_owned(),
            until,
            outcome,
            seconds: until.duration_since(at).as_secs().abs(),
        })
    }

    /// Of each target whose stable name leads to this run's copy.
    fn keep_journal(&mut self, policy: &[Target], history: &History) {
        let Some(run) = self.run() else { return };
        for target in self.targets.iter_mut().filter(|target| target.published.is_some()) {
            // The policy's names are checked: nothing in them is more than a word of a command.
            let Some(asked) = policy.iter().find(|asked| asked.cluster == target.name) else { continue };
            let last = |state: &str| {
                let is_it = |step: &Step| step.state == state && step.of.as_ref() == Some(&target.name);
                self.steps.iter().rposition(is_it)
            };
            let (Some(restored), Some(swapped)) = (last("RestoreTarget"), last("SwapTarget")) else {
                continue;
            };
            let began = self.steps[swapped].entered;
            let output = history.outputs.get(&restored).cloned().unwrap_or_default();
            let Ok(Restored { cluster, former }) = serde_json::from_value(output) else { continue };
            let former = former.and_then(|_| match asked.swap {
                Swap::Rename => Some(names::old(&target.name, &run)),
                // Nothing was renamed. RetireOld says the newest of the replaced first.
                Swap::Secret => target.kept.first().filter(|name| is_plain(name)).cloned(),
            });
            let former = former.filter(|former| !target.deleted.contains(former));
            target.swap = Some(Journal {
                by: asked.swap,
                began,
                fresh: cluster,
                kept_until: began.checked_add(asked.keep_old.age).ok().filter(|_| former.is_some()),
                kept_at_most: asked.keep_old.count,
                back: former.as_ref().map(|former| back(asked, former)),
                former,
            });
        }
    }

    /// What a sync had begun to make when it was stopped before its CleanUp: nobody has looked
    /// whether it still stands.
    pub(super) fn add_standing(&mut self) {
        let ended_itself = |state: &str| {
            self.steps.iter().any(|step| step.state == state && !step.is_open() && !step.caught)
        };
        let over = !matches!(self.kind, Kind::Running | Kind::Succeeded);
        let (Some(sync), Some(run)) = (&self.sync, self.run()) else { return };
        if self.runbook != "daily-sync" || !over || ended_itself("CleanUp") {
            return;
        }
        let entered = |state: &str| self.steps.iter().any(|step| step.state == state);
        let raw = !ended_itself("DeleteQuarantine");
        let mut standing = Vec::new();
        if raw && entered("CopySnapshot") {
            standing.push(format!("snapshot {} in production's account", names::copy(sync, &run)));
        }
        if raw && entered("RestoreQuarantine") {
            standing.push(format!("cluster {}, which holds raw data", names::quarantine(sync, &run)));
        }
        if entered("SnapshotSanitized") {
            standing.push(format!("snapshot {}", names::sanitized(sync, &run)));
        }
        for target in self.targets.iter().filter(|target| target.published.is_none()) {
            let restored =
                |step: &Step| step.state == "RestoreTarget" && step.of.as_ref() == Some(&target.name);
            if self.steps.iter().any(restored) {
                standing.push(format!("cluster {}", names::fresh(&target.name, &run)));
            }
        }
        let may_stand = |thing| format!("{thing}: it may stand, for this run did not end its CleanUp");
        self.left.extend(standing.into_iter().map(may_stand));
    }
}

/// As the runbook's README has it, "Yesterday's data is wanted back".
fn back(target: &Target, former: &str) -> String {
    let name = &target.cluster;
    match (target.swap, &target.secret) {
        (Swap::Rename, _) => format!(
            "aws rds modify-db-cluster --db-cluster-identifier {name} \\\n  --new-db-cluster-identifier \
             {name}-bad --apply-immediately\naws rds modify-db-cluster --db-cluster-identifier \
             {former} \\\n  --new-db-cluster-identifier {name} --apply-immediately"
        ),
        (Swap::Secret, secret) => format!(
            "aws rds describe-db-clusters --db-cluster-identifier {former} \\\n  --query \
             'DBClusters[0].Endpoint' --output text\n# and write that as host into the secret {}",
            secret.as_deref().unwrap_or("of the policy")
        ),
    }
}

/// The one that the run goes by; at its beginning, before it has kept one, today's.
async fn policy(cx: &Context, folder: &str) -> Result<Option<Arc<Policy>>> {
    let kept = cx.store.get_text(&format!("{folder}/{POLICY_KEY}")).await?;
    let text = match kept {
        Some(kept) => Some(kept),
        None => cx.store.get_text(POLICY_KEY).await?,
    };
    // What is wrong with it stops the run, which says so.
    Ok(text.and_then(|text| kept_policy::read(&text).ok()))
}

impl FreshBy {
    /// As `kept, 3h 12m to spare`.
    pub fn words(&self, running: bool) -> String {
        let time = duration(self.seconds);
        match (self.outcome, running) {
            (Punctuality::Kept, _) => format!("kept, {time} to spare"),
            (Punctuality::Late, _) => format!("missed by {time}"),
            (Punctuality::Missed, true) => format!("missed by {time} so far"),
            (Punctuality::Missed, false) => format!("missed: the run ended {time} later, without all of it"),
            (Punctuality::Open, true) => format!("{time} left"),
            (Punctuality::Open, false) => format!("not kept by this run, which ended {time} before"),
        }
    }

    pub fn name(&self) -> String {
        format!("Fresh by {} {}", self.time, self.time_zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report_run::messages::tests::report;
    use serde_json::json;

    fn orders() -> policy::Sync {
        let text = include_str!("../../../policy/examples/orders.yaml");
        Policy::parse(text).unwrap().syncs.remove("orders").unwrap()
    }

    fn schedule() -> Schedule {
        Schedule { fresh_by: "07:00".parse().ok(), ..orders().schedule }
    }

    /// A sync that began at 03:30 in Berlin.
    fn sync(published: [Option<&str>; 2], ended: Option<&str>, written: &str) -> Report {
        let [dev, support] = published.map(|at| at.map(|at| format!("2026-11-25T{at}Z")));
        report(json!({
            "runbook": "daily-sync",
            "sync": "orders",
            "status": if ended.is_some() { "FAILED" } else { "RUNNING" },
            "kind": if ended.is_some() { "failed" } else { "running" },
            "started": "2026-11-25T02:30:00Z",
            "stopped": ended.map(|at| format!("2026-11-25T{at}Z")),
            "written": format!("2026-11-25T{written}Z"),
            "targets": [
                { "name": "orders-dev", "kind": "succeeded", "published": dev },
                { "name": "orders-support", "kind": "succeeded", "published": support },
            ],
        }))
    }

    #[test]
    fn fresh_by_is_kept_or_missed_by_the_last_environment() {
        for (published, ended, written, outcome, words) in [
            (
                [Some("03:00:00"), Some("05:30:00")],
                Some("05:40:00"),
                "05:40:01",
                Punctuality::Kept,
                "kept, 30m 0s to spare",
            ),
            (
                [Some("03:00:00"), Some("06:02:05")],
                Some("06:10:00"),
                "06:10:01",
                Punctuality::Late,
                "missed by 2m 5s",
            ),
            ([Some("03:00:00"), None], None, "04:00:00", Punctuality::Open, "2h 0m left"),
            ([Some("03:00:00"), None], None, "06:10:00", Punctuality::Missed, "missed by 10m 0s so far"),
            (
                [Some("03:00:00"), None],
                Some("04:00:00"),
                "04:00:01",
                Punctuality::Open,
                "not kept by this run, which ended 2h 0m before",
            ),
            (
                [None, None],
                Some("06:20:00"),
                "06:20:01",
                Punctuality::Missed,
                "missed: the run ended 20m 0s later, without all of it",
            ),
        ] {
            let report = sync(published, ended, written);
            let fresh = report.fresh_by(&schedule()).unwrap();
            assert_eq!((fresh.outcome, fresh.words(report.is_running()).as_str()), (outcome, words));
            assert_eq!(fresh.name(), "Fresh by 07:00 Europe/Berlin");
            assert_eq!(fresh.until.to_string(), "2026-11-25T06:00:00Z");
        }
        let without = Schedule { fresh_by: None, ..schedule() };
        assert_eq!(sync([None, None], None, "04:00:00").fresh_by(&without), None);
    }

    #[test]
    fn a_sync_that_was_stopped_names_what_it_had_begun_to_make() {
        let step = |state: &str, of: Option<&str>, done: bool| {
            json!({ "state": state, "of": of, "entered": "2026-11-25T02:31:00Z", "polls": 0,
                "exited": done.then_some("2026-11-25T02:32:00Z"), "summary": null, "error": null })
        };
        let stopped = |steps: Vec<serde_json::Value>| {
            let mut report = sync([None, None], Some("04:00:00"), "04:00:01");
            report.kind = Kind::Aborted;
            report.steps = steps.into_iter().map(|step| serde_json::from_value(step).unwrap()).collect();
            report.add_standing();
            report
                .left
                .iter()
                .filter_map(|thing| thing.split_once('-')?.0.split(' ').next_back().map(str::to_owned))
                .collect::<Vec<String>>()
        };
        let raw = [step("CopySnapshot", None, true), step("RestoreQuarantine", None, false)];
        assert_eq!(stopped(raw.to_vec()), ["sync", "quarantine"]);
        let restored = [
            step("CopySnapshot", None, true),
            step("RestoreQuarantine", None, true),
            step("SnapshotSanitized", None, true),
            step("DeleteQuarantine", None, true),
            step("RestoreTarget", Some("orders-support"), false),
        ];
        assert_eq!(stopped(restored.to_vec()), ["sanitized", "orders"]);
        let cleaned = [step("CopySnapshot", None, true), step("CleanUp", None, true)];
        assert_eq!(stopped(cleaned.to_vec()), Vec::<String>::new());
    }
}
