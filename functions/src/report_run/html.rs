//! The report as one page that needs nothing else: no script, no link, no font.

use std::fmt::Write;

use jiff::Timestamp;

use super::report::{Report, Step};

const STYLE: &str = include_str!("report.css");

pub fn page(report: &Report) -> String {
    let end = report
        .stopped
        .or_else(|| report.steps.iter().filter_map(|step| step.exited).max())
        .unwrap_or(report.started);
    let whole = seconds(report.started, end).max(1.0);
    let cluster = ["cluster", "sync"].iter().find_map(|name| report.input.get(name)?.as_str()).unwrap_or("");
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" \
        content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\n<body \
        class=\"{status}\">\n\
         <header><p>{runbook} · {cluster}</p><h1><b>{status}</b> {outcome}</h1><p>{started} · \
         {took}{redrives} · <code>{execution}</code></p></header>\n",
        title = escape(&format!("{} {cluster}: {}", report.runbook, report.status)),
        status = escape(&report.status),
        runbook = escape(&report.runbook),
        cluster = escape(cluster),
        outcome = escape(&report.outcome),
        started = report.started.strftime("%Y-%m-%d %H:%M:%S UTC"),
        took = span(whole),
        redrives = if report.redrives > 0 {
            format!(" · redriven {} times", report.redrives)
        } else {
            String::new()
        },
        execution = escape(&report.execution),
    );
    if let Some(error) = &report.error {
        let _ = writeln!(
            page,
            "<section class=\"error\"><h2>{}</h2><pre>{}</pre><p>When it is \
            mended:</p><pre>{}</pre></section>",
            escape(error),
            escape(report.cause.as_deref().unwrap_or("")),
            escape(&report.again())
        );
    }
    page.push_str(
        "<table><thead><tr><th>State<th>Took<th>Polls<th>When<th>What it did</tr></thead><tbody>\n",
    );
    for step in &report.steps {
        row(&mut page, step, report.started, end, whole);
    }
    let input = serde_json::to_string_pretty(&report.input).unwrap_or_default();
    let _ = writeln!(
        page,
        "</tbody></table>\n<section><h2>Input</h2><pre>{}</pre></section>\n</body>\n</html>",
        escape(&input)
    );
    page
}

fn row(page: &mut String, step: &Step, start: Timestamp, end: Timestamp, whole: f64) {
    let exited = step.exited.unwrap_or(end);
    let took = seconds(step.entered, exited);
    let said = step.summary.as_deref().or(step.error.as_deref()).unwrap_or("");
    let said: String = said.chars().take(600).collect();
    let _ = writeln!(
        page,
        "<tr class=\"{class}\"><td>{state}<td>{took}<td>{polls}<td class=\"time\"><i \
        style=\"margin-left:{left:.2}%;width:{width:.2}%\"></i><td>{said}</tr>",
        class = if step.exited.is_some() { "done" } else { "open" },
        state = escape(&step.label()),
        took = span(took),
        polls = step.polls,
        left = 100.0 * seconds(start, step.entered) / whole,
        width = (100.0 * took / whole).max(0.4),
        said = escape(&said),
    );
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to - from).total(jiff::Unit::Second).unwrap_or_default()
}

fn span(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_database_becomes_markup() {
        assert_eq!(escape("<script a=\"b\">&"), "&lt;script a=&quot;b&quot;&gt;&amp;");
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(
            (span(4.4), span(61.0), span(7260.0)),
            ("4 s".into(), "1 min 1 s".into(), "2 h 1 min".into())
        );
    }
}
