//! Parameter groups of the target family: whose they are, and what becomes of the owner's values.

pub mod groups;
pub mod migration;
