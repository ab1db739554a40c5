//! The runbook daily-sync, as far as it speaks SQL.

pub mod attest_sanitized;
pub mod fingerprints;
pub mod prepare_target;
mod quarantine;
pub mod sanitize_databases;
