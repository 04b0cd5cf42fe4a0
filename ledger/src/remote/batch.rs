//! A batch on its way: the lines that are sent, and those that come back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::Told;
use crate::error::{LedgerError, malformed};
use crate::http::events::{BATCH_MAX, BatchEvent, LoggedEvent};
use crate::ledger::Submission;

/// Most bytes of one batch, a little below what a server takes.
const BATCH_BYTES_MAX: usize = 24 << 20;

/// One line of the answer to a batch.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    Logged(LoggedEvent),
    Problem(Told),
}

/// The lines of a batch, and how many submissions they hold.
pub fn lines_of(batch: &[Submission]) -> Result<(Vec<u8>, usize), LedgerError> {
    let (mut lines, mut taken) = (Vec::new(), 0);
    for one in batch.iter().take(BATCH_MAX) {
        if taken > 0 && lines.len() + one.envelope.len() * 4 / 3 > BATCH_BYTES_MAX {
            break;
        }
        let project = one.project.as_ref().map(ToString::to_string);
        let line = BatchEvent { envelope: STANDARD.encode(&one.envelope), project };
        serde_json::to_writer(&mut lines, &line).map_err(|cause| malformed("batch", cause))?;
        lines.push(b'\n');
        taken += 1;
    }
    Ok((lines, taken))
}
