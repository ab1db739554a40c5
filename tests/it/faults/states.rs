//! Every state three ways: it is run twice, it fails, its answer is lost. Which states there are is
//! read from the machines, so a new one is tried without a line here.

use std::collections::{BTreeMap, BTreeSet};

use runbook::state::kebab;
use sandbox::{
    faults::{Fault, Kind},
    statemachine::{self, PREFIX, RUNBOOKS},
};
use serde_json::Value;

use super::{
    calls::Calls,
    driver::{none_failed, try_whole, whole_and_met},
    runbooks::Runbook,
};

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

/// A task of a machine: a function, or a worker behind a token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    pub state: String,
    is_worker: bool,
}

impl Task {
    fn fault(&self, way: Way) -> Fault {
        let name = kebab(&self.state);
        let failed = Kind::Fail("OperationFailed");
        if self.is_worker {
            let kind = match way {
                // It dies when its work is done, and another is started with the same input.
                Way::Twice => Kind::KillBefore,
                Way::Fails => failed,
                Way::AnswerIsLost => Kind::TimeoutAfter,
            };
            return Fault::once(kind, "states", "SendTaskSuccess").by(name);
        }
        let kind = match way {
            Way::Twice => Kind::Twice,
            Way::Fails => failed,
            Way::AnswerIsLost => Kind::TimeoutAfter,
        };
        Fault::once(kind, "lambda", "Invoke").by("states").of(format!("{PREFIX}-{name}")).when_done()
    }
}

/// The tasks of a machine, however deep they stand.
pub fn tasks(machine: &str) -> BTreeSet<Task> {
    fn walk(flow: &Value, found: &mut BTreeSet<Task>) {
        for (state, definition) in flow["States"].as_object().into_iter().flatten() {
            if definition["Type"] == "Task" {
                let resource = definition["Resource"].as_str().unwrap_or_default();
                found.insert(Task { state: state.clone(), is_worker: resource.contains("waitForTaskToken") });
            }
            definition["Branches"].as_array().into_iter().flatten().for_each(|branch| walk(branch, found));
            walk(&definition["ItemProcessor"], found);
        }
    }
    let source = statemachine::source(machine).unwrap();
    let mut found = BTreeSet::new();
    walk(&serde_json::from_str(&source).unwrap(), &mut found);
    found
}

/// The tasks that a run of it comes to.
pub fn entered(runbook: Runbook, calls: &Calls) -> Vec<Task> {
    let callers: BTreeSet<&str> = calls.sites.keys().map(|site| site.principal.as_str()).collect();
    let all = tasks(runbook.machine()).into_iter();
    all.filter(|task| callers.contains(kebab(&task.state).as_str())).collect()
}

async fn three_ways(runbooks: &[Runbook]) {
    let mut failures = Vec::new();
    for &runbook in runbooks {
        for task in entered(runbook, &Calls::of(runbook).await) {
            for way in WAYS {
                let what = format!("{}: {} {way:?}", runbook.name(), task.state);
                let sandbox = runbook.world().await;
                sandbox.gateway.lay(task.fault(way));
                let whole = whole_and_met(&what, try_whole(runbook, sandbox, 1).await);
                failures.extend(
                    whole
                        .and_then(|whole| match whole.failures.first() {
                            Some(failed) if way != Way::Fails => {
                                Err(format!("{what}: {}: {}", failed.error, failed.cause))
                            }
                            None if way == Way::Fails => Err(format!("{what}: its failure is not told")),
                            _ => Ok(()),
                        })
                        .err(),
                );
            }
        }
    }
    none_failed(&failures);
}

#[tokio::test(start_paused = true)]
async fn a_state_of_an_upgrade_or_export_that_runs_twice_fails_or_is_not_heard_does_no_harm() {
    three_ways(&[Runbook::Upgrade, Runbook::Export, Runbook::CountedExport, Runbook::SharedExport]).await;
}

#[tokio::test(start_paused = true)]
async fn a_state_of_a_sync_that_runs_twice_fails_or_is_not_heard_does_no_harm() {
    three_ways(&[Runbook::Sync, Runbook::SyncOfSync]).await;
}

/// An upgrade enters these only when its input asks for them, and a person or the clock decides
/// when they are done: tests/it/approval.rs is about them.
const ASKED_FOR: [&str; 3] = ["AskApproval", "AskChangeCalendar", "CheckWindow"];

#[tokio::test(start_paused = true)]
async fn every_task_of_every_machine_is_tried() {
    let mut tried: BTreeMap<&str, BTreeSet<Task>> = BTreeMap::new();
    for runbook in Runbook::ALL {
        let entered = entered(runbook, &Calls::of(runbook).await);
        tried.entry(runbook.machine()).or_default().extend(entered);
    }
    let usual = |machine| {
        let (asked_for, usual): (BTreeSet<_>, _) =
            tasks(machine).into_iter().partition(|task| ASKED_FOR.contains(&task.state.as_str()));
        assert_eq!(asked_for.len(), if machine == "major-upgrade" { ASKED_FOR.len() } else { 0 });
        usual
    };
    let all: BTreeMap<&str, BTreeSet<Task>> =
        RUNBOOKS.into_iter().map(|machine| (machine, usual(machine))).collect();
    assert_eq!(tried, all);
    assert!(all.values().map(BTreeSet::len).sum::<usize>() > 25, "{all:?}");
}
