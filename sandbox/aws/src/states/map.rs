//! `Map`: runs the same states for each item; the first iteration that fails cancels the others.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::definition::Flow;
use super::failure::Failure;
use super::flow::{self, Item, OnDrop, Visit};
use super::jsonata::Template;

/// https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MapState {
    pub items: Option<Template>,
    pub item_selector: Option<Template>,
    pub item_processor: ItemProcessor,
    pub max_concurrency: Option<Template>,
}

#[derive(Debug)]
pub struct ItemProcessor {
    pub flow: Flow,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ProcessorConfig {
    #[serde(rename = "Mode")]
    _mode: Mode,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Mode {
    Inline,
}

impl<'de> Deserialize<'de> for ItemProcessor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let mut fields = serde_json::Map::deserialize(deserializer)?;
        if let Some(config) = fields.remove("ProcessorConfig") {
            ProcessorConfig::deserialize(config)
                .map_err(|e| D::Error::custom(format!("ProcessorConfig: {e}")))?;
        }
        Ok(Self { flow: Flow::deserialize(Value::Object(fields)).map_err(D::Error::custom)? })
    }
}

/// How many iterations an Inline Map runs at once at most (page "state-map-inline").
const CONCURRENCY: usize = 40;

impl MapState {
    /// The outputs of the iterations, in the order of the items.
    pub async fn run(&self, visit: &Visit<'_>) -> Result<Value, Failure> {
        let Value::Array(items) = visit.evaluate_or_input("Items", self.items.as_ref())? else {
            return Err(visit.query_error("Items", "must return an array"));
        };
        let concurrency = match &self.max_concurrency {
            None => CONCURRENCY,
            Some(template) => match visit.evaluate("MaxConcurrency", template)?.as_u64() {
                Some(0) => CONCURRENCY,
                Some(limit) => (limit as usize).min(CONCURRENCY),
                None => return Err(visit.query_error("MaxConcurrency", "must return a whole number")),
            },
        };
        let details = json!({"length": items.len()});
        visit.record("MapStateStarted", Some(("mapStateStartedEventDetails", details)));
        let iterations: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(index, value)| self.iterate(visit, Item { index, value }))
            .collect();
        let outcome =
            stream::iter(iterations).buffer_unordered(concurrency).try_collect::<BTreeMap<_, _>>().await;
        visit.catch_up();
        match &outcome {
            Ok(_) => visit.record("MapStateSucceeded", None),
            Err(_) => visit.record("MapStateFailed", None),
        }
        outcome.map(|outputs| outputs.into_values().collect())
    }

    async fn iterate(&self, visit: &Visit<'_>, item: Item) -> Result<(usize, Value), Failure> {
        let branch = visit.branch.inner(item.index, Some(item.clone()));
        if let Some(output) = visit.execution.output_of(&branch) {
            return Ok((item.index, output));
        }
        let details = json!({"name": visit.name, "index": item.index});
        let record =
            |kind: &str, field| visit.execution.record(branch.last(), kind, Some((field, details.clone())));
        record("MapIterationStarted", "mapIterationStartedEventDetails");
        let aborted = OnDrop::new(|| record("MapIterationAborted", "mapIterationAbortedEventDetails"));
        let input = match &self.item_selector {
            None => Ok(item.value.clone()),
            Some(template) => visit.evaluate_for("ItemSelector", template, Some(&item)),
        };
        let outcome = match input {
            Ok(input) => flow::run(visit.execution, &self.item_processor.flow, branch.clone(), input).await,
            Err(failure) => Err(failure),
        };
        aborted.disarm();
        match &outcome {
            Ok(_) => record("MapIterationSucceeded", "mapIterationSucceededEventDetails"),
            Err(_) => record("MapIterationFailed", "mapIterationFailedEventDetails"),
        }
        Ok((item.index, outcome?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::states::fake::{Fake, function_error, invoke, ok};

    #[tokio::test(start_paused = true)]
    async fn items_are_selected_processed_within_the_limit_and_kept_in_order() {
        let fake = Fake::alone();
        let processor = json!({"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Pause", "States": {"Pause": {"Type": "Wait",
            "Seconds": "{% $states.input.seconds %}", "Output": "{% [$states.input.name, \
            $states.context.Map.Item.Index, $prefix] %}", "End": true}}});
        let map = json!({"Type": "Map", "Items": "{% $states.input.targets %}", "MaxConcurrency": 2, "End": true, "ItemProcessor": processor,
            "ItemSelector": {"name": "{% $states.context.Map.Item.Value %}", "seconds": "{% 10 - $states.context.Map.Item.Index %}"}});
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
    }
}
