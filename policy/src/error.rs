//! What is wrong with a policy, and where.

use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Counted from 1, as editors count.
    pub line: usize,
    /// Counted from 1, as editors count.
    pub column: usize,
    /// The field as one would say it: `syncs.orders.targets[1].swap`. Empty for the file as a
    /// whole.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// All of them, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors(pub Vec<Error>);

impl Error {
    /// The field and what is wrong with it.
    pub fn what(&self) -> String {
        let subject = if self.field.is_empty() { "the file" } else { &self.field };
        format!("{subject}: {}", self.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.what())
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(Error::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Errors {}
