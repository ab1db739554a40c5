//! An incoming webhook of Slack: takes what Slack takes, and refuses the rest in its words
//! (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use async_trait::async_trait;
use local_aws::http::{Endpoint, Request, Response, respond};
use parking_lot::Mutex;
use runbook::clock::Clock;
use serde_json::Value;

use super::{Answer, Answers};

pub struct Slack {
    clock: Clock,
    shown: Mutex<Vec<Value>>,
    calls: Mutex<u32>,
    pub answers: Answers,
}

impl Slack {
    pub fn new(clock: Clock) -> Self {
        Self { clock, shown: Mutex::default(), calls: Mutex::default(), answers: Answers::default() }
    }

    /// The messages that a person sees in the channel.
    pub fn messages(&self) -> Vec<Value> {
        self.shown.lock().clone()
    }

    pub fn calls(&self) -> u32 {
        *self.calls.lock()
    }
}

#[async_trait]
impl Endpoint for Slack {
    async fn call(&self, request: Request) -> Response {
        *self.calls.lock() += 1;
        match self.answers.next() {
            Some(Answer::Status(status)) => return respond(status, "text/plain", words(status)),
            Some(Answer::RetryAfter(seconds)) => {
                let mut response = respond(429, "text/plain", words(429));
                response.headers_mut().insert("retry-after", seconds.into());
                return response;
            }
            Some(Answer::Nothing) => {
                self.clock.sleep(Duration::from_hours(1)).await;
                return respond(200, "text/plain", "too late");
            }
            None => {}
        }
        let message = serde_json::from_slice(request.body()).context("no JSON");
        match message.and_then(|message: Value| check(&message).map(|()| message)) {
            Ok(message) => {
                self.shown.lock().push(message);
                respond(200, "text/html", "ok")
            }
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "Slack does not take a message");
                respond(400, "text/html", "invalid_blocks")
            }
        }
    }
}

/// The page's words, "Handling errors".
fn words(status: u16) -> &'static str {
    match status {
        400 => "invalid_payload",
        403 => "action_prohibited",
        404 => "no_service",
        410 => "channel_is_archived",
        429 => "rate_limited",
        _ => "rollup_error",
    }
}

/// What Block Kit asks of a message, as far as we use it
/// (https://docs.slack.dev/reference/block-kit/blocks): lengths are counted in UTF-16 units, which
/// are never fewer than the characters.
pub fn check(message: &Value) -> anyhow::Result<()> {
    // What a notification shows; Slack truncates it at 40,000 (chat.postMessage).
    length(message, "text", 40_000)?;
    entities(message["text"].as_str().unwrap_or_default())?;
    let blocks = message["blocks"].as_array().context("no blocks")?;
    ensure!((1..=50).contains(&blocks.len()), "{} blocks: a message has 50 at most", blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        check_block(block).with_context(|| format!("block {index}"))?;
    }
    Ok(())
}

fn check_block(block: &Value) -> anyhow::Result<()> {
    match block["type"].as_str().context("no type")? {
        "header" => {
            ensure!(block["text"]["type"] == "plain_text", "a header is plain text");
            text(&block["text"], 150)
        }
        "section" => {
            let fields = block["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
            ensure!(block.get("text").is_some() == fields.is_empty(), "either text or fields is used here");
            ensure!(fields.len() <= 10, "{} fields: a section has 10 at most", fields.len());
            fields.iter().try_for_each(|field| text(field, 2_000))?;
            block.get("text").map_or(Ok(()), |object| text(object, 3_000))
        }
        "context" => {
            let elements = block["elements"].as_array().context("no elements")?;
            ensure!((1..=10).contains(&elements.len()), "{} elements", elements.len());
            elements.iter().try_for_each(|element| text(element, 3_000))
        }
        "divider" => Ok(()),
        other => bail!("we send no block {other:?}"),
    }
}

fn text(object: &Value, most: usize) -> anyhow::Result<()> {
    length(object, "text", most)?;
    let words = object["text"].as_str().unwrap_or_default();
    match object["type"].as_str().context("a text has no type")? {
        "mrkdwn" => {
            ensure!(object.get("emoji").is_none(), "emoji is of plain text alone");
            entities(words)
        }
        "plain_text" => Ok(()),
        other => bail!("no text is {other:?}"),
    }
}

fn length(object: &Value, name: &str, most: usize) -> anyhow::Result<()> {
    let words = object[name].as_str().with_context(|| format!("no {name}"))?;
    let length = words.encode_utf16().count();
    ensure!((1..=most).contains(&length), "{name} has {length} characters: 1 to {most} are allowed");
    Ok(())
}

/// Only the three characters are escaped, and `<` begins a link of ours and nothing else: no
/// mention (`<!channel>`, `<@U…>`) has come from anybody's words.
fn entities(words: &str) -> anyhow::Result<()> {
    for (at, _) in words.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;"].iter().any(|entity| words[at..].starts_with(entity));
        ensure!(known, "an & that is not escaped, or half an entity: {:?}", &words[at..]);
    }
    for (at, _) in words.match_indices('<') {
        let link = words[at + 1..].split_once('>').map(|(link, _)| link);
        let link = link.filter(|link| link.starts_with("https://") && link.contains('|'));
        ensure!(link.is_some(), "a < that is no link: {:?}", &words[at..]);
    }
    Ok(())
}
