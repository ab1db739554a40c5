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
            ProcessorConfig::deserialize(config).map_err(|e| D::Error::custom(format!("ProcessorConfig: {e}")))?;
        }
        Ok(Self { flow: Flow::deserialize(Value::Object(fields)).map_err(D::Error::custom)? })
    }
}

/// "An Inline Map supports up to 40 concurrent iterations" (page "state-map-inline").
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
        let iterations: Vec<_> = items.into_iter().enumerate().map(|(index, value)| self.iterate(visit, Item { index, value })).collect();
        let outcome = stream::iter(iterations).buffer_unordered(concurrency).try_collect::<BTreeMap<_, _>>().await;
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
        let record = |kind: &str, field| visit.execution.record(branch.last(), kind, Some((field, details.clone())));
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
