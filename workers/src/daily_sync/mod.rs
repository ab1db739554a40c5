//! The runbook daily-sync, as far as it speaks SQL.

pub mod attest_sanitized;
pub mod prepare_target;
pub mod sanitize_databases;
