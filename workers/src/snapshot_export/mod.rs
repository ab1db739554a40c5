//! The runbook snapshot-export, as far as it reads the files. Its order is told by the functions'
//! side.

pub mod reconcile_export;
