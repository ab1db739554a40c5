//! The runbook major-upgrade, as far as it speaks to RDS. In order:
//!
//! 1. [`resolve_upgrade`] takes the lease on the cluster and finds the versions to go through. It
//!    stops at bad input, at a cluster that cannot be upgraded (`Refused`, `Blocked`) and at
//!    another run on it (`Conflict`). It changes nothing of the cluster.
//! 2. InspectDatabases, a worker.
//! 3. [`prepare_parameter_groups`] makes groups of the target's family with the owner's values. It
//!    stops at a value that the new family does not allow. Undo: delete the groups, which nothing
//!    uses yet. A minor version keeps the groups.
//! 4. [`ask_approval`] waits for a person's yes, and [`check_window`] for the window, where the
//!    input asks for it. Then the machine looks at everything again, from 1.
//! 5. [`apply_pending_maintenance`] applies what would stand in the way, readers before the writer.
//!    An immediate opt-in cannot be undone.
//! 6. [`take_snapshot`] takes the snapshot to go back to. It is kept.
//! 7. [`modify_cluster_version`] raises the version, the point of no return. It stops when RDS does
//!    not take the request or the upgrade fails; the cluster then is as it was. Undo: restore the
//!    snapshot as another cluster. The machine goes back to 1, until the path is empty.
//! 8. [`sync_parameter_groups`] gives each instance its own group and reboots, only after an
//!    upgrade of ours. It stops when RDS cannot apply a group.
//! 9. RunAnalyze, ReindexCollations and VerifyUpgrade, workers.
//!
//! By Blue/Green 5 to 7 are others: [`enable_logical_replication`], where it is off; before the
//! person is asked [`create_green`] and [`prepare_green`], then AnalyzeGreen, a worker; and in the
//! end SwitchOver, a worker too.
//!
//! What they share: the [`blue_green`] way, what of the [`input`] is refused, the [`migration`] of
//! parameters, the [`path`] between versions, what was found when it was [`rehearsed`], the
//! [`way_back`], and why an upgrade failed ([`failure`]).

pub mod apply_pending_maintenance;
pub mod ask_approval;
mod beside;
mod blue_green;
pub mod check_window;
pub mod create_green;
pub mod enable_logical_replication;
pub mod failure;
pub mod input;
mod migration;
pub mod modify_cluster_version;
pub(crate) mod path;
pub mod prepare_green;
pub mod prepare_parameter_groups;
pub(crate) mod rehearsed;
pub mod resolve_upgrade;
pub mod sync_parameter_groups;
pub mod take_snapshot;
pub(crate) mod ties;
mod way_back;
mod window;
