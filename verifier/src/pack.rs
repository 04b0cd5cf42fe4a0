//! STUB of whole-bundle verification, to write the CLI against.
pub mod bag;
pub mod heads;
pub mod population;
pub mod shown;

use crate::pin::Pin;
use crate::projection::State;
use bag::{Files, Scope};
use population::Row;
use schemas::id::{EntryIndex, Hash, Time, TreeSize};
use schemas::report::Finding;
use serde::{Deserialize, Serialize};
use shown::Shown;

pub const CHECKPOINT: &str = "data/checkpoint";
pub const EXTENSIONS: &str = "data/extensions.json";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extensions {
    pub seen: Vec<Extension>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    pub size: TreeSize,
    pub root: Hash,
    pub proof: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackCounts {
    pub files: u64,
    pub entries: u64,
    pub signatures: u64,
    pub decisions_replayed: u64,
    pub decisions_as_logged: u64,
    pub deployments: u64,
    pub threads_proven: u64,
}

#[derive(Debug)]
pub struct PackReport {
    pub id: Option<Hash>,
    pub scope: Option<Scope>,
    pub findings: Vec<Finding>,
    pub counts: PackCounts,
    pub shown: Shown,
    pub state: State,
    pub rows: Vec<Row>,
    pub heads_at: Option<EntryIndex>,
    pub positions: Option<(u64, u64)>,
    pub size: TreeSize,
    pub pinned: bool,
    pub span: Option<((EntryIndex, Time), (EntryIndex, Time))>,
}

pub fn verify(_files: Files, _pin: Option<&Pin>) -> PackReport {
    unimplemented!()
}
