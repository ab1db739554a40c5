//! What all lists have in common: filters and pages.

use serde_json::{Value, json};

use super::Answer;
use super::error::Fault;
use super::query::Input;

pub struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    pub fn read(input: &Input, known: &[&str]) -> Result<Self, Fault> {
        let mut filters = Vec::new();
        for filter in input.list("Filters") {
            let name = filter["Name"].as_str().unwrap_or_default();
            if !known.contains(&name) {
                return Err(Fault::value(format!("Unrecognized filter name: {name}")));
            }
            let values: Vec<String> = filter["Values"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            if values.is_empty() || values.iter().any(String::is_empty) {
                return Err(Fault::value(format!("The filter {name} must have a value that is not blank.")));
            }
            filters.push((name.to_owned(), values));
        }
        Ok(Self(filters))
    }

    /// Whether nothing asks for another `name` than this one. Identifiers may be given as ARNs.
    pub fn allow(&self, name: &str, value: &str) -> bool {
        let same = |wanted: &String| {
            wanted == value || wanted.rsplit(':').next().is_some_and(|last| last.eq_ignore_ascii_case(value))
        };
        self.0.iter().filter(|(filter, _)| filter == name).all(|(_, values)| values.iter().any(same))
    }

    pub fn names(&self, name: &str) -> bool {
        self.0.iter().any(|(filter, _)| filter == name)
    }
}

pub fn page(name: &str, items: Vec<Value>, input: &Input) -> Answer {
    page_of(name, items, input, |item| item)
}

/// One page of a list: MaxRecords is 20 to 100, 100 if not given; the marker is opaque to clients.
/// Only what stands on the page is described.
pub fn page_of<T>(name: &str, items: Vec<T>, input: &Input, describe: impl FnMut(T) -> Value) -> Answer {
    let most = input.number("MaxRecords").unwrap_or(100);
    if !(20..=100).contains(&most) {
        return Err(Fault::value(format!("Invalid value {most} for MaxRecords. Must be between 20 and 100")));
    }
    let start = match input.text("Marker").filter(|marker| !marker.is_empty()) {
        None => 0,
        Some(marker) => {
            let start = hex::decode(marker)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .and_then(|text| text.parse().ok());
            start.filter(|start| *start <= items.len()).ok_or_else(|| Fault::value("Invalid marker"))?
        }
    };
    let end = items.len().min(start + most as usize);
    let marker = (end < items.len()).then(|| hex::encode(end.to_string()));
    let described: Vec<Value> = items.into_iter().take(end).skip(start).map(describe).collect();
    Ok(json!({ name: described, "Marker": marker }))
}
