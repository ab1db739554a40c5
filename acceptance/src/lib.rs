//! The acceptance program: asks a real account what only AWS can settle, and compares its answers
//! with what the local AWS says. [docs/acceptance.md](../../docs/acceptance.md) says what it costs.

pub mod check;
pub mod checks;
pub mod clean;
mod redact;
pub mod report;
pub mod subject;

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

use check::{Answer, Check, judge};
use report::{Finding, Report};
use subject::Subject;

/// Asks every check that is wanted, one after another, and says each as it is settled. A check that
/// fails or panics settles nothing and stops no other.
async fn ask(
    subject: &Subject,
    wanted: &dyn Fn(&Check) -> bool,
    say: &dyn Fn(&Finding),
    report: &mut Report,
) {
    for (group, checks) in checks::GROUPS {
        for check in checks.iter().filter(|check| wanted(check)) {
            let asked = AssertUnwindSafe((check.ask)(subject)).catch_unwind().await;
            let answer = match asked {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => Answer::Unknown(format!("{error:#}")),
                Err(_) => Answer::Unknown("the check panicked".to_owned()),
            };
            let (verdict, seen) = judge(check.expected, answer);
            let finding = Finding::new(group, check, verdict, &subject.redact(&seen));
            say(&finding);
            report.findings.push(finding);
        }
    }
}

/// Asks until the end or until `stop`, removes what the asking made either way, and reports.
pub async fn run(
    subject: &Subject,
    wanted: &dyn Fn(&Check) -> bool,
    say: &dyn Fn(&Finding),
    stop: impl Future<Output = ()>,
) -> Report {
    let began = subject.cx.clock.now();
    let mut report = Report::new(subject);
    tokio::select! {
        () = ask(subject, wanted, say, &mut report) => {}
        () = stop => report.stopped = true,
    }
    let cleaned = clean::all(subject).await;
    report.seconds = subject.cx.clock.now().duration_since(began).as_secs();
    report.clean = cleaned.is_ok();
    report.cleaned = subject.redact(&clean::said(&cleaned));
    report
}
