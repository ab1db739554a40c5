//! The tests of the whole: the real ASL, the shipped executables, real PostgreSQL. One module a
//! topic, each test a sentence.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by panicking")]
#![allow(clippy::disallowed_methods, reason = "real processes take real time")]

mod acceptance;
mod analyze;
mod another_account;
mod approval;
mod asl_lint;
mod bad_input;
mod canaries;
mod catalog_secrets;
mod clients;
mod contract;
mod copy;
mod daily_sync;
mod daily_sync_control;
mod daily_sync_flow;
mod daily_sync_model;
mod daily_sync_prepare;
mod deploy;
mod draft;
mod dump;
mod events_faults;
mod exports;
mod expressions;
mod faults;
mod fleet;
mod generated;
mod generated_draft;
mod generated_tables;
mod generated_types;
mod harness;
mod hostile;
mod hostile_mutations;
mod hostile_places;
mod hostile_policy;
mod house;
mod iam;
mod major_upgrade;
mod major_upgrade_model;
mod masking;
mod messages;
mod passwords;
mod patience;
mod postgres_engine;
mod properties;
mod python;
mod quarantine;
mod raw_copies;
mod reachability;
mod reindex;
mod report;
mod schema;
mod snapshot_export;
mod snapshot_export_model;
mod snapshot_export_restore;
mod sql_faults;
mod statistics;
mod stopped_workers;
mod subscriber;
mod terraform;
mod trial;
mod waiting;
mod wires;
