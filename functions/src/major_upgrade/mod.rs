//! The runbook major-upgrade, in the order of its states.

pub mod apply_pending_maintenance;
mod failure;
pub mod modify_cluster_version;
mod parameters;
mod path;
pub mod prepare_parameter_groups;
pub mod resolve_upgrade;
pub mod sync_parameter_groups;
pub mod take_snapshot;
mod ties;
