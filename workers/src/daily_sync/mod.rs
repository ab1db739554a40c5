//! The runbook daily-sync, as far as it speaks SQL. In order:
//!
//! 1. [`sanitize_databases`] works on the quarantined copy, to which nobody else can connect. It
//!    cuts the live wires, takes keyed fingerprints of original values, masks, and rewrites what
//!    could still show a value. It stops before the first masked value when the policy does not say
//!    what becomes of everything (`Blocked`), and at a wire or a table that cannot be done. Nothing
//!    undoes it: the copy is thrown away.
//! 2. [`attest_sanitized`] looks at the same copy in ways of its own, with the fingerprints, and
//!    writes the attestation without which no snapshot of the copy is made. It stops at any place
//!    where something is left. It changes nothing.
//! 3. [`prepare_target`] works on each target's new cluster, restored from the attested snapshot
//!    and not yet in use: roles, grants, kept tables, settings, smoke queries. It stops
//!    at what the policy asks and PostgreSQL refuses; the clients stay on the present cluster. Its
//!    cluster is deleted when the run fails.
//!
//! What the first two share: the file of fingerprints; and, with exports, [`crate::shared`].

pub mod attest_sanitized;
pub mod fingerprints;
pub mod prepare_target;
pub mod replace;
pub mod sanitize_databases;
