//! `Map`: runs the same states for each item; the first iteration that fails cancels the others.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::branch::{Branch, Item};
use super::cancel::cancel;
use super::failure::Failure;
use super::visit::{OnDrop, RunFlow, Visit};
use crate::language::{MapState, percentage, whole};

/// How many iterations an Inline Map runs at once at most (page "state-map-inline").
const CONCURRENCY: usize = 40;

/// The outputs of the iterations, in the order of the items.
///
/// Which event follows which: localstack/localstack, v2/scenarios/test_base_scenarios.snapshot.json
/// (test_map_state_nested, test_map_state_retry) and v2/timeouts/test_timeouts.snapshot.json.
pub async fn run(visit: &mut Visit<'_>, map: &MapState, run_flow: RunFlow) -> Result<Value, Failure> {
    let items = items(visit, map)?;
    let concurrency = limits(visit, map)?.at_once();
    visit.record("MapStateStarted", Some(("mapStateStartedEventDetails", json!({"length": items.len()}))));
    let branches: Vec<_> = items
        .into_iter()
        .enumerate()
        .map(|(index, value)| visit.branch.inner(index, Some(Item { index, value })))
        .collect();
    let started = visit.branch.last();
    let iterations =
        Iterations { visit, map, run_flow, place: AtomicU64::new(started), newest: AtomicU64::new(started) };
    let running: Vec<_> =
        branches.iter().enumerate().map(|(index, branch)| iterations.run(index, branch)).collect();
    let mut running = pin!(stream::iter(running).buffer_unordered(concurrency));
    let mut outputs = BTreeMap::new();
    while let Some((index, outcome)) = running.next().await {
        match outcome {
            Ok(output) => {
                outputs.insert(index, output);
            }
            Err(failure) => {
                iterations.record(&branches[index], "Failed", index);
                cancel(visit, &map.processor, &branches[index], &branches);
                return Err(failure);
            }
        }
    }
    visit.branch.follow(iterations.newest.load(Ordering::Relaxed));
    visit.record_aside("MapStateSucceeded", None);
    Ok(outputs.into_values().collect())
}

pub fn items(visit: &mut Visit<'_>, map: &MapState) -> Result<Vec<Value>, Failure> {
    let items = visit.evaluate_or_input("Items", map.items.as_ref())?;
    visit.arguments = Some(items.clone());
    match (items, &map.items) {
        (Value::Array(items), _) => Ok(items),
        (other, Some(template)) => Err(visit.unexpected("Items", template, "array", &other)),
        (other, None) => {
            Err(visit.query_error(None, &format!("Map state input must be an array but was: {other}")))
        }
    }
}

/// What the service evaluates of a Map's settings.
pub struct Limits {
    /// As it was asked for: 0 is no limit.
    pub concurrency: u64,
    /// Failures are tolerated by a Distributed Map only.
    pub tolerated_count: Option<u64>,
    pub tolerated_percentage: Option<f64>,
}

pub fn limits(visit: &Visit<'_>, map: &MapState) -> Result<Limits, Failure> {
    let number = |name: &str, setting| visit.setting(name, setting, "number", whole);
    let count = map.tolerated_failure_count.as_ref().map(|count| number("ToleratedFailureCount", count));
    let share = map.tolerated_failure_percentage.as_ref();
    let share = share.map(|share| visit.setting("ToleratedFailurePercentage", share, "number", percentage));
    let (tolerated_count, tolerated_percentage) = (count.transpose()?, share.transpose()?);
    let concurrency = map.max_concurrency.as_ref().map(|most| number("MaxConcurrency", most)).transpose()?;
    Ok(Limits { concurrency: concurrency.unwrap_or_default(), tolerated_count, tolerated_percentage })
}

impl Limits {
    fn at_once(&self) -> usize {
        if self.concurrency == 0 { CONCURRENCY } else { (self.concurrency as usize).min(CONCURRENCY) }
    }
}

struct Iterations<'a, 'v> {
    visit: &'a Visit<'v>,
    map: &'a MapState,
    run_flow: RunFlow,
    /// The event after which the next iteration may start: the last one inside the iteration whose
    /// place it takes.
    place: AtomicU64,
    /// The newest event of an iteration that ended.
    newest: AtomicU64,
}

impl Iterations<'_, '_> {
    async fn run(&self, index: usize, branch: &Branch) -> (usize, Result<Value, Failure>) {
        let execution = self.visit.execution;
        if let Some(output) = execution.output_of(branch) {
            return (index, Ok(output));
        }
        branch.follow(self.place.load(Ordering::Relaxed));
        branch.follow(self.record(branch, "Started", index));
        let input = match (&self.map.item_selector, &branch.item) {
            (Some(selector), item) => self.visit.evaluate_for("ItemSelector", selector, item.as_ref()),
            (None, Some(item)) => Ok(item.value.clone()),
            (None, None) => Ok(Value::Null),
        };
        let input = match input {
            Ok(input) => input,
            Err(failure) => return (index, Err(failure)),
        };
        // Dropped in the order of the recordings: the iteration's event, then its state's.
        let mut flow = pin!((self.run_flow)(execution, &self.map.processor, branch.clone(), input));
        let aborted = OnDrop::new(|| {
            self.record(branch, "Aborted", index);
        });
        let outcome = flow.as_mut().await;
        aborted.disarm();
        if outcome.is_ok() {
            self.newest.store(self.record(branch, "Succeeded", index), Ordering::Relaxed);
            self.place.store(branch.last(), Ordering::Relaxed);
        }
        (index, outcome)
    }

    fn record(&self, branch: &Branch, what: &str, index: usize) -> u64 {
        let field = match what {
            "Started" => "mapIterationStartedEventDetails",
            "Succeeded" => "mapIterationSucceededEventDetails",
            "Failed" => "mapIterationFailedEventDetails",
            _ => "mapIterationAbortedEventDetails",
        };
        let details = json!({"name": self.visit.name, "index": index});
        self.visit.execution.record(branch.last(), &format!("MapIteration{what}"), Some((field, details)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::{Fake, function_error, invoke, ok};

    #[tokio::test(start_paused = true)]
    async fn items_are_selected_processed_within_the_limit_and_kept_in_order() {
        let fake = Fake::alone();
        let processor = json!({"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Pause",
            "States": {"Pause": {"Type": "Wait",
            "Seconds": "{% $states.input.seconds %}", "Output": "{% [$states.input.name, \
            $states.context.Map.Item.Index, $prefix] %}", "End": true}}});
        let map = json!({"Type": "Map", "Items": "{% $states.input.targets %}", "MaxConcurrency": 2,
            "End": true, "ItemProcessor": processor,
            "ItemSelector": {"name": "{% $states.context.Map.Item.Value %}",
                "seconds": "{% 10 - $states.context.Map.Item.Index %}"}});
        let states =
            json!({"First": {"Type": "Pass", "Assign": {"prefix": "p"}, "Next": "Each"}, "Each": map});
        let run = fake.run(states, "First", json!({"targets": ["a", "b", "c"]})).await;
        assert_eq!(run["output"], json!([["a", 0, "p"], ["b", 1, "p"], ["c", 2, "p"]]).to_string());
        assert_eq!(fake.elapsed(), 17.0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_iteration_that_fails_cancels_those_before_it_too() {
        let fake = Fake::new(|call| async move {
            match call.body.as_u64() {
                Some(0) => std::future::pending().await,
                Some(1) => function_error("Conflict", "taken"),
                _ => ok(json!(null)),
            }
        });
        let processor = json!({"StartAt": "Look", "States": {"Look": invoke(json!({"End": true}))}});
        let map = json!({"Type": "Map", "ItemProcessor": processor, "End": true});
        let run = fake.run(json!({"Each": map}), "Each", json!([0, 1])).await;
        assert_eq!(run["error"], "Conflict");
        let history = fake.history(run["executionArn"].as_str().unwrap()).await;
        let find = |kind: &str| -> Value {
            history.iter().find(|event| event["type"] == kind).unwrap_or_else(|| panic!("{kind}")).clone()
        };
        assert_eq!(
            find("MapIterationFailed")["mapIterationFailedEventDetails"],
            json!({"name": "Each", "index": 1})
        );
        assert_eq!(
            find("MapIterationAborted")["mapIterationAbortedEventDetails"],
            json!({"name": "Each", "index": 0})
        );
        assert_eq!(find("MapStateStarted")["mapStateStartedEventDetails"]["length"], 2);
    }

    #[tokio::test(start_paused = true)]
    async fn items_that_are_no_array_fail() {
        let fake = Fake::alone();
        let processor = json!({"StartAt": "In", "States": {"In": {"Type": "Succeed"}}});
        let run = fake
            .run(json!({"Each": {"Type": "Map", "ItemProcessor": processor, "End": true}}), "Each", json!({}))
            .await;
        assert_eq!(run["error"], "States.QueryEvaluationError");
        assert!(
            run["cause"].as_str().unwrap().ends_with("Map state input must be an array but was: {}"),
            "{run}"
        );
        assert_eq!(
            fake.trail(run["executionArn"].as_str().unwrap()).await[2..],
            ["3 <- 0 EvaluationFailed", "4 <- 3 MapStateFailed", "5 <- 4 ExecutionFailed"]
        );
    }
}
