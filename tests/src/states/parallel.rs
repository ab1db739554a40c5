//! `Parallel`: runs branches side by side; the first that fails cancels the others.

use futures::future::try_join_all;
use serde::Deserialize;
use serde_json::Value;

use super::definition::Flow;
use super::failure::Failure;
use super::flow::{self, Visit};
use super::jsonata::Template;

/// https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Parallel {
    pub branches: Vec<Flow>,
    pub arguments: Option<Template>,
}

impl Parallel {
    /// The outputs of the branches, in their order.
    pub async fn run(&self, visit: &Visit<'_>) -> Result<Value, Failure> {
        let input = visit.evaluate_or_input("Arguments", self.arguments.as_ref())?;
        visit.record("ParallelStateStarted", None);
        let branches = self.branches.iter().enumerate();
        let branches = branches.map(|(index, flow)| flow::run(visit.execution, flow, visit.branch.inner(index, None), input.clone()));
        let outcome = try_join_all(branches).await;
        visit.catch_up();
        match &outcome {
            Ok(_) => visit.record("ParallelStateSucceeded", None),
            Err(_) => visit.record("ParallelStateFailed", None),
        }
        outcome.map(Value::Array)
    }
}
