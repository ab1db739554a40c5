//! What botocore's models say of the operations that machines call.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::executables::root;
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use crate::{clients::PACKAGES, python::packages};

/// `arn:aws:states:::ecs:runTask.waitForTaskToken`, or `arn:aws:states:::aws-sdk:rds:…`
/// (https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html).
pub struct Resource<'a> {
    /// As botocore calls it.
    pub service: &'a str,
    pub operation: String,
    pub pattern: Option<&'a str>,
    pub is_sdk: bool,
}

impl<'a> Resource<'a> {
    pub fn read(task: &'a Value) -> Option<Self> {
        let named = task["Resource"].as_str()?.strip_prefix("arn:aws:states:::")?;
        let sdk = named.strip_prefix("aws-sdk:");
        let (service, action) = sdk.unwrap_or(named).split_once(':')?;
        let (action, pattern) =
            action.split_once('.').map_or((action, None), |(action, pattern)| (action, Some(pattern)));
        let service = if ["sfn", "states"].contains(&service) { "stepfunctions" } else { service };
        Some(Self { service, operation: capital(action), pattern, is_sdk: sdk.is_some() })
    }

    pub fn key(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }

    pub fn waits_for_token(&self) -> bool {
        self.pattern == Some("waitForTaskToken")
    }
}

/// Parameters of a task begin with a capital, whatever they are in the model
/// (https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html).
pub fn capital(name: &str) -> String {
    name.get(..1).unwrap_or_default().to_uppercase() + name.get(1..).unwrap_or_default()
}

#[derive(Debug, Deserialize)]
pub struct Operation {
    pub parameters: Shape,
    pub errors: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Shape {
    Structure {
        members: BTreeMap<String, Shape>,
        #[serde(default)]
        required: Vec<String>,
    },
    List {
        member: Box<Shape>,
    },
    String {
        #[serde(default, rename = "enum")]
        values: Vec<String>,
    },
    Integer,
    Boolean,
    Any,
}

impl Shape {
    /// What is wrong with an argument; an expression may become anything.
    pub fn problems(&self, path: &str, value: &Value) -> Vec<String> {
        let is_expression = value.as_str().is_some_and(|text| text.starts_with("{%"));
        match (self, value) {
            (Self::Any, _) => Vec::new(),
            _ if is_expression => Vec::new(),
            (Self::Structure { members, required }, Value::Object(given)) => {
                let known: BTreeMap<String, &Self> =
                    members.iter().map(|(name, shape)| (capital(name), shape)).collect();
                let missing = required.iter().map(|name| capital(name));
                let missing = missing.filter(|name| !given.contains_key(name));
                let missing = missing.map(|name| format!("{path} lacks {name}"));
                let of_members = given.iter().flat_map(|(name, value)| match known.get(name) {
                    Some(shape) => shape.problems(&format!("{path}.{name}"), value),
                    None => vec![format!("{path} knows no {name}")],
                });
                missing.chain(of_members).collect()
            }
            (Self::List { member }, Value::Array(values)) => {
                values.iter().flat_map(|value| member.problems(path, value)).collect()
            }
            (Self::String { values }, Value::String(given)) => {
                let is_known = values.is_empty() || values.contains(given);
                if is_known { Vec::new() } else { vec![format!("{path} knows no {given:?}")] }
            }
            (Self::Integer, Value::Number(_)) | (Self::Boolean, Value::Bool(_)) => Vec::new(),
            _ => vec![format!("{path} is {value} and has to be a {self:?}")],
        }
    }
}

/// By `service:Operation`; none for one that there is not.
pub type Operations = BTreeMap<String, Option<Operation>>;

pub async fn of_botocore(keys: &BTreeSet<String>) -> Operations {
    let mut python = Command::new("python3");
    python
        .arg(root().join("tests/data/asl/operations.py"))
        .args(keys)
        .env("PYTHONPATH", packages(&PACKAGES, true).await)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = python.output().await.expect("botocore is asked: python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}
