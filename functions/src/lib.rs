//! The Lambda functions: the control plane of every runbook. One look, at most one change, seconds.

use runbook::{Context, Error, Result};
use serde_json::Value;

pub mod daily_sync;
pub mod fail_stopped_task;
pub mod major_upgrade;
pub mod rehearse_upgrade;
pub mod report_run;
mod shared;
pub mod snapshot_export;
#[cfg(test)]
mod testing;
pub mod upgrade_fleet;
pub mod watch_raw_copies;

runbook::table! {
    major_upgrade::{
        resolve_upgrade::ResolveUpgrade,
        prepare_parameter_groups::PrepareParameterGroups,
        ask_approval::AskApproval,
        check_window::CheckWindow,
        enable_logical_replication::EnableLogicalReplication,
        create_green::CreateGreen,
        prepare_green::PrepareGreen,
        apply_pending_maintenance::ApplyPendingMaintenance,
        take_snapshot::TakeSnapshot,
        modify_cluster_version::ModifyClusterVersion,
        sync_parameter_groups::SyncParameterGroups,
    },
    daily_sync::{
        select_snapshot::SelectSnapshot,
        copy_snapshot::CopySnapshot,
        share_snapshot::ShareSnapshot,
        copy_sanitized::CopySanitized,
        restore_quarantine::RestoreQuarantine,
        snapshot_sanitized::SnapshotSanitized,
        delete_quarantine::DeleteQuarantine,
        restore_target::RestoreTarget,
        swap_target::SwapTarget,
        retire_old::RetireOld,
        clean_up::CleanUp,
    },
    snapshot_export::{
        select_export::SelectExport,
        copy_shared_snapshot::CopySharedSnapshot,
        export_snapshot::ExportSnapshot,
        restore_snapshot::RestoreSnapshot,
        remove_leftovers::RemoveLeftovers,
        publish_export::PublishExport,
    },
    rehearse_upgrade::{
        resolve_rehearsal::ResolveRehearsal,
        clone_cluster::CloneCluster,
        record_rehearsal::RecordRehearsal,
        delete_clone::DeleteClone,
    },
    upgrade_fleet::{
        resolve_fleet::ResolveFleet,
        select_wave::SelectWave,
    },
}

/// The functions that are no states: EventBridge calls them.
pub const CALLED_BY_EVENTS: [&str; 3] = [FAIL_STOPPED_TASK, REPORT_RUN, WATCH_RAW_COPIES];
pub const FAIL_STOPPED_TASK: &str = "fail-stopped-task";
pub const REPORT_RUN: &str = "report-run";
pub const WATCH_RAW_COPIES: &str = "watch-raw-copies";

/// Calls a function by its handler name.
pub async fn handle(name: &str, cx: &Context, payload: Value) -> Result<Value> {
    let result = match name {
        FAIL_STOPPED_TASK => fail_stopped_task::handle(cx, payload).await,
        REPORT_RUN => report_run::handle(cx, payload).await,
        WATCH_RAW_COPIES => watch_raw_copies::handle(cx).await,
        _ => {
            return call(name, cx, payload).await.unwrap_or_else(|| {
                Err(Error::refused(format!(
                    "no function is named {name:?}; there are {STATES:?} and {CALLED_BY_EVENTS:?}"
                )))
            });
        }
    };
    // A state's failure is logged where states are run; these have nobody else.
    if let Err(error) = &result {
        match error.waiting_for() {
            Some(what) => tracing::info!(what, "not ready"),
            None => tracing::error!(error = error.name(), "{error}"),
        }
    }
    result
}
