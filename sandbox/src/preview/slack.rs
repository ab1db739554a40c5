//! A message of Slack for the eye: the few blocks that we send, about as Slack shows them.

use serde_json::Value;

const STYLE: &str = "body{font:15px/1.46 Lato,sans-serif;max-width:42rem;margin:2rem auto;color:#1d1c1d}\
    h1{font-size:18px;margin:0 0 .5rem}section,p{margin:.5rem 0;white-space:pre-wrap}\
    dl{display:grid;grid-template-columns:1fr 1fr;gap:.5rem}dl div{white-space:pre-wrap}\
    pre{background:#f8f8f8;border:1px solid #ddd;border-radius:4px;padding:8px;white-space:pre-wrap}\
    small{color:#616061}hr{border:0;border-top:1px solid #ddd}";

pub fn page(message: &Value) -> String {
    let blocks = message["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let blocks: String = blocks.iter().map(block).collect();
    let fallback = html(message["text"].as_str().unwrap_or_default(), true);
    format!(
        "<!doctype html><meta charset=utf-8><title>A message</title><style>{STYLE}</style>\
         {blocks}<hr><small>In a notification: {fallback}</small>"
    )
}

fn block(block: &Value) -> String {
    let text = |object: &Value| html(object["text"].as_str().unwrap_or_default(), object["type"] == "mrkdwn");
    let many = |name: &str, before: &str, after: &str| -> String {
        let parts = block[name].as_array().map(Vec::as_slice).unwrap_or_default();
        parts.iter().map(|part| format!("{before}{}{after}", text(part))).collect()
    };
    match block["type"].as_str().unwrap_or_default() {
        "header" => format!("<h1>{}</h1>", text(&block["text"])),
        "context" => format!("<p><small>{}</small></p>", many("elements", "", " ")),
        _ if block.get("fields").is_some() => format!("<dl>{}</dl>", many("fields", "<div>", "</div>")),
        _ => format!("<section>{}</section>", text(&block["text"])),
    }
}

/// Of mrkdwn only what we write: a block of code, bold, links.
fn html(words: &str, mrkdwn: bool) -> String {
    if !mrkdwn {
        return words.replace('&', "&amp;").replace('<', "&lt;");
    }
    if let Some(code) = words.strip_prefix("```\n").and_then(|code| code.strip_suffix("\n```")) {
        return format!("<pre>{code}</pre>");
    }
    let mut shown = String::new();
    let mut rest = words;
    while let Some((before, after)) = rest.split_once('<') {
        let (link, after) = after.split_once('>').unwrap_or((after, ""));
        let (url, title) = link.split_once('|').unwrap_or((link, link));
        shown += &format!("{before}<a href=\"{url}\">{title}</a>");
        rest = after;
    }
    shown += rest;
    // The stars come in pairs round a whole line.
    let bold = |line: &str| match line.strip_prefix('*').and_then(|line| line.strip_suffix('*')) {
        Some(line) => format!("<b>{line}</b>"),
        None => line.to_owned(),
    };
    shown.split('\n').map(bold).collect::<Vec<_>>().join("\n")
}
