//! Says what of the fleet comes next: which clusters, until when to wait, or that all is done.
//!
//! It goes by what the fleet has come to so far, and looks at each cluster again before it names
//! it: one that has lost its tag, or its name to another, is left out. A person holds the fleet
//! back with the tag `paused` on the state machine.
//!
//! Changes: nothing. Again is harmless: it says the same again. Undo: none needed. Errors:
//! `OperationFailed` (as many have failed as `stopAfter` allows, or all is done and some have),
//! `Refused` (no room for a clone in the account's quotas), `NotReady` (AWS does not answer, or has
//! no room for more calls).

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_sfn::{error::ProvideErrorMetadata as _, types::Tag};
use jiff::Timestamp;
use runbook::{
    Arn, Context, Error, Result, Run, State,
    aurora::{self, Cluster},
    error::{Then, aws},
    upgrade_fleet::{child_name, rehearsal_of, upgrade_of},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    account::Room,
    resolve_fleet::{Member, Plan},
};
use crate::report_run::history::plain_cause;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SelectWave {
    plan: Plan,
    progress: Progress,
    /// What the last batch has come to.
    ended: Vec<Ended>,
}

/// What the fleet has come to, by places in the plan's list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Progress {
    rehearsed: BTreeSet<usize>,
    upgraded: BTreeSet<usize>,
    failed: BTreeSet<usize>,
    left_out: BTreeSet<usize>,
    /// Up to which wave has been waited.
    soaked: usize,
    /// How often it was found paused.
    pauses: u32,
    /// Of the first that failed: which, and why.
    reasons: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Ended {
    cluster: String,
    came: Came,
    /// Of one that has failed, in Step Functions' own words.
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    cause: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Came {
    Rehearsed,
    Upgraded,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selected {
    summary: String,
    next: Next,
    /// What is rehearsed or upgraded now.
    clusters: Vec<Child>,
    /// The input of each, without its cluster.
    input: Map<String, Value>,
    /// When to ask again.
    until: Option<Timestamp>,
    /// What was left out just now, and why.
    left_out: Vec<LeftOut>,
    progress: Progress,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub cluster: String,
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Next {
    Rehearse,
    Upgrade,
    Wait,
    Done,
}

/// An execution to start.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Child {
    cluster: String,
    name: String,
}

/// The tag on the state machine that holds every fleet of the installation back; its value says
/// why.
const PAUSED: &str = "paused";
const PAUSE: Duration = Duration::from_mins(10);
/// Two days: each takes nine events of a history of 25,000, of which 500 clusters, one at a time,
/// take 22,000.
const MOST_PAUSES: u32 = 288;
/// Failures that are named; the others are in the report.
const NAMED: usize = 10;
/// Characters of what is told of each.
const LINE: usize = 300;

/// What comes next, by what the fleet has come to.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// All that have no rehearsal yet.
    Rehearse(Vec<usize>),
    Upgrade {
        wave: usize,
        batch: Vec<usize>,
    },
    /// Between two waves.
    Soak,
    Done,
}

impl State for SelectWave {
    const NAME: &'static str = "SelectWave";
    type Output = Selected;

    async fn reconcile(mut self, cx: &Context, run: &Run) -> Result<Selected> {
        self.add_ended(cx, run).await?;
        if self.progress.failed.len() >= self.plan.stop_after {
            return Err(self.stopped("so no other is begun"));
        }
        if let Some(why) = paused(cx, run).await? {
            return self.pause(run, &why);
        }
        // While RDS has no room for this call, no upgrade is begun that would make hundreds.
        let clusters = aurora::clusters(cx).await?;
        let left_out = self.leave_out(&clusters);
        let mut selected = match self.step() {
            Step::Rehearse(all) => {
                let room = Room::look(cx).await?;
                if room.clones == 0 {
                    return Err(self.no_room(&room.quota));
                }
                let wanted = all.len().min(self.plan.at_once);
                let batch = &all[..wanted.min(room.clones)];
                let limit = if batch.len() < wanted {
                    format!("; {} leave room for no more", room.quota)
                } else {
                    String::new()
                };
                let now = format!("rehearses {} ({} still to rehearse{limit})", batch.len(), all.len());
                self.begin(run, Next::Rehearse, batch, &now)
            }
            Step::Upgrade { wave, batch } => {
                let waves = self.plan.waves.len();
                let now = format!("upgrades {} of wave {} of {waves}", batch.len(), wave + 1);
                self.begin(run, Next::Upgrade, &batch, &now)
            }
            Step::Soak => {
                let until = run.entered + Duration::from_secs(self.plan.soak);
                self.wait(until, &format!("nothing is begun until {until}"))
            }
            Step::Done if self.progress.failed.is_empty() => self.nothing(Next::Done, "all is done"),
            Step::Done => return Err(self.stopped("and all others are done")),
        };
        selected.left_out = left_out;
        Ok(selected)
    }
}

impl SelectWave {
    async fn add_ended(&mut self, cx: &Context, run: &Run) -> Result<()> {
        for ended in std::mem::take(&mut self.ended) {
            let is_named = self.progress.failed.len() < NAMED;
            let reason = match &ended.error {
                Some(_) if is_named => Some(reason(cx, run, &ended).await?),
                _ => None,
            };
            self.add(&ended, reason)?;
        }
        Ok(())
    }

    fn add(&mut self, ended: &Ended, reason: Option<String>) -> Result<()> {
        let place = self.plan.clusters.iter().position(|member| member.cluster == ended.cluster);
        let place =
            place.ok_or_else(|| Error::unexpected(format!("{} is none of the fleet", ended.cluster)))?;
        let progress = &mut self.progress;
        progress.reasons.extend(reason);
        match (ended.came, &ended.error) {
            (_, Some(_)) => progress.failed.insert(place),
            (Came::Rehearsed, None) => progress.rehearsed.insert(place),
            (Came::Upgraded, None) => progress.upgraded.insert(place),
        };
        Ok(())
    }

    /// What RDS shows no more as it was when the fleet was resolved.
    fn leave_out(&mut self, clusters: &[Cluster]) -> Vec<LeftOut> {
        let open: Vec<usize> = self.open().collect();
        let mut left_out = Vec::new();
        for place in open {
            let member = &self.plan.clusters[place];
            if let Some(why) = no_more(&self.plan, member, clusters) {
                left_out.push(LeftOut { cluster: member.cluster.clone(), why });
                self.progress.left_out.insert(place);
            }
        }
        left_out
    }

    /// The places of those that are still to be upgraded.
    fn open(&self) -> impl Iterator<Item = usize> {
        (0..self.plan.clusters.len()).filter(|place| !self.is_over(*place))
    }

    fn is_over(&self, place: usize) -> bool {
        let Progress { upgraded, failed, left_out, .. } = &self.progress;
        [upgraded, failed, left_out].iter().any(|set| set.contains(&place))
    }

    /// All are rehearsed before the first is upgraded, and a wave has ended before the next begins.
    fn step(&mut self) -> Step {
        let is_rehearsed =
            |place: &usize| self.plan.rehearsed.contains(place) || self.progress.rehearsed.contains(place);
        let unrehearsed: Vec<usize> = self.open().filter(|place| !is_rehearsed(place)).collect();
        if !unrehearsed.is_empty() {
            return Step::Rehearse(unrehearsed);
        }
        let Some(first) = self.open().next() else { return Step::Done };
        let waves = &self.plan.waves;
        let wave = waves.iter().position(|end| first < *end).unwrap_or(waves.len());
        if wave > self.progress.soaked && self.plan.soak > 0 {
            self.progress.soaked = wave;
            return Step::Soak;
        }
        let end = waves.get(wave).copied().unwrap_or(usize::MAX);
        let batch = self.open().take_while(|place| *place < end).take(self.plan.at_once).collect();
        Step::Upgrade { wave, batch }
    }

    fn begin(self, run: &Run, next: Next, batch: &[usize], now: &str) -> Selected {
        let mut input = match next {
            Next::Rehearse => self.plan.rehearsal.clone(),
            _ => self.plan.upgrade.clone(),
        };
        input.insert("AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID".into(), json!(run.execution));
        let clusters = batch.iter().map(|place| {
            let cluster = &self.plan.clusters[*place].cluster;
            Child { cluster: cluster.clone(), name: child_name(run, cluster) }
        });
        let clusters = clusters.collect();
        Selected { clusters, input, ..self.nothing(next, now) }
    }

    fn wait(self, until: Timestamp, now: &str) -> Selected {
        Selected { until: Some(until), ..self.nothing(Next::Wait, now) }
    }

    fn nothing(self, next: Next, now: &str) -> Selected {
        Selected {
            summary: format!("{}; {now}", self.counts()),
            next,
            clusters: Vec::new(),
            input: Map::new(),
            until: None,
            left_out: Vec::new(),
            progress: self.progress,
        }
    }

    fn pause(mut self, run: &Run, why: &str) -> Result<Selected> {
        self.progress.pauses += 1;
        if self.progress.pauses > MOST_PAUSES {
            let hours = PAUSE.as_secs() * u64::from(MOST_PAUSES) / 3600;
            return Err(Error::refused(format!(
                "{}; the fleet has been paused for {hours} hours ({why})",
                self.counts()
            ))
            .changed("nothing by this state")
            .fix(format!("take the tag {PAUSED} off the state machine"))
            .then(Then::StartAgain));
        }
        let now =
            format!("paused ({why}): nothing is begun before the tag {PAUSED} is off the state machine");
        Ok(self.wait(run.entered + PAUSE, &now))
    }

    fn counts(&self) -> String {
        let Progress { upgraded, failed, left_out, .. } = &self.progress;
        let all = self.plan.clusters.len();
        let mut counts = format!("{} of {all} upgraded", upgraded.len());
        for (set, words) in [(failed, "failed"), (left_out, "left out since")] {
            if !set.is_empty() {
                counts += &format!(", {} {words}", set.len());
            }
        }
        counts
    }

    fn no_room(&self, quota: &str) -> Error {
        Error::refused(format!(
            "{}; the account has no room for the clone of a rehearsal: {quota} are used",
            self.counts()
        ))
        .changed("nothing by this state")
        .fix("delete what is no longer used, or have the quota raised")
        .then(Then::StartAgain)
    }

    fn stopped(&self, so: &str) -> Error {
        let Progress { failed, reasons, upgraded, .. } = &self.progress;
        let named: String = reasons.iter().map(|reason| format!("\n  {reason}")).collect();
        let more = match failed.len() - reasons.len().min(failed.len()) {
            0 => String::new(),
            number => format!("\n  and {number} more, in the report"),
        };
        Error::failed(format!("{} failed, {so}:{named}{more}", failed.len()))
            .changed(format!("{} of {} clusters are upgraded", upgraded.len(), self.plan.clusters.len()))
            .fix("do what each of those runs says")
            .then(Then::StartAgain)
    }
}

/// What stopped that execution, in a line. What the machine has caught is the whole execution as
/// JSON, cut where it is too long to be read.
async fn reason(cx: &Context, run: &Run, ended: &Ended) -> Result<String> {
    let (cluster, caught) = (&ended.cluster, ended.error.as_deref().unwrap_or("an error"));
    let execution = match ended.came {
        Came::Rehearsed => rehearsal_of(run, cluster)?,
        Came::Upgraded => upgrade_of(run, cluster)?,
    };
    let (error, cause) = match cx.sfn.describe_execution().execution_arn(execution.as_str()).send().await {
        Ok(described) => (described.error().map(str::to_owned), described.cause().map(plain_cause)),
        // It could not even be started.
        Err(error) if error.code() == Some("ExecutionDoesNotExist") => (None, ended.cause.clone()),
        Err(error) => return Err(aws("states:DescribeExecution")(error)),
    };
    let cause = cause.unwrap_or_else(|| "it was stopped".into());
    let line = cause.lines().next().unwrap_or_default();
    let line: String = line.chars().take(LINE).collect();
    Ok(format!("{cluster}: {}: {line}", error.as_deref().unwrap_or(caught)))
}

fn no_more(plan: &Plan, member: &Member, clusters: &[Cluster]) -> Option<String> {
    let Some(cluster) = aurora::by_name(clusters, &member.cluster) else {
        return Some("it is no more".into());
    };
    if cluster.resource_id != member.resource_id {
        return Some("another cluster has its name now".into());
    }
    let (key, value) = plan.tag.as_ref()?.split_once('=')?;
    (!cluster.tags.is(key, value)).then(|| format!("it has the tag {key}={value} no more"))
}

async fn paused(cx: &Context, run: &Run) -> Result<Option<String>> {
    let machine = run.execution.as_str().replacen(":execution:", ":stateMachine:", 1);
    let machine = machine.rsplit_once(':').map_or(machine.as_str(), |(machine, _)| machine);
    let machine = Arn::try_from(machine.to_owned()).map_err(Error::unexpected)?;
    let tags = cx.sfn.list_tags_for_resource().resource_arn(machine.as_str()).send().await;
    let tags = tags.map_err(aws("states:ListTagsForResource"))?;
    let paused = tags.tags().iter().find(|tag: &&Tag| tag.key() == Some(PAUSED));
    Ok(paused.map(|tag| tag.value().unwrap_or_default().chars().take(100).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Parse};

    const FLEET: &str = "arn:aws:states:eu-west-1:444455556666:execution:live-upgrade-fleet:one";

    fn fleet(names: &[&str], waves: &[usize]) -> SelectWave {
        let clusters = names.iter().map(|name| Member {
            cluster: (*name).to_owned(),
            resource_id: testing::cluster(name).parse().resource_id,
        });
        SelectWave {
            plan: Plan {
                summary: String::new(),
                deadline: Duration::from_hours(8),
                tag: None,
                clusters: clusters.collect(),
                waves: waves.to_vec(),
                rehearsed: (0..names.len()).collect(),
                soak: 0,
                at_once: 2,
                stop_after: 1,
                rehearsal: Map::new(),
                upgrade: Map::new(),
            },
            progress: Progress::default(),
            ended: Vec::new(),
        }
    }

    fn upgrade(wave: usize, batch: &[usize]) -> Step {
        Step::Upgrade { wave, batch: batch.to_vec() }
    }

    #[test]
    fn a_wave_has_ended_before_the_next_begins() {
        let mut fleet = fleet(&["a", "b", "c", "d"], &[1, 4]);
        assert_eq!(fleet.step(), upgrade(0, &[0]));
        fleet.progress.upgraded = [0].into();
        assert_eq!(fleet.step(), upgrade(1, &[1, 2]));
        fleet.progress.upgraded = [0, 2].into();
        assert_eq!(fleet.step(), upgrade(1, &[1, 3]));
        fleet.progress.left_out = [1, 3].into();
        assert_eq!(fleet.step(), Step::Done);
    }

    #[test]
    fn all_are_rehearsed_before_the_first_is_upgraded() {
        let mut fleet = fleet(&["a", "b", "c"], &[1, 3]);
        fleet.plan.rehearsed = [1].into();
        assert_eq!(fleet.step(), Step::Rehearse(vec![0, 2]));
        fleet.progress.rehearsed = [0].into();
        assert_eq!(fleet.step(), Step::Rehearse(vec![2]));
        fleet.progress.rehearsed = [0, 2].into();
        assert_eq!(fleet.step(), upgrade(0, &[0]));
    }

    #[test]
    fn between_two_waves_is_waited_once() {
        let mut fleet = fleet(&["a", "b"], &[1, 2]);
        fleet.plan.soak = 3600;
        assert_eq!(fleet.step(), upgrade(0, &[0]));
        fleet.progress.upgraded = [0].into();
        assert_eq!(fleet.step(), Step::Soak);
        assert_eq!(fleet.step(), upgrade(1, &[1]));
    }

    #[test]
    fn who_has_paused_it_for_two_days_is_told_to_end_that() {
        let mut fleet = fleet(&["a"], &[1]);
        fleet.progress.pauses = MOST_PAUSES;
        let said = fleet.pause(&Run::of(FLEET), "a sale").unwrap_err().to_string();
        assert!(
            said.starts_with("0 of 1 upgraded; the fleet has been paused for 48 hours (a sale)"),
            "{said}"
        );
        assert!(said.contains("Next: take the tag paused off the state machine"), "{said}");
    }

    #[test]
    fn what_has_ended_is_counted_and_what_failed_is_told() {
        let mut fleet = fleet(&["a", "b"], &[2]);
        let ended: Vec<Ended> = serde_json::from_value(json!([
            { "cluster": "a", "came": "upgraded", "error": "States.TaskFailed", "cause": "{\"Exec" },
            { "cluster": "b", "came": "upgraded" },
        ]))
        .unwrap();
        fleet.add(&ended[0], Some("a: Blocked: 1 thing".into())).unwrap();
        fleet.add(&ended[1], None).unwrap();
        let said = fleet.stopped("so no other is begun").to_string();
        assert!(said.starts_with("1 failed, so no other is begun:\n  a: Blocked: 1 thing\n"), "{said}");
        assert!(said.contains("Changed: 1 of 2 clusters are upgraded."), "{said}");
    }

    #[test]
    fn a_cluster_that_has_lost_its_tag_or_its_name_is_left_out() {
        let mut fleet = fleet(&["a", "b", "c"], &[3]);
        fleet.plan.tag = Some("upgrade=wave-1".into());
        let tag = aws_sdk_rds::types::Tag::builder().key("upgrade").value("wave-1").build();
        let tagged = testing::cluster("a").tag_list(tag.clone()).parse();
        let other = testing::cluster("c").db_cluster_resource_id("another").tag_list(tag).parse();
        let left_out = fleet.leave_out(&[tagged, testing::cluster("b").parse(), other]);
        let left_out: Vec<_> = left_out.iter().map(|one| (one.cluster.as_str(), one.why.as_str())).collect();
        assert_eq!(
            left_out,
            [("b", "it has the tag upgrade=wave-1 no more"), ("c", "another cluster has its name now")]
        );
        assert_eq!(fleet.step(), upgrade(0, &[0]));
    }
}
