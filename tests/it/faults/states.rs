//! Every state three ways: it is run twice, it fails, its answer is lost. Which states there are is
//! read from the machines, so a new one is tried without a line here, once a world comes to it.

use std::collections::{BTreeMap, BTreeSet};

use runbook::state::kebab;
use sandbox::{
    faults::{Fault, Kind},
    statemachine::{self, PREFIX, RUNBOOKS},
};
use serde_json::Value;

use super::{
    calls::{AFTER_A_FAILURE, Calls, FEW, entered},
    driver::{MACHINE_TRIES, none_failed, try_whole, whole_and_met},
    runbooks::Runbook,
};
use crate::harness::STATES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// After it was done it is run again with the same input.
    Twice,
    /// It has done its work, and answers an error.
    Fails,
    /// Step Functions does not learn that it was done.
    AnswerIsLost,
}

pub const WAYS: [Way; 3] = [Way::Twice, Way::Fails, Way::AnswerIsLost];

/// What a task calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Called {
    Function,
    /// Behind a token.
    Worker,
    /// AWS itself: a service and its action.
    Service(String, String),
}

/// A task of a machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    pub state: String,
    called: Called,
}

impl Task {
    fn fault(&self, way: Way) -> Fault {
        let name = kebab(&self.state);
        let failed = Kind::Fail("OperationFailed");
        match &self.called {
            Called::Worker => {
                let kind = match way {
                    // It dies when its work is done, and another is started with the same input.
                    Way::Twice => Kind::KillBefore,
                    Way::Fails => failed,
                    Way::AnswerIsLost => Kind::TimeoutAfter,
                };
                Fault::once(kind, "states", "SendTaskSuccess").by(name)
            }
            Called::Function => {
                let kind = match way {
                    Way::Twice => Kind::Twice,
                    Way::Fails => failed,
                    Way::AnswerIsLost => Kind::TimeoutAfter,
                };
                Fault::once(kind, "lambda", "Invoke").by(STATES).of(format!("{PREFIX}-{name}")).when_done()
            }
            Called::Service(service, action) => {
                let of = |kind| Fault::once(kind, service, action).by(STATES);
                match way {
                    Way::Twice => of(Kind::Twice).when_done(),
                    Way::Fails => of(Kind::ServerError).times(MACHINE_TRIES),
                    Way::AnswerIsLost => of(Kind::TimeoutAfter).when_done(),
                }
            }
        }
    }
}

/// `arn:aws:states:::aws-sdk:ssm:getCalendarState`
fn called(resource: &str) -> Called {
    let words: Vec<&str> = resource.split(':').collect();
    match words[..] {
        [.., "aws-sdk", service, action] => {
            Called::Service(service.to_owned(), action[..1].to_uppercase() + &action[1..])
        }
        [.., "states", "startExecution.sync", _] => Called::Service("states".into(), "StartExecution".into()),
        [.., "ecs", "runTask.waitForTaskToken"] => Called::Worker,
        [.., "lambda", "invoke" | "invoke.waitForTaskToken"] => Called::Function,
        _ => panic!("it is not known how to try {resource}"),
    }
}

/// The states of a machine, however deep they stand.
fn states(machine: &str) -> BTreeMap<String, Value> {
    fn walk(flow: &Value, found: &mut BTreeMap<String, Value>) {
        for (state, definition) in flow["States"].as_object().into_iter().flatten() {
            found.insert(state.clone(), definition.clone());
            definition["Branches"].as_array().into_iter().flatten().for_each(|branch| walk(branch, found));
            walk(&definition["ItemProcessor"], found);
        }
    }
    let source = statemachine::source(machine).unwrap();
    let mut found = BTreeMap::new();
    walk(&serde_json::from_str(&source).unwrap(), &mut found);
    found
}

/// The tasks of its machine that are tried in this world.
pub fn tasks(runbook: Runbook, calls: &Calls) -> Vec<Task> {
    let entered = calls.own().entered;
    let tasks = states(runbook.machine())
        .into_iter()
        .filter(|(state, definition)| definition["Type"] == "Task" && entered.contains(state));
    tasks
        .map(|(state, definition)| Task {
            called: called(definition["Resource"].as_str().expect("a task has a resource")),
            state,
        })
        .collect()
}

/// The tasks that go one way in one run.
pub fn runs(tasks: &[Task]) -> Vec<(Way, Vec<&Task>)> {
    let (after, others): (Vec<&Task>, Vec<&Task>) =
        tasks.iter().partition(|task| AFTER_A_FAILURE.contains(&kebab(&task.state).as_str()));
    let fails = others.chunks(FEW).chain(after.chunks(1)).map(|tasks| (Way::Fails, tasks.to_vec()));
    let done = [Way::Twice, Way::AnswerIsLost].map(|way| (way, tasks.iter().collect()));
    fails.chain(done).filter(|(_, tasks)| !tasks.is_empty()).collect()
}

/// How many failures were told.
async fn go(runbook: Runbook, way: Way, tasks: &[&Task]) -> Result<usize, String> {
    let states: Vec<&str> = tasks.iter().map(|task| task.state.as_str()).collect();
    let what = format!("{} {way:?}: {}", runbook.name(), states.join(", "));
    let sandbox = runbook.world().await;
    tasks.iter().for_each(|task| sandbox.gateway.lay(task.fault(way)));
    let whole = whole_and_met(&what, try_whole(runbook, sandbox, tasks.len()).await)?;
    match whole.failures.first() {
        Some(failed) if way != Way::Fails => Err(format!("{what}: {}: {}", failed.error, failed.cause)),
        None if way == Way::Fails => Err(format!("{what}: the failure is not told")),
        _ => Ok(whole.failures.len()),
    }
}

async fn three_ways(runbooks: &[Runbook]) {
    let mut failures = Vec::new();
    for runbook in Runbook::chosen().into_iter().filter(|one| runbooks.contains(one)) {
        let all = tasks(runbook, &Calls::of(runbook).await);
        for (way, tasks) in runs(&all) {
            let went = go(runbook, way, &tasks).await;
            if went.as_ref().is_ok_and(|told| way != Way::Fails || *told >= tasks.len()) {
                continue;
            }
            // Of branches side by side that fail at once, one is told; and of five, one does not
            // hold: each alone.
            let mut alone = Vec::new();
            for task in tasks {
                alone.extend(go(runbook, way, &[task]).await.err());
            }
            failures.extend(if alone.is_empty() { went.err().into_iter().collect() } else { alone });
        }
    }
    none_failed(&failures);
}

#[tokio::test(start_paused = true)]
async fn a_state_of_an_upgrade_or_export_that_runs_twice_fails_or_is_not_heard_does_no_harm() {
    let upgrades =
        [Runbook::Upgrade, Runbook::GuardedUpgrade, Runbook::BlueGreen, Runbook::Rehearsal, Runbook::Fleet];
    let exports = [Runbook::Export, Runbook::CountedExport, Runbook::SharedExport];
    three_ways(&[&upgrades[..], &exports[..]].concat()).await;
}

#[tokio::test(start_paused = true)]
async fn a_state_of_a_sync_that_runs_twice_fails_or_is_not_heard_does_no_harm() {
    three_ways(&[Runbook::Sync, Runbook::SyncOfSync]).await;
}

/// What no world comes to, and why.
const NOT_ENTERED: [(&str, &str); 11] = [
    ("ClusterNotRehearsed", "a rehearsal that fails: tests/it/upgrade_fleet.rs"),
    ("ClusterNotUpgraded", "an upgrade that fails: tests/it/upgrade_fleet.rs"),
    ("NoTask", "a run that only cleans up after another: tests/it/snapshot_export_restore.rs"),
    ("NothingToExport", "a run that has nothing to do: tests/it/snapshot_export_model.rs"),
    ("NothingToRehearse", "a run that only cleans up after another: tests/it/rehearsal.rs"),
    ("NothingToSync", "a run that has nothing to do: tests/it/daily_sync_flow.rs"),
    ("RehearsalFailed", "a run that fails: tests/it/rehearsal.rs"),
    ("RehearseCluster", "as UpgradeCluster, whose faults the fleet meets: tests/it/upgrade_fleet.rs"),
    ("RehearseClusters", "the Map around it"),
    ("SpreadRehearsals", "the Wait before it"),
    ("WaitForWave", "between two waves: tests/it/upgrade_fleet.rs"),
];

#[tokio::test(start_paused = true)]
async fn every_state_of_every_machine_is_come_to_by_a_world_or_named_with_its_reason() {
    let mut come_to = BTreeSet::new();
    for runbook in Runbook::ALL {
        come_to.extend(Calls::of(runbook).await.entered);
    }
    // A run that fails comes to some more.
    let prepare = Task { state: "PrepareTarget".into(), called: Called::Worker };
    let sandbox = Runbook::Sync.world().await;
    sandbox.gateway.lay(prepare.fault(Way::Fails));
    let whole = try_whole(Runbook::Sync, sandbox, 1).await.unwrap();
    come_to.extend(entered(&whole.sandbox).await);
    let all: BTreeSet<String> = RUNBOOKS.iter().flat_map(|machine| states(machine).into_keys()).collect();
    let missing: Vec<&String> = all.difference(&come_to).collect();
    assert_eq!(missing, NOT_ENTERED.map(|(state, _)| state), "states that nothing is tried on");
    assert!(all.len() > 45, "{all:?}");
}

#[test]
fn a_task_whose_call_is_of_a_new_kind_has_to_be_tried_in_a_way_of_its_own() {
    let tasks = RUNBOOKS.iter().flat_map(|machine| states(machine)).filter(|(_, it)| it["Type"] == "Task");
    let services: Vec<Called> = tasks
        .map(|(_, task)| called(task["Resource"].as_str().unwrap()))
        .filter(|called| matches!(called, Called::Service(..)))
        .collect();
    let start = Called::Service("states".into(), "StartExecution".into());
    let mut expected = vec![start; 4];
    expected.insert(0, Called::Service("ssm".into(), "GetCalendarState".into()));
    assert_eq!(services, expected);
}
