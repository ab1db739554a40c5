//! The RDS Query API over an [`engine::Engine`].

pub mod engine;
