//! STUB of whole-bundle verification, to write the CLI against.
pub mod bag;
pub mod heads;
pub mod population;
pub mod shown;

use crate::pin::Pin;
use crate::projection::State;
use bag::{Files, Scope};
use population::Row;
use schemas::id::{EntryIndex, Hash, TreeSize};
use schemas::report::Finding;
use shown::Shown;

#[derive(Debug, Clone, Default)]
pub struct Counts {
    pub files: u64,
    pub entries: u64,
    pub signatures: u64,
    pub decisions_replayed: u64,
    pub decisions_as_logged: u64,
    pub deployments: u64,
}

pub struct PackReport {
    pub id: Option<Hash>,
    pub scope: Option<Scope>,
    pub findings: Vec<Finding>,
    pub counts: Counts,
    pub shown: Shown,
    pub state: State,
    pub rows: Vec<Row>,
    pub heads_at: Option<EntryIndex>,
    pub size: TreeSize,
    pub pinned: bool,
    pub first: Option<EntryIndex>,
    pub last: Option<EntryIndex>,
}

pub fn verify(_files: Files, _pin: Option<&Pin>) -> PackReport {
    unimplemented!()
}
