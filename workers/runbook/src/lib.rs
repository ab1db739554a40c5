//! The kit that functions and workers are written in.

pub mod clock;
