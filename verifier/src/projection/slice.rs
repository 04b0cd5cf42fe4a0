//! The slices of state: one for each artifact and environment, and one for control.
//!
//! A slice is what gates and lists need of a thread, never the thread itself: it is bounded
//! whatever the thread's length. Its canonical JSON is hashed into heads events, so what is
//! serialised here is a promise.

mod artifact;
mod bill;
mod control;
mod environment;
mod exception;
mod running;

pub use artifact::*;
pub use bill::*;
pub use control::*;
pub use environment::*;
pub use exception::*;
pub use running::*;

use schemas::id::{EntryIndex, IdentityName, KeyId};
use serde::{Deserialize, Serialize};

/// Who signed: the identity at that entry, and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    pub identity: IdentityName,
    pub key: KeyId,
    /// The entry of the repeat that brought this signature, where it came after the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<EntryIndex>,
}

impl Signer {
    /// The entry that logged this signature under a statement first logged at `entry`.
    pub fn signed_at(&self, entry: EntryIndex) -> EntryIndex {
        self.repeat.unwrap_or(entry)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
