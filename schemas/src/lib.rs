//! The vocabulary of Attestry: types, names, limits and JSON Schemas. No crypto, no IO, no async.

pub mod id;
