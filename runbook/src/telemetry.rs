//! Log lines for machines (JSON), or for people with `RUST_LOG_FORMAT=text`. `RUST_LOG` filters by
//! target and level (`info` by default, `debug,hyper=warn`).

use std::io::Write;

use serde_json::Value;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    registry,
    util::SubscriberInitExt,
};

use crate::Context;

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

/// A line of CloudWatch's embedded metric format, which has a shape of its own; only a function's
/// log is read for it.
pub fn metric(cx: &Context, line: &Value) {
    if cx.variable("AWS_LAMBDA_FUNCTION_NAME").is_some() {
        // A log that cannot be written to is no reason to fail.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}
