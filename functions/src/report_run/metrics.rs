//! The metrics of a run that has ended: a line of CloudWatch's embedded metric format for the run,
//! and one for each environment. docs/operations.md has their names and units.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    report::{Kind, Report},
    sections::Masking,
};

const NAMESPACE: &str = "AuroraRunbooks";

/// A metric: name, unit of CloudWatch, value.
type Metric = (&'static str, &'static str, Option<f64>);

/// None while the run goes on.
pub fn lines(report: &Report, now: Timestamp) -> Vec<Value> {
    if report.is_running() {
        return Vec::new();
    }
    let is = |kinds: &[Kind]| Some(f64::from(u8::from(kinds.contains(&report.kind))));
    let seconds = |value: Option<i64>| value.map(|value| value as f64);
    let masked = report.masking.as_ref();
    let run: [Metric; 11] = [
        ("Succeeded", "Count", is(&[Kind::Succeeded])),
        ("Failed", "Count", is(&[Kind::Failed, Kind::TimedOut, Kind::Aborted])),
        ("Blocked", "Count", is(&[Kind::Blocked])),
        ("Duration", "Seconds", Some(report.total as f64)),
        ("Downtime", "Seconds", seconds(report.downtime.as_ref().map(|downtime| downtime.seconds))),
        ("DataAge", "Seconds", seconds(report.data_age)),
        ("RowsMasked", "Count", masked.map(|masking| masking.rows as f64)),
        ("RowsPerSecond", "Count/Second", masked.and_then(rows_per_second)),
        ("TablesAnalyzed", "Count", report.analyzed.as_ref().map(|analyzed| analyzed.tables as f64)),
        ("LeftBehind", "Count", Some(report.left.len() as f64)),
        ("Cost", "None", report.cost.as_ref().map(|cost| cost.amount)),
    ];
    let subject = ("Subject", report.subject());
    let mut lines = vec![line(report, now, subject, &run)];
    for target in &report.targets {
        let fresh = target.kind == Kind::Succeeded;
        let age = target.published.zip(report.data_taken);
        let metrics: [Metric; 3] = [
            ("Refreshed", "Count", Some(f64::from(u8::from(fresh)))),
            (
                "DataAge",
                "Seconds",
                age.map(|(published, taken)| published.duration_since(taken).as_secs_f64()),
            ),
            ("Downtime", "Seconds", seconds(target.downtime)),
        ];
        lines.push(line(report, now, ("Target", &target.name), &metrics));
    }
    lines
}

fn rows_per_second(masking: &Masking) -> Option<f64> {
    (masking.seconds > 0).then(|| masking.rows as f64 / masking.seconds as f64)
}

/// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
fn line(report: &Report, now: Timestamp, of: (&str, &str), metrics: &[Metric]) -> Value {
    let known: Vec<&Metric> = metrics.iter().filter(|(_, _, value)| value.is_some()).collect();
    let definitions: Vec<Value> =
        known.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut line = Map::from_iter([
        (
            "_aws".to_owned(),
            json!({
                "Timestamp": now.as_millisecond(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["Runbook"], ["Runbook", of.0]],
                    "Metrics": definitions,
                }],
            }),
        ),
        ("Runbook".to_owned(), json!(report.runbook)),
        (of.0.to_owned(), json!(of.1)),
        // No dimensions, but found in the log by CloudWatch Logs Insights.
        ("execution".to_owned(), json!(report.execution)),
        ("status".to_owned(), json!(report.status)),
        ("error".to_owned(), json!(report.error)),
    ]);
    line.extend(known.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value))));
    Value::Object(line)
}
