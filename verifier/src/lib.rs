//! The rules of Attestry: bytes in, verdicts out. No IO, no clock, no randomness, no async.

pub mod access;
pub mod admission;
pub mod bill;
pub mod canonical;
pub mod card;
pub mod chain;
pub mod checkpoint;
pub mod compose;
pub mod cosignature;
pub mod decimal;
pub mod drift;
pub mod dsse;
pub mod entry;
pub mod event;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
pub mod granted;
pub mod json;
pub mod line;
pub mod lineage;
pub mod log;
pub mod merkle;
pub mod metrics;
pub mod note;
pub mod owed;
pub mod pack;
pub mod pin;
pub mod policy;
pub mod projection;
pub mod receipt;
pub mod replay;
pub mod sequence;
pub mod sign;
pub mod signature;
pub mod signed;
pub mod sigstore;
pub mod status;
pub mod thread;
pub mod threshold;
pub mod trust;
pub mod view;
pub mod witness;

/// The version of the rules that this verifier has.
pub const RULES: u32 = 1;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod seeded;
