//! What a rehearsal is about: what to expect of the upgrade, and which plans are others.

use maud::{Markup, html};
use runbook::rehearse_upgrade::Span;

use super::{MOST, code, long, part, short, table, text};
use crate::report_run::{
    sections::{PlanChange, PlanCheck, Rehearsal},
    words::{count, number},
};

const NOT_SHOWN: &str = "A clone has one instance, no clients, no writes at the moment and a cold cache, and \
    RDS holds no maintenance pending for it. So twice what was measured is the most that is expected.";

pub fn expected(rehearsal: &Rehearsal) -> Markup {
    let span = |name: &str, span: Span| {
        html! { li { b { (name) ": " } (span.words()) } }
    };
    let rows: Vec<Vec<Markup>> = rehearsal
        .phases
        .iter()
        .map(|phase| vec![text(&phase.state), html! { span.number { (long(phase.seconds)) } }])
        .collect();
    part(
        "expected",
        "What to expect",
        html! {
            ul {
                @match rehearsal.downtime {
                    Some(downtime) => (span("Nobody can write for", downtime)),
                    None => li { "RDS showed no event by which the downtime could be measured." },
                }
                (span("Maintenance, snapshot and upgrade, which have to fit in a window", rehearsal.duration))
                @if !rehearsal.findings.is_empty() {
                    li {
                        b { (count(rehearsal.findings.len() as i64, "finding", "findings")) ": " }
                        (short(&rehearsal.findings.join(", ")))
                    }
                }
            }
            p.about { (NOT_SHOWN) }
            (table("How long each state took on the clone", &["State", "Took"], &rows))
        },
    )
}

pub fn plans(check: &PlanCheck) -> Markup {
    let steps = |steps: &[String]| {
        html! { @for step in steps.iter().take(50) { (code(step)) br; } }
    };
    let rows: Vec<Vec<Markup>> = check
        .queries
        .iter()
        .take(MOST)
        .map(|PlanChange { database, role, calls, text: query, ratio, before, after }| {
            vec![
                html! {
                    (code(query)) br;
                    small { (short(database)) ", " (short(role)) ", " (number(*calls)) " calls" }
                },
                html! { span.number { (short(ratio)) } },
                steps(before),
                steps(after),
            ]
        })
        .collect();
    let reasons =
        check.unexplained.iter().map(|(reason, number)| format!("{number} without a plan: {reason}"));
    part(
        "plans",
        "Plans",
        html! {
            p.about {
                (number(check.changed)) " of " (number(check.compared))
                " of the queries that take most time have another plan after the upgrade."
            }
            @let notes: Vec<String> = check.notes.iter().cloned().chain(reasons).collect();
            @if !notes.is_empty() { ul { @for note in &notes { li { (short(note)) } } } }
            @if !rows.is_empty() {
                (table("Queries whose plan is another or costs more, worst first",
                    &["Query", "Cost, times", "Before", "After"], &rows))
            }
        },
    )
}
