//! One state: the fields that several types share, and those of its type.

use serde_json::Value;

use super::assign::Assign;
use super::choice::Choice;
use super::fail::Fail;
use super::flow::Flow;
use super::handling::{Catcher, Retrier, catchers, retriers};
use super::map::MapState;
use super::parallel::Parallel;
use super::reader::{Fields, Reader};
use super::task::Task;
use super::wait::Wait;
use crate::jsonata::Template;

#[derive(Debug)]
pub struct State {
    /// None where the flow ends, and in a Choice, whose rules say it.
    pub next: Option<String>,
    pub assign: Assign,
    pub output: Option<Template>,
    pub retry: Vec<Retrier>,
    pub catch: Vec<Catcher>,
    pub kind: Kind,
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

const TYPES: [&str; 8] = ["Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map"];

/// Fields of JSONPath, which has another word for most of JSONata's.
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

    /// Those that may have Retry and Catch (page "concepts-error-handling").
    pub fn is_handled(&self) -> bool {
        matches!(self, Self::Task(_) | Self::Map(_) | Self::Parallel(_))
    }
}

impl State {
    pub fn read(reader: &mut Reader, place: &str, state: Value) -> Option<Self> {
        let mut fields = reader.object(place, state)?;
        let kind = fields.text(reader, "Type").filter(|kind| TYPES.contains(&kind.as_str()));
        let Some(kind) = kind else {
            let types = TYPES.join(", ");
            // The text: localstack/localstack,
            // v2/test_state/test_test_state_machine_scenarios.snapshot.json.
            let message = format!("The field 'Type' should have one of these values: [{types}]");
            reader.refuse(&fields.at("Type"), message);
            return None;
        };
        refuse_jsonpath(reader, &mut fields);
        // The table of fields by type in the page "concepts-amazon-states-language".
        let moves_on = !matches!(kind.as_str(), "Choice" | "Succeed" | "Fail");
        let next = if moves_on { next(reader, &mut fields) } else { Some(None) };
        let assigns = !matches!(kind.as_str(), "Succeed" | "Fail");
        let assign = if assigns { Assign::read(reader, &mut fields) } else { Some(Assign::default()) };
        let output = if kind == "Fail" { None } else { fields.template(reader, "Output") };
        let (retry, catch) = match kind.as_str() {
            "Task" | "Map" | "Parallel" => (retriers(reader, &mut fields), catchers(reader, &mut fields)),
            _ => (Some(Vec::new()), Some(Vec::new())),
        };
        let kind = match kind.as_str() {
            "Task" => Task::read(reader, &mut fields).map(Kind::Task),
            "Choice" => Choice::read(reader, &mut fields).map(Kind::Choice),
            "Wait" => Wait::read(reader, &mut fields).map(Kind::Wait),
            "Map" => MapState::read(reader, &mut fields).map(Kind::Map),
            "Parallel" => Parallel::read(reader, &mut fields).map(Kind::Parallel),
            "Fail" => Fail::read(reader, &mut fields).map(Kind::Fail),
            "Pass" => Some(Kind::Pass),
            _ => Some(Kind::Succeed),
        };
        fields.end(reader);
        Some(Self { next: next?, assign: assign?, output, retry: retry?, catch: catch?, kind: kind? })
    }

    /// The flows inside, each with its place below the state's: branches, or the item processor.
    pub fn inner(&self) -> Vec<(String, &Flow)> {
        match &self.kind {
            Kind::Parallel(parallel) => {
                let branches = parallel.branches.iter().enumerate();
                branches.map(|(index, flow)| (format!("/Branches[{index}]"), flow)).collect()
            }
            Kind::Map(map) => vec![("/ItemProcessor".to_owned(), &map.processor)],
            _ => Vec::new(),
        }
    }
}

fn refuse_jsonpath(reader: &mut Reader, fields: &mut Fields) {
    if fields.take("QueryLanguage").is_some_and(|language| language != "JSONata") {
        let message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine";
        reader.refuse(&fields.place, message);
    }
    let names: Vec<_> = fields.names().cloned().collect();
    for name in names {
        if JSONPATH_ONLY.contains(&name.as_str()) || name.ends_with(".$") {
            fields.take(&name);
            let message =
                format!("{name} belongs to JSONPath and is not supported when the QueryLanguage is JSONata");
            reader.refuse(&fields.place, message);
        }
    }
}

/// By Next, or None by End.
fn next(reader: &mut Reader, fields: &mut Fields) -> Option<Option<String>> {
    let place = fields.place.clone();
    let end = match fields.take("End") {
        None => false,
        Some(Value::Bool(end)) => end,
        Some(other) => {
            reader.refuse(&fields.at("End"), format!("must be true or false, found {other}"));
            return None;
        }
    };
    match (fields.text(reader, "Next"), end) {
        (None, false) => reader.refuse(&place, "Next or End must be there"),
        (Some(_), true) => reader.refuse(&place, "Next and End cannot both be there"),
        (next, _) => return Some(next),
    }
    None
}
