//! What all services of the local AWS speak: messages, who sent them, and the accounts they are in.

pub mod aws;
pub mod http;
