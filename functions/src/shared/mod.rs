//! What more than one runbook uses.

pub mod after;
pub mod choice;
pub mod copy;
pub mod denied;
pub mod groups;
pub mod leftovers;
pub mod removal;
pub mod restore;
