//! The runbook rehearse-upgrade, as far as it speaks to RDS. In order:
//!
//! 1. [`resolve_rehearsal`] reads the input, which is an upgrade's, and checks that the cluster can
//!    be cloned. It changes nothing.
//! 2. [`clone_cluster`] clones it copy-on-write where nobody but a worker reaches it. The clone is
//!    raw production.
//! 3. CapturePlans, a worker. Then the machine runs major-upgrade on the clone, the same states as
//!    for the cluster itself, and ComparePlans, a worker.
//! 4. [`record_rehearsal`] says how long it took, for the upgrade that is to come.
//! 5. Always last [`delete_clone`], which removes whatever a rehearsal made. It finds everything by
//!    tags and names.
//!
//! A rehearsal is an upgrade's, so it reads its input as [`major_upgrade`](crate::major_upgrade)
//! does.

pub mod clone_cluster;
pub mod delete_clone;
pub mod record_rehearsal;
pub mod resolve_rehearsal;
