//! The Fargate workers: the states that speak SQL, for minutes or hours.

pub mod daily_sync;
pub mod major_upgrade;
pub mod shared;

runbook::table! {
    major_upgrade::{
        inspect_databases::InspectDatabases,
        run_analyze::RunAnalyze,
        verify_upgrade::VerifyUpgrade,
    },
    daily_sync::{
        sanitize_databases::SanitizeDatabases,
        attest_sanitized::AttestSanitized,
        prepare_target::PrepareTarget,
    },
}
