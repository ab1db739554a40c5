//! The life of an execution: started, run to its end, stopped, redriven.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::branch::Branch;
use super::execution::{Execution, Status};
use super::failure::Failure;
use super::flow;
use super::history::{Event, LIMIT};

impl Execution {
    pub fn start(self) -> Arc<Self> {
        let (sender, stop) = oneshot::channel();
        let execution = Arc::new(self);
        execution.ledger().stop = Some(sender);
        execution.world.executions.lock().insert(execution.arn.clone(), Arc::downgrade(&execution));
        let mut details = json!({
            "input": execution.input.text,
            "inputDetails": {"truncated": false},
            "roleArn": execution.machine.role_arn,
        });
        let by = &execution.by;
        for (field, arn) in
            [("stateMachineVersionArn", &by.version_arn), ("stateMachineAliasArn", &by.alias_arn)]
        {
            if let Some(arn) = arn {
                details[field] = arn.as_str().into();
            }
        }
        execution.record(0, "ExecutionStarted", Some(("executionStartedEventDetails", details)));
        execution.announce();
        execution.spawn(stop, 0);
        execution
    }

    fn spawn(self: &Arc<Self>, stop: oneshot::Receiver<Failure>, last_event: u64) {
        let execution = Arc::clone(self);
        tokio::spawn(async move {
            let root = Branch::root(last_event);
            let (status, outcome) = execution.drive(stop, root.clone()).await;
            // What ends it from outside follows nothing (localstack/localstack,
            // v2/test_sfn_api.snapshot.json, test_stop_execution).
            let previous = match status {
                Status::Aborted | Status::TimedOut => 0,
                _ => root.last(),
            };
            execution.finish(status, outcome, previous);
        });
    }

    async fn drive(
        &self,
        stop: oneshot::Receiver<Failure>,
        root: Branch,
    ) -> (Status, Result<Value, Failure>) {
        let flow = &self.machine.definition.flow;
        // Dropping the run is what cancels it: its tasks are closed and the states in its branches
        // recorded as aborted.
        tokio::select! {
            biased;
            Ok(reason) = stop => (Status::Aborted, Err(reason)),
            outcome = flow::run(self, flow, root, self.input.value.clone()) => match outcome {
                Ok(output) => (Status::Succeeded, Ok(output)),
                Err(failure) => (Status::Failed, Err(failure)),
            },
            // It has no error (localstack/localstack, v2/timeouts/test_timeouts.snapshot.json,
            // test_global_timeout).
            () = self.time_out() => (Status::TimedOut, Err(Failure::of(None, None))),
            () = self.history_full.notified() => {
                let cause = format!("The execution reached the maximum number of history events ({LIMIT}).");
                (Status::Failed, Err(Failure::runtime(cause)))
            }
        }
    }

    async fn time_out(&self) {
        match self.machine.definition.timeout_seconds {
            Some(seconds) => self.world.clock.sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    }

    fn finish(&self, status: Status, outcome: Result<Value, Failure>, previous: u64) {
        let (kind, field, details) = match (&outcome, status) {
            (Ok(output), _) => {
                let details = json!({"output": output.to_string(), "outputDetails": {"truncated": false}});
                ("ExecutionSucceeded", "executionSucceededEventDetails", details)
            }
            (Err(failure), Status::Aborted) => {
                ("ExecutionAborted", "executionAbortedEventDetails", failure.details())
            }
            (Err(failure), Status::TimedOut) => {
                ("ExecutionTimedOut", "executionTimedOutEventDetails", failure.details())
            }
            (Err(failure), _) => ("ExecutionFailed", "executionFailedEventDetails", failure.details()),
        };
        let now = self.world.clock.now();
        {
            let mut ledger = self.ledger();
            let id = ledger.history.len() as u64 + 1;
            let (kind, details) = (kind.to_owned(), Some((field, details)));
            ledger.history.push(Event { id, previous, timestamp: now, kind, details });
            ledger.status = status;
            ledger.stopped = Some(now);
            ledger.stop = None;
            match outcome {
                Ok(output) => ledger.output = Some(output),
                Err(failure) => ledger.failure = Some(failure),
            }
        }
        self.announce();
        self.finished.send_replace(true);
    }

    /// Asks it to stop, which it does before time passes. False when it has ended already.
    pub fn stop(&self, reason: Failure) -> bool {
        let stop = self.ledger().stop.take();
        stop.is_some_and(|stop| stop.send(reason).is_ok())
    }

    pub async fn wait_until_finished(&self) {
        // Fails only when the sender is gone, and `self` holds it.
        let _ = self.finished.subscribe().wait_for(|finished| *finished).await;
    }

    /// Goes on from the states that were not left. The error says why it cannot.
    pub fn redrive(self: &Arc<Self>) -> Result<Timestamp, String> {
        let now = self.world.clock.now();
        let (sender, stop) = oneshot::channel();
        let redrives = {
            let mut ledger = self.ledger();
            if let Some(reason) = ledger.not_redrivable() {
                return Err(reason);
            }
            ledger.status = Status::Running;
            ledger.redrives += 1;
            ledger.redriven = Some(now);
            (ledger.stopped, ledger.failure) = (None, None);
            ledger.stop = Some(sender);
            self.finished.send_replace(false);
            ledger.redrives
        };
        let details = json!({"redriveCount": redrives});
        let newest = self.ledger().history.len() as u64;
        let event =
            self.record(newest, "ExecutionRedriven", Some(("executionRedrivenEventDetails", details)));
        self.announce();
        self.spawn(stop, event);
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::{Fake, ok, worker};

    #[tokio::test(start_paused = true)]
    async fn stopping_closes_the_task_at_once() {
        let fake = Fake::new(|_| async { ok(json!({"tasks": [], "failures": []})) });
        let arn = fake.start(json!({"Work": worker(json!({"End": true}))}), "Work", json!({})).await;
        fake.sleep(50).await;
        let answer = fake
            .api("StopExecution", json!({"executionArn": arn, "error": "Enough", "cause": "asked to"}))
            .await;
        assert_eq!((answer["stopDate"].clone(), fake.elapsed()), (json!(50.0), 50.0));
        let run = fake.finish(&arn).await;
        assert_eq!(
            (&run["status"], &run["error"], &run["cause"]),
            (&json!("ABORTED"), &json!("Enough"), &json!("asked to"))
        );
        assert_eq!(
            fake.api("SendTaskHeartbeat", json!({"taskToken": fake.token(0)})).await["__type"],
            "TaskTimedOut"
        );
        assert_eq!(fake.trail(&arn).await.last().unwrap(), "6 <- 0 ExecutionAborted");
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_the_parent_stops_the_child_it_waits_for() {
        let fake = Fake::alone();
        let child = fake
            .create("child", json!({"Pause": {"Type": "Wait", "Seconds": 1000, "End": true}}), "Pause")
            .await;
        let start = json!({"Start": {"Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": true,
            "Arguments": {"StateMachineArn": child, "Name": "inner"}}});
        let arn = fake.start(start, "Start", json!({})).await;
        fake.sleep(10).await;
        fake.api("StopExecution", json!({"executionArn": arn})).await;
        let inner = fake.finish(&endpoint::aws::arn("states", "execution:child:inner")).await;
        assert_eq!((&inner["status"], &inner["stopDate"]), (&json!("ABORTED"), &json!(10.0)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_has_a_timeout_of_its_own() {
        let fake = Fake::alone();
        let definition = json!({"QueryLanguage": "JSONata", "StartAt": "Pause", "TimeoutSeconds": 60,
            "States": {"Pause": {"Type": "Wait", "Seconds": 100, "End": true}}});
        let machine = fake.create_machine("limited", definition).await;
        let arn = fake.api("StartExecution", json!({"stateMachineArn": machine})).await["executionArn"]
            .as_str()
            .unwrap()
            .to_owned();
        let run = fake.finish(&arn).await;
        assert_eq!(
            (&run["status"], &run["error"], &run["stopDate"]),
            (&json!("TIMED_OUT"), &Value::Null, &json!(60.0))
        );
        let last = fake.history(&arn).await.pop().unwrap();
        assert_eq!(
            (&last["type"], &last["executionTimedOutEventDetails"]),
            (&json!("ExecutionTimedOut"), &json!({}))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_history_that_is_full_fails_the_execution() {
        let fake = Fake::alone();
        let choose =
            json!({"Type": "Choice", "Choices": [{"Condition": false, "Next": "End"}], "Default": "Again"});
        let states = json!({"Again": {"Type": "Wait", "Seconds": 1, "Next": "AndAgain"}, "AndAgain": choose,
            "End": {"Type": "Succeed"}});
        let run = fake.run(states, "Again", json!({})).await;
        assert_eq!((&run["status"], &run["redriveStatus"]), (&json!("FAILED"), &json!("NOT_REDRIVABLE")));
        assert!(run["cause"].as_str().unwrap().contains("maximum number of history events (25000)"));
        let newest = json!({"executionArn": run["executionArn"], "reverseOrder": true, "maxResults": 1});
        assert_eq!(fake.api("GetExecutionHistory", newest).await["events"][0]["id"], 25000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_replays() {
        let mut tokens = Vec::new();
        for seed in [3, 3, 4] {
            let fake = Fake::seeded(seed, |_| async { ok(json!({"tasks": [], "failures": []})) });
            let work = worker(json!({"End": true, "HeartbeatSeconds": 5,
                "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 100,
                    "JitterStrategy": "FULL"}]}));
            fake.run(json!({"Work": work}), "Work", json!({})).await;
            tokens.push((fake.token(1), fake.calls()[1].at));
        }
        assert_eq!(tokens[0], tokens[1]);
        assert_ne!(tokens[0], tokens[2]);
    }
}
