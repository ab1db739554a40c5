//! What more than one runbook uses.

pub mod quarantine;
pub mod roles;
pub mod seal;
pub mod sessions;
