//! Log lines for machines (JSON), or for people with `RUST_LOG_FORMAT=text`. `RUST_LOG` filters,
//! `info` by default.

use tracing_subscriber::EnvFilter;

pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    if std::env::var("RUST_LOG_FORMAT").as_deref() == Ok("text") {
        builder.with_ansi(false).init();
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    }
}
