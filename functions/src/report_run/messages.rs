//! What Slack shows: one message for a change of a run's status, in Block Kit, with a plain text
//! for notifications.
//!
//! What AWS, PostgreSQL or a person said is escaped, so that it is neither a mention nor a link
//! (https://docs.slack.dev/messaging/formatting-message-text#escaping), and is cut with a mark
//! where Slack would refuse it (https://docs.slack.dev/reference/block-kit/blocks).

use runbook::snapshot_export::reconciliation::bytes;
use serde_json::{Value, json};

use super::{
    report::{Kind, Report, Target},
    sections::{Fleet, Switchover},
    words::{duration, money, number, visible},
};

/// Of a section's text, in what Slack may count: UTF-16 units of what is sent.
const SECTION: usize = 3_000;
const FIELD: usize = 2_000;
const HEADER: usize = 150;
/// Notifications show a line or two.
const FALLBACK: usize = 500;
/// A long error is told in as many sections; all of it is in the report.
const SECTIONS_OF_AN_ERROR: usize = 2;
const LINES_OF_A_LIST: usize = 20;

const CUT: &str = "… (cut: the report has all of it)";

pub fn message(report: &Report, page: &str) -> Value {
    let title = title(report);
    let mut blocks = vec![header(&title), text(&report.outcome)];
    blocks.push(json!({ "type": "section", "fields": fields(report) }));
    if let Some(error) = &report.error {
        blocks.push(section(&format!("*{}*", cut(&escape(error), FIELD))));
        let words = report.found.as_deref().or(report.cause.as_deref()).unwrap_or_default();
        blocks.extend(code(words, SECTIONS_OF_AN_ERROR));
        for (name, words) in [("Changed", &report.changed), ("What to do", &report.remedy)] {
            if let Some(words) = words {
                blocks.push(text(&format!("{name}: {words}")));
            }
        }
    }
    if let Some(asked) = &report.approval {
        let until = asked.until.strftime("%Y-%m-%d %H:%M UTC");
        blocks.push(section(&format!(
            "Answer until {until}, in a shell that may call Step Functions. To begin:"
        )));
        blocks.extend(code(&asked.approve, 1));
        blocks.push(section("Not to begin:"));
        blocks.extend(code(&asked.refuse, 1));
    }
    if let Some(next) = &report.next {
        blocks.push(section("When that is fixed:"));
        blocks.extend(code(next, 1));
    }
    if !report.targets.is_empty() {
        blocks.push(list(report.targets.iter().map(target)));
    }
    if !report.left.is_empty() {
        blocks.push(section(":warning: *Left behind, to be looked at:*"));
        blocks.push(list(report.left.iter().cloned()));
    }
    let mut links = vec![link(page, "Report")];
    links.extend(report.approval.iter().map(|asked| link(&asked.shell, "CloudShell")));
    links.extend(report.links.iter().map(|to| link(&to.url, &to.title)));
    links.push(escape(&report.name));
    let links = cut(&links.join(" · "), SECTION);
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": links }] }));
    json!({
        "text": cut(&escape(&format!("{title}: {}", report.outcome)), FALLBACK),
        "blocks": blocks,
        // A link to the console has nothing to show to Slack.
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// As `✅ major-upgrade orders succeeded`: the word says it, too.
fn title(report: &Report) -> String {
    let sign = if report.approval.is_some() { sign(Kind::Blocked) } else { sign(report.kind) };
    format!("{sign} {} {} {}", report.runbook, report.subject(), word(report))
}

fn sign(kind: Kind) -> &'static str {
    match kind {
        Kind::Running => "▶️",
        Kind::Succeeded => "✅",
        Kind::Blocked => "✋",
        Kind::Failed | Kind::TimedOut => "❌",
        Kind::Aborted => "⏹️",
    }
}

fn word(report: &Report) -> &'static str {
    match report.kind {
        Kind::Running if report.approval.is_some() => "asks for approval",
        Kind::Running if report.redrives > 0 => "goes on",
        Kind::Running => "has started",
        Kind::Succeeded => "has succeeded",
        Kind::Blocked => "waits for a person",
        Kind::Failed => "has failed",
        Kind::TimedOut => "has timed out",
        Kind::Aborted => "was stopped",
    }
}

fn target(target: &Target) -> String {
    let words = match (target.kind, target.downtime) {
        (Kind::Succeeded, Some(seconds)) => format!("fresh, {} without it", duration(seconds)),
        (Kind::Succeeded, None) => "fresh".to_owned(),
        (Kind::Running, _) => "not yet".to_owned(),
        _ => target.error.clone().unwrap_or_else(|| "not refreshed".to_owned()),
    };
    format!("{} {}: {words}", sign(target.kind), target.name)
}

/// At most ten fit into a section.
fn fields(report: &Report) -> Vec<Value> {
    let versions = report.from.as_ref().zip(report.to.as_ref()).map(|(from, to)| format!("{from} → {to}"));
    let running = report.is_running();
    let exported = report.export.as_ref().filter(|export| export.is_latest);
    let fields = [
        ("Cluster", report.cluster.clone()),
        ("Clusters", report.fleet.as_ref().map(Fleet::words).filter(|words| !words.is_empty())),
        ("Version", versions),
        ("Data from", report.data_taken.map(|taken| taken.strftime("%Y-%m-%d %H:%M UTC").to_string())),
        ("Age of the data", report.data_age.map(duration)),
        (
            "Fresh by",
            report.fresh_by.as_ref().map(|by| format!("{} {}: {}", by.time, by.time_zone, by.words(running))),
        ),
        ("Took", (!running).then(|| duration(report.total))),
        ("Downtime", report.downtime.as_ref().map(|downtime| duration(downtime.seconds))),
        ("Switchover", report.switchover.as_ref().map(Switchover::words)),
        ("Tables", exported.map(|export| number(export.tables))),
        ("Rows", exported.map(|export| number(export.rows))),
        ("Size", exported.map(|export| bytes(export.bytes))),
        ("Cost", report.cost.as_ref().map(|cost| money(cost.amount, &cost.currency))),
        ("Redriven", (report.redrives > 0).then(|| report.redrives.to_string())),
        ("Started", Some(report.started.strftime("%Y-%m-%d %H:%M UTC").to_string())),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let field = |(name, value): (&str, String)| {
        let text = cut(&format!("*{name}*\n{}", escape(&value)), FIELD);
        json!({ "type": "mrkdwn", "text": text })
    };
    fields.take(10).map(field).collect()
}

fn header(title: &str) -> Value {
    json!({ "type": "header", "text": { "type": "plain_text", "text": cut(&plain(title), HEADER) } })
}

fn section(mrkdwn: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": mrkdwn } })
}

/// Words as they are: nothing in them is a format, a mention or a link.
fn text(words: &str) -> Value {
    json!({
        "type": "section",
        "text": { "type": "plain_text", "text": cut(&plain(words), SECTION), "emoji": false },
    })
}

fn list(lines: impl ExactSizeIterator<Item = String>) -> Value {
    let more = lines.len().saturating_sub(LINES_OF_A_LIST);
    let mut lines: Vec<String> = lines.take(LINES_OF_A_LIST).collect();
    if more > 0 {
        lines.push(format!("… and {more} more: the report has them"));
    }
    text(&lines.join("\n"))
}

/// Words in a fixed width, in as many sections as they need, but no more than that.
fn code(words: &str, most: usize) -> Vec<Value> {
    // Three of them would end the block early; with an invisible space between they look the same.
    let words = escape(words).replace("```", "`\u{200b}`\u{200b}`");
    let mut parts = Vec::new();
    let mut rest = words.as_str();
    while !rest.trim().is_empty() && parts.len() < most {
        let room = SECTION - "```\n\n```".len();
        let is_last = parts.len() + 1 == most;
        let part = if is_last { cut(rest, room) } else { rest[..fitting(rest, room)].to_owned() };
        rest = rest.get(part.len()..).unwrap_or_default();
        parts.push(section(&format!("```\n{part}\n```")));
        if is_last {
            break;
        }
    }
    parts
}

fn link(url: &str, title: &str) -> String {
    let url = url.replace('&', "&amp;").replace('|', "%7C").replace('<', "%3C").replace('>', "%3E");
    format!("<{url}|{}>", escape(title).replace('|', "/"))
}

/// "Replace the ampersand, the less-than sign and the greater-than sign" (Slack's escaping).
fn escape(words: &str) -> String {
    plain(words).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Without what hides something.
fn plain(words: &str) -> String {
    let shown = visible(words);
    // Slack refuses an empty text.
    if shown.trim().is_empty() { "–".to_owned() } else { shown }
}

/// Whole, or its beginning and a mark.
fn cut(words: &str, most: usize) -> String {
    if words.encode_utf16().count() <= most {
        return words.to_owned();
    }
    let room = most.saturating_sub(CUT.encode_utf16().count());
    format!("{}{CUT}", &words[..fitting(words, room)])
}

/// How many bytes of it have no more UTF-16 units than that, up to the end of a line where there is
/// one near.
fn fitting(words: &str, most: usize) -> usize {
    let (mut units, mut end) = (0, 0);
    for (at, c) in words.char_indices() {
        units += c.len_utf16();
        if units > most {
            let line = words[..end].rfind('\n').map(|at| at + 1);
            // Half an `&amp;` would be shown as it is.
            let whole = words[..end].rfind('&').filter(|at| end - at < 5 && !words[*at..end].contains(';'));
            return line.filter(|line| line * 2 > end).or(whole).unwrap_or(end);
        }
        end = at + c.len_utf8();
    }
    words.len()
}

#[cfg(test)]
pub mod tests;
