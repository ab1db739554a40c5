//! Real PostgreSQL servers behind the simulated clusters: a cluster is a data directory and a
//! server, a snapshot is a copy, a restore is a start from the copy, a major upgrade is a real
//! `pg_upgrade`.

mod area;
mod blue_green;
mod configuration;
mod engine;
mod export;
mod extensions;
mod fifteen;
mod install;
mod packages;
mod precheck;
mod server;
mod template;
mod upgrade;
mod user;

pub use engine::PostgresEngine;
pub use install::{Installs, install};
pub use template::SUPERUSER;
