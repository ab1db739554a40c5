//! Which messages are sent of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// What is told in a message only where somebody asks for it. That a run has succeeded or has
/// failed is always told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tell {
    /// It has begun, or goes on after a redrive.
    Started,
    /// It waits for a person, who must change something first.
    Blocked,
}

/// Whoever says nothing hears of what waits for a person.
pub fn default_tell() -> Vec<Tell> {
    vec![Tell::Blocked]
}

/// Of an input: serde names the word that it does not know, and not its field.
pub fn tell<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Tell>, D::Error> {
    Vec::deserialize(input).map_err(|error| D::Error::custom(format!("tell: {error}")))
}
