//! `Fail`: ends with an error of the author's own.

use serde_json::Value;

use super::failure::Failure;
use super::visit::Visit;
use crate::language::{Fail, Setting};

pub fn failure(visit: &Visit<'_>, fail: &Fail) -> Failure {
    let text = |field: &str, setting: &Option<Setting<String>>| {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        setting.as_ref().map(|setting| visit.setting(field, setting, "string", text)).transpose()
    };
    match (text("Error", &fail.error), text("Cause", &fail.cause)) {
        (Ok(error), Ok(cause)) => Failure::of(error, cause),
        (Err(failure), _) | (_, Err(failure)) => failure,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::Fake;

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
