//! Reads the fields of JSON objects and remembers what is wrong, and where.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::jsonata::Template;

/// One entry of ValidateStateMachineDefinition's `diagnostics`; the codes are those of
/// API_ValidateStateMachineDefinitionDiagnostic (botocore stepfunctions/2016-11-23).
#[derive(Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: &'static str,
    pub message: String,
    pub location: String,
}

pub const SCHEMA_VALIDATION_FAILED: &str = "SCHEMA_VALIDATION_FAILED";
pub const INVALID_JSON_DESCRIPTION: &str = "INVALID_JSON_DESCRIPTION";
pub const MISSING_TRANSITION_TARGET: &str = "MISSING_TRANSITION_TARGET";
pub const MISSING_END_STATE: &str = "MISSING_END_STATE";
pub const DUPLICATE_STATE_NAME: &str = "DUPLICATE_STATE_NAME";

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at {}", self.code, self.message, self.location)
    }
}

impl Diagnostic {
    pub fn to_json(&self) -> Value {
        json!({"severity": "ERROR", "code": self.code, "message": self.message, "location": self.location})
    }
}

/// What was found wrong so far. A `read` that reports answers `None`.
#[derive(Default)]
pub struct Reader(Vec<Diagnostic>);

/// The fields of one object that nobody has taken yet.
pub struct Fields {
    pub place: String,
    members: Map<String, Value>,
}

impl Reader {
    pub fn refuse(&mut self, place: &str, message: impl Into<String>) {
        let (code, location) =
            (SCHEMA_VALIDATION_FAILED, if place.is_empty() { "/" } else { place }.to_owned());
        self.0.push(Diagnostic { code, message: message.into(), location });
    }

    pub fn fields(&mut self, place: &str, members: Map<String, Value>) -> Fields {
        Fields { place: place.to_owned(), members }
    }

    pub fn object(&mut self, place: &str, value: Value) -> Option<Fields> {
        match value {
            Value::Object(members) => Some(self.fields(place, members)),
            other => {
                self.refuse(place, format!("must be an object, found {other}"));
                None
            }
        }
    }

    pub fn array(&mut self, place: &str, value: Value) -> Option<Vec<Value>> {
        match value {
            Value::Array(items) => Some(items),
            other => {
                self.refuse(place, format!("must be an array, found {other}"));
                None
            }
        }
    }

    pub fn template(&mut self, place: &str, value: Value) -> Option<Template> {
        match Template::parse(value) {
            Ok(template) => Some(template),
            Err(message) => {
                self.refuse(place, message);
                None
            }
        }
    }

    pub fn outcome<T>(self, value: Option<T>) -> Result<T, Vec<Diagnostic>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}

impl Fields {
    pub fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.place)
    }

    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.members.keys()
    }

    /// The text is that of localstack/localstack, v2/test_sfn_api_validation.snapshot.json.
    pub fn require(&self, reader: &mut Reader, names: &[&str]) {
        let missing: Vec<_> =
            names.iter().copied().filter(|name| !self.members.contains_key(*name)).collect();
        if !missing.is_empty() {
            reader.refuse(&self.place, format!("These fields are required: [{}]", missing.join(", ")));
        }
    }

    pub fn text(&mut self, reader: &mut Reader, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            other => {
                reader.refuse(&self.at(name), format!("must be a string, found {other}"));
                None
            }
        }
    }

    pub fn template(&mut self, reader: &mut Reader, name: &str) -> Option<Template> {
        let value = self.take(name)?;
        reader.template(&self.at(name), value)
    }

    pub fn array(&mut self, reader: &mut Reader, name: &str) -> Option<Vec<Value>> {
        let value = self.take(name)?;
        reader.array(&self.at(name), value)
    }

    /// Refuses what is left.
    pub fn end(mut self, reader: &mut Reader) {
        self.text(reader, "Comment");
        for name in self.members.keys() {
            reader.refuse(&self.place, format!("The field '{name}' is not supported by Step Functions"));
        }
    }
}
