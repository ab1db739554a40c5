//! The Fargate workers: the states that speak SQL, for minutes or hours.

pub mod attest_sanitized;
pub mod inspect_databases;
pub mod inspection;
pub mod prepare_target;
pub mod run_analyze;
pub mod sanitize_databases;
pub mod verify_upgrade;

runbook::table! {
    attest_sanitized::AttestSanitized,
    inspect_databases::InspectDatabases,
    run_analyze::RunAnalyze,
    sanitize_databases::SanitizeDatabases,
    verify_upgrade::VerifyUpgrade,
    prepare_target::PrepareTarget,
}
