//! Failures for Sentry, and check-ins of the syncs that a schedule starts, in Sentry's envelope
//! protocol (https://develop.sentry.dev/sdk/foundations/envelopes/). Off without `SENTRY_DSN`.
//!
//! One request, and its answer is waited for: nothing is left to a thread that Lambda freezes. The
//! ids derive from the run, so that what is sent twice is one to Sentry.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use anyhow::{Context as _, ensure};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::HttpRequest,
    },
    shared::IntoShared,
};
use aws_smithy_types::body::SdkBody;
use runbook::{Context, daily_sync::POLICY_KEY};
use sentry_types::{
    Dsn, Uuid,
    protocol::v7::{
        Breadcrumb, Envelope, EnvelopeHeaders, Event, Exception, Frame, Level, MonitorCheckIn,
        MonitorCheckInStatus, MonitorConfig, MonitorSchedule, Stacktrace,
    },
};
use sha2::{Digest, Sha256};

use super::{
    events::Places,
    report::{Kind, Report, Step},
};

const AGENT: &str = concat!("aurora-runbooks/", env!("CARGO_PKG_VERSION"));

/// Sentry truncates longer ones (https://develop.sentry.dev/sdk/data-model/event-payloads/).
const LONGEST_VALUE: usize = 8_000;

/// Minutes after its time at which a run that has not begun is missed; Scheduler is tried again for
/// an hour (infra/schedules.tf), so one that begins late is still told as missed first.
const MARGIN: u64 = 15;
/// Minutes after which a run that has not ended has failed: a restore of many terabytes takes
/// hours.
const LONGEST_RUN: u64 = 24 * 60;

pub async fn send(cx: &Context, report: &Report, places: &Places) -> anyhow::Result<()> {
    let Some(dsn) = cx.variable("SENTRY_DSN") else { return Ok(()) };
    let dsn = Dsn::from_str(dsn).context("SENTRY_DSN is no DSN of Sentry")?;
    let environment = cx.variable("SENTRY_ENVIRONMENT").unwrap_or("production");
    let release = cx.variable("SENTRY_RELEASE").unwrap_or(env!("CARGO_PKG_VERSION"));
    let mut envelope = Envelope::new();
    let failed = !matches!(report.kind, Kind::Running | Kind::Succeeded);
    if failed {
        envelope.add_item(event(report, places, environment, release));
    }
    if let Some(sync) = &report.sync {
        envelope.add_item(check_in(report, sync, environment, schedule(cx, sync).await));
    }
    if envelope.items().next().is_none() {
        return Ok(());
    }
    let headers = EnvelopeHeaders::new().with_dsn(dsn.clone()).with_sent_at(cx.clock.now().into());
    let envelope = envelope.with_headers(match envelope_id(report, failed) {
        Some(id) => headers.with_event_id(id),
        None => headers,
    });
    let mut body = Vec::new();
    envelope.to_writer(&mut body)?;
    post(cx, &dsn, body).await
}

fn envelope_id(report: &Report, failed: bool) -> Option<Uuid> {
    failed.then(|| id(&["event", &report.execution, &report.redrives.to_string()]))
}

/// A failure is grouped by what failed and how, not by its text, which names the cluster.
fn event(report: &Report, places: &Places, environment: &str, release: &str) -> Event<'static> {
    let stopped_in = report.steps.iter().find(|step| step.is_open()).or(report.steps.last());
    let state = stopped_in.map_or("none", |step| &step.state).to_owned();
    let error = report.error.clone().unwrap_or_else(|| report.status.clone());
    let fingerprint = [report.runbook.clone(), error.clone(), state.clone()];
    let words = report.cause.as_deref().unwrap_or(&report.outcome);
    let mut tags = BTreeMap::from([
        ("runbook".to_owned(), report.runbook.clone()),
        ("state".to_owned(), state),
        ("execution".to_owned(), report.name.clone()),
        ("status".to_owned(), report.status.clone()),
    ]);
    tags.extend(report.cluster.clone().map(|cluster| ("cluster".to_owned(), cluster)));
    tags.extend(report.sync.clone().map(|sync| ("sync".to_owned(), sync)));
    let mut extra = BTreeMap::from([
        ("execution".to_owned(), report.execution.clone().into()),
        ("report".to_owned(), places.page.clone().into()),
    ]);
    extra.extend(report.next.clone().map(|next| ("next".to_owned(), next.into())));
    Event {
        event_id: id(&["event", &report.execution, &report.redrives.to_string()]),
        // A person who stops a run knows.
        level: if report.kind == Kind::Aborted { Level::Warning } else { Level::Error },
        fingerprint: fingerprint.map(Into::into).to_vec().into(),
        platform: "rust".into(),
        logger: Some("report-run".to_owned()),
        timestamp: report.until().into(),
        release: Some(format!("aurora-runbooks@{release}").into()),
        environment: Some(environment.to_owned().into()),
        tags,
        extra,
        breadcrumbs: report.steps.iter().map(breadcrumb).collect::<Vec<_>>().into(),
        exception: vec![Exception {
            ty: error,
            stacktrace: panicked_at(words),
            value: Some(first(words)),
            ..Exception::default()
        }]
        .into(),
        ..Event::default()
    }
}

/// The one frame that is known of a panic: `runbook::state` says where it was.
fn panicked_at(words: &str) -> Option<Stacktrace> {
    let (_, rest) = words.split_once(" panicked at ")?;
    let (file, line) = rest.split_once(": ")?.0.rsplit_once(':')?;
    let frame = Frame {
        filename: Some(file.to_owned()),
        lineno: Some(line.parse().ok()?),
        in_app: Some(true),
        ..Frame::default()
    };
    Some(Stacktrace { frames: vec![frame], ..Stacktrace::default() })
}

fn breadcrumb(step: &Step) -> Breadcrumb {
    let words = step.error.as_deref().or(step.summary.as_deref()).unwrap_or_default();
    Breadcrumb {
        timestamp: step.exited.unwrap_or(step.entered).into(),
        category: Some("state".to_owned()),
        level: if step.is_open() { Level::Error } else { Level::Info },
        message: Some(first(&format!("{}: {words}", step.label()))),
        ..Breadcrumb::default()
    }
}

fn check_in(
    report: &Report,
    sync: &str,
    environment: &str,
    schedule: Option<MonitorConfig>,
) -> MonitorCheckIn {
    MonitorCheckIn {
        // Of the run, whatever its status: the end finds the beginning.
        check_in_id: id(&["check-in", &report.execution]),
        monitor_slug: format!("{}-{sync}", report.runbook),
        status: match report.kind {
            Kind::Running => MonitorCheckInStatus::InProgress,
            Kind::Succeeded => MonitorCheckInStatus::Ok,
            _ => MonitorCheckInStatus::Error,
        },
        environment: Some(environment.to_owned()),
        duration: (!report.is_running()).then_some(report.total as f64),
        monitor_config: schedule,
    }
}

/// By which Sentry makes or corrects its monitor; without, it only takes the check-in of one that
/// is there (https://docs.sentry.io/product/crons/getting-started/http/).
async fn schedule(cx: &Context, sync: &str) -> Option<MonitorConfig> {
    let text = cx.store.get_text(POLICY_KEY).await.ok().flatten()?;
    let policy = runbook::kept_policy::read(&text).ok()?;
    let schedule = &policy.syncs.get(sync)?.schedule;
    Some(MonitorConfig {
        schedule: MonitorSchedule::Crontab { value: schedule.cron.as_str().to_owned() },
        checkin_margin: Some(MARGIN + schedule.maximum_window_in_minutes.map_or(0, u64::from)),
        max_runtime: Some(LONGEST_RUN),
        timezone: schedule.time_zone.iana_name().map(str::to_owned),
        failure_issue_threshold: None,
        recovery_threshold: None,
    })
}

fn id(of: &[&str]) -> Uuid {
    let digest = Sha256::digest(of.join("\n"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(bytes)
}

fn first(words: &str) -> String {
    words.chars().take(LONGEST_VALUE).collect()
}

async fn post(cx: &Context, dsn: &Dsn, body: Vec<u8>) -> anyhow::Result<()> {
    let connector = cx.connector().unwrap_or_else(https);
    let request = http::Request::post(dsn.envelope_api_url().as_str())
        .header("content-type", "application/x-sentry-envelope")
        .header("user-agent", AGENT)
        .header("x-sentry-auth", dsn.to_auth(Some(AGENT)).to_string())
        .body(SdkBody::from(body))?;
    let answer = connector.call(HttpRequest::try_from(request)?).await?;
    let status = answer.status().as_u16();
    ensure!((200..300).contains(&status), "Sentry answered {status}");
    Ok(())
}

fn https() -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(Duration::from_secs(3))
        .read_timeout(Duration::from_secs(5))
        .build();
    let builder = Connector::builder().connector_settings(settings);
    builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build().into_shared()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_has_the_frame_that_is_known_of_it() {
        let stack = panicked_at("TakeSnapshot panicked at functions/src/a.rs:12: no writer: none").unwrap();
        let frame = &stack.frames[0];
        assert_eq!((frame.filename.as_deref(), frame.lineno), (Some("functions/src/a.rs"), Some(12)));
        assert_eq!(panicked_at("RDS says that it panicked"), None);
    }

    #[test]
    fn what_is_sent_twice_has_one_id_and_another_run_another() {
        let one = id(&["check-in", "arn:one"]);
        assert_eq!(one, id(&["check-in", "arn:one"]));
        assert_ne!(one, id(&["check-in", "arn:two"]));
        assert_ne!(one, id(&["event", "arn:one"]));
    }
}
