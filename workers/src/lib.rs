//! The Fargate workers: the states that speak SQL, for minutes or hours.

pub const STATES: &[&str] = &[];
