//! Runs what [`super::language`] has read: one file a state type, each called by [`flow`], none
//! calling back but through what it is given.

mod announce;
mod attempts;
mod branch;
mod cancel;
mod catch;
mod choice;
mod describe;
pub mod drive;
pub mod execution;
mod fail;
pub mod failure;
mod flow;
pub mod history;
mod integrations;
pub mod machine;
mod map;
mod parallel;
mod pass;
mod progress;
#[cfg(test)]
mod recorded;
mod succeed;
mod task;
pub mod test_state;
pub mod tokens;
mod visit;
mod wait;

pub use describe::{describe, list_entry};
pub use visit::PAYLOAD_LIMIT;
