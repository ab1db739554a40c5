//! Rules and their targets, as `infra/events/*.json` describe them for Terraform and for the
//! sandbox.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::pattern::Pattern;
use crate::template::Variables;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default = "default_bus")]
    pub bus: String,
    pub pattern: Option<Value>,
    /// `cron(...)` or `rate(...)`; the sandbox's clock does not fire it.
    pub schedule: Option<String>,
    pub targets: Vec<Target>,
}

/// Names are without the deployment's prefix.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Target {
    Function {
        id: String,
        function: String,
        input: Option<Value>,
    },
    StateMachine {
        id: String,
        statemachine: String,
        alias: Option<String>,
        input: Option<Value>,
        transform: Option<Transform>,
    },
}

/// An input transformer (InputTransformer, botocore events 2015-10-07).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transform {
    /// A variable and its path in the event, such as `$.detail.status`.
    pub paths: BTreeMap<String, String>,
    /// JSON in which `<variable>` stands for its value.
    pub template: String,
}

impl Transform {
    /// A text stands in quotes by itself
    /// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html).
    /// A path that leads nowhere is an empty text here; no rule of ours has one.
    pub(super) fn apply(&self, event: &Value) -> String {
        self.paths.iter().fold(self.template.clone(), |text, (variable, path)| {
            let pointer = path.trim_start_matches('$').replace('.', "/");
            let value = event.pointer(&pointer).map_or_else(|| "\"\"".to_owned(), Value::to_string);
            text.replace(&format!("<{variable}>"), &value)
        })
    }
}

fn default_bus() -> String {
    "default".into()
}

impl Rule {
    /// "A rule must contain at least an EventPattern or ScheduleExpression" (PutRule).
    pub(super) fn parse_pattern(&self) -> anyhow::Result<Option<Pattern>> {
        ensure!(
            self.pattern.is_some() || self.schedule.is_some(),
            "rule {} has neither a pattern nor a schedule",
            self.name
        );
        let parsed = self.pattern.as_ref().map(Pattern::parse).transpose();
        parsed.with_context(|| format!("the pattern of rule {} is not valid", self.name))
    }
}

/// The rules of every `*.json` in a folder, by file name, with its placeholders filled in.
pub fn load_rules(folder: &Path, variables: &Variables) -> anyhow::Result<Vec<Rule>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let load = |path: &Path| -> anyhow::Result<Rule> {
        let rule: Rule = serde_json::from_str(&variables.render(&std::fs::read_to_string(path)?)?)?;
        rule.parse_pattern()?;
        Ok(rule)
    };
    paths
        .iter()
        .map(|path| load(path).with_context(|| format!("could not load {}", path.display())))
        .collect()
}
