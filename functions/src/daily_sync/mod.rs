//! The runbook daily-sync, as far as it speaks to RDS. In order:
//!
//! 1. [`select_snapshot`] takes the sync's lease, fixes the policy for this run and chooses
//!    production's snapshot. It stops when none fits, or when another run goes on. It changes
//!    nothing in any database account.
//! 2. [`copy_snapshot`] and [`share_snapshot`] make a copy of it under a key that can be shared.
//!    They stop at keys and quotas.
//! 3. [`restore_quarantine`] restores the copy where nobody but a worker reaches it: cluster, new
//!    master password, instance. It stops at what RDS restored otherwise than asked.
//! 4. SanitizeDatabases and AttestSanitized, workers: until here everything is raw.
//! 5. [`snapshot_sanitized`] takes the snapshot that targets come from, and only with an
//!    attestation.
//! 6. [`delete_quarantine`]: from here on the run holds no raw data. It cannot be undone.
//!    Instead of 3 to 6, where another account's sync has sanitised already, [`copy_sanitized`]
//!    brings its snapshot here; no raw data is touched.
//! 7. For each target [`restore_target`], PrepareTarget (a worker), [`swap_target`] and
//!    [`retire_old`]. A swap that fails gives the former cluster its name back.
//! 8. Always last [`clean_up`], which undoes whatever a failure left: it finds everything by tags.
//!
//! What they share: [`production`], the only client of production's account; [`swap`] and
//! [`after_swap`]; and, with exports, [`crate::shared`].

mod after_swap;
pub mod clean_up;
pub mod copy_sanitized;
pub mod copy_snapshot;
pub mod delete_quarantine;
pub(crate) mod production;
pub mod restore_quarantine;
pub mod restore_target;
pub mod retire_old;
pub mod select_snapshot;
pub mod share_snapshot;
pub mod snapshot_sanitized;
mod swap;
pub mod swap_target;
