//! The vocabulary of Attestry: types, names, limits and JSON Schemas. No crypto, no IO, no async.

pub mod id;
pub mod kind;
pub mod metrics;
pub mod policy;
pub mod predicate;
pub mod report;
pub mod statement;
pub mod thread;
pub mod time;
pub mod trust;
