//! `Wait`: lets time pass.

use std::time::Duration;

use jiff::Timestamp;

use super::failure::Failure;
use super::visit::{Step, Visit};
use crate::language::{Setting, Wait, timestamp};

/// 24,855 days are waited, and 24,856 are too long (localstack/localstack,
/// v2/base/test_wait.snapshot.json): the seconds have 31 bits.
const LONGEST: i64 = i32::MAX as i64;

pub async fn step(visit: &mut Visit<'_>, wait: &Wait) -> Result<Step, Failure> {
    match wait {
        Wait::Seconds(seconds) => {
            let seconds = visit.seconds("Seconds", seconds, 0)?;
            visit.execution.world.clock.sleep(Duration::from_secs(seconds)).await;
        }
        Wait::Until(moment) => {
            let until = until(visit, moment)?;
            let delay = until.duration_since(visit.execution.world.clock.now()).as_secs();
            if delay > LONGEST {
                let (name, event) = (visit.name, visit.entered.event);
                return Err(Failure::runtime(format!(
                    "An error occurred while executing the state '{name}' (entered at the event id \
                    #{event}). Wait state delay is too long."
                )));
            }
            visit.execution.world.clock.sleep_until(until).await;
        }
    }
    let input = visit.input.clone();
    visit.leave_by_common_fields(input)
}

/// The text: localstack/localstack, v2/scenarios/test_base_scenarios.snapshot.json,
/// test_wait_timestamp_jsonata.
fn until(visit: &Visit<'_>, moment: &Setting<Timestamp>) -> Result<Timestamp, Failure> {
    let template = match moment {
        Setting::Fixed(moment) => return Ok(*moment),
        Setting::Computed(template) => template,
    };
    let value = visit.evaluate("Timestamp", template)?;
    let Some(text) = value.as_str() else {
        return Err(visit.unexpected("Timestamp", template, "string", &value));
    };
    timestamp(&value).ok_or_else(|| {
        let problem = format!(
            "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: \
            {text}"
        );
        visit.query_error(Some("Timestamp"), &problem)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::Fake;

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
    async fn a_wait_of_more_than_31_bits_of_seconds_is_too_long() {
        let run = async |days: u64| {
            let fake = Fake::alone();
            let moment = format!("{{% $fromMillis($millis() + {days} * 86400000) %}}");
            let pause = json!({"Type": "Wait", "Timestamp": moment, "End": true});
            fake.run(json!({"Pause": pause}), "Pause", json!({})).await
        };
        assert_eq!(run(24_855).await["status"], "SUCCEEDED");
        let failed = run(24_856).await;
        assert_eq!(failed["error"], "States.Runtime");
        assert!(failed["cause"].as_str().unwrap().ends_with("Wait state delay is too long."), "{failed}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_without_t_or_offset_is_an_error() {
        for text in
            ["2016-12-05 21:29:29Z", "2016-12-05T21:29:29", "2016-13-05T21:29:29Z", "05-12-2016T21:29:29Z"]
        {
            let fake = Fake::alone();
            let pause = json!({"Type": "Wait", "Timestamp": "{% $states.input %}", "End": true});
            let run = fake.run(json!({"Pause": pause}), "Pause", json!(text)).await;
            let cause = format!(
                "An error occurred while executing the state 'Pause' (entered at the event id #2). The \
                Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: \
                {text}"
            );
            assert_eq!(
                (&run["error"], &run["cause"]),
                (&json!("States.QueryEvaluationError"), &json!(cause))
            );
            let trail = fake.trail(run["executionArn"].as_str().unwrap()).await;
            assert_eq!(trail[2..], ["3 <- 2 EvaluationFailed", "4 <- 3 ExecutionFailed"]);
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
