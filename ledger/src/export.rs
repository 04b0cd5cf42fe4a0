//! STUB of exports, to write the CLI against.
use std::collections::BTreeMap;

use schemas::id::{Environment, Hash, Time, TreeSize};

use crate::error::LedgerError;
use crate::ledger::{Ledger, Logged};
use crate::store::Store;

pub struct ExportAsk {
    pub environment: Environment,
    pub from: Time,
    pub to: Time,
    pub audience: String,
    pub reason: String,
    pub framework: Option<String>,
}
pub struct Exported {
    pub files: BTreeMap<String, Vec<u8>>,
    pub id: Hash,
    pub size: TreeSize,
}
impl<S: Store> Ledger<S> {
    pub async fn export(&self, _ask: &ExportAsk) -> Result<Exported, LedgerError> {
        Err(LedgerError::Random("exports are a stub".to_owned()))
    }
    pub async fn log_export(
        &self,
        _ask: &ExportAsk,
        _exported: &Exported,
    ) -> Result<Logged, LedgerError> {
        Err(LedgerError::Random("exports are a stub".to_owned()))
    }
}
