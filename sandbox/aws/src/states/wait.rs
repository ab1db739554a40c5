//! `Wait`: lets time pass.

use jiff::Timestamp;
use serde::Deserialize;

use super::failure::Failure;
use super::flow::{Step, Visit};
use super::jsonata::Template;

/// https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Wait {
    pub seconds: Option<Template>,
    pub timestamp: Option<Template>,
}

impl Wait {
    pub async fn step(&self, visit: &mut Visit<'_>) -> Result<Step, Failure> {
        if let Some(seconds) = &self.seconds {
            visit.execution.world.clock.sleep(visit.seconds("Seconds", seconds, 0)?).await;
        }
        if let Some(timestamp) = &self.timestamp {
            let value = visit.evaluate("Timestamp", timestamp)?;
            let until: Option<Timestamp> = value.as_str().and_then(|text| text.parse().ok());
            let until = until.ok_or_else(|| {
                visit.query_error("Timestamp", &format!("must return a timestamp and returned {value}"))
            })?;
            visit.execution.world.clock.sleep_until(until).await;
        }
        let input = visit.input.clone();
        visit.leave_by_common_fields(input)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::states::fake::Fake;

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_seconds_or_until_a_moment() {
        for (how, until) in [
            (json!({"Seconds": 18000}), 18000.0),
            (json!({"Seconds": "{% $states.input.seconds * 2 %}"}), 14.0),
            (json!({"Timestamp": "1970-01-01T01:00:00Z"}), 3600.0),
            (json!({"Timestamp": "{% $fromMillis($millis() + 90000) %}"}), 90.0),
        ] {
            let fake = Fake::alone();
            let mut pause = json!({"Type": "Wait", "End": true});
            pause.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
            assert_eq!(
                fake.run(json!({"Pause": pause}), "Pause", json!({"seconds": 7})).await["status"],
                "SUCCEEDED"
            );
            assert_eq!(fake.elapsed(), until);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_time_is_an_error() {
        let fake = Fake::alone();
        let run = fake
            .run(
                json!({"Pause": {"Type": "Wait", "Seconds": "{% 'soon' %}", "End": true}}),
                "Pause",
                json!({}),
            )
            .await;
        assert_eq!(run["error"], "States.QueryEvaluationError");
    }
}
