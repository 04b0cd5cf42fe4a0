//! The service of Attestry: storage, order and keys. Decides nothing: every rule is the verifier's.

mod api;
pub use api::*;
