//! The runbook snapshot-export, as far as it speaks to RDS and S3's small objects. In order:
//!
//! 1. [`select_export`] chooses the snapshot and claims it, so that an event that comes twice
//!    exports once. It changes nothing in a database account.
//! 2. [`copy_shared_snapshot`], only for what another account has shared.
//! 3. [`export_snapshot`] lets AWS write the files. It stops at what AWS says has failed.
//! 4. Beside it, where the policy says `verify: restore`, [`restore_snapshot`] restores the
//!    snapshot into quarantine, CountRows, a worker, counts its rows, and [`remove_leftovers`]
//!    deletes it, and whatever an earlier run left.
//! 5. ReconcileExport, a worker, compares the files with the source and stops at every difference
//!    that the policy does not accept.
//! 6. [`publish_export`] leads readers to them, and deletes old exports.
//!
//! A failure stops the run and changes nothing back: the files stay, `latest.json` leads where it
//! led, and a redrive goes on. Only a restored copy does not stay: the rule `export-stopped` starts
//! an execution that deletes it.

pub mod copy_shared_snapshot;
pub mod export_snapshot;
pub mod publish_export;
mod queries;
pub mod remove_leftovers;
pub mod restore_snapshot;
mod retention;
pub mod select_export;
