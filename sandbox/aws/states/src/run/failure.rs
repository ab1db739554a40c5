//! An error as Step Functions names it: what Retry and Catch match, and what a failed execution
//! shows.

use serde_json::{Value, json};

/// Error names: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    pub error: Option<String>,
    pub cause: Option<String>,
    nature: Nature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Nature {
    #[default]
    Ordinary,
    /// Wildcards leave it out.
    Terminal,
    Heartbeat,
}

impl Failure {
    /// Of the author, a worker or a service.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::of(Some(error.into()), Some(cause.into()))
    }

    pub fn of(error: Option<String>, cause: Option<String>) -> Self {
        Self { error, cause, nature: Nature::Ordinary }
    }

    pub fn runtime(cause: impl Into<String>) -> Self {
        Self { nature: Nature::Terminal, ..Self::new("States.Runtime", cause) }
    }

    pub fn timeout() -> Self {
        Self::of(Some("States.Timeout".into()), None)
    }

    /// It shows as States.Timeout (localstack/localstack,
    /// v2/timeouts/test_heartbeats.snapshot.json) and is distinct from the other one in Retry and
    /// Catch only.
    pub fn heartbeat_timeout() -> Self {
        Self { nature: Nature::Heartbeat, ..Self::timeout() }
    }

    /// A task's result beyond the limit, which `States.ALL` does catch (localstack/localstack,
    /// v2/error_handling/test_states_errors.snapshot.json).
    pub fn too_large_result(resource_type: &str) -> Self {
        let cause = format!(
            "The state/task '{resource_type}' returned a result with a size exceeding the maximum number of \
            bytes service limit."
        );
        Self::new("States.DataLimitExceeded", cause)
    }

    /// An input or output of a state beyond the limit: "a terminal error that can't be caught by
    /// the States.ALL error type" (page "concepts-error-handling").
    pub fn too_large(state: &str) -> Self {
        Self { nature: Nature::Terminal, ..Self::too_large_result(state) }
    }

    pub fn is_timeout(&self) -> bool {
        self.name() == Some("States.Timeout")
    }

    fn name(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// `$states.errorOutput` in a Catch. A worker that gives neither error nor cause makes both
    /// null (localstack/localstack, v2/callback/test_callback.snapshot.json), a time-out has an
    /// empty cause (v2/error_handling/test_task_service_lambda.snapshot.json).
    pub fn output(&self) -> Value {
        match (&self.error, &self.cause) {
            (None, None) => json!({"Error": null, "Cause": null}),
            (error, cause) => json!({
                "Error": error.as_deref().unwrap_or_default(),
                "Cause": cause.as_deref().unwrap_or_default(),
            }),
        }
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

    /// Whether a Retry or Catch that names `pattern` is meant. `States.TaskFailed` leaves out
    /// time-outs; `States.Timeout` means both kinds of them (page "concepts-error-handling";
    /// aws/aws-cdk#16084).
    pub fn matches(&self, pattern: &str) -> bool {
        let terminal = self.nature == Nature::Terminal;
        match pattern {
            "States.ALL" => !terminal,
            "States.TaskFailed" => !terminal && !self.is_timeout(),
            "States.HeartbeatTimeout" if self.nature == Nature::Heartbeat => true,
            name => self.name() == Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_leave_out_what_the_service_leaves_out() {
        let ordinary = |error: &str| Failure::new(error, "");
        for (failure, pattern, expected) in [
            (ordinary("NotReady"), "States.ALL", true),
            (ordinary("NotReady"), "States.TaskFailed", true),
            (ordinary("NotReady"), "Blocked", false),
            (Failure::timeout(), "States.ALL", true),
            (Failure::timeout(), "States.TaskFailed", false),
            (Failure::timeout(), "States.HeartbeatTimeout", false),
            (Failure::heartbeat_timeout(), "States.HeartbeatTimeout", true),
            (Failure::heartbeat_timeout(), "States.Timeout", true),
            (Failure::heartbeat_timeout(), "States.TaskFailed", false),
            (Failure::runtime(""), "States.ALL", false),
            (Failure::too_large_result("lambda"), "States.ALL", true),
            (Failure::too_large("Look"), "States.ALL", false),
            (Failure::too_large("Look"), "States.TaskFailed", false),
            (Failure::too_large("Look"), "States.DataLimitExceeded", true),
            (Failure::of(None, None), "States.ALL", true),
            (Failure::of(None, None), "", false),
        ] {
            assert_eq!(failure.matches(pattern), expected, "{pattern} and {failure:?}");
        }
    }

    #[test]
    fn an_error_that_nobody_named_is_null() {
        assert_eq!(Failure::of(None, None).output(), json!({"Error": null, "Cause": null}));
        assert_eq!(Failure::timeout().output(), json!({"Error": "States.Timeout", "Cause": ""}));
    }
}
