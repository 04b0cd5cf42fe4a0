//! What an operator does with a ledger: looks after it, and copies it.

use std::path::Path;
use std::sync::Arc;

use ledger::backup::{BackedUp, Keys};
use ledger::clock::SystemClock;
use ledger::doctor::Check;
use schemas::id::TreeSize;

use super::{Service, failure_of, not_here, runtime, state_dir};
use crate::argument::LedgerArgs;
use crate::failure::Failure;
use crate::io::Io;

impl Service {
    /// Looks at everything that an operator should; opens nothing to append.
    pub fn examine(args: &LedgerArgs, io: &Io) -> Result<Vec<Check>, Failure> {
        if args.server(io).is_some() {
            return Err(not_here());
        }
        let (dir, state, clock) = (args.dir(io), state_dir(io), Arc::new(SystemClock));
        let looked = runtime()?.block_on(ledger::doctor::examine(&dir, &state, clock));
        looked.map_err(|cause| failure_of(&cause))
    }

    /// Copies the ledger into a new folder, and verifies the copy.
    pub fn back_up(
        &self,
        to: &Path,
        keys: Keys,
        progress: impl Fn(TreeSize) + Send + 'static,
    ) -> Result<BackedUp, Failure> {
        self.wait(self.here()?.back_up(to, keys, progress))
    }
}
