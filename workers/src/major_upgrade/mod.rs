//! The runbook major-upgrade, as far as it speaks SQL.

pub mod inspect_databases;
pub mod inspection;
pub mod run_analyze;
pub mod verify_upgrade;
