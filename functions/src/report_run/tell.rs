//! Tells the others: our bus, the metrics, Sentry. Once for each change of a run's status, however
//! often EventBridge calls.
//!
//! **Told at least once, and twice only when a call's fate is unknown.** Before anything is sent,
//! `runs/<execution>/told/<change>.json` is written on the condition that it is absent; when all is
//! sent it says so. So an event that comes twice, late or again finds it and sends nothing. Who
//! finds it begun and not done either comes while the other is at it, and is sent away to come
//! again, or comes after the other has died, and sends all of it. Only a function that dies between
//! EventBridge's answer and the mark, or an answer that is lost, sends twice: PutEvents has no
//! idempotency token, and to hear twice is better than never. Both have the same `id`.

use std::time::Duration;

use jiff::Timestamp;
use runbook::{Context, Error, Result, store::When};
use serde::{Deserialize, Serialize};

use super::{
    events::{self, Places},
    messages, metrics,
    report::Report,
    sentry,
};

#[derive(Debug, Serialize, Deserialize)]
struct Told {
    begun: Timestamp,
    done: bool,
}

/// Who has begun that long ago and is not done has died: telling takes a second or two. Lambda
/// calls again a minute after a failure
/// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
const PATIENCE: Duration = Duration::from_secs(45);

pub async fn tell(cx: &Context, report: &Report) -> Result<()> {
    if report.is_told_by_another() {
        return Ok(());
    }
    let change = change(report);
    let key = format!("runs/{}/told/{change}.json", report.name);
    let mut told = Told { begun: cx.clock.now(), done: false };
    if !cx.store.put_json_when(&key, &told, When::Absent).await? {
        let Some((found, etag)) = cx.store.get_json_tagged::<Told>(&key).await? else {
            return Err(Error::NotReady(format!("the other that writes {key}")));
        };
        let at_it = told.begun.duration_since(found.begun)
            < jiff::SignedDuration::try_from(PATIENCE).unwrap_or_default();
        if found.done {
            return Ok(());
        }
        if at_it || !cx.store.put_json_when(&key, &told, When::Unchanged(&etag)).await? {
            return Err(Error::NotReady("the other call for the same change".to_owned()));
        }
    }
    let places = places(cx, report);
    if let Some(bus) = cx.variable("EVENT_BUS") {
        let slack = messages::message(report, &places.page);
        events::put(cx, bus, &events::events(report, &change, &places, slack)?).await?;
    }
    // Sentry that does not answer takes nothing from the others.
    if let Err(error) = sentry::send(cx, report, &places).await {
        tracing::warn!(error = format!("{error:#}"), "send to Sentry");
    }
    for line in metrics::lines(report, cx.clock.now()) {
        runbook::telemetry::metric(cx, &line);
    }
    told.done = true;
    cx.store.put_json(&key, &told).await
}

/// What has happened, by status and time: a redrive has its own, and so has a question.
fn change(report: &Report) -> String {
    let asked = report.steps.last().filter(|_| report.approval.is_some());
    let (what, at) = match asked {
        Some(step) => ("ASKED", step.entered),
        None => (report.status.as_str(), report.stopped.unwrap_or(report.started)),
    };
    format!("{what}-{}-{}", report.redrives, at.as_millisecond())
}

fn places(cx: &Context, report: &Report) -> Places {
    let (bucket, key) = (&cx.store.bucket, format!("runs/{}/report.html", report.name));
    let (region, console) = report.region().unwrap_or_default();
    Places {
        object: format!("s3://{bucket}/{key}"),
        page: format!("{console}/s3/object/{bucket}?region={region}&prefix={key}"),
    }
}
