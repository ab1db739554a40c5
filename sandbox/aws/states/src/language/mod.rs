//! A state machine as it is written in the Amazon States Language, read in one pass into types.
//!
//! https://states-language.net/spec.html and
//! https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html;
//! JSONata only. Imports nothing of what runs a machine.

mod assign;
mod choice;
mod fail;
mod flow;
mod graph;
mod handling;
mod map;
mod parallel;
mod reader;
mod resource;
mod scopes;
mod setting;
mod state;
mod task;
#[cfg(test)]
mod tests;
mod wait;

use serde_json::Value;

pub use assign::Assign;
pub use choice::Choice;
pub use fail::Fail;
pub use flow::Flow;
pub use handling::{Catcher, Jitter, Retrier};
pub use map::{MapState, percentage, whole};
pub use parallel::Parallel;
pub use reader::Diagnostic;
use reader::{INVALID_JSON_DESCRIPTION, Reader};
pub use resource::Resource;
pub use setting::{Setting, seconds, timestamp};
pub use state::{Kind, State};
pub use task::Task;
pub use wait::Wait;

/// A whole definition.
#[derive(Debug)]
pub struct Definition {
    pub flow: Flow,
    pub timeout_seconds: Option<u64>,
}

/// Reads a definition, or says all that is wrong with it.
pub fn parse(text: &str) -> Result<Definition, Vec<Diagnostic>> {
    let mut reader = Reader::default();
    let definition = json(text).and_then(|machine| {
        let definition = Definition::read(&mut reader, machine);
        reader.outcome(definition)
    })?;
    let mut wrong = graph::check(&definition.flow);
    wrong.extend(scopes::check(&definition.flow));
    if wrong.is_empty() { Ok(definition) } else { Err(wrong) }
}

/// Reads one state, as TestState is given it.
pub fn parse_state(name: &str, text: &str) -> Result<State, Vec<Diagnostic>> {
    let mut reader = Reader::default();
    let state = State::read(&mut reader, &format!("/States/{name}"), json(text)?);
    reader.outcome(state)
}

/// The code and the place are those of ValidateStateMachineDefinition (localstack/localstack,
/// v2/test_sfn_api_validation.snapshot.json); the words are serde_json's.
fn json(text: &str) -> Result<Value, Vec<Diagnostic>> {
    serde_json::from_str(text).map_err(|error| {
        let location = format!("[Source: (String); line: {}, column: {}]", error.line(), error.column());
        vec![Diagnostic { code: INVALID_JSON_DESCRIPTION, message: error.to_string(), location }]
    })
}

impl Definition {
    fn read(reader: &mut Reader, machine: Value) -> Option<Self> {
        let Value::Object(machine) = machine else {
            reader.refuse("", "Definition must be a valid JSON object");
            return None;
        };
        let mut fields = reader.fields("", machine);
        let language = fields.take("QueryLanguage");
        if language.as_ref().is_none_or(|language| language != "JSONata") {
            reader.refuse(
                "/QueryLanguage",
                "must be \"JSONata\" at the top of the definition: the sandbox does not speak JSONPath",
            );
        }
        if fields.take("Version").is_some_and(|version| version != "1.0") {
            reader.refuse("/Version", "must be \"1.0\"");
        }
        let timeout_seconds = fields.take("TimeoutSeconds").and_then(|value| {
            let seconds = setting::seconds(1)(&value);
            if seconds.is_none() {
                reader.refuse(
                    "/TimeoutSeconds",
                    format!("must be a whole number from 1 to 99999999, found {value}"),
                );
            }
            seconds
        });
        let flow = Flow::read(reader, fields)?;
        Some(Self { flow, timeout_seconds })
    }
}

/// As the message of InvalidDefinition.
pub fn message(diagnostics: &[Diagnostic]) -> String {
    let list: Vec<_> = diagnostics.iter().map(Diagnostic::to_string).collect();
    format!("Invalid State Machine Definition: '{}'", list.join(", "))
}
