//! The tests of the whole: the real ASL, the shipped executables, real PostgreSQL. One module a topic, each test a sentence.

mod contract;
mod expressions;
mod schema;
