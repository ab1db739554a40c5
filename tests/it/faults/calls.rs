//! Every call of every runbook meets every fault, alone.

use std::collections::BTreeMap;

use sandbox::faults::Kind;

use super::{
    driver::{none_failed, times},
    plan::{Plan, Planned},
    runbooks::Runbook,
};
use crate::harness::{CallSite, Ended, call_sites, repeated_looks};

/// The calls of a clean run: how many of each, and how many looks of each could be stale.
pub struct Calls {
    pub sites: BTreeMap<CallSite, u32>,
    pub looks: BTreeMap<CallSite, u32>,
}

impl Calls {
    pub async fn of(runbook: Runbook) -> Self {
        let whole = Plan { runbook, faults: Vec::new() }.holds().await.unwrap_or_else(|why| panic!("{why}"));
        let mut sites: BTreeMap<CallSite, u32> =
            call_sites(&whole.sandbox).into_iter().map(|site| (site, 0)).collect();
        for call in whole.sandbox.gateway.calls() {
            let site = CallSite { principal: call.principal, service: call.service, action: call.action };
            sites.entry(site).and_modify(|count| *count += 1);
        }
        assert!(sites.len() > 14, "only {} call sites: {sites:?}", sites.len());
        Self { sites, looks: repeated_looks(&whole.sandbox) }
    }
}

/// One fault alone: on the first such call, or where a look is stale at once and in the middle.
pub fn plans(runbook: Runbook, calls: &Calls, kind: Kind) -> Vec<Plan> {
    match kind {
        // Until a person has allowed it, but where that person is told by a clean-up alone.
        Kind::Denied => {
            let laid = calls.sites.keys().map(|site| Planned {
                times: if site.principal == "remove-leftovers" { 1 } else { 1000 },
                ..Planned::once(kind, site)
            });
            laid.map(|fault| Plan::one(runbook, fault)).collect()
        }
        Kind::Stale => {
            let laid = calls.looks.iter().map(|(site, repeated)| {
                // At once, in the middle, and once more: as far as that many looks go.
                let after = [0, 2, 5].into_iter().filter(|after| 2 * after < *repeated);
                after.map(|after| Planned { after, ..Planned::once(kind, site) }).collect()
            });
            laid.map(|faults| Plan { runbook, faults }).collect()
        }
        _ => {
            let planned = |site| Planned { times: times(kind), ..Planned::once(kind, site) };
            calls.sites.keys().map(|site| Plan::one(runbook, planned(site))).collect()
        }
    }
}

async fn meets(runbooks: &[Runbook], kinds: &[Kind]) {
    let mut failures = Vec::new();
    for &runbook in runbooks {
        let calls = Calls::of(runbook).await;
        for plan in kinds.iter().flat_map(|kind| plans(runbook, &calls, *kind)) {
            failures.extend(plan.holds().await.err());
        }
    }
    none_failed(&failures);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_or_a_server_error_is_only_a_delay() {
    meets(&Runbook::ALL, &[Kind::Throttle, Kind::ServerError]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_lost_before_or_after_its_effect_is_only_a_delay() {
    meets(&Runbook::ALL, &[Kind::TimeoutBefore, Kind::TimeoutAfter]).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_killed_before_or_after_any_call_leaves_nothing_that_running_again_does_not_finish() {
    meets(&Runbook::ALL, &[Kind::KillBefore, Kind::KillAfter]).await;
}

#[tokio::test(start_paused = true)]
async fn stale_describes_start_nothing_twice() {
    meets(&Runbook::ALL, &[Kind::Stale]).await;
}

/// It stays denied until a person has read the error.
#[tokio::test(start_paused = true)]
async fn a_denied_call_is_refused_with_the_permission_and_goes_on_after_a_redrive() {
    let mut failures = Vec::new();
    for runbook in Runbook::ALL {
        let calls = Calls::of(runbook).await;
        for plan in plans(runbook, &calls, Kind::Denied) {
            let told = plan.holds().await.and_then(|whole| is_told(&plan, whole.failed_first.as_ref()));
            failures.extend(told.err());
        }
    }
    none_failed(&failures);
}

fn is_told(plan: &Plan, failed: Option<&Ended>) -> Result<(), String> {
    let CallSite { principal, service, action } = &plan.faults[0].site;
    // What a clean-up may not do it names as what is left, and Step Functions and the run bucket
    // are asked by every state in its own way.
    let tidies = ["clean-up", "remove-leftovers"].contains(&principal.as_str());
    if tidies || ["s3", "states"].contains(&service.as_str()) {
        return Ok(());
    }
    let failed = failed.ok_or_else(|| format!("{plan}: nobody is told"))?;
    let says = failed.error == "Refused"
        && [action.as_str(), "is not allowed"].iter().all(|part| failed.cause.contains(*part));
    if says { Ok(()) } else { Err(format!("{plan}: {}: {}", failed.error, failed.cause)) }
}
