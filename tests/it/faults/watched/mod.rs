//! What each kind of run is watched for.

pub mod exports;
pub mod production;
pub mod targets;
pub mod upgrade;
