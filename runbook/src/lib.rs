//! The kit that functions and workers are written in.
//!
//! A state of a runbook is a type that implements [`State`]: it looks at the world, makes at most
//! one change, and answers done or [`Error::NotReady`]. Step Functions is the only loop.

pub mod arn;
pub mod aurora;
pub mod context;
pub mod daily_sync;
pub mod error;
pub mod https;
pub mod kept_policy;
mod lazy;
pub mod lease;
pub mod major_upgrade;
mod panics;
pub mod patience;
pub mod postgres;
pub mod rehearse_upgrade;
pub mod security_groups;
pub mod snapshot_export;
pub mod state;
pub mod store;
pub mod telemetry;
pub mod upgrade_fleet;
pub mod visible;
pub mod worker;

pub use arn::Arn;
pub use clock;
pub use context::Context;
pub use error::{Error, Finding, Level, Result, SkippedFinding};
pub use lazy::Lazy;
pub use state::{Run, State};
