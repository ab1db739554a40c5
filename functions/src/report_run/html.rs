//! The report as one page that needs nothing else: no script, no font, no request to anywhere. What
//! comes from a database, a person or AWS is escaped by `maud`, and shown whole where it hides
//! something ([`visible`]).

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    parts,
    picture::picture,
    report::{Kind, Report},
    words::{count, cut, date_and_time, duration, money, visible},
};

const STYLE: &str = include_str!("report.css");

/// Nothing in the page can load or run anything, whatever a database has said.
const FORBIDS: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A whole cause is in report.json; nobody reads more than this on a page.
const LONGEST_TEXT: usize = 6000;

pub fn page(report: &Report) -> String {
    let (sign, said) = status(report.kind);
    let title = format!("{}: {} {}", said, report.runbook, report.subject());
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                // No page of a browser's history or of AWS learns from where it was called.
                meta name="referrer" content="no-referrer";
                meta http-equiv="Content-Security-Policy"
                    content=(FORBIDS);
                title { (cut(&title, 150)) }
                style { (PreEscaped(STYLE)) }
            }
            body.(class(report.kind)) {
                header {
                    p.over { (report.runbook) " · " (cut(report.subject(), 150)) }
                    h1 {
                        span.badge { span aria-hidden="true" { (sign) " " } (said) } " "
                        (cut(&report.outcome, 600))
                    }
                    (facts(report))
                }
                main {
                    (question(report))
                    (failure(report))
                    section aria-labelledby="picture" {
                        h2 #picture { "The run" }
                        (picture(report))
                    }
                    (parts::all(report))
                }
                footer {
                    p {
                        "Execution " code { (cut(&report.name, 150)) } ", written "
                        (date_and_time(report.written)) ". The same as data is report.json beside this page."
                    }
                }
            }
        }
    };
    visible(&page.into_string())
}

/// A sign and a word: the colour is never the only one that says it.
fn status(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Running => ("▶", "Running"),
        Kind::Succeeded => ("✔", "Succeeded"),
        Kind::Blocked => ("⚠", "Blocked"),
        Kind::Failed => ("✖", "Failed"),
        Kind::TimedOut => ("◷", "Timed out"),
        Kind::Aborted => ("■", "Aborted"),
    }
}

pub fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Running => "running",
        Kind::Succeeded => "succeeded",
        Kind::Blocked => "blocked",
        Kind::Failed | Kind::TimedOut | Kind::Aborted => "failed",
    }
}

fn facts(report: &Report) -> Markup {
    let fact = |name: &str, value: Markup| html! { div { dt { (name) } dd { (value) } } };
    let text = |text: &str| html! { (cut(text, 150)) };
    html! {
        dl.facts {
            @if let Some(cluster) = &report.cluster { (fact("Cluster", text(cluster))) }
            @match (&report.from, &report.to) {
                (Some(from), Some(to)) => (fact("Version", text(&format!("{from} → {to}")))),
                (Some(from), None) => (fact("Version", text(from))),
                _ => {},
            }
            @if let Some(way) = &report.other_way { (fact("The other way", text(way))) }
            @if let Some(age) = report.data_age { (fact("Age of the data", text(&duration(age)))) }
            @if let Some(fresh) = &report.fresh_by {
                (fact(&fresh.name(), text(&fresh.words(report.is_running()))))
            }
            @if let Some(downtime) = &report.downtime {
                (fact("Downtime", html! {
                    (duration(downtime.seconds)) " "
                    small { "by RDS's events, " (count(downtime.outages.len() as i64, "outage", "outages")) }
                }))
            }
            (fact(if report.is_running() { "So far" } else { "Took" }, text(&duration(report.total))))
            @if let Some(cost) = &report.cost {
                (fact("Cost of the run", text(&money(cost.amount, &cost.currency))))
            }
            (fact("Began", html! { time datetime=(report.started) { (date_and_time(report.started)) } }))
            @if report.redrives > 0 {
                (fact("Redriven", text(&count(report.redrives, "time", "times"))))
            }
        }
        @if report.is_running() {
            p.note {
                "This is how it stood at " time datetime=(report.written) { (date_and_time(report.written)) }
                ". Load the page again for how it stands now."
            }
        }
    }
}

/// What whoever is asked needs to answer.
fn question(report: &Report) -> Markup {
    let Some(asked) = &report.approval else { return html! {} };
    html! {
        section.failure.question aria-labelledby="question" {
            h2 #question { "Shall it begin?" }
            p {
                "Answer until " time datetime=(asked.until) { (date_and_time(asked.until)) }
                ", in a shell that may call Step Functions here, such as "
                a href=(asked.shell) { "AWS CloudShell" } ". Then the run looks at everything again."
            }
            p { b { "Yes: " } }
            pre tabindex="0" { code { (asked.approve) } }
            p { b { "No: " } }
            pre tabindex="0" { code { (asked.refuse) } }
        }
    }
}

/// What whoever is woken at night needs, and nothing else.
fn failure(report: &Report) -> Markup {
    let Some(next) = &report.next else { return html! {} };
    let error = report.error.as_deref().unwrap_or(&report.status);
    let what_then = if next.contains(" redrive-execution ") { "This goes on" } else { "This begins again" };
    // The command says it.
    let remedy = report.remedy.as_ref().filter(|remedy| *remedy != "redrive the execution");
    html! {
        section.failure aria-labelledby="failure" {
            h2 #failure { (cut(error, 150)) }
            @if let Some(found) = &report.found { p.found { (cut(found, LONGEST_TEXT)) } }
            @if let Some(changed) = &report.changed { p { b { "Changed: " } (cut(changed, LONGEST_TEXT)) } }
            @if let Some(remedy) = remedy { p { b { "Do: " } (cut(remedy, LONGEST_TEXT)) } }
            @if !report.findings.is_empty() && report.kind == Kind::Blocked {
                p { a href="#findings" { "What to fix, one by one" } }
            }
            h3 { (what_then) ", once that is out of the way" }
            pre.command { code { (cut(&in_lines(next), LONGEST_TEXT)) } }
        }
    }
}

/// An option a line, for whoever reads it; a shell takes it as one command.
fn in_lines(command: &str) -> String {
    let options = [" --execution-arn ", " --state-machine-arn ", " --input "];
    options.iter().fold(command.to_owned(), |command, option| {
        command.replacen(option, &format!(" \\\n  {}", option.trim_start()), 1)
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::report_run::report::Step;

    fn at(time: &str) -> Timestamp {
        format!("2026-11-25T{time}Z").parse().unwrap()
    }

    fn step(state: &str, entered: &str, exited: Option<&str>, words: &str) -> Step {
        Step {
            exited: exited.map(at),
            polls: 3,
            summary: exited.map(|_| words.to_owned()),
            error: exited.is_none().then(|| words.to_owned()),
            ..Step::entered(state, at(entered))
        }
    }

    fn a_failed_upgrade() -> Report {
        serde_json::from_value(json!({
            "version": 1,
            "name": "one",
            "execution": "arn:aws:states:eu-west-1:444455556666:execution:major-upgrade:one",
            "stateMachine": "arn:aws:states:eu-west-1:444455556666:stateMachine:major-upgrade",
            "runbook": "major-upgrade",
            "status": "FAILED",
            "kind": "failed",
            "outcome": "InspectDatabases stopped the run with Refused.",
            "cluster": "orders",
            "total": 6030,
            "input": { "cluster": "orders", "target": "18" },
            "started": at("02:00:00"),
            "stopped": at("03:40:30"),
            "written": at("03:40:31"),
            "error": "Refused",
            "cause": "the view \"a<b & c>\" stops the upgrade",
            "found": "the view \"a<b & c>\" stops the upgrade",
            "next": "aws stepfunctions redrive-execution --execution-arn arn:aws:states:x",
            "redrives": 1,
            "steps": [
                step("ResolveUpgrade", "02:00:00", Some("02:00:02.4"), "16.14 to 18.4"),
                step("InspectDatabases", "02:00:03", None, "Refused: <script>alert('1')</script>"),
            ],
            "ahead": ["VerifyUpgrade"],
        }))
        .unwrap()
    }

    #[test]
    fn a_page_is_whole_and_nothing_from_a_database_becomes_markup() {
        let page = page(&a_failed_upgrade()).replace(STYLE, "…");
        assert!(!page.contains("<script"), "{page}");
        // A line an element, for whoever reads the difference.
        insta::assert_snapshot!(page.replace("><", ">\n<"));
    }
}
