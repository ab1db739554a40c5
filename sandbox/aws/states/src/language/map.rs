//! https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html

use serde_json::Value;

use super::flow::Flow;
use super::reader::{Fields, Reader};
use super::setting::Setting;
use crate::jsonata::Template;

#[derive(Debug)]
pub struct MapState {
    pub items: Option<Template>,
    pub item_selector: Option<Template>,
    pub processor: Flow,
    pub max_concurrency: Option<Setting<u64>>,
    /// Accepted and evaluated in an Inline Map (localstack/localstack,
    /// v2/evaluate_jsonata/test_base_evaluate_expressions.snapshot.json, test_base_map), though
    /// only a Distributed one tolerates failures.
    pub tolerated_failure_count: Option<Setting<u64>>,
    pub tolerated_failure_percentage: Option<Setting<f64>>,
}

/// Not negative, without a fraction.
pub fn whole(value: &Value) -> Option<u64> {
    value.as_f64().filter(|number| number.fract() == 0.0 && *number >= 0.0).map(|number| number as u64)
}

pub fn percentage(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| (0.0..=100.0).contains(number))
}

impl MapState {
    pub fn read(reader: &mut Reader, fields: &mut Fields) -> Option<Self> {
        fields.require(reader, &["ItemProcessor"]);
        let items = fields.template(reader, "Items");
        let item_selector = fields.template(reader, "ItemSelector");
        let number = |value: &Value| format!("must be a whole number, found {value}");
        let max_concurrency = Setting::read(reader, fields, "MaxConcurrency", whole, number);
        let tolerated_failure_count = Setting::read(reader, fields, "ToleratedFailureCount", whole, number);
        let tolerated_failure_percentage =
            Setting::read(reader, fields, "ToleratedFailurePercentage", percentage, |value| {
                format!("must be a number from 0 to 100, found {value}")
            });
        let place = fields.at("ItemProcessor");
        let processor = fields.take("ItemProcessor").and_then(|processor| reader.object(&place, processor));
        let processor = processor.and_then(|mut processor| {
            inline(reader, &mut processor);
            Flow::read(reader, processor)
        });
        Some(Self {
            items,
            item_selector,
            processor: processor?,
            max_concurrency,
            tolerated_failure_count,
            tolerated_failure_percentage,
        })
    }
}

fn inline(reader: &mut Reader, processor: &mut Fields) {
    let place = processor.at("ProcessorConfig");
    let config = processor.take("ProcessorConfig").and_then(|config| reader.object(&place, config));
    if let Some(mut config) = config {
        if config.take("Mode").is_none_or(|mode| mode != "INLINE") {
            reader.refuse(&config.at("Mode"), "must be INLINE: the sandbox has no distributed Map");
        }
        config.end(reader);
    }
}
