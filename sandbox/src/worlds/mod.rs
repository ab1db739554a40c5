//! What the local AWS holds when a runbook starts: clusters, accounts, and what is planted in them.

pub mod environments;
pub mod exports;
pub mod findings;
pub mod fleet;
pub mod orders;
pub mod production;
pub mod shop;
pub mod wires;
