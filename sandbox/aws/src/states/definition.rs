//! A state machine as it is written in the Amazon States Language.
//!
//! https://states-language.net/spec.html and
//! https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html;
//! JSONata only. Unknown fields are refused where they stand.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::catch::Catcher;
use super::choice::Choice;
use super::fail::Fail;
use super::jsonata::Template;
use super::map::MapState;
use super::parallel::Parallel;
use super::retry::Retrier;
use super::task::Task;
use super::wait::Wait;

/// A whole definition.
#[derive(Debug)]
pub struct Definition {
    pub flow: Flow,
    pub timeout_seconds: Option<u64>,
}

/// A start and its states: a machine, a branch of a Parallel, or what a Map does with each item.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Flow {
    #[serde(default, rename = "Comment")]
    _comment: String,
    pub start_at: String,
    #[serde(deserialize_with = "states")]
    pub states: BTreeMap<String, State>,
}

#[derive(Debug)]
pub struct State {
    pub common: Common,
    pub kind: Kind,
}

/// The fields that several types of state share.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Common {
    #[serde(rename = "Comment")]
    _comment: String,
    query_language: Option<String>,
    pub next: Option<String>,
    pub end: bool,
    pub assign: Option<Template>,
    pub output: Option<Template>,
    pub retry: Vec<Retrier>,
    pub catch: Vec<Catcher>,
}

#[derive(Debug)]
pub enum Kind {
    Task(Task),
    Choice(Choice),
    Pass,
    Wait(Wait),
    Map(MapState),
    Parallel(Parallel),
    Succeed,
    Fail(Fail),
}

impl Kind {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Task(_) => "Task",
            Self::Choice(_) => "Choice",
            Self::Pass => "Pass",
            Self::Wait(_) => "Wait",
            Self::Map(_) => "Map",
            Self::Parallel(_) => "Parallel",
            Self::Succeed => "Succeed",
            Self::Fail(_) => "Fail",
        }
    }
}

impl Definition {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut machine: Map<String, Value> =
            serde_json::from_str(text).map_err(|e| format!("the definition is not a JSON object: {e}"))?;
        if machine.remove("QueryLanguage") != Some("JSONata".into()) {
            return Err("QueryLanguage must be \"JSONata\" at the top of the definition: the sandbox does \
            not speak JSONPath"
                .into());
        }
        if machine.remove("Version").is_some_and(|version| version != "1.0") {
            return Err("Version must be \"1.0\"".into());
        }
        let timeout_seconds = machine.remove("TimeoutSeconds").map(|value| match value.as_u64() {
            Some(seconds) if (1..=99_999_999).contains(&seconds) => Ok(seconds),
            _ => Err(format!("TimeoutSeconds must be a whole number from 1 to 99999999, found {value}")),
        });
        let flow = Flow::deserialize(Value::Object(machine)).map_err(|e| e.to_string())?;
        Ok(Self { flow, timeout_seconds: timeout_seconds.transpose()? })
    }
}

fn states<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, State>, D::Error> {
    let states = Map::deserialize(deserializer)?;
    let place = |name: &str, message: String| D::Error::custom(format!("state {name:?}: {message}"));
    states
        .into_iter()
        .map(|(name, state)| Ok((name.clone(), State::parse(state).map_err(|e| place(&name, e))?)))
        .collect()
}

impl State {
    fn parse(state: Value) -> Result<Self, String> {
        let Value::Object(mut fields) = state else { return Err("a state must be an object".into()) };
        let Some(Value::String(name)) = fields.remove("Type") else { return Err("Type is missing".into()) };
        if let Some(path) = fields.keys().find(|field| JSONPATH_ONLY.contains(&field.as_str())) {
            return Err(format!(
                "{path} belongs to JSONPath and is not supported when the QueryLanguage is JSONata"
            ));
        }
        if let Some(field) = fields.keys().find(|field| field.ends_with(".$")) {
            return Err(format!("{field}: a name that ends with .$ belongs to JSONPath"));
        }
        let shared = shared_fields(&name).ok_or_else(|| format!("{name:?} is not a Type of state"))?;
        let (common, own): (Map<_, _>, Map<_, _>) =
            fields.into_iter().partition(|(field, _)| shared.contains(&field.as_str()));
        let common: Common = read(common)?;
        if common.query_language.as_ref().is_some_and(|language| language != "JSONata") {
            return Err("QueryLanguage must be JSONata where the machine's is".into());
        }
        let kind = match name.as_str() {
            "Task" => Kind::Task(read(own)?),
            "Choice" => Kind::Choice(read(own)?),
            "Wait" => Kind::Wait(read(own)?),
            "Map" => Kind::Map(read(own)?),
            "Parallel" => Kind::Parallel(read(own)?),
            "Fail" => Kind::Fail(read(own)?),
            "Pass" => read::<Nothing>(own).map(|_| Kind::Pass)?,
            _ => read::<Nothing>(own).map(|_| Kind::Succeed)?,
        };
        Ok(Self { common, kind })
    }

    /// The flows inside: branches, or the item processor.
    pub fn inner(&self) -> Vec<&Flow> {
        match &self.kind {
            Kind::Parallel(parallel) => parallel.branches.iter().collect(),
            Kind::Map(map) => vec![&map.item_processor.flow],
            _ => Vec::new(),
        }
    }
}

/// A state without fields of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn read<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, String> {
    T::deserialize(Value::Object(fields)).map_err(|e| e.to_string())
}

/// The table of fields by type in the page "concepts-amazon-states-language".
fn shared_fields(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "Task" | "Parallel" | "Map" => {
            &["Comment", "QueryLanguage", "Next", "End", "Assign", "Output", "Retry", "Catch"]
        }
        "Pass" | "Wait" => &["Comment", "QueryLanguage", "Next", "End", "Assign", "Output"],
        "Choice" => &["Comment", "QueryLanguage", "Assign", "Output"],
        "Succeed" => &["Comment", "QueryLanguage", "Output"],
        "Fail" => &["Comment", "QueryLanguage"],
        _ => return None,
    })
}

const JSONPATH_ONLY: [&str; 16] = [
    "InputPath",
    "OutputPath",
    "Parameters",
    "Result",
    "ResultPath",
    "ResultSelector",
    "ItemsPath",
    "SecondsPath",
    "TimestampPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "MaxConcurrencyPath",
    "ErrorPath",
    "CausePath",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
];
