//! A local AWS that is true where it matters, on real PostgreSQL.

pub mod aws;
pub mod benchmark;
mod canned;
pub mod client;
pub mod console;
pub mod ecs;
pub mod environments;
pub mod events;
pub mod executables;
pub mod faults;
pub mod gateway;
pub mod golden;
pub mod graph;
pub mod http;
pub mod ids;
pub mod json;
pub mod lambda;
pub mod orders;
pub mod postgres;
pub mod probe;
pub mod production;
pub mod rds;
pub mod s3;
pub mod sandbox;
pub mod secretsmanager;
pub mod server;
pub mod statemachine;
pub mod states;
pub mod sts;

pub use sandbox::{Gear, Options, Sandbox};
