//! `Catch`: where a failed state goes when no retry is left.

use serde::Deserialize;

use super::failure::Failure;
use super::flow::{Step, Visit};
use super::jsonata::Template;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Catcher {
    #[serde(default, rename = "Comment")]
    _comment: String,
    pub error_equals: Vec<String>,
    pub next: String,
    pub output: Option<Template>,
    pub assign: Option<Template>,
}

impl Catcher {
    pub fn matches(&self, failure: &Failure) -> bool {
        self.error_equals.iter().any(|pattern| failure.matches(pattern))
    }

    /// Without an Output, the state's output is the error output (page "concepts-error-handling").
    pub fn step(&self, visit: &mut Visit<'_>, failure: &Failure) -> Result<Step, Failure> {
        visit.error_output = Some(failure.output());
        visit.result = None;
        visit.leave(self.assign.as_ref(), self.output.as_ref(), failure.output(), Some(self.next.clone()))
    }
}
