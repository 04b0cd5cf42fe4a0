//! Where every thread ends, and what the state is there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Hash, Origin, TreeSize};
use crate::predicate::Nonce;

pub const TYPE: &str = "urn:attestry:heads:v1";

/// The subject is the ledger. `size` is the index of the entry that holds the event, so that
/// whoever folds the log has the state at hand that the root commits to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    pub ledger: Origin,
    pub nonce: Nonce,
    pub size: TreeSize,
    pub threads: u64,
    /// RFC 6962 root over one line for each thread.
    pub root: Hash,
}
