//! What of a run is AWS's own time, what is ours, and what is waiting for the next poll: in virtual
//! time, by running everything twice, as it is deployed and asked every second.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use aws_sdk_sfn::types::HistoryEventType;
use jiff::Timestamp;
use runbook::state::kebab;
use serde_json::{Value, json};

use super::{Spread, table};
use crate::{
    Options, Sandbox, deployment::Deployment, environments, orders, permissions::Switches, production,
    rds::behaviour::Behaviour,
};

/// What a call of AWS's API takes from Lambda: an assumption, for virtual time has none.
const CALL: f64 = 0.05;
/// https://aws.amazon.com/step-functions/pricing/ and https://aws.amazon.com/lambda/pricing/, USD
/// in us-east-1: a transition, an invocation, a GB-second on Arm.
const TRANSITION: f64 = 0.000_025;
const INVOCATION: f64 = 0.000_000_2;
const GB_SECOND: f64 = 0.000_013_333_4;
const MEMORY_GB: f64 = 0.25;

/// Each run is measured at several lengths of AWS's work, because a poll may come just in time.
pub const LENGTHS: [f64; 5] = [1.0, 1.07, 1.13, 1.19, 1.31];

/// A run as it was, beside the same run asked every second.
#[derive(Debug)]
pub struct Waited {
    pub steps: Vec<Step>,
    /// Seconds from the start to the end.
    pub whole: Times,
    /// From the writer gone to the statistics of the most read tables, in an upgrade.
    pub downtime: Option<Times>,
    /// What Step Functions and Lambda cost, in USD.
    pub cost: f64,
    /// Calls of AWS's API.
    pub calls: BTreeMap<String, usize>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    pub aws: f64,
    pub ours: f64,
    pub waiting: f64,
}

#[derive(Debug)]
pub struct Step {
    pub state: String,
    /// The target in whose branch it is.
    pub of: String,
    pub times: Times,
    pub looks: usize,
}

pub async fn upgrade_waits(length: f64) -> anyhow::Result<Waited> {
    let deployed = Run::upgrade(length, false).await?;
    Waited::of(deployed, Run::upgrade(length, true).await?)
}

pub async fn sync_waits(length: f64) -> anyhow::Result<Waited> {
    let deployed = Run::sync(length, false).await?;
    Waited::of(deployed, Run::sync(length, true).await?)
}

pub(super) fn run() -> anyhow::Result<()> {
    println!("Waiting: model gear, virtual time, {} lengths of AWS's own work, in seconds", LENGTHS.len());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    // A runtime of its own, on a thread of its own: time stands still in it until all wait.
    let measured = std::thread::spawn(move || -> anyhow::Result<_> {
        let (mut upgrades, mut syncs) = (Vec::new(), Vec::new());
        for length in LENGTHS {
            upgrades.push(runtime()?.block_on(upgrade_waits(length))?);
            syncs.push(runtime()?.block_on(sync_waits(length))?);
        }
        Ok((upgrades, syncs))
    });
    let (upgrades, syncs) =
        measured.join().map_err(|_| anyhow::anyhow!("a run in virtual time panicked"))??;
    show("major-upgrade", &upgrades)?;
    show("daily-sync", &syncs)?;
    println!(
        "\nAWS: its own time in the model, by docs/local-aws.md, and the workers'. Ours: {CALL} s a call (an \
         assumption) in the looks that change something or are the last. Waiting: what asking every second \
         would save. Orchestration: Step Functions and Lambda, by the prices in docs/cost.md."
    );
    Ok(())
}

fn show(runbook: &str, runs: &[Waited]) -> anyhow::Result<()> {
    let first = runs.first().context("no run")?;
    let mut shown = table(&[runbook, "AWS", "ours", "waiting", "looks"]);
    for (index, step) in first.steps.iter().enumerate() {
        let of = |what: fn(&Step) -> f64| {
            let values: Vec<f64> = runs.iter().filter_map(|run| run.steps.get(index).map(what)).collect();
            Spread::of(&values).map_or(0.0, |spread| spread.median)
        };
        shown.add_row([
            format!("  {}", step.state),
            format!("{:.0}", of(|step| step.times.aws)),
            format!("{:.1}", of(|step| step.times.ours)),
            format!("{:.1}", of(|step| step.times.waiting)),
            format!("{:.0}", of(|step| step.looks as f64)),
        ]);
    }
    println!("\n{shown}");
    let spread = |what: &dyn Fn(&Waited) -> Option<f64>| {
        Spread::of(&runs.iter().filter_map(what).collect::<Vec<f64>>())
    };
    for (name, times) in [
        ("whole run", &(|run: &Waited| Some(run.whole)) as &dyn Fn(&Waited) -> Option<Times>),
        ("downtime to the statistics of the hot set", &|run: &Waited| run.downtime),
    ] {
        let Some(aws) = spread(&|run| Some(times(run)?.aws)) else { continue };
        let ours = super::shown(spread(&|run| Some(times(run)?.ours)), 1);
        let waiting = super::shown(spread(&|run| Some(times(run)?.waiting)), 1);
        println!("  {name}: AWS {}, ours {ours}, waiting {waiting}", aws.show(0));
    }
    let (calls, cost) =
        (spread(&|run| Some(run.calls.values().sum::<usize>() as f64)), spread(&|run| Some(run.cost)));
    println!(
        "  {} calls of AWS's API, {} USD of orchestration",
        super::shown(calls, 0),
        super::shown(cost, 4)
    );
    Ok(())
}

/// What one run showed.
struct Run {
    report: Value,
    transitions: usize,
    invocations: usize,
    calls: BTreeMap<String, usize>,
    /// By principal: those that changed something.
    changes: BTreeMap<String, usize>,
}

impl Run {
    async fn upgrade(length: f64, every_second: bool) -> anyhow::Result<Self> {
        let sandbox = start(every_second).await?;
        orders::create(&sandbox, orders::Shape::default()).await?;
        Self::of(&sandbox, length, "major-upgrade", &json!({ "cluster": orders::CLUSTER, "target": "18" }))
            .await
    }

    async fn sync(length: f64, every_second: bool) -> anyhow::Result<Self> {
        let sandbox = start(every_second).await?;
        production::create(&sandbox).await?;
        production::take_snapshot(&sandbox).await?;
        environments::create(&sandbox, None).await?;
        environments::create_targets(&sandbox).await?;
        Self::of(&sandbox, length, "daily-sync", &json!({ "sync": environments::SYNC })).await
    }

    async fn of(sandbox: &Sandbox, length: f64, runbook: &str, input: &Value) -> anyhow::Result<Self> {
        sandbox.rds.behave(|behaviour| stretch(behaviour, length));
        let before = sandbox.gateway.calls().len();
        let execution = sandbox.start_execution(runbook, "waiting", input).await?;
        let ended = sandbox.wait(&execution).await?;
        ensure!(ended.status().as_str() == "SUCCEEDED", "{runbook}: {:?}", ended.cause());
        let ours: BTreeSet<String> =
            functions::STATES.iter().chain(workers::STATES).map(|state| kebab(state)).collect();
        let (mut calls, mut changes) = (BTreeMap::new(), BTreeMap::new());
        for call in sandbox.gateway.calls().into_iter().skip(before) {
            if ours.contains(&call.principal) {
                let changed = usize::from(call.mutates() && call.service == "rds");
                *changes.entry(call.principal.clone()).or_default() += changed;
                *calls.entry(call.principal).or_default() += 1;
            }
        }
        let (transitions, invocations) = transitions(sandbox, &execution).await?;
        Ok(Self { report: sandbox.report(&execution).await?, transitions, invocations, calls, changes })
    }

    fn steps(&self) -> impl Iterator<Item = &Value> {
        self.report["steps"].as_array().into_iter().flatten()
    }

    fn at(value: &Value) -> anyhow::Result<Timestamp> {
        Ok(value.as_str().context("no time")?.parse()?)
    }

    fn seconds(from: &Value, until: &Value) -> anyhow::Result<f64> {
        Ok(Self::at(until)?.duration_since(Self::at(from)?).as_secs_f64())
    }

    fn whole(&self) -> anyhow::Result<f64> {
        Self::seconds(&self.report["started"], &self.report["stopped"])
    }

    fn downtime(&self) -> Option<f64> {
        let from = &self.report["downtime"]["outages"][0]["from"];
        let analyzed = self.steps().find(|step| step["state"] == "RunAnalyze")?;
        Self::seconds(from, &analyzed["exited"]).ok()
    }

    /// Of the state: the calls of a look, times the looks that were needed.
    fn ours(&self, state: &str) -> f64 {
        let name = kebab(state);
        let of_state = || self.steps().filter(|step| step["state"] == state);
        let (entries, looks) = (of_state().count().max(1), of_state().map(looks).sum::<usize>());
        let count = |of: &BTreeMap<String, usize>| of.get(&name).copied().unwrap_or_default() as f64;
        let a_look = count(&self.calls) / (looks.max(1) as f64);
        a_look * (entries as f64 + count(&self.changes)) / entries as f64 * CALL
    }
}

fn looks(step: &Value) -> usize {
    step["answers"].as_array().map_or(0, Vec::len) + 1
}

impl Waited {
    fn of(run: Run, every_second: Run) -> anyhow::Result<Self> {
        let mut steps = Vec::new();
        let mut others: Vec<&Value> = every_second.steps().collect();
        for step in run.steps() {
            let state = step["state"].as_str().unwrap_or_default();
            // Branches run side by side, so the order is not the same.
            let same = |other: &&Value| other["state"] == step["state"] && other["of"] == step["of"];
            let place =
                others.iter().position(same).with_context(|| format!("{state} is only in one run"))?;
            let other = others.remove(place);
            let took = Run::seconds(&step["entered"], &step["exited"])?;
            let aws = Run::seconds(&other["entered"], &other["exited"])?;
            let times = Times { aws, ours: run.ours(state), waiting: took - aws };
            let of = step["of"].as_str().unwrap_or_default().to_owned();
            steps.push(Step { state: state.to_owned(), of, times, looks: looks(step) });
        }
        let ours = |among: &dyn Fn(&str) -> bool| {
            let mut branches: BTreeMap<&str, f64> = BTreeMap::new();
            for step in steps.iter().filter(|step| among(&step.state)) {
                *branches.entry(&step.of).or_default() += step.times.ours;
            }
            // Targets are side by side: the run lasts as long as the longest.
            let alone = branches.remove("").unwrap_or_default();
            alone + branches.into_values().fold(0.0, f64::max)
        };
        let times = |took: f64, aws: f64, ours: f64| Times { aws, ours, waiting: took - aws };
        let whole = times(run.whole()?, every_second.whole()?, ours(&|_| true));
        let in_downtime =
            |state: &str| ["ModifyClusterVersion", "SyncParameterGroups", "RunAnalyze"].contains(&state);
        let downtime = run
            .downtime()
            .zip(every_second.downtime())
            .map(|(took, aws)| times(took, aws, ours(&in_downtime)));
        let all_calls: usize = run.calls.values().sum();
        let invocation = run.invocations as f64 * INVOCATION;
        let lambda = all_calls as f64 * CALL * MEMORY_GB * GB_SECOND + invocation;
        let cost = run.transitions as f64 * TRANSITION + lambda;
        Ok(Self { steps, whole, downtime, cost, calls: run.calls })
    }
}

/// As it is deployed; or asked every second, which no history has room for in earnest.
async fn start(every_second: bool) -> anyhow::Result<Sandbox> {
    let mut deployment = Deployment::of_files(&Switches::default())?;
    if every_second {
        for machine in &mut deployment.machines {
            let mut definition: Value = serde_json::from_str(&machine.definition)?;
            ask_every_second(&mut definition);
            machine.definition = definition.to_string();
        }
    }
    Sandbox::start(Options { deployment: Some(deployment), ..Options::model(1) }).await
}

fn ask_every_second(value: &mut Value) {
    if value["ErrorEquals"] == json!(["NotReady"]) {
        value["IntervalSeconds"] = 1.into();
        value["BackoffRate"] = 1.into();
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(ask_every_second),
        Value::Array(items) => items.iter_mut().for_each(ask_every_second),
        _ => {}
    }
}

fn stretch(behaviour: &mut Behaviour, by: f64) {
    let durations = [
        &mut behaviour.upgrade_lag,
        &mut behaviour.reader_lag,
        &mut behaviour.maintenance_staleness,
        &mut behaviour.maintenance,
        &mut behaviour.create_instance,
        &mut behaviour.snapshot,
        &mut behaviour.restore,
        &mut behaviour.delete,
        &mut behaviour.reboot,
        &mut behaviour.start_stop,
        &mut behaviour.password_delay,
        &mut behaviour.rename_blackout,
        &mut behaviour.upgrade_prechecks,
        &mut behaviour.upgrade_snapshot,
        &mut behaviour.upgrade,
    ];
    for duration in durations {
        *duration = duration.mul_f64(by);
    }
}

/// As Step Functions counts them for its price: every entry into a state, and every retry
/// (https://aws.amazon.com/step-functions/pricing/); and how many of them called Lambda.
async fn transitions(sandbox: &Sandbox, execution: &str) -> anyhow::Result<(usize, usize)> {
    let sfn = sandbox.sfn();
    let history = sfn.get_execution_history().execution_arn(execution).into_paginator().items().send();
    let events: Vec<_> = history.try_collect().await?;
    let count = |is: &dyn Fn(&str) -> bool| events.iter().filter(|event| is(event.r#type().as_str())).count();
    let scheduled = HistoryEventType::TaskScheduled;
    let tries = events.iter().filter(|event| *event.r#type() == scheduled).count();
    let retries = tries.saturating_sub(count(&|kind| kind == "TaskStateEntered"));
    let of_lambda = |event: &&aws_sdk_sfn::types::HistoryEvent| {
        event.task_scheduled_event_details().is_some_and(|details| details.resource_type() == "lambda")
    };
    Ok((count(&|kind| kind.ends_with("StateEntered")) + retries, events.iter().filter(of_lambda).count()))
}
