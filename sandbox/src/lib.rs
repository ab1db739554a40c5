//! The runbooks in a local AWS: the worlds that they start in, the executables behind the functions
//! and workers, and what a person sees.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a person sits before it")]
#![allow(clippy::disallowed_methods, reason = "a person's time is not the sandbox's")]
#![allow(clippy::panic, reason = "goldens are asserted for the tests")]

pub mod bench;
pub mod blue_green;
pub mod console;
pub mod deployment;
pub mod executables;
pub mod export;
pub mod gear;
pub mod golden;
pub mod graph;
mod in_process;
pub mod load;
mod model_workers;
pub mod outside;
pub mod permissions;
pub mod preview;
pub mod probe;
pub mod python;
pub mod sandbox;
pub mod statemachine;
pub mod terminal;
pub mod time_report;
pub mod trial;
pub mod worlds;

pub use gear::Gear;
pub use local_aws::{aws, events, faults, iam, postgres, rds, states};
pub use sandbox::{Options, Sandbox};
pub use worlds::{environments, exports, fleet, orders, production};
