//! The runbook major-upgrade, as far as it speaks SQL. In order:
//!
//! 1. [`inspect_databases`] looks in every database for what would stop the upgrade or bite after
//!    it, before anything is changed, and records what the upgrade forgets. It stops at findings
//!    that block (`Blocked`), each with its remedy, unless the input skips one with a reason. It
//!    changes nothing but a schema of ours, which keeps the planner's [`statistics`].
//! 2. [`run_analyze`] works on the upgraded cluster, in use again: extensions to the new server's
//!    versions, statistics of every table, the most read ones first. Tables that cannot be analysed
//!    fail it after all others are done; a redrive takes up only those. There is nothing to undo.
//! 3. [`reindex_collations`] builds indexes again that a changed collation has ordered, where there
//!    are any. What cannot be built fails it after all others are done. There is nothing to undo.
//! 4. [`verify_upgrade`] compares version, groups, statistics and rows with what must be and with
//!    what was recorded. It stops at a table that lost its rows or lacks statistics; the way back
//!    is the snapshot that was taken before the upgrade. It changes nothing.
//!
//! By Blue/Green [`analyze_green`] does the second on green, before [`switch_over`] makes green
//! production and measures how long nobody could write.
//!
//! What they share: the [`inspection`], one object a cluster, and the record of the statistics.

pub mod analyze_green;
pub mod inspect_databases;
pub mod inspection;
pub mod reindex_collations;
pub mod run_analyze;
pub mod statistics;
pub mod switch_over;
pub mod verify_upgrade;
