//! What more than one runbook uses.

pub mod choice;
pub mod copy;
