//! Lets a run meet faults under the observer, until it has ended well; or says what went wrong.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use sandbox::{Sandbox, faults::Kind};

use super::{observer::Observer, plan::Plan, runbooks::Runbook};
use crate::harness::{CallSite, Ended, STATES};

/// What is left when a run has ended well.
pub struct Whole {
    pub sandbox: Sandbox,
    /// The runs after which a person had to go on.
    pub failures: Vec<Ended>,
    /// The faults that have met no call.
    pub unfired: Vec<String>,
}

/// What went wrong, and the calls until then.
#[derive(Debug)]
pub struct Wrong {
    pub what: String,
    pub trace: String,
}

impl Plan {
    /// What faults have to show: that each was met, and that they did no harm.
    pub async fn holds(&self) -> Result<Whole, String> {
        let mut ran = self.try_whole().await;
        // After a stale answer there may be fewer looks than in a clean run; of each site one was
        // stale.
        if let Ok(whole) = &mut ran
            && self.faults.iter().all(|fault| fault.kind == Kind::Stale)
        {
            let laid: Vec<String> = self.faults.iter().map(|fault| fault.fault().to_string()).collect();
            let count = |all: &[String], one: &String| all.iter().filter(|it| *it == one).count();
            let unfired = whole.unfired.clone();
            whole.unfired.retain(|one| count(&unfired, one) == count(&laid, one));
        }
        whole_and_met(&self.command(), ran)
    }

    pub async fn try_whole(&self) -> Result<Whole, Wrong> {
        let sandbox = self.runbook.world().await;
        self.lay(&sandbox);
        try_whole(self.runbook, sandbox, self.faults.len()).await
    }
}

/// Says what did not hold, with the name of what was laid.
pub fn whole_and_met(laid: &str, ran: Result<Whole, Wrong>) -> Result<Whole, String> {
    let whole = ran.map_err(|Wrong { what, trace }| format!("{laid}\n{what}\n{trace}"))?;
    match whole.unfired.as_slice() {
        [] => Ok(whole),
        unfired => Err(format!("{laid}: laid and never fired: {}", unfired.join(", "))),
    }
}

/// A run's failure does not keep the others from being tried.
#[track_caller]
pub fn none_failed(failures: &[String]) {
    assert!(failures.is_empty(), "{} runs failed\n\n{}", failures.len(), failures.join("\n\n"));
}

/// Runs what is laid on that world already: so many faults, of which each may fail a run.
pub async fn try_whole(runbook: Runbook, sandbox: Sandbox, faults: usize) -> Result<Whole, Wrong> {
    let observer = Observer::of(&sandbox, &runbook.subject());
    // A test's own assertions say what is wrong by panicking.
    let ran = AssertUnwindSafe(until_it_is_good(runbook, &sandbox, faults)).catch_unwind().await;
    let unfired = sandbox.gateway.withdraw(|_| true);
    let broken = observer.broken();
    let what = match ran {
        Ok(failures) if broken.is_empty() => return Ok(Whole { sandbox, failures, unfired }),
        Ok(_) => broken.join("\n"),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            [vec![text.unwrap_or_else(|| "a panic without words".to_owned())], broken].concat().join("\n")
        }
    };
    Err(Wrong { what, trace: trace(&sandbox) })
}

async fn until_it_is_good(runbook: Runbook, sandbox: &Sandbox, faults: usize) -> Vec<Ended> {
    let mut failures: Vec<Ended> = Vec::new();
    loop {
        let ended = match failures.last() {
            None => runbook.run(sandbox).await,
            Some(failed) => runbook.again(sandbox, failed, failures.len()).await,
        };
        if ended.status == "SUCCEEDED" {
            runbook.good_end(sandbox).await;
            return failures;
        }
        ends_as_a_person_can_go_on(&ended);
        runbook.after_failure(sandbox, &ended).await;
        let (error, cause) = (&ended.error, &ended.cause);
        assert!(failures.len() <= faults, "it fails again and again: {error}: {cause}");
        failures.push(ended);
    }
}

/// A failure says what it is, and what to do.
fn ends_as_a_person_can_go_on(ended: &Ended) {
    assert_eq!(ended.status, "FAILED", "{}", ended.cause);
    assert!(
        !["Unexpected", "States.Runtime"].contains(&ended.error.as_str()),
        "{}: {}",
        ended.error,
        ended.cause
    );
}

/// The calls of our own that changed something or went wrong, the last of them.
fn trace(sandbox: &Sandbox) -> String {
    let ours = crate::harness::ours();
    let calls = sandbox.gateway.calls();
    let told = calls.iter().filter(|call| {
        ours.contains(&call.principal) && (call.mutates() || call.status >= 300) && call.service != "s3"
    });
    let lines: Vec<String> = told
        .map(|call| {
            let about: Vec<&str> =
                call.form.split('&').filter(|field| field.contains("Identifier=")).collect();
            let time = call.at.strftime("%H:%M:%S");
            format!("{time} {} {} {} {}", call.principal, call.action, call.status, about.join(" "))
        })
        .collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// How often a fault comes: throttling and the like so often that the SDK's own retries do not hide
/// it from a state; a denial so often that the machine's own retries do not.
pub fn times(kind: Kind, site: &CallSite) -> u32 {
    match kind {
        Kind::Throttle | Kind::ServerError | Kind::TimeoutBefore => 6,
        Kind::Denied if site.principal == STATES => MACHINE_TRIES,
        _ => 1,
    }
}

/// The Retry of a state that calls a service itself has MaxAttempts 6.
pub const MACHINE_TRIES: u32 = 7;
