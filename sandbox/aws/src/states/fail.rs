//! `Fail`: ends with an error of the author's own.

use serde::Deserialize;
use serde_json::Value;

use super::failure::Failure;
use super::flow::Visit;
use super::jsonata::Template;

/// https://docs.aws.amazon.com/step-functions/latest/dg/state-fail.html
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Fail {
    pub error: Option<Template>,
    pub cause: Option<Template>,
}

impl Fail {
    pub fn failure(&self, visit: &Visit<'_>) -> Failure {
        let text = |field: &str, template: &Option<Template>| match template {
            None => Ok(None),
            Some(template) => match visit.evaluate(field, template)? {
                Value::String(text) => Ok(Some(text)),
                other => Err(visit.query_error(field, &format!("must return a string and returned {other}"))),
            },
        };
        match (text("Error", &self.error), text("Cause", &self.cause)) {
            (Ok(error), Ok(cause)) => Failure { error, cause },
            (Err(failure), _) | (_, Err(failure)) => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::states::fake::Fake;

    #[tokio::test(start_paused = true)]
    async fn error_and_cause_may_be_expressions() {
        let fake = Fake::alone();
        let stop = json!({"Type": "Fail", "Error": "{% $states.input.error %}", "Cause": "for the record"});
        let run = fake.run(json!({"Stop": stop}), "Stop", json!({"error": "SyncFailed"})).await;
        assert_eq!((&run["error"], &run["cause"]), (&json!("SyncFailed"), &json!("for the record")));
        assert_eq!(
            fake.event_types(run["executionArn"].as_str().unwrap()).await,
            ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"]
        );
    }
}
