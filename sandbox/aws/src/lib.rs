//! A local AWS that is true where operating Aurora depends on it, on real PostgreSQL. It knows
//! nothing of the runbooks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test double: what it did not expect stops the test")]
#![allow(
    clippy::disallowed_methods,
    reason = "processes and sockets take their own time, whatever the clock says"
)]

pub mod autoscaling;
pub mod client;
pub mod ec2;
pub mod ecs;
pub mod events;
pub mod faults;
pub mod gateway;
pub mod iam;
pub mod ids;
pub mod json;
pub mod lambda;
pub mod outside;
pub mod postgres;
pub mod rds;
pub mod s3;
pub mod secretsmanager;
pub mod server;
pub mod ssm;
pub mod sts;
pub mod template;

pub use endpoint::{aws, http};
pub use states;
