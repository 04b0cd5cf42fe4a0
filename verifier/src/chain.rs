//! The chain: every entry names the leaf hash of the one before it, and times never go back.

use schemas::id::{EntryIndex, Hash, Origin, Time, TreeSize};
use schemas::report::{Code, Finding};

use crate::entry::{Entry, genesis_prev};
use crate::merkle::{self, Frontier};

/// The end of a log: what the next entry must follow.
#[derive(Debug, Clone)]
pub struct Chain {
    prev: Hash,
    time: Option<Time>,
    frontier: Frontier,
}

impl Chain {
    /// The chain before entry 0 of a log of this name.
    pub fn genesis(origin: &Origin) -> Chain {
        Chain { prev: genesis_prev(origin), time: None, frontier: Frontier::new() }
    }

    /// The chain behind an entry with this leaf hash and time.
    pub fn after(leaf: Hash, time: Time, frontier: Frontier) -> Chain {
        Chain { prev: leaf, time: Some(time), frontier }
    }

    pub fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    /// The index of the next entry.
    pub fn next(&self) -> EntryIndex {
        self.frontier.size()
    }

    pub fn prev(&self) -> Hash {
        self.prev
    }

    pub fn time(&self) -> Option<Time> {
        self.time
    }

    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Checks that an entry follows, before anything is moved.
    pub fn check(&self, entry: &Entry) -> Result<(), Finding> {
        let index = Some(self.next());
        if entry.index != self.next() {
            let detail = format!("entry at position {} says index {}", self.next(), entry.index);
            return Err(Finding::new(Code::IndexMismatch, index, detail));
        }
        if entry.prev != self.prev {
            let (named, found) = (entry.prev, self.prev);
            let detail = format!("names {named} as the entry before, which hashes to {found}");
            return Err(Finding::new(Code::ChainBroken, index, detail));
        }
        match self.time {
            Some(before) if entry.time < before => {
                let detail = format!("{} after {before}", entry.time);
                Err(Finding::new(Code::TimeBackwards, index, detail))
            }
            _ => Ok(()),
        }
    }

    /// Moves behind an entry.
    pub fn push(&mut self, entry: &Entry, leaf: Hash) {
        self.prev = leaf;
        self.time = Some(entry.time);
        self.frontier.push(leaf);
    }
}

/// The leaf hash of an entry's bytes.
pub fn leaf_of(bytes: &[u8]) -> Hash {
    merkle::leaf_hash(bytes)
}
