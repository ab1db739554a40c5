//! A state machine as one create or update left it, and what an execution was started by.

use jiff::Timestamp;

use crate::language::Definition;

pub struct Machine {
    pub arn: String,
    pub name: String,
    pub role_arn: String,
    /// As it was sent.
    pub text: String,
    pub definition: Definition,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub revision: Option<String>,
}

/// The version and the alias, where it was started by one.
#[derive(Debug, Clone, Default)]
pub struct StartedBy {
    pub version_arn: Option<String>,
    pub alias_arn: Option<String>,
}
