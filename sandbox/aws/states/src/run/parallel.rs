//! `Parallel`: runs branches side by side; the first that fails cancels the others.

use std::pin::pin;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;

use super::branch::Branch;
use super::cancel::cancel;
use super::failure::Failure;
use super::visit::{RunFlow, Visit};
use crate::language::Parallel;

/// The outputs of the branches, in their order.
///
/// Which event follows which: localstack/localstack, v2/scenarios/test_base_scenarios.snapshot.json
/// (test_parallel_state) and v2/states_variables/test_error_output.snapshot.json.
pub async fn run(visit: &mut Visit<'_>, parallel: &Parallel, run_flow: RunFlow) -> Result<Value, Failure> {
    let input = visit.evaluate_or_input("Arguments", parallel.arguments.as_ref())?;
    visit.arguments = Some(input.clone());
    visit.record("ParallelStateStarted", None);
    let branches: Vec<_> =
        (0..parallel.branches.len()).map(|index| visit.branch.inner(index, None)).collect();
    let mut outputs: Vec<Option<Value>> = vec![None; branches.len()];
    let execution = visit.execution;
    let running: FuturesUnordered<_> = parallel
        .branches
        .iter()
        .zip(&branches)
        .enumerate()
        .map(|(index, (flow, branch))| {
            let (branch, input) = (branch.clone(), input.clone());
            async move { (index, run_flow(execution, flow, branch, input).await) }
        })
        .collect();
    let mut running = pin!(running);
    while let Some((index, outcome)) = running.next().await {
        match outcome {
            Ok(output) => outputs[index] = Some(output),
            Err(failure) => {
                cancel(visit, &parallel.branches[index], &branches[index], &branches);
                return Err(failure);
            }
        }
    }
    visit.branch.follow(branches.iter().map(Branch::last).max().unwrap_or_else(|| visit.branch.last()));
    visit.record_aside("ParallelStateSucceeded", None);
    Ok(outputs.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use serde_json::json;

    use crate::fake::{Fake, function_error, invoke, ok};

    #[tokio::test(start_paused = true)]
    async fn branches_run_side_by_side_and_their_outputs_keep_their_order() {
        let fake = Fake::alone();
        let branch = |seconds: u32| {
            let wait = format!("Wait{seconds}");
            json!({"StartAt": wait, "States": {wait.clone(): {"Type": "Wait", "Seconds": seconds,
                "Output": {"waited": seconds, "got": "{% $states.input %}"}, "End": true}}})
        };
        let both = json!({"Type": "Parallel", "Branches": [branch(20), branch(10)],
            "Arguments": "{% $states.input.a %}", "End": true});
        let run = fake.run(json!({"Both": both}), "Both", json!({"a": 1})).await;
        assert_eq!(run["output"], json!([{"waited": 20, "got": 1}, {"waited": 10, "got": 1}]).to_string());
        assert_eq!(fake.elapsed(), 20.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_runs_every_branch_again() {
        let calls = AtomicU32::new(0);
        let fake = Fake::new(move |call| {
            let fails = call.body == "second" && calls.fetch_add(1, Ordering::Relaxed) == 0;
            async move { if fails { function_error("Conflict", "taken") } else { ok(call.body) } }
        });
        let branch = |name: &str| {
            let pause = format!("Pause-{name}");
            let seconds = if name == "second" { 5 } else { 1 };
            let look = invoke(json!({"Arguments": {"FunctionName": "look", "Payload": name}, "End": true}));
            json!({"StartAt": pause, "States": {pause.clone(): {"Type": "Wait", "Seconds": seconds,
                "Next": name}, name: look}})
        };
        let retry = json!([{"ErrorEquals": ["Conflict"], "IntervalSeconds": 10}]);
        let both = json!({"Type": "Parallel", "Branches": [branch("first"), branch("second")],
            "Retry": retry, "End": true});
        assert_eq!(fake.run(json!({"Both": both}), "Both", json!({})).await["status"], "SUCCEEDED");
        let called: Vec<_> = fake.calls().iter().map(|call| (call.body.clone(), call.at)).collect();
        assert_eq!(
            called,
            [(json!("first"), 1.0), (json!("second"), 5.0), (json!("first"), 16.0), (json!("second"), 20.0)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_branch_that_fails_cancels_the_others_and_is_caught_once() {
        let fake = Fake::new(|call| async move {
            if call.body["who"] == "fails" {
                function_error("OperationFailed", "no")
            } else {
                ok(json!(null))
            }
        });
        let look = |who: &str| {
            invoke(json!({"End": true, "Arguments": {"FunctionName": "look", "Payload": {"who": who}}}))
        };
        let branches = json!([
            {"StartAt": "Pause", "States": {"Pause": {"Type": "Wait", "Seconds": 100, "Next": "Never"},
                "Never": look("never")}},
            {"StartAt": "Short", "States": {"Short": {"Type": "Wait", "Seconds": 5, "Next": "Fails"},
                "Fails": look("fails")}},
        ]);
        let body = json!({"Type": "Parallel", "Branches": branches, "End": true,
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput.Error %}",
                "Next": "CleanUp"}]});
        let run = fake
            .run(json!({"Body": body, "CleanUp": {"Type": "Pass", "End": true}}), "Body", json!({}))
            .await;
        assert_eq!((run["output"].clone(), fake.elapsed()), (json!("\"OperationFailed\""), 5.0));
        fake.sleep(200).await;
        assert_eq!(fake.calls().len(), 1);
        let types = fake.event_types(run["executionArn"].as_str().unwrap()).await;
        let at = |kind: &str| {
            types.iter().position(|t| t == kind).unwrap_or_else(|| panic!("{kind} in {types:?}"))
        };
        assert!(
            at("TaskFailed") < at("WaitStateAborted") && at("WaitStateAborted") < at("ParallelStateFailed")
        );
        assert!(at("ParallelStateFailed") < at("ParallelStateExited"));
    }
}
