//! Rules and their targets, as `infra/events/*.json` describe them for Terraform and for the
//! sandbox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::destination::destination_arn;
use super::pattern::Pattern;
use crate::aws::{ACCOUNT, arn};
use crate::template::Variables;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// Whose rule and bus it is: the files are of the home account.
    #[serde(skip, default = "home")]
    pub account: String,
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
    /// An API destination, and which part of the event is sent to it (InputPath).
    Destination {
        id: String,
        destination: String,
        path: Option<String>,
    },
    /// Another bus, by its ARN; and the role of that name that may put events there.
    Bus {
        id: String,
        bus: String,
        role: String,
    },
}

impl Target {
    pub fn id(&self) -> &str {
        let (Self::Function { id, .. }
        | Self::StateMachine { id, .. }
        | Self::Destination { id, .. }
        | Self::Bus { id, .. }) = self;
        id
    }

    pub(super) fn arn(&self, prefix: &str) -> String {
        match self {
            Self::Function { function, .. } => arn("lambda", &format!("function:{prefix}-{function}")),
            Self::StateMachine { statemachine, alias, .. } => {
                let alias = alias.as_deref().map(|alias| format!(":{alias}")).unwrap_or_default();
                arn("states", &format!("stateMachine:{prefix}-{statemachine}{alias}"))
            }
            Self::Destination { destination, .. } => destination_arn(prefix, destination),
            Self::Bus { bus, .. } => bus.clone(),
        }
    }
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
            let value = at(event, path).map_or_else(|| "\"\"".to_owned(), Value::to_string);
            text.replace(&format!("<{variable}>"), &value)
        })
    }
}

/// What stands at `$.detail.status` of an event.
pub(super) fn at<'a>(event: &'a Value, path: &str) -> Option<&'a Value> {
    event.pointer(&path.trim_start_matches('$').replace('.', "/"))
}

fn home() -> String {
    ACCOUNT.into()
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
    let load = |path: &Path| -> anyhow::Result<Rule> {
        let rule: Rule = serde_json::from_str(&variables.render(&std::fs::read_to_string(path)?)?)?;
        rule.parse_pattern()?;
        Ok(rule)
    };
    files(folder)?
        .iter()
        .map(|path| load(path).with_context(|| format!("could not load {}", path.display())))
        .collect()
}

/// Every `*.json` in a folder itself, by name.
pub(super) fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    Ok(paths)
}
