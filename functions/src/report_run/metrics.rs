//! The metrics of a run that has ended: a line of CloudWatch's embedded metric format for the run,
//! and one for each environment. docs/operations.md has their names and units.

use jiff::Timestamp;
use runbook::telemetry;
use serde_json::{Value, json};

use super::{
    report::{Kind, Report},
    sections::Masking,
};

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
    let exported = report.export.as_ref().filter(|export| export.is_latest);
    let run: [Metric; 12] = [
        ("Succeeded", "Count", is(&[Kind::Succeeded])),
        ("Failed", "Count", is(&[Kind::Failed, Kind::TimedOut, Kind::Aborted])),
        ("Blocked", "Count", is(&[Kind::Blocked])),
        ("Duration", "Seconds", Some(report.total as f64)),
        ("Downtime", "Seconds", seconds(report.downtime.as_ref().map(|downtime| downtime.seconds))),
        ("DataAge", "Seconds", seconds(report.data_age)),
        ("RowsMasked", "Count", masked.map(|masking| masking.rows as f64)),
        ("RowsPerSecond", "Count/Second", masked.and_then(rows_per_second)),
        ("TablesAnalyzed", "Count", report.analyzed.as_ref().map(|analyzed| analyzed.tables as f64)),
        ("BytesExported", "Bytes", exported.map(|export| export.bytes as f64)),
        ("LeftBehind", "Count", Some(report.left.len() as f64)),
        ("Cost", "None", report.cost.as_ref().map(|cost| cost.amount)),
    ];
    let subject = ("Subject", report.subject());
    let mut lines = vec![line(report, now, subject, &run)];
    for target in &report.targets {
        let fresh = target.kind == Kind::Succeeded;
        let age = target.published.zip(report.data_taken);
        let on_time = report.fresh_by.as_ref().map(|fresh_by| {
            let in_time = |published| published <= fresh_by.until;
            f64::from(u8::from(target.published.filter(|_| fresh).is_some_and(in_time)))
        });
        let metrics: [Metric; 4] = [
            ("Refreshed", "Count", Some(f64::from(u8::from(fresh)))),
            (
                "DataAge",
                "Seconds",
                age.map(|(published, taken)| published.duration_since(taken).as_secs_f64()),
            ),
            ("Downtime", "Seconds", seconds(target.downtime)),
            ("FreshOnTime", "Count", on_time),
        ];
        lines.push(line(report, now, ("Target", &target.name), &metrics));
    }
    lines
}

fn rows_per_second(masking: &Masking) -> Option<f64> {
    (masking.seconds > 0).then(|| masking.rows as f64 / masking.seconds as f64)
}

fn line(report: &Report, now: Timestamp, of: (&str, &str), metrics: &[Metric]) -> Value {
    let known: Vec<(&str, &str, f64)> =
        metrics.iter().filter_map(|(name, unit, value)| Some((*name, *unit, (*value)?))).collect();
    let dimensions = json!([["Runbook"], ["Runbook", of.0]]);
    let mut line = telemetry::embedded(now, &dimensions, &known);
    line.extend([
        ("Runbook".to_owned(), json!(report.runbook)),
        (of.0.to_owned(), json!(of.1)),
        // No dimensions, but found in the log by CloudWatch Logs Insights.
        ("execution".to_owned(), json!(report.execution)),
        ("status".to_owned(), json!(report.status)),
        ("error".to_owned(), json!(report.error)),
    ]);
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report_run::messages::tests::report;

    #[test]
    fn a_run_and_each_environment_have_a_line_that_cloudwatch_reads() {
        let report = report(json!({
            "runbook": "daily-sync",
            "sync": "orders",
            "dataTaken": "2026-11-25T01:12:00Z",
            "masking": { "tables": 12, "rows": 90_000, "seconds": 45, "columns": [] },
            "targets": [
                {
                    "name": "orders-dev",
                    "kind": "succeeded",
                    "published": "2026-11-25T03:12:00Z",
                    "downtime": 95,
                },
                { "name": "orders-support", "kind": "failed" },
            ],
        }));
        let by = |until: &str| Report {
            fresh_by: serde_json::from_value(json!({
                "time": "07:00", "timeZone": "Europe/Berlin", "until": until, "outcome": "open", "seconds": 0,
            }))
            .unwrap(),
            ..report.clone()
        };
        let late = super::lines(&by("2026-11-25T03:11:59Z"), report.until());
        assert_eq!(late[1]["FreshOnTime"], json!(0.0));
        assert_eq!(super::lines(&report, report.until())[1].get("FreshOnTime"), None);
        let lines = lines(&by("2026-11-25T06:00:00Z"), report.until());
        assert_eq!((&lines[1]["FreshOnTime"], &lines[2]["FreshOnTime"]), (&json!(1.0), &json!(0.0)));
        assert_eq!(lines.len(), 3);
        for line in &lines {
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(directive["Namespace"], telemetry::NAMESPACE);
            // What is declared is there: a metric as a number, a dimension as a text.
            for metric in directive["Metrics"].as_array().unwrap() {
                assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric} in {line:#}");
            }
            for dimension in
                directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap())
            {
                assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension} in {line:#}");
            }
            assert!(line["_aws"]["Timestamp"].is_i64());
        }
        let run = &lines[0];
        let values =
            ["Succeeded", "Failed", "Duration", "RowsMasked", "RowsPerSecond"].map(|name| run[name].as_f64());
        assert_eq!(values, [1.0, 0.0, 7261.0, 90_000.0, 2_000.0].map(Some));
        assert_eq!((&run["Subject"], run.get("Downtime")), (&json!("orders"), None));
        assert_eq!((&lines[1]["Target"], lines[1]["DataAge"].as_f64()), (&json!("orders-dev"), Some(7200.0)));
        assert_eq!((lines[2]["Refreshed"].as_f64(), lines[2].get("DataAge")), (Some(0.0), None));
    }

    #[test]
    fn a_run_that_goes_on_has_none() {
        let report = report(json!({ "status": "RUNNING", "kind": "running", "stopped": null }));
        assert_eq!(lines(&report, report.until()), Vec::<Value>::new());
    }
}
