//! One run through a flow: its place among the others, its variables, its last event.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::jsonata::Variables;

#[derive(Clone)]
pub struct Branch {
    path: Vec<usize>,
    /// Those of the outer scopes included: an inner scope reads them and, as
    /// [`crate::language`] holds, never assigns them.
    pub variables: Variables,
    pub item: Option<Item>,
    last: Arc<AtomicU64>,
}

/// What `$states.context.Map.Item` shows.
#[derive(Debug, Clone)]
pub struct Item {
    pub index: usize,
    pub value: Value,
}

impl Branch {
    /// `last` is 0 at the start: the first state's event has no predecessor, as in the samples of
    /// GetExecutionHistory's page.
    pub fn root(last: u64) -> Self {
        let last = Arc::new(AtomicU64::new(last));
        Self { path: Vec::new(), variables: Variables::new(), item: None, last }
    }

    pub fn inner(&self, index: usize, item: Option<Item>) -> Self {
        let mut path = self.path.clone();
        path.push(index);
        let last = Arc::new(AtomicU64::new(self.last()));
        Self { path, variables: self.variables.clone(), item: item.or_else(|| self.item.clone()), last }
    }

    pub fn is_root(&self) -> bool {
        self.path.is_empty()
    }

    pub fn path(&self) -> &[usize] {
        &self.path
    }

    /// The event that the next one follows.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    pub fn follow(&self, event: u64) {
        self.last.store(event, Ordering::Relaxed);
    }
}
