//! Log lines for machines (JSON), or for people with `RUST_LOG_FORMAT=text`. `RUST_LOG` filters by
//! target and level (`info` by default, `debug,hyper=warn`).

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    registry,
    util::SubscriberInitExt,
};

use crate::Context;

/// Of all our metrics (docs/operations.md).
pub const NAMESPACE: &str = "AuroraRunbooks";

pub fn start() {
    crate::panics::remember();
    let wanted = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse::<Targets>().ok());
    let filter = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    // Lambda's runtime logs what a handler answers as an ERROR, each poll's NotReady too; what was
    // to be said of it is said where it was handled.
    let filter = filter.with_target("lambda_runtime::layers::panic", LevelFilter::OFF);
    let lines = fmt::layer().with_target(false);
    if std::env::var("RUST_LOG_FORMAT").as_deref() == Ok("text") {
        registry().with(lines.with_ansi(false).with_filter(filter)).init();
    } else {
        let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
        registry().with(lines.with_filter(filter)).init();
    }
}

/// What a line of CloudWatch's embedded metric format begins with: the metrics by name, unit and
/// value, for each set of dimensions, whose values the caller adds by their names.
/// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
pub fn embedded(at: Timestamp, dimensions: &Value, metrics: &[(&str, &str, f64)]) -> Map<String, Value> {
    let definitions: Vec<Value> =
        metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let directive = json!({ "Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": definitions });
    let metadata = json!({ "Timestamp": at.as_millisecond(), "CloudWatchMetrics": [directive] });
    let values = metrics.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value)));
    [("_aws".to_owned(), metadata)].into_iter().chain(values).collect()
}

/// A line of CloudWatch's embedded metric format, which has a shape of its own; only a function's
/// log is read for it.
pub fn metric(cx: &Context, line: &Value) {
    if cx.variable("AWS_LAMBDA_FUNCTION_NAME").is_some() {
        // A log that cannot be written to is no reason to fail.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}
