//! What both runbooks know of a server.

pub mod roles;
