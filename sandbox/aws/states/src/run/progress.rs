//! Where an execution is: what RedriveExecution goes on from.
//!
//! "It continues the failed execution from the unsuccessful step and uses the same input"; "for
//! workflows that include an Inline Map or Parallel state, [it] reschedules and redrives only the
//! iterations and branches that failed or aborted"
//! (https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::jsonata::Variables;

/// A flow and, by the index of the branch or item, the flows inside the state where it is.
#[derive(Debug, Default)]
pub struct Progress {
    at: Option<Point>,
    output: Option<Value>,
    inner: BTreeMap<usize, Progress>,
}

/// A state that was entered and not left.
#[derive(Debug, Clone)]
pub struct Point {
    pub state: String,
    pub input: Value,
    pub variables: Variables,
    pub entered: Entered,
}

/// When a state was entered, and its event.
#[derive(Debug, Clone, Copy)]
pub struct Entered {
    pub at: Timestamp,
    pub event: u64,
    /// The event before it in the same branch.
    pub before: u64,
}

impl Progress {
    fn node(&mut self, path: &[usize]) -> &mut Self {
        path.iter().fold(self, |node, index| node.inner.entry(*index).or_default())
    }

    pub fn point(&mut self, path: &[usize]) -> Option<Point> {
        self.node(path).at.clone()
    }

    pub fn output(&mut self, path: &[usize]) -> Option<Value> {
        self.node(path).output.clone()
    }

    pub fn enter(&mut self, path: &[usize], point: Point) {
        *self.node(path) = Self { at: Some(point), ..Self::default() };
    }

    pub fn finish(&mut self, path: &[usize], output: Value) {
        *self.node(path) = Self { output: Some(output), ..Self::default() };
    }

    /// A Parallel or Map that is retried starts all of its branches again.
    pub fn forget_inner(&mut self, path: &[usize]) {
        self.node(path).inner.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use serde_json::{Value, json};

    use crate::fake::{Fake, function_error, invoke, ok};

    #[tokio::test(start_paused = true)]
    async fn a_redrive_goes_on_at_the_failed_state_with_its_input_and_the_variables() {
        let calls = AtomicU32::new(0);
        let fake = Fake::new(move |call| {
            let fails = call.body["from"] == "First" && calls.fetch_add(1, Ordering::Relaxed) < 2;
            async move { if fails { function_error("Blocked", "a finding") } else { ok(call.body) } }
        });
        let arguments = json!({"FunctionName": "look", "Payload": {"from": "{% $states.input %}",
            "v": "{% $v %}",
            "redrives": "{% $states.context.Execution.RedriveCount %}",
                "retries": "{% $states.context.State.RetryCount %}"}});
        let retry = json!([{"ErrorEquals": ["Blocked"], "MaxAttempts": 1}]);
        let states = json!({
            "First": {"Type": "Pass", "Assign": {"v": 7}, "Output": "First", "Next": "Look"},
            "Look": invoke(json!({"Arguments": arguments, "Retry": retry, "Next": "Last"})),
            "Last": {"Type": "Pass", "Assign": {"w": "{% $v + 1 %}"}, "End": true},
        });
        let arn = fake.start(states, "First", json!({})).await;
        let run = fake.finish(&arn).await;
        assert_eq!((&run["status"], &run["redriveStatus"]), (&json!("FAILED"), &json!("REDRIVABLE")));
        fake.sleep(100).await;
        let redrive = fake.api("RedriveExecution", json!({"executionArn": arn})).await;
        assert_eq!(redrive, json!({"redriveDate": 101.0}));
        let run = fake.finish(&arn).await;
        let output: Value = serde_json::from_str(run["output"].as_str().unwrap()).unwrap();
        assert_eq!(output, json!({"from": "First", "v": 7, "redrives": 1, "retries": 0}));
        assert_eq!(
            (&run["redriveCount"], &run["error"], &run["startDate"]),
            (&json!(1), &Value::Null, &json!(0.0))
        );
        let types = fake.event_types(&arn).await;
        let redriven = types.iter().position(|kind| kind == "ExecutionRedriven").unwrap();
        assert_eq!(
            types[redriven - 1..redriven + 2],
            ["ExecutionFailed", "ExecutionRedriven", "TaskScheduled"]
        );
        let history = fake.history(&arn).await;
        assert_eq!(history[redriven + 1]["previousEventId"], history[redriven]["id"]);
        assert_eq!(
            fake.api("RedriveExecution", json!({"executionArn": arn})).await["__type"],
            "ExecutionNotRedrivable"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_redrive_runs_only_the_branches_that_did_not_finish() {
        let calls = AtomicU32::new(0);
        let fake = Fake::new(move |call| {
            let fails = call.body == "second" && calls.fetch_add(1, Ordering::Relaxed) == 0;
            async move { if fails { function_error("Conflict", "taken") } else { ok(call.body) } }
        });
        let branch = |name: &str| {
            let look = invoke(json!({"Arguments": {"FunctionName": "look", "Payload": name}, "End": true}));
            let pause = format!("Pause-{name}");
            let seconds = if name == "second" { 5 } else { 1 };
            json!({"StartAt": pause, "States": {pause.clone(): {"Type": "Wait", "Seconds": seconds,
                "Next": name}, name: look}})
        };
        let both = json!({"Both": {"Type": "Parallel", "Branches": [branch("first"), branch("second")],
            "End": true}});
        let arn = fake.start(both, "Both", json!({})).await;
        assert_eq!(fake.finish(&arn).await["error"], "Conflict");
        fake.api("RedriveExecution", json!({"executionArn": arn})).await;
        assert_eq!(fake.finish(&arn).await["output"], json!(["first", "second"]).to_string());
        let called: Vec<_> = fake.calls().iter().map(|call| (call.body.clone(), call.at)).collect();
        assert_eq!(called, [(json!("first"), 1.0), (json!("second"), 5.0), (json!("second"), 5.0)]);
    }
}
