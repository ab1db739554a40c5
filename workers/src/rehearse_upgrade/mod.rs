//! The runbook rehearse-upgrade, as far as it speaks SQL. In order:
//!
//! 1. [`capture_plans`] takes the most expensive queries from production, which it only reads, and
//!    keeps them on the clone with their plans there.
//! 2. [`compare_plans`] plans them again on the clone after its upgrade. With a gate in the input
//!    it stops at a query that has become too expensive (`Blocked`).
//!
//! What they share: how a query is planned ([`explain`]), and where the queries are ([`record`]).
//! Planning runs functions of the database's own (those that are called IMMUTABLE, where their
//! arguments are constants), so it is done on the clone only.

pub mod capture_plans;
pub mod compare_plans;
pub mod explain;
mod record;
mod shown;
mod statements;
