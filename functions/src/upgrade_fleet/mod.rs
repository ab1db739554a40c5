//! The runbook upgrade-fleet: many upgrades, one after another. In order:
//!
//! 1. [`resolve_fleet`] finds the clusters, says which it leaves out and why (by what the
//!    [`account`] shows), and puts the others into waves ([`waves`]). It changes nothing, and from
//!    then on the list stays as it is.
//! 2. [`select_wave`] says what comes next: which clusters are rehearsed or upgraded, until when is
//!    waited, or that all is done. It is asked after every batch, and stops the fleet where too
//!    many have failed.
//! 3. The machine starts rehearse-upgrade or major-upgrade for each cluster of the batch, as a
//!    person would start it, and waits for all of them.
//!
//! An upgrade is major-upgrade's, so its part of the input is read as
//! [`major_upgrade`](crate::major_upgrade) reads it.

pub mod account;
pub mod resolve_fleet;
pub mod select_wave;
pub mod waves;
