//! Where an execution is: what RedriveExecution goes on from.
//!
//! "It continues the failed execution from the unsuccessful step and uses the same input"; "for workflows that include an Inline Map or
//! Parallel state, [it] reschedules and redrives only the iterations and branches that failed or aborted"
//! (https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::jsonata::Variables;

/// A flow and, by the index of the branch or item, the flows inside the state where it is.
#[derive(Debug, Default)]
pub struct Progress {
    at: Option<Point>,
    output: Option<Value>,
    inner: BTreeMap<usize, Progress>,
}

/// A state that was entered and not left.
#[derive(Debug, Clone)]
pub struct Point {
    pub state: String,
    pub input: Value,
    pub variables: Variables,
    pub entered: Timestamp,
}

impl Progress {
    fn node(&mut self, path: &[usize]) -> &mut Self {
        path.iter().fold(self, |node, index| node.inner.entry(*index).or_default())
    }

    pub fn point(&mut self, path: &[usize]) -> Option<Point> {
        self.node(path).at.clone()
    }

    pub fn output(&mut self, path: &[usize]) -> Option<Value> {
        self.node(path).output.clone()
    }

    pub fn enter(&mut self, path: &[usize], point: Point) {
        *self.node(path) = Self { at: Some(point), ..Self::default() };
    }

    pub fn finish(&mut self, path: &[usize], output: Value) {
        *self.node(path) = Self { output: Some(output), ..Self::default() };
    }

    /// A Parallel or Map that is retried starts all of its branches again.
    pub fn forget_inner(&mut self, path: &[usize]) {
        self.node(path).inner.clear();
    }
}
