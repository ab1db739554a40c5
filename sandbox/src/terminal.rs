//! Shows a run in a terminal as its report does: in colours where a person reads, without where it
//! is piped, and as `report.json` has it for a script.

use std::{
    fmt::{Display, Write},
    io::IsTerminal,
};

use functions::report_run::{
    report::{Kind, Report, Target},
    words::{duration, money, visible},
};

/// As much of a text as a terminal is read for; the page has more.
const LONGEST: usize = 40;

#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    json: bool,
    color: bool,
}

impl Terminal {
    /// `json`: the report alone goes to stdout, all else to stderr.
    pub fn new(json: bool) -> Self {
        // https://no-color.org
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, color: !json && wanted && std::io::stdout().is_terminal() }
    }

    pub fn say(self, text: impl Display) {
        if self.json { eprintln!("{text}") } else { println!("{text}") }
    }

    /// How the run ended.
    pub fn report(self, report: &Report) -> anyhow::Result<()> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(report)?);
        }
        self.say(lines(report, self.color));
        Ok(())
    }
}

/// The report in lines.
pub fn lines(report: &Report, color: bool) -> String {
    let paint = |code: &str, text: &str| {
        let text = plain(text);
        if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text }
    };
    let (code, sign) = look(report.kind);
    let mut text =
        format!("{} {}\n", paint(code, &format!("{sign} {}", report.status)), plain(&report.outcome));
    let _ = writeln!(text, "  {}", plain(&facts(report).join(" · ")));
    if let Some(next) = &report.next {
        let error = report.error.as_deref().unwrap_or(&report.status);
        let _ = writeln!(text, "\n  {}", paint(code, error));
        for (what, said) in [("", &report.found), ("Changed: ", &report.changed), ("Do: ", &report.remedy)] {
            if let Some(said) = said {
                let _ = writeln!(text, "  {what}{}", shortened(said));
            }
        }
        let _ = writeln!(text, "  Then: {}", paint("1", next));
    }
    for target in &report.targets {
        let (code, sign) = look(target.kind);
        let _ =
            writeln!(text, "\n  {} {}", paint(code, &format!("{sign} {}", target.name)), of_target(target));
        if let Some(former) = target.swap.as_ref().and_then(|swap| swap.former.as_ref()) {
            let _ = writeln!(text, "    the former cluster is {}", plain(former));
        }
    }
    for (title, items) in [
        ("Left behind", &report.left),
        ("Worth a look", &report.warnings),
        ("Not in the report", &report.missing),
    ] {
        if !items.is_empty() {
            let _ = writeln!(text, "\n  {title}:");
            items.iter().for_each(|item| text += &format!("  - {}\n", shortened(item)));
        }
    }
    text
}

fn look(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Succeeded => ("32", "✔"),
        Kind::Running => ("36", "▶"),
        Kind::Blocked => ("33", "⚠"),
        Kind::Failed | Kind::TimedOut | Kind::Aborted => ("31", "✖"),
    }
}

/// No text of a database moves the cursor or paints.
fn plain(text: &str) -> String {
    visible(text)
}

/// Its first lines, below each other where they were.
fn shortened(text: &str) -> String {
    let text = plain(text);
    let mut lines: Vec<&str> = text.lines().take(LONGEST).collect();
    if text.lines().count() > LONGEST {
        lines.push("… the report has all of it");
    }
    lines.join("\n  ")
}

fn facts(report: &Report) -> Vec<String> {
    let version = match (&report.from, &report.to) {
        (Some(from), Some(to)) => Some(format!("{from} → {to}")),
        (from, _) => from.clone(),
    };
    [
        report.cluster.as_ref().map(|cluster| format!("cluster {cluster}")),
        version.map(|version| format!("version {version}")),
        report.data_age.map(|age| format!("data {} old", duration(age))),
        report
            .fresh_by
            .as_ref()
            .map(|by| format!("fresh by {} {}: {}", by.time, by.time_zone, by.words(report.is_running()))),
        report
            .downtime
            .as_ref()
            .map(|downtime| format!("downtime {} by RDS's events", duration(downtime.seconds))),
        Some(format!("took {}", duration(report.total))),
        report.cost.as_ref().map(|cost| format!("cost {}", money(cost.amount, &cost.currency))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of_target(target: &Target) -> String {
    match (&target.error, target.published) {
        (Some(error), _) => format!(
            "leads to the data that it led to before: {} {}",
            plain(error),
            shortened(target.cause.as_deref().unwrap_or_default())
        ),
        (None, Some(_)) => {
            let downtime =
                target.downtime.map(|down| format!("; the name led nowhere for {}", duration(down)));
            format!("leads to this run's data{}", downtime.unwrap_or_default())
        }
        (None, None) => "leads to the data that it led to before".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preview::{Fixture, fixture, fixtures};

    #[test]
    fn a_failure_is_shown_with_the_command_that_goes_on() {
        let report = fixture("upgrade-failed").unwrap();
        let text = lines(&report, false);
        for part in [
            "✖ FAILED RunAnalyze stopped the run with OperationFailed.",
            "cluster orders · version 16.14 → 18.4 · downtime 13m 23s",
            "canceling statement due to lock timeout",
            "Changed: statistics and extensions",
            "Then: aws stepfunctions redrive-execution --execution-arn arn:aws:states:",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }

    #[test]
    fn a_pipe_gets_no_colours_and_no_text_of_a_run_brings_its_own() {
        for Fixture { name, report } in fixtures() {
            assert!(!lines(&report, false).contains('\x1b'), "{name}");
            assert!(lines(&report, true).contains("\x1b["), "{name}");
        }
        let mut report = fixture("hostile").unwrap();
        report.outcome = "\x1b[2J\x1b]0;gone\x07".to_owned();
        assert!(!lines(&report, false).contains(['\x1b', '\x07', '\u{202e}']));
    }

    #[test]
    fn each_target_of_a_sync_is_shown() {
        let text = lines(&fixture("sync-one-target-failed").unwrap(), false);
        assert!(
            text.contains("✔ orders-dev leads to this run's data; the name led nowhere for 6m 52s"),
            "{text}"
        );
        assert!(text.contains("✖ orders-support leads to the data that it led to before: Refused"), "{text}");
        assert!(text.contains("Left behind:\n  - snapshot sync-orders"), "{text}");
        assert!(text.contains("    the former cluster is orders-dev-old-5f1c07aa\n"), "{text}");
        let fresh = "fresh by 07:00 Europe/Berlin: not kept by this run, which ended 3h 37m before";
        assert!(text.contains(fresh), "{text}");
    }
}
