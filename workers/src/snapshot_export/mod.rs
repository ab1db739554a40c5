//! The runbook snapshot-export, as far as it speaks SQL or reads the files. Its order is told by
//! the functions' side.
//!
//! 1. [`count_rows`], where the policy says `verify: restore`, counts the rows on a restored copy
//!    of the snapshot. It stops at rows that it cannot see. The copy is deleted afterwards.
//! 2. [`reconcile_export`] compares the files with the source. It changes nothing.

pub mod count_rows;
pub mod counts;
pub mod reconcile_export;
