//! A local AWS that is true where it matters, on real PostgreSQL.

pub mod aws;
pub mod client;
pub mod faults;
pub mod gateway;
pub mod http;
pub mod postgres;
pub mod rds;
pub mod server;
pub mod states;
