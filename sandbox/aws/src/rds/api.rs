//! The shapes of the API: which actions there are, which members they take and answer, which errors
//! they know.
//!
//! `sandbox/aws/data/rds-2014-10-31.json` is an extract of botocore rds 2014-10-31 (Apache-2.0):
//! every action of the sandbox with its structures. It makes the sandbox refuse what RDS refuses,
//! and keeps it from answering what no SDK could read.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

pub static API: LazyLock<Api> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../data/rds-2014-10-31.json"))
        .expect("the extract of the model is well-formed")
});

#[derive(Debug, Deserialize)]
pub struct Api {
    pub operations: BTreeMap<String, Operation>,
    pub structures: BTreeMap<String, Structure>,
    /// Error code on the wire and its HTTP status.
    pub errors: BTreeMap<String, u16>,
}

#[derive(Debug, Deserialize)]
pub struct Operation {
    pub input: String,
    /// The structure inside `<…Result>`; some actions answer nothing.
    pub output: Option<String>,
    pub errors: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct Structure {
    pub members: BTreeMap<String, Shape>,
    #[serde(default)]
    pub required: Vec<String>,
}

/// `"string"`, `"integer"`, `"boolean"`, `"double"`, `"timestamp"` or a structure's name; a list is
/// `[element name, shape]`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Shape {
    Named(String),
    List(String, Box<Shape>),
}
