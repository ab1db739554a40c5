//! An error as Step Functions names it: what Retry and Catch match, and what a failed execution
//! shows.

use serde_json::{Value, json};

/// Error names: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub error: Option<String>,
    pub cause: Option<String>,
}

impl Failure {
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: Some(error.into()), cause: Some(cause.into()) }
    }

    pub fn runtime(cause: impl Into<String>) -> Self {
        Self::new("States.Runtime", cause)
    }

    pub fn timeout() -> Self {
        Self { error: Some("States.Timeout".into()), cause: None }
    }

    pub fn heartbeat_timeout() -> Self {
        Self { error: Some("States.HeartbeatTimeout".into()), cause: None }
    }

    pub fn name(&self) -> &str {
        self.error.as_deref().unwrap_or_default()
    }

    /// `$states.errorOutput` in a Catch.
    pub fn output(&self) -> Value {
        json!({"Error": self.name(), "Cause": self.cause.as_deref().unwrap_or_default()})
    }

    /// The `error` and `cause` of history events and of DescribeExecution, absent where they are
    /// not known.
    pub fn details(&self) -> Value {
        let mut details = serde_json::Map::new();
        if let Some(error) = &self.error {
            details.insert("error".into(), error.clone().into());
        }
        if let Some(cause) = &self.cause {
            details.insert("cause".into(), cause.clone().into());
        }
        Value::Object(details)
    }

    /// Whether a Retry or Catch that names `pattern` is meant: `States.ALL` leaves out the two
    /// errors that end an execution, `States.TaskFailed` also `States.Timeout` (page
    /// "concepts-error-handling").
    pub fn matches(&self, pattern: &str) -> bool {
        let terminal = matches!(self.name(), "States.Runtime" | "States.DataLimitExceeded");
        match pattern {
            "States.ALL" => !terminal,
            "States.TaskFailed" => !terminal && self.name() != "States.Timeout",
            name => self.name() == name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_leave_out_what_the_service_leaves_out() {
        for (error, pattern, expected) in [
            ("NotReady", "States.ALL", true),
            ("NotReady", "States.TaskFailed", true),
            ("NotReady", "Blocked", false),
            ("States.Timeout", "States.ALL", true),
            ("States.Timeout", "States.TaskFailed", false),
            ("States.HeartbeatTimeout", "States.TaskFailed", true),
            ("States.HeartbeatTimeout", "States.Timeout", false),
            ("States.Runtime", "States.ALL", false),
            ("States.DataLimitExceeded", "States.ALL", false),
            ("States.DataLimitExceeded", "States.TaskFailed", false),
        ] {
            assert_eq!(Failure::new(error, "").matches(pattern), expected, "{pattern} and {error}");
        }
    }
}
