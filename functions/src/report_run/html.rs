//! The report as one page that needs nothing else: no script, no link, no font. What comes from a
//! database or a person is escaped by `maud`.

use jiff::{SpanRound, Timestamp, ToSpan, Unit};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::report::{Report, Step};

const STYLE: &str = include_str!("report.css");

/// More of a state's words than this does not help whoever looks at the table; all of them are in
/// report.json.
const LONGEST_WORDS: usize = 600;

pub fn page(report: &Report) -> String {
    let ends = report.steps.iter().filter_map(|step| step.exited);
    let whole = Period {
        from: report.started,
        until: report.stopped.or_else(|| ends.max()).unwrap_or(report.started),
    };
    let subject = ["cluster", "sync"].iter().find_map(|name| report.input.get(name)?.as_str());
    let subject = subject.unwrap_or("");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (report.runbook) " " (subject) ": " (report.status) }
                style { (PreEscaped(STYLE)) }
            }
            body class=(report.status) {
                header {
                    p { (report.runbook) " · " (subject) }
                    h1 { b { (report.status) } " " (report.outcome) }
                    p {
                        (report.started.strftime("%Y-%m-%d %H:%M:%S UTC")) " · " (whole.text())
                        @if report.redrives > 0 { " · redriven " (times(report.redrives)) }
                        " · " code { (report.execution) }
                    }
                }
                @if let Some(error) = &report.error {
                    section.error {
                        h2 { (error) }
                        @if let Some(cause) = &report.cause { pre { (cause) } }
                        @if let Some(next) = &report.next { p { "When that is fixed:" } pre { (next) } }
                    }
                }
                table {
                    thead {
                        tr { th { "State" } th { "Took" } th { "Polls" } th { "When" } th { "What it did" } }
                    }
                    tbody { @for step in &report.steps { (row(step, &whole)) } }
                }
                section {
                    h2 { "Input" }
                    pre { (format!("{:#}", report.input)) }
                }
            }
        }
    };
    page.into_string()
}

fn row(step: &Step, whole: &Period) -> Markup {
    let took = Period { from: step.entered, until: step.exited.unwrap_or(whole.until) };
    let before = Period { from: whole.from, until: step.entered };
    let share = |part: &Period| 100.0 * part.seconds() / whole.seconds().max(1.0);
    // What took no time has a bar that can be seen.
    let bar = format!("margin-left:{:.2}%;width:{:.2}%", share(&before), share(&took).max(0.4));
    let words = step.summary.as_deref().or(step.error.as_deref()).unwrap_or("");
    html! {
        tr class=(if step.exited.is_some() { "done" } else { "open" }) {
            td { (step.label()) }
            td { (took.text()) }
            td { (step.polls) }
            td.time { i style=(bar) {} }
            td { (words.chars().take(LONGEST_WORDS).collect::<String>()) }
        }
    }
}

fn times(count: i32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

struct Period {
    from: Timestamp,
    until: Timestamp,
}

impl Period {
    fn seconds(&self) -> f64 {
        self.until.duration_since(self.from).as_secs_f64()
    }

    /// As `2h 1m`: whole seconds, and from an hour on whole minutes.
    fn text(&self) -> String {
        let took = self.until.duration_since(self.from);
        let smallest = if took.as_hours() > 0 { Unit::Minute } else { Unit::Second };
        let rounding = SpanRound::new().largest(Unit::Hour).smallest(smallest);
        // A length of time that a Timestamp can have is one that a Span can have.
        match 0.seconds().checked_add(took).and_then(|span| span.round(rounding)) {
            Ok(span) => format!("{span:#}"),
            Err(_) => format!("{took:#}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            "kind": "blocked",
            "outcome": "InspectDatabases stopped the run with Blocked.",
            "cluster": "orders",
            "total": 6030,
            "input": { "cluster": "orders", "target": "18" },
            "started": at("02:00:00"),
            "stopped": at("03:40:30"),
            "written": at("03:40:31"),
            "error": "Blocked",
            "cause": "the view \"a<b & c>\" stops the upgrade",
            "redrives": 1,
            "steps": [
                step("ResolveUpgrade", "02:00:00", Some("02:00:02.4"), "16.14 to 18.4"),
                step("InspectDatabases", "02:00:03", None, "Blocked: <script>alert('1')</script>"),
            ],
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

    #[test]
    fn durations_read_well() {
        let text = |until| Period { from: at("02:00:00"), until: at(until) }.text();
        assert_eq!(
            ["02:00:00", "02:00:04.4", "02:01:01", "04:01:40"].map(text),
            ["0s", "4s", "1m 1s", "2h 2m"]
        );
    }
}
