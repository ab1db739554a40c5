//! A Sentry that takes envelopes (https://develop.sentry.dev/sdk/foundations/envelopes/) and keeps
//! their items.

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use local_aws::http::{Endpoint, Request, Response, respond};
use parking_lot::Mutex;
use serde_json::Value;

use super::{Answer, Answers};

#[derive(Default)]
pub struct Sentry {
    items: Mutex<Vec<Item>>,
    pub answers: Answers,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// `event`, `check_in`.
    pub kind: String,
    pub payload: Value,
}

impl Sentry {
    pub fn items(&self) -> Vec<Item> {
        self.items.lock().clone()
    }

    /// The payloads of one kind.
    pub fn of(&self, kind: &str) -> Vec<Value> {
        self.items().into_iter().filter(|item| item.kind == kind).map(|item| item.payload).collect()
    }
}

#[async_trait]
impl Endpoint for Sentry {
    async fn call(&self, request: Request) -> Response {
        if let Some(Answer::Status(status)) = self.answers.next() {
            return respond(status, "application/json", "{}");
        }
        match read(&request) {
            Ok(items) => {
                self.items.lock().extend(items);
                respond(200, "application/json", "{}")
            }
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "Sentry does not take an envelope");
                respond(400, "application/json", r#"{"detail":"invalid envelope"}"#)
            }
        }
    }
}

/// A line of headers; then for each item a line of headers and, as many bytes as these say or to
/// the end of the line, its payload.
fn read(request: &Request) -> anyhow::Result<Vec<Item>> {
    ensure!(request.uri().path() == "/api/1/envelope/", "no endpoint is {}", request.uri().path());
    let auth = request.headers().get("x-sentry-auth").and_then(|auth| auth.to_str().ok());
    let auth = auth.context("no X-Sentry-Auth")?;
    ensure!(auth.starts_with("Sentry ") && auth.contains("sentry_key=sandbox"), "the key is wrong: {auth}");
    let (headers, mut rest) = line(request.body()).context("no headers")?;
    let headers: Value = serde_json::from_slice(headers).context("the envelope's headers")?;
    let mut items = Vec::new();
    while !rest.is_empty() {
        let (header, after) = line(rest).context("an item without headers")?;
        let header: Value = serde_json::from_slice(header).context("an item's headers")?;
        let length = header["length"].as_u64().and_then(|length| usize::try_from(length).ok());
        let (payload, after) = match length {
            Some(length) => after.split_at_checked(length).context("an item is shorter than it says")?,
            None => line(after).unwrap_or((after, &[])),
        };
        rest = after.strip_prefix(b"\n").unwrap_or(after);
        let payload: Value = serde_json::from_slice(payload).context("an item's payload")?;
        let kind = header["type"].as_str().context("an item without a type")?.to_owned();
        if kind == "event" {
            ensure!(headers["event_id"].as_str().is_some(), "an event's envelope names it");
        }
        items.push(Item { kind, payload });
    }
    Ok(items)
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}
