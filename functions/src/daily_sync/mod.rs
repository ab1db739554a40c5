//! The runbook daily-sync, in the order of its states.

mod after_swap;
pub mod clean_up;
pub mod copy_snapshot;
pub mod delete_quarantine;
mod production;
mod removal;
mod restore;
pub mod restore_quarantine;
pub mod restore_target;
pub mod retire_old;
pub mod select_snapshot;
pub mod share_snapshot;
pub mod snapshot_sanitized;
mod swap;
pub mod swap_target;
