//! What each cluster of a fleet has come to: its rehearsal and its upgrade are executions of their
//! own, with reports of their own.

use runbook::{
    Context, Result,
    upgrade_fleet::{RUNBOOK, rehearsal_of, upgrade_of},
};

use super::{
    evidence,
    history::History,
    report::{Kind, Report, Step},
    sections::{Fleet, FleetCluster, FleetRun},
};
use crate::upgrade_fleet::{
    resolve_fleet::{FLEET, Listed},
    select_wave::LeftOut,
};

/// The states that start one.
pub const STARTS: [&str; 2] = ["RehearseCluster", "UpgradeCluster"];

impl Report {
    /// Those states are hundreds, and no steps that a reader would go through.
    pub(super) fn gather_fleet(&mut self, history: &History) {
        if self.runbook != RUNBOOK {
            return;
        }
        let is_start = |step: &Step| STARTS.contains(&step.state.as_str());
        let Some(run) = self.run() else { return };
        let mut fleet = Fleet::default();
        for step in self.steps.iter().filter(|step| is_start(step)) {
            let Some(cluster) = &step.of else { continue };
            let is_over = !self.is_running();
            let execution = match step.state.as_str() {
                "RehearseCluster" => rehearsal_of(&run, cluster),
                _ => upgrade_of(&run, cluster),
            };
            let execution = execution.map(|arn| arn.to_string()).unwrap_or_default();
            let came = FleetRun {
                url: self.page_of(&execution),
                execution,
                kind: match step.failed_at(is_over) {
                    Some(_) => Kind::Failed,
                    None if step.is_open() && is_over => Kind::Aborted,
                    None if step.is_open() => Kind::Running,
                    None => Kind::Succeeded,
                },
                seconds: step.exited.unwrap_or(self.until()).duration_since(step.entered).as_secs(),
                said: step.summary.clone().or_else(|| step.error.clone()),
            };
            let entry = fleet.of(cluster);
            match step.state.as_str() {
                "RehearseCluster" => entry.rehearsal = Some(came),
                _ => entry.upgrade = Some(came),
            }
        }
        let selected = history.outputs.iter().filter(|(step, _)| history.steps[**step].state == "SelectWave");
        for (_, output) in selected {
            let left_out: Vec<LeftOut> =
                serde_json::from_value(output["leftOut"].clone()).unwrap_or_default();
            for LeftOut { cluster, why } in left_out {
                fleet.of(&cluster).left_out = Some(why);
            }
        }
        self.steps.retain(|step| !is_start(step));
        self.fleet = Some(fleet);
    }

    /// Whom the fleet has, and whom not, since it was resolved.
    pub(super) async fn add_fleet(&mut self, cx: &Context, folder: &str) -> Result<()> {
        let Some(fleet) = &mut self.fleet else { return Ok(()) };
        let listed: Vec<Listed> = evidence::list(cx, &format!("{folder}/{FLEET}")).await?;
        for Listed { cluster, version, wave, left_out } in listed {
            let entry = fleet.of(&cluster);
            entry.from = version.map(|version| version.to_string());
            entry.wave = wave;
            if left_out.is_some() {
                entry.left_out = left_out;
            }
        }
        fleet.clusters.sort_by(|a, b| {
            let key = |one: &FleetCluster| (!one.has_failed(), one.left_out.is_some(), one.wave);
            key(a).cmp(&key(b))
        });
        Ok(())
    }
}

impl Fleet {
    fn of(&mut self, cluster: &str) -> &mut FleetCluster {
        let place = self.clusters.iter().position(|one| one.cluster == cluster);
        let place = place.unwrap_or_else(|| {
            self.clusters.push(FleetCluster { cluster: cluster.to_owned(), ..FleetCluster::default() });
            self.clusters.len() - 1
        });
        &mut self.clusters[place]
    }

    /// As `12 upgraded, 1 failed, 3 left out, 4 to come`.
    pub fn words(&self) -> String {
        let count = |is: &dyn Fn(&FleetCluster) -> bool| self.clusters.iter().filter(|one| is(one)).count();
        let upgraded =
            |one: &FleetCluster| one.upgrade.as_ref().is_some_and(|run| run.kind == Kind::Succeeded);
        let left_out = |one: &FleetCluster| one.left_out.is_some();
        let to_come = |one: &FleetCluster| !upgraded(one) && !one.has_failed() && one.left_out.is_none();
        [
            (count(&upgraded), "upgraded"),
            (count(&FleetCluster::has_failed), "failed"),
            (count(&left_out), "left out"),
            (count(&to_come), "to come"),
        ]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, words)| format!("{number} {words}"))
        .collect::<Vec<_>>()
        .join(", ")
    }
}

impl FleetCluster {
    pub fn has_failed(&self) -> bool {
        let runs = self.rehearsal.iter().chain(&self.upgrade);
        runs.clone().any(|run| matches!(run.kind, Kind::Failed | Kind::Aborted))
    }
}
