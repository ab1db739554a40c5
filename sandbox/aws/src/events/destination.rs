//! API destinations: HTTPS endpoints outside AWS that a rule calls with the credentials of a
//! connection (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html).

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Events;
use crate::aws::arn;
use crate::http::{Endpoint, Request, Response, respond};
use crate::json;
use crate::template::Variables;

/// "EventBridge requests to an API destination endpoint must have a maximum client execution
/// timeout of five seconds" (eb-api-destinations).
const TIMEOUT: Duration = Duration::from_secs(5);

/// As `infra/events/destinations/*.json` describe it for Terraform and for the sandbox; the name is
/// without the deployment's prefix.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    pub name: String,
    #[serde(rename = "description")]
    _description: String,
    pub endpoint: String,
    /// Of its connection, whose authorization is an API key.
    pub header: Header,
    /// How many calls a second EventBridge makes at most.
    pub rate: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// The destinations of every `*.json` in a folder, but those without an endpoint: what a deployment
/// does not want has none.
pub fn load_destinations(folder: &Path, variables: &Variables) -> anyhow::Result<Vec<Destination>> {
    let mut found = Vec::new();
    for path in super::rules::files(folder)? {
        let text = variables.render(&std::fs::read_to_string(&path)?);
        let destination = text.and_then(|text| Ok(serde_json::from_str::<Destination>(&text)?));
        let destination = destination.with_context(|| format!("could not load {}", path.display()))?;
        if destination.endpoint.is_empty() {
            continue;
        }
        // "The URL must use HTTPS" (eb-api-destinations).
        ensure!(destination.endpoint.starts_with("https://"), "{}: not HTTPS", destination.name);
        found.push(destination);
    }
    Ok(found)
}

/// Whether that answer of an endpoint is worth another try: "Retries events associated with error
/// codes 401, 407, 409, 429, and 5xx" (eb-api-destinations).
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 401 | 407 | 409 | 429) || status >= 500
}

/// What `Retry-After` asks for, in seconds; a negative number ends the retries
/// (eb-api-destinations). The other form, a date, is not read here.
pub(super) fn retry_after(response: &Response) -> Option<i64> {
    response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()
}

/// A destination's ARN ends with an id of its own (ApiDestinationArn, botocore events 2015-10-07).
pub(super) fn destination_arn(prefix: &str, name: &str) -> String {
    arn("events", &format!("api-destination/{prefix}-{name}/00000000-0000-4000-8000-000000000000"))
}

impl Events {
    /// One call of a destination. It comes through the gateway, for the role of the target must be
    /// allowed `events:InvokeApiDestination`.
    pub(super) async fn invoke(&self, request: &Request) -> Response {
        let body: Value = match json::input(request) {
            Ok(body) => body,
            Err(error) => return json::reply(Err(error)),
        };
        let found = self.destinations.iter().find(|destination| {
            body["ApiDestination"] == json!(destination_arn(&self.prefix, &destination.name))
        });
        let Some(destination) = found else {
            return respond(404, "text/plain", format!("there is no {}", body["ApiDestination"]));
        };
        self.wait_for_a_turn(destination).await;
        let call = http::Request::post(&destination.endpoint)
            .header("user-agent", "Amazon/EventBridge/ApiDestinations")
            .header("content-type", "application/json; charset=utf-8")
            .header(&destination.header.name, &destination.header.value)
            .body(body["Input"].to_string().into());
        let Ok(call) = call else {
            return respond(400, "text/plain", "the endpoint or the header is not valid");
        };
        tokio::select! {
            response = self.outside.call(call) => response,
            () = self.clock.sleep(TIMEOUT) => respond(504, "text/plain", "no answer within five seconds"),
        }
    }

    /// Calls that come too fast wait (eb-api-destinations, "invocation rate").
    async fn wait_for_a_turn(&self, destination: &Destination) {
        let now = self.clock.now();
        let turn = {
            let mut turns = self.turns.lock().unwrap();
            let next: &mut Timestamp = turns.entry(destination.name.clone()).or_insert(now);
            let turn = (*next).max(now);
            *next = turn + Duration::from_secs(1) / destination.rate.max(1);
            turn
        };
        let wait = Duration::try_from(turn.duration_since(now)).unwrap_or_default();
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
    }
}
