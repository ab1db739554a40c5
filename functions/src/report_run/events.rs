//! Our own events on our own bus, for whoever attaches a rule to it. The schemas are
//! infra/events/schemas, what each means is in docs/events.md.

use aws_sdk_eventbridge::{
    Client,
    types::{PutEventsRequestEntry, PutEventsResultEntry},
};
use jiff::Timestamp;
use runbook::{Context, Error, Result, error::aws};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    report::{Kind, Report, Target},
    sections::Export,
};

pub const SOURCE: &str = "aurora-runbooks";

/// Raised when a rule for the former form would misread the new one; a field that is added does
/// not.
pub const VERSION: u32 = 1;

/// What every event says of its run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Of this form.
    pub version: u32,
    /// One for each change of a run: an event that comes twice has it twice.
    pub id: String,
    pub runbook: String,
    /// The execution's name.
    pub name: String,
    /// The execution's ARN.
    pub execution: String,
    pub state_machine: String,
    /// The cluster that is upgraded, or the one that is copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// As the policy names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<String>,
    #[schemars(with = "String")]
    pub started: Timestamp,
    pub redrives: i32,
    /// In a sentence.
    pub outcome: String,
    /// Where the report is, as `s3://…/report.html`; report.json is beside it.
    pub report: String,
    /// The same for a browser that is signed in to the AWS console.
    pub page: String,
}

/// What an event of a run that has ended says, too.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct End {
    #[schemars(with = "String")]
    pub stopped: Timestamp,
    /// How long the run took, in seconds.
    pub total: i64,
    /// How long nobody could write, in seconds. Absent when that was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// What an event of a run that did not succeed says, too.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// `blocked`, `failed`, `timed-out`, `aborted`.
    pub kind: Kind,
    /// The state that it stopped in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The error's name; docs/errors.md explains each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was found, in plain words, at most 4,000 characters of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The command that continues, or begins again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A run has begun, or goes on after a redrive. Not sent when report-run first hears of the run
/// after its end.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunStarted {
    #[serde(flatten)]
    pub run: Run,
    /// Whether a message is sent of it, as the policy or the input says.
    pub tell: bool,
    /// The message that Slack gets.
    pub slack: Value,
}

/// A run waits for a person's yes or no; the message says how to answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ApprovalAsked {
    #[serde(flatten)]
    pub run: Run,
    /// After that the run has failed.
    #[schemars(with = "String")]
    pub until: Timestamp,
    /// Whether a message is sent of it: always.
    pub tell: bool,
    /// The message that Slack gets. It holds the task token, which nobody can use without the
    /// right to answer.
    pub slack: Value,
}

/// A run has stopped, for a person must change something first; nothing was changed in production.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunBlocked {
    #[serde(flatten)]
    pub run: Run,
    #[serde(flatten)]
    pub end: End,
    #[serde(flatten)]
    pub failure: Failure,
    /// Whether a message is sent of it, as the policy or the input says.
    pub tell: bool,
    /// The message that Slack gets.
    pub slack: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunSucceeded {
    #[serde(flatten)]
    pub run: Run,
    #[serde(flatten)]
    pub end: End,
    /// Whether a message is sent of it, as the policy or the input says.
    pub tell: bool,
    /// The message that Slack gets.
    pub slack: Value,
}

/// A run has failed, has timed out, or was stopped.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunFailed {
    #[serde(flatten)]
    pub run: Run,
    #[serde(flatten)]
    pub end: End,
    #[serde(flatten)]
    pub failure: Failure,
    /// Whether a message is sent of it, as the policy or the input says.
    pub tell: bool,
    /// The message that Slack gets.
    pub slack: Value,
}

/// An environment has fresh data. One for each, also of a run that has failed for another.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseRefreshed {
    #[serde(flatten)]
    pub run: Run,
    /// The environment's stable name.
    pub target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub published: Option<Timestamp>,
    /// When the data was taken from production.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub data_taken: Option<Timestamp>,
    /// How old it was when it was published, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_age: Option<i64>,
    /// How long nobody could reach it, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime: Option<i64>,
}

/// A cluster runs a newer engine version.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct UpgradeFinished {
    #[serde(flatten)]
    pub run: Run,
    #[serde(flatten)]
    pub end: End,
    pub from: String,
    pub to: String,
}

/// An export is complete, and `latest` names it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportPublished {
    #[serde(flatten)]
    pub run: Run,
    #[serde(flatten)]
    pub end: End,
    /// As the policy names it.
    pub export: String,
    /// Where its manifest is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// When the data was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub data_taken: Option<Timestamp>,
    pub tables: u64,
    pub rows: u64,
    pub bytes: u64,
}

/// An event as it is put: `detail-type` and `detail`.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub detail_type: &'static str,
    pub detail: Value,
}

impl Event {
    fn new(detail_type: &'static str, detail: &impl Serialize) -> Result<Self> {
        let detail = serde_json::to_value(detail).map_err(|error| Error::Unexpected(error.into()))?;
        Ok(Self { detail_type, detail })
    }
}

/// What is to be told of this report: what became of the run first, then what it has made.
pub fn events(report: &Report, id: &str, places: &Places, slack: Value) -> Result<Vec<Event>> {
    if report.did_nothing() {
        return Ok(Vec::new());
    }
    let run = Run {
        version: VERSION,
        id: id.to_owned(),
        runbook: report.runbook.clone(),
        name: report.name.clone(),
        execution: report.execution.clone(),
        state_machine: report.state_machine.clone(),
        cluster: report.cluster.clone(),
        sync: report.sync.clone(),
        started: report.started,
        redrives: report.redrives,
        outcome: first(&report.outcome),
        report: places.object.clone(),
        page: places.page.clone(),
    };
    let end = End {
        stopped: report.until(),
        total: report.total,
        downtime: report.downtime.as_ref().map(|downtime| downtime.seconds),
        cost: report.cost.as_ref().map(|cost| cost.amount),
        currency: report.cost.as_ref().map(|cost| cost.currency.clone()),
    };
    let failure = || Failure {
        kind: report.kind,
        state: report.steps.iter().find(|step| step.is_open()).map(|step| step.state.clone()),
        error: report.error.clone(),
        found: report.found.as_deref().or(report.cause.as_deref()).map(first),
        next: report.next.clone(),
    };
    let tell = report.is_told();
    let mut events = vec![match report.kind {
        Kind::Running if let Some(asked) = &report.approval => {
            let asked = ApprovalAsked { run: run.clone(), until: asked.until, tell, slack };
            Event::new("ApprovalAsked", &asked)?
        }
        Kind::Running => Event::new("RunStarted", &RunStarted { run: run.clone(), tell, slack })?,
        Kind::Succeeded => {
            Event::new("RunSucceeded", &RunSucceeded { run: run.clone(), end: end.clone(), tell, slack })?
        }
        Kind::Blocked => {
            let failure = failure();
            Event::new(
                "RunBlocked",
                &RunBlocked { run: run.clone(), end: end.clone(), failure, tell, slack },
            )?
        }
        Kind::Failed | Kind::TimedOut | Kind::Aborted => {
            let failure = failure();
            Event::new("RunFailed", &RunFailed { run: run.clone(), end: end.clone(), failure, tell, slack })?
        }
    }];
    if report.is_running() {
        return Ok(events);
    }
    let refreshed = report.targets.iter().filter(|target| target.kind == Kind::Succeeded);
    for target in refreshed {
        events.push(Event::new("DatabaseRefreshed", &refreshed_database(report, &run, target))?);
    }
    if report.kind == Kind::Succeeded {
        match (report.runbook.as_str(), report.from.clone(), report.to.clone()) {
            ("major-upgrade", Some(from), Some(to)) if from != to => {
                events.push(Event::new("UpgradeFinished", &UpgradeFinished { run, end, from, to })?);
            }
            _ => {
                if let Some(export) = report.export.as_ref().filter(|export| export.is_latest) {
                    let published = published(report, run, end, export);
                    events.push(Event::new("ExportPublished", &published)?);
                }
            }
        }
    }
    Ok(events)
}

fn published(report: &Report, run: Run, end: End, export: &Export) -> ExportPublished {
    ExportPublished {
        run,
        end,
        export: export.name.clone(),
        manifest: export.manifest.clone(),
        data_taken: report.data_taken,
        tables: export.tables,
        rows: export.rows,
        bytes: export.bytes,
    }
}

fn refreshed_database(report: &Report, run: &Run, target: &Target) -> DatabaseRefreshed {
    let published = target.published.or(report.stopped);
    let age = |taken: Timestamp| Some(published?.duration_since(taken).as_secs());
    DatabaseRefreshed {
        run: run.clone(),
        target: target.name.clone(),
        endpoint: target.endpoint.clone(),
        published,
        data_taken: report.data_taken,
        data_age: report.data_taken.and_then(age),
        downtime: target.downtime,
    }
}

/// An entry of PutEvents has at most 256 KB
/// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size).
fn first(words: &str) -> String {
    const MOST: usize = 4_000;
    match words.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}

/// Where a report is.
pub struct Places {
    pub object: String,
    pub page: String,
}

/// How often an entry is put that EventBridge could not take; a function does not sleep, so the
/// next try is at once, and the ones after that are Lambda's.
const TRIES: u32 = 3;

/// Puts them all on the bus, in order.
pub async fn put(cx: &Context, bus: &str, events: &[Event]) -> Result<()> {
    let client = Client::new(cx.sdk_config());
    // PutEvents takes ten entries.
    for events in events.chunks(10) {
        let mut left: Vec<&Event> = events.iter().collect();
        for attempt in 1.. {
            let entries = left.iter().map(|event| {
                PutEventsRequestEntry::builder()
                    .source(SOURCE)
                    .detail_type(event.detail_type)
                    .detail(event.detail.to_string())
                    .event_bus_name(bus)
                    .build()
            });
            let put = client.put_events().set_entries(Some(entries.collect())).send().await;
            let answer = put.map_err(aws("events:PutEvents"))?;
            let refused = refused(answer.entries());
            if refused.is_empty() {
                break;
            }
            if attempt == TRIES || refused.iter().any(|(_, code)| !is_temporary(code)) {
                let codes: Vec<&str> = refused.iter().map(|(_, code)| code.as_str()).collect();
                let codes = codes.join(", ");
                return Err(Error::unexpected(format!("EventBridge did not take events of ours: {codes}")));
            }
            left = refused.into_iter().filter_map(|(index, _)| left.get(index).copied()).collect();
        }
    }
    Ok(())
}

/// Which entries were not taken, and why.
fn refused(entries: &[PutEventsResultEntry]) -> Vec<(usize, String)> {
    let refused = |(index, entry): (usize, &PutEventsResultEntry)| {
        let why =
            [entry.error_code(), entry.error_message()].into_iter().flatten().collect::<Vec<_>>().join(": ");
        entry.error_code().map(|_| (index, why))
    };
    entries.iter().enumerate().filter_map(refused).collect()
}

/// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
fn is_temporary(code: &str) -> bool {
    ["ThrottlingException", "InternalFailure", "InternalException"]
        .iter()
        .any(|known| code.starts_with(known))
}
