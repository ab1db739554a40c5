//! A local AWS that is true where it matters, on real PostgreSQL.

pub mod aws;
pub mod ecs;
pub mod events;
pub mod http;
pub mod ids;
pub mod json;
pub mod lambda;
pub mod postgres;
pub mod rds;
pub mod s3;
pub mod secretsmanager;
pub mod states;
pub mod sts;
