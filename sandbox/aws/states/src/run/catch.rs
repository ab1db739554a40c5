//! `Catch`: where a failed state goes when no retry is left.

use super::failure::Failure;
use super::visit::{Step, Visit};
use crate::language::Catcher;

pub fn find<'a>(catchers: &'a [Catcher], failure: &Failure) -> Option<(usize, &'a Catcher)> {
    let meant = |catcher: &Catcher| catcher.error_equals.iter().any(|pattern| failure.matches(pattern));
    catchers.iter().enumerate().find(|(_, catcher)| meant(catcher))
}

/// Without an Output, the state's output is the error output (page "concepts-error-handling").
pub fn step(visit: &mut Visit<'_>, catcher: &Catcher, failure: &Failure) -> Result<Step, Failure> {
    visit.error_output = Some(failure.output());
    visit.result = None;
    visit.leave(&catcher.assign, catcher.output.as_ref(), failure.output(), Some(catcher.next.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::{Fake, function_error, invoke};

    #[tokio::test(start_paused = true)]
    async fn a_caught_error_assigns_and_goes_on_after_the_retries() {
        let fake = Fake::new(|_| async { function_error("Blocked", "findings") });
        let catch = json!([
            {"ErrorEquals": ["NotReady"], "Next": "Other"},
            {"ErrorEquals": ["Blocked"],
                "Assign": {"why": "{% $parse($states.errorOutput.Cause).errorMessage %}"}, "Next": "Tell"},
        ]);
        let retry = json!([{"ErrorEquals": ["Blocked"], "MaxAttempts": 2, "BackoffRate": 1}]);
        let states = json!({
            "Look": invoke(json!({"Next": "Other", "Catch": catch, "Retry": retry})),
            "Tell": {"Type": "Pass", "Output": "{% [$why, $states.input.Error] %}", "End": true},
            "Other": {"Type": "Fail"},
        });
        let run = fake.run(states, "Look", json!({})).await;
        assert_eq!(run["output"], json!(["findings", "Blocked"]).to_string());
        assert_eq!(fake.calls().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_output_that_cannot_be_evaluated_is_caught_like_the_work_itself() {
        let fake = Fake::new(|_| async { crate::fake::ok(json!({})) });
        let catch = json!([{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "Caught"}]);
        let look =
            invoke(json!({"End": true, "Output": "{% $states.result.Payload.absent %}", "Catch": catch}));
        let run = fake.run(json!({"Look": look, "Caught": {"Type": "Succeed"}}), "Look", json!({})).await;
        assert_eq!(run["status"], "SUCCEEDED");
    }
}
