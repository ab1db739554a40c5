//! The Fargate workers: the states that speak SQL or read many files, for minutes or hours.

pub mod daily_sync;
pub mod major_upgrade;
pub mod rehearse_upgrade;
pub mod shared;
pub mod snapshot_export;

runbook::table! {
    major_upgrade::{
        inspect_databases::InspectDatabases,
        analyze_green::AnalyzeGreen,
        switch_over::SwitchOver,
        run_analyze::RunAnalyze,
        reindex_collations::ReindexCollations,
        verify_upgrade::VerifyUpgrade,
    },
    rehearse_upgrade::{
        capture_plans::CapturePlans,
        compare_plans::ComparePlans,
    },
    daily_sync::{
        sanitize_databases::SanitizeDatabases,
        attest_sanitized::AttestSanitized,
        prepare_target::PrepareTarget,
    },
    snapshot_export::{
        count_rows::CountRows,
        reconcile_export::ReconcileExport,
    },
}
