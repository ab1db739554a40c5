//! Every call of every runbook meets every fault.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::{
    Sandbox,
    aws::arn,
    faults::Kind,
    statemachine::{PREFIX, RUNBOOKS},
};
use tokio::sync::OnceCell;

use super::{
    driver::{none_failed, times},
    plan::{Plan, Planned},
    runbooks::Runbook,
};
use crate::harness::{CallSite, Ended, STATES, call_sites, repeated_looks};

/// The calls of a clean run: how many of each, and how many looks of each could be stale.
#[derive(Clone, Default)]
pub struct Calls {
    pub sites: BTreeMap<CallSite, u32>,
    pub looks: BTreeMap<CallSite, u32>,
    /// The states that it has come to.
    pub entered: BTreeSet<String>,
    /// What the usual world of the machine comes to, and meets every fault there.
    usual: Option<Box<Self>>,
}

impl Calls {
    pub async fn of(runbook: Runbook) -> Self {
        let calls = Self::clean(runbook).await;
        match runbook.adds_to() {
            Some(usual) => Self { usual: Some(Box::new(Self::clean(usual).await)), ..calls },
            None => calls,
        }
    }

    /// Run once, though many tests begin with it.
    async fn clean(runbook: Runbook) -> Self {
        static RUNS: [OnceCell<Calls>; Runbook::ALL.len()] =
            [const { OnceCell::const_new() }; Runbook::ALL.len()];
        RUNS[runbook as usize].get_or_init(|| Self::run(runbook)).await.clone()
    }

    async fn run(runbook: Runbook) -> Self {
        let whole = Plan { runbook, faults: Vec::new() }.holds().await.unwrap_or_else(|why| panic!("{why}"));
        let mut sites: BTreeMap<CallSite, u32> =
            call_sites(&whole.sandbox).into_iter().map(|site| (site, 0)).collect();
        for call in whole.sandbox.gateway.calls() {
            let site = CallSite { principal: call.principal, service: call.service, action: call.action };
            sites.entry(site).and_modify(|count| *count += 1);
        }
        assert!(sites.len() > 14, "only {} call sites: {sites:?}", sites.len());
        let looks = repeated_looks(&whole.sandbox);
        Self { sites, looks, entered: entered(&whole.sandbox).await, usual: None }
    }

    /// Without what meets every fault in the usual world.
    pub fn own(&self) -> Self {
        let mut own = self.clone();
        if let Some(usual) = own.usual.take() {
            own.sites.retain(|site, _| !usual.sites.contains_key(site));
            own.looks.retain(|site, _| !usual.looks.contains_key(site));
            own.entered.retain(|state| !usual.entered.contains(state));
        }
        own
    }
}

/// The states that all executions so far have come to.
pub async fn entered(sandbox: &Sandbox) -> BTreeSet<String> {
    let sfn = sandbox.sfn();
    let mut entered = BTreeSet::new();
    for machine in RUNBOOKS {
        let machine = arn("states", &format!("stateMachine:{PREFIX}-{machine}"));
        let listed = sfn.list_executions().state_machine_arn(machine).into_paginator().items().send();
        let executions: Vec<_> = listed.try_collect().await.unwrap();
        for execution in executions {
            let history = sfn.get_execution_history().execution_arn(execution.execution_arn);
            let events: Vec<_> = history.into_paginator().items().send().try_collect().await.unwrap();
            let details = events.into_iter().filter_map(|event| event.state_entered_event_details);
            entered.extend(details.map(|details| details.name));
        }
    }
    entered
}

/// Step Functions itself does not die.
pub fn may_meet(site: &CallSite, kind: Kind) -> bool {
    !(matches!(kind, Kind::KillBefore | Kind::KillAfter) && site.principal == STATES)
}

/// A worker's answers to Step Functions change what becomes of a run.
fn is_read(site: &CallSite) -> bool {
    let verbs = ["Describe", "Get", "List", "Head", "Download", "Assume", "SendTaskHeartbeat"];
    verbs.iter().any(|verb| site.action.starts_with(verb))
}

/// The kinds that a run meets together: where none has an effect, each state meets each of them.
pub const TOGETHER: [&[Kind]; 5] =
    [NEVER_ARRIVES, &[Kind::TimeoutAfter], &[Kind::KillAfter], &[Kind::Denied], &[Kind::Stale]];

const NEVER_ARRIVES: &[Kind] = &[Kind::Throttle, Kind::ServerError, Kind::TimeoutBefore, Kind::KillBefore];

/// How many share a run that each of them fails, one after another: yesterday's snapshot does not
/// get too old.
pub const FEW: usize = 10;

/// How many calls of a state meet a fault in one run: fewer than the state is tried
/// (`MaxAttempts`).
const OF_EACH: usize = 5;

/// What removes what a failed run has left fails alone: it also follows the failures of the others.
pub const AFTER_A_FAILURE: [&str; 3] = ["clean-up", "delete-clone", "remove-leftovers"];

/// Every site meets those kinds.
pub fn plans(runbook: Runbook, calls: &Calls, kinds: &[Kind]) -> Vec<Plan> {
    let calls = &calls.own();
    let once = |kind, site: &CallSite| Planned { times: times(kind, site), ..Planned::once(kind, site) };
    let groups: Vec<Vec<Planned>> = match kinds {
        [Kind::Stale] => {
            let of_few =
                |sites: Vec<CallSite>| sites.iter().flat_map(|site| stale(site, calls.looks[site])).collect();
            let sites: Vec<&CallSite> = calls.looks.keys().collect();
            some_of_each_state(&sites, OF_EACH).into_iter().map(of_few).collect()
        }
        [Kind::Denied] => {
            let of_one = |sites: &Vec<CallSite>| sites.iter().map(|site| once(Kind::Denied, site)).collect();
            in_turn(calls).iter().map(of_one).collect()
        }
        _ => {
            let has_effect = |kind: &Kind| matches!(kind, Kind::TimeoutAfter | Kind::KillAfter);
            let is_change = |site: &&CallSite| kinds.iter().any(has_effect) && !is_read(site);
            let (changes, others): (Vec<_>, Vec<_>) = calls.sites.keys().partition(is_change);
            let others = some_of_each_state(&others, OF_EACH.div_ceil(kinds.len()));
            let together = (0..others.len()).map(|run| {
                let met = kinds.iter().zip((run..).map(|index| &others[index % others.len()]));
                met.flat_map(|(kind, sites)| sites.iter().map(|site| once(*kind, site))).collect()
            });
            let changed = some_of_each_state(&changes, OF_EACH).into_iter().flat_map(|sites| {
                let met = |kind: &Kind| sites.iter().map(|site| once(*kind, site)).collect();
                kinds.iter().map(met).collect::<Vec<_>>()
            });
            let mut groups: Vec<Vec<Planned>> = changed.chain(together).collect();
            groups.iter_mut().for_each(|faults| faults.retain(|fault| may_meet(&fault.site, fault.kind)));
            groups.retain(|faults| !faults.is_empty());
            groups
        }
    };
    groups.into_iter().map(|faults| Plan { runbook, faults }).collect()
}

/// At once, in the middle, and once more: as far as that many looks go.
fn stale(site: &CallSite, repeated: u32) -> Vec<Planned> {
    let after = [0, 2, 5].into_iter().filter(|after| 2 * after < repeated);
    after.map(|after| Planned { after, ..Planned::once(Kind::Stale, site) }).collect()
}

/// The first calls of each state, so many of each; the next of each; and so on.
fn some_of_each_state(sites: &[&CallSite], of_each: usize) -> Vec<Vec<CallSite>> {
    let mut groups: Vec<Vec<CallSite>> = Vec::new();
    let mut of_state = BTreeMap::<&str, usize>::new();
    for site in sites {
        let before = of_state.entry(&site.principal).or_default();
        let group = *before / of_each;
        if groups.len() == group {
            groups.push(Vec::new());
        }
        groups[group].push((*site).clone());
        *before += 1;
    }
    groups
}

/// Several that are denied in one world, each until a person goes on, and each of another state:
/// one look may meet two denials and tells of one.
fn in_turn(calls: &Calls) -> Vec<Vec<CallSite>> {
    let sites = calls.sites.keys();
    let (after, others): (Vec<_>, Vec<_>) =
        sites.partition(|site| AFTER_A_FAILURE.contains(&site.principal.as_str()));
    let groups = some_of_each_state(&others, 1);
    let chains = groups.iter().flat_map(|group| group.chunks(FEW)).map(<[CallSite]>::to_vec);
    chains.chain(after.into_iter().map(|site| vec![site.clone()])).collect()
}

async fn meets(kinds: &[Kind]) {
    assert!(TOGETHER.contains(&kinds));
    let mut failures = Vec::new();
    for runbook in Runbook::chosen() {
        let calls = Calls::of(runbook).await;
        for plan in plans(runbook, &calls, kinds) {
            failures.extend(plan.holds().await.err());
        }
    }
    none_failed(&failures);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_throttled_fails_or_never_arrives_is_only_a_delay() {
    meets(NEVER_ARRIVES).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_answer_is_lost_is_only_a_delay() {
    meets(&[Kind::TimeoutAfter]).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_killed_after_any_call_leaves_nothing_that_running_again_does_not_finish() {
    meets(&[Kind::KillAfter]).await;
}

#[tokio::test(start_paused = true)]
async fn stale_describes_start_nothing_twice() {
    meets(&[Kind::Stale]).await;
}

#[tokio::test(start_paused = true)]
async fn a_denied_call_is_refused_with_the_permission_and_goes_on_after_a_redrive() {
    let mut failures = Vec::new();
    for runbook in Runbook::chosen() {
        let calls = Calls::of(runbook).await;
        for plan in plans(runbook, &calls, &[Kind::Denied]) {
            let whole = match plan.holds().await {
                Ok(whole) => whole,
                Err(why) => {
                    failures.push(why);
                    continue;
                }
            };
            // Of two branches side by side that are denied at once, one is told: then each alone.
            for site in untold(&plan.faults, &whole.failures) {
                let alone = Plan { runbook, faults: vec![site.clone()] };
                let whole = alone.holds().await;
                let is_told = whole.as_ref().is_ok_and(|it| untold(&alone.faults, &it.failures).is_empty());
                if !is_told {
                    let said = whole.map(|whole| told(&whole.failures)).unwrap_or_else(|why| why);
                    failures.push(format!("{alone}\nnobody is told of it:\n{said}"));
                }
            }
        }
    }
    none_failed(&failures);
}

/// The denials that no failed run has named.
fn untold<'a>(faults: &'a [Planned], failures: &[Ended]) -> Vec<&'a Planned> {
    let is_untold = |fault: &&Planned| {
        let CallSite { principal, service, action } = &fault.site;
        // What a clean-up may not do it looks at again or names as what is left; Step Functions and
        // the run bucket are asked by every state in its own way.
        let tidies = AFTER_A_FAILURE.contains(&principal.as_str());
        let says = |failed: &Ended| {
            // What the machine calls itself is told in AWS's own words.
            let said = if principal == STATES { "is not authorized" } else { "is not allowed" };
            let parts = [action.as_str(), said];
            // After a swap that was begun the denial is the reason of an operation that failed.
            ["Refused", "OperationFailed", "Ssm.SsmException"].contains(&failed.error.as_str())
                && parts.iter().all(|part| failed.cause.contains(*part))
        };
        !tidies && !["s3", "states"].contains(&service.as_str()) && !failures.iter().any(says)
    };
    faults.iter().filter(is_untold).collect()
}

fn told(failures: &[Ended]) -> String {
    let told: Vec<_> = failures.iter().map(|failed| format!("{}: {}", failed.error, failed.cause)).collect();
    told.join("\n")
}
