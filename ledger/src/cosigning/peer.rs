//! One witness, as a log asks it: c2sp.org/tlog-witness from the client's side.

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use schemas::id::TreeSize;
use tokio::time::Instant;
use verifier::checkpoint::{VerifiedCheckpoint, verify_checkpoint};
use verifier::merkle::sha256;
use verifier::note::{KeyName, NOTE_BYTES_MAX, NoteSignature, Vkey};
use verifier::witness::{format_request, parse_answer, parse_size};

use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::outgoing::{Answer, Outgoing, OutgoingError};
use crate::store::Store;
use crate::witness::SIZE_TYPE;

/// Most bytes of an answer: the lines of a witness with many keys.
const ANSWER_BYTES_MAX: usize = 65_536;

/// Why a witness has not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("it could not be asked")]
    NoAnswer(#[from] OutgoingError),
    #[error("it did not answer in time")]
    Late,
    #[error("it answered with status {0}")]
    Refused(StatusCode),
    #[error("its answer cannot be read, or is not its cosignature of this checkpoint")]
    Malformed,
    /// It holds more than was asked for, and the log has as much by now.
    #[error("somebody else asked it meanwhile")]
    Behind,
    /// It holds more than the log has.
    #[error("it has cosigned a log of size {0}, longer than this one")]
    Ahead(TreeSize),
    /// It says that this log does not extend what it cosigned.
    #[error("this log does not extend what it has cosigned")]
    Inconsistent,
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A witness, and what is known of it.
#[derive(Debug, Clone)]
pub struct Peer {
    pub name: KeyName,
    pub key: Vkey,
    /// Its submission prefix, without a slash at the end.
    url: String,
    /// What it cosigned last, as far as is known.
    held: TreeSize,
    pub failures: u32,
    /// It is left alone until then.
    pub not_before: Instant,
}

impl Peer {
    pub fn new(name: KeyName, key: Vkey, url: &str) -> Peer {
        let url = url.trim_end_matches('/').to_owned();
        Peer { name, key, url, held: 0, failures: 0, not_before: Instant::now() }
    }

    /// Asks for a cosignature; once more where the witness says that it holds another size.
    pub async fn ask<S: Store>(
        &mut self,
        ledger: &Ledger<S>,
        outgoing: &Outgoing,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<NoteSignature, AskError> {
        let size = checkpoint.size();
        for _ in 0..2 {
            let old = self.held.min(size);
            let proof = ledger.consistency(old, size).await?;
            let body = format_request(old, &proof, checkpoint.note());
            let request = outgoing.post(&format!("{}/add-checkpoint", self.url))?.body(body);
            let answer = outgoing.send(request, ANSWER_BYTES_MAX).await?;
            match answer.status {
                StatusCode::OK => {
                    let line = parse_answer(&answer.body, checkpoint.note(), &self.key);
                    let line = line.map_err(|_| AskError::Malformed)?;
                    self.held = size;
                    return Ok(line);
                }
                StatusCode::CONFLICT => self.learn(&answer, ledger, size).await?,
                // From nothing every log is an extension: this refusal is about something else.
                StatusCode::UNPROCESSABLE_ENTITY if old > 0 => return Err(AskError::Inconsistent),
                status => return Err(AskError::Refused(status)),
            }
        }
        Err(AskError::Refused(StatusCode::CONFLICT))
    }

    /// Learns what the witness holds.
    async fn learn<S: Store>(
        &mut self,
        answer: &Answer,
        ledger: &Ledger<S>,
        size: TreeSize,
    ) -> Result<(), AskError> {
        if answer.headers.get(CONTENT_TYPE) != Some(&SIZE_TYPE) {
            return Err(AskError::Refused(answer.status));
        }
        let held = parse_size(&answer.body).ok_or(AskError::Malformed)?;
        self.held = held;
        if held <= size {
            return Ok(());
        }
        // What a witness has cosigned was committed before: it is there, or the log is another one.
        if held <= ledger.size().await? {
            Err(AskError::Behind)
        } else {
            Err(AskError::Ahead(held))
        }
    }

    /// The checkpoint that the witness cosigned last, where it shows it and the log's key signed it.
    pub async fn held_checkpoint(
        &self,
        outgoing: &Outgoing,
        log: &Vkey,
    ) -> Option<VerifiedCheckpoint> {
        let origin = sha256(&[log.name().as_str().as_bytes()]);
        let request = outgoing.get(&format!("{}/{origin}/checkpoint", self.url)).ok()?;
        let answer = outgoing.send(request, NOTE_BYTES_MAX).await.ok()?;
        verify_checkpoint(&answer.body, log).ok().filter(|_| answer.status == StatusCode::OK)
    }
}
