//! Log lines for machines (JSON), or for people with `RUST_LOG_FORMAT=text`. `RUST_LOG` filters,
//! `info` by default.

use std::io::Write;

use serde_json::Value;
use tracing_subscriber::EnvFilter;

use crate::Context;

pub fn start() {
    crate::panics::remember();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Lambda's runtime logs what a handler answers as an ERROR, each poll's NotReady too; what was
    // to be said of it is said where it was handled.
    let filter = match "lambda_runtime::layers::panic=off".parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    if std::env::var("RUST_LOG_FORMAT").as_deref() == Ok("text") {
        builder.with_ansi(false).init();
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
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
