//! The Lambda functions: the control plane of every runbook. One look, at most one change, seconds.

use runbook::{Context, Error, Result};
use serde_json::Value;

pub mod daily_sync;
pub mod major_upgrade;
pub mod report_run;
#[cfg(test)]
mod testing;

runbook::table! {
    major_upgrade::{
        resolve_upgrade::ResolveUpgrade,
        prepare_parameter_groups::PrepareParameterGroups,
        apply_pending_maintenance::ApplyPendingMaintenance,
        take_snapshot::TakeSnapshot,
        modify_cluster_version::ModifyClusterVersion,
        sync_parameter_groups::SyncParameterGroups,
    },
    daily_sync::{
        select_snapshot::SelectSnapshot,
        copy_snapshot::CopySnapshot,
        share_snapshot::ShareSnapshot,
        restore_quarantine::RestoreQuarantine,
        snapshot_sanitized::SnapshotSanitized,
        delete_quarantine::DeleteQuarantine,
        restore_target::RestoreTarget,
        swap_target::SwapTarget,
        retire_old::RetireOld,
        clean_up::CleanUp,
    },
}

/// The functions that are no states: EventBridge calls them.
pub const REPORT_RUN: &str = "report-run";

/// Calls a function by its handler name.
pub async fn handle(name: &str, cx: &Context, payload: Value) -> Result<Value> {
    if name == REPORT_RUN {
        let result = report_run::handle(cx, payload).await;
        if let Err(error) = &result {
            match error.waiting_for() {
                Some(what) => tracing::info!(what, "not ready"),
                None => tracing::error!(error = error.name(), "{error}"),
            }
        }
        return result;
    }
    let known = call(name, cx, payload).await;
    known.unwrap_or_else(|| {
        {
            Err(Error::refused(format!(
                "no function is named {name:?}; there are {STATES:?} and {REPORT_RUN}"
            )))
        }
    })
}
