//! The service of Attestry: storage, order and keys. Decides nothing: every rule is the verifier's.

pub mod access;
pub mod backup;
pub mod clock;
pub mod database;
pub mod doctor;
pub mod error;
pub mod evaluator;
pub mod export;
pub mod folder;
pub mod heads;
pub mod health;
pub mod high_water;
pub mod http;
pub mod init;
pub mod ledger;
mod loader;
pub mod metrics;
pub mod moving;
pub mod outgoing;
pub mod pack_file;
pub mod prepare;
pub mod promotion;
mod publish;
pub mod queue;
mod reading;
pub mod store;
pub mod tail;
mod tree;
pub mod verification;
mod working;

pub use database::Database;
pub use error::LedgerError;
pub use export::{ExportAsk, Exported};
pub use ledger::{Ledger, Logged, Stored, Submission};
pub use promotion::{Evaluated, Which};
pub use reading::Page;
