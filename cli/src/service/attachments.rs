//! What is kept beside the log.

use schemas::id::Digest;

use super::{End, Service};
use crate::failure::Failure;

impl Service {
    /// An attachment, where it is kept still.
    pub fn attachment(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Failure> {
        match &self.end {
            End::Here(ledger) => self.wait(ledger.attachment(digest)),
            End::Server(remote) => self.wait(remote.attachment(digest)),
        }
    }
}
