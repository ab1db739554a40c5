//! `Pass`: hands its input on, through Assign and Output.

use super::failure::Failure;
use super::visit::{Step, Visit};

/// https://docs.aws.amazon.com/step-functions/latest/dg/state-pass.html
pub fn step(visit: &mut Visit<'_>) -> Result<Step, Failure> {
    let input = visit.input.clone();
    visit.leave_by_common_fields(input)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::Fake;

    #[tokio::test(start_paused = true)]
    async fn expressions_of_assign_and_output_see_the_old_values() {
        let fake = Fake::alone();
        let states = json!({
            "First": {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "Swap"},
            "Swap": {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"},
                "Output": "{% [$a, $b] %}", "Next": "Last"},
            "Last": {"Type": "Succeed", "Output": {"before": "{% $states.input %}",
                "after": "{% [$a, $b] %}"}},
        });
        let run = fake.run(states, "First", json!({})).await;
        assert_eq!(run["output"], json!({"before": [1, 2], "after": [2, 1]}).to_string());
        let history = fake.history(run["executionArn"].as_str().unwrap()).await;
        assert_eq!(history[4]["stateExitedEventDetails"]["assignedVariables"], json!({"a": "2", "b": "1"}));
    }

    #[tokio::test(start_paused = true)]
    async fn the_context_names_the_execution_and_the_machine() {
        let fake = Fake::alone();
        let run = fake
            .run(
                json!({"Look": {"Type": "Pass", "Output": "{% $states.context %}", "End": true}}),
                "Look",
                json!({"x": 1}),
            )
            .await;
        let context: serde_json::Value = serde_json::from_str(run["output"].as_str().unwrap()).unwrap();
        assert_eq!(
            context,
            json!({
                "Execution": {"Id": run["executionArn"], "Name": "run", "Input": {"x": 1},
                    "RoleArn": crate::fake::ROLE,
                    "StartTime": "1970-01-01T00:00:00.000Z", "RedriveCount": 0},
                "StateMachine": {"Id": run["stateMachineArn"], "Name": "machine"},
                "State": {"Name": "Look", "EnteredTime": "1970-01-01T00:00:00.000Z"},
            })
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_undefined_output_fails_the_execution() {
        let fake = Fake::alone();
        let run = fake
            .run(
                json!({"Look": {"Type": "Pass", "Output": {"a": "{% $states.input.absent %}"}, "End": true}}),
                "Look",
                json!({}),
            )
            .await;
        assert_eq!(run["error"], "States.QueryEvaluationError");
        assert!(run["cause"].as_str().unwrap().contains(
            "'$states.input.absent' specified for the field 'Output/a' returned nothing (undefined)."
        ));
    }
}
