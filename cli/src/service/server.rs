//! A ledger on a server, in the words of the command line.

use std::sync::Arc;

use ledger::clock::SystemClock;
use ledger::outgoing::{OutgoingError, Settings};
use ledger::{Connect, Remembered, Remote, RemoteError};
use verifier::pin::Pin;
use zeroize::Zeroizing;

use super::{failure_of, state_dir};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

/// Longest file with a token in it, in bytes.
const TOKEN_BYTES_MAX: u64 = 4096;

/// Meets a server: with the token, the pin and the authorities that the environment names.
pub async fn connect(address: &str, io: &mut Io<'_>) -> Result<Remote, Failure> {
    let (token, pin) = (token(io)?, pin(io)?);
    let authorities = io.var("ATTESTRY_CA").map(|file| io.path(file));
    let state = state_dir(io);
    let connect = Connect {
        address,
        token,
        state: &state,
        pin,
        headers: crate::telemetry::headers(io),
        outgoing: Settings { authorities, ..Settings::default() },
        clock: Arc::new(SystemClock),
    };
    let (remote, first) = Remote::connect(connect).await.map_err(|cause| failure_of(&cause))?;
    if first {
        io.note(&format!(
            "note: this machine meets {} for the first time, and takes its pin on trust: \
             genesis {}…; ATTESTRY_PIN=FILE names one that you have by another road",
            remote.origin(),
            remote.pin().genesis().map(schemas::id::Hash::short).unwrap_or_default(),
        ));
    }
    Ok(remote)
}

/// The pin that the environment names.
fn pin(io: &mut Io<'_>) -> Result<Option<Pin>, Failure> {
    let pin: Option<String> = io.var("ATTESTRY_PIN").map(str::to_owned);
    pin.map(|pin| crate::history::read_pin(&pin, io)).transpose()
}

/// What is remembered of a server that is away, and why it is; without it there is nothing that an
/// event could be signed for.
pub fn remembered(address: &str, why: &Failure, io: &mut Io<'_>) -> Result<Remembered, Failure> {
    let (pin, state) = (pin(io)?, state_dir(io));
    let found = Remote::remembered(address, &state, pin).map_err(|cause| failure_of(&cause))?;
    found.ok_or_else(|| {
        let hint = "this machine has never met that server, so nothing can be signed for it: \
                    reach it once, or name its pin in ATTESTRY_PIN";
        why.clone().hint(hint)
    })
}

/// The token: never an option, which every process on the machine could read.
fn token(io: &mut Io<'_>) -> Result<Option<Zeroizing<String>>, Failure> {
    if let Some(token) = io.var("ATTESTRY_TOKEN") {
        if token.is_empty() {
            return Err(Failure::usage("ATTESTRY_TOKEN is empty").hint("is your variable empty?"));
        }
        return Ok(Some(Zeroizing::new(token.trim().to_owned())));
    }
    let file: Option<String> = io.var("ATTESTRY_TOKEN_FILE").map(str::to_owned);
    let Some(file) = file else { return Ok(None) };
    let bytes = Zeroizing::new(io.read_file(&file, TOKEN_BYTES_MAX)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::usage("no token in the file"))?;
    Ok(Some(Zeroizing::new(text.trim().to_owned())))
}

/// Says why a server did not do what it was asked, and what to do about it.
pub fn failure(cause: &RemoteError, chain: String) -> Failure {
    match cause {
        RemoteError::Outgoing(OutgoingError::Plain(_) | OutgoingError::Address(_)) => {
            Failure::new(Exit::Usage, "server-address", chain)
                .hint("a server is https://…; http:// only on this machine")
        }
        RemoteError::Outgoing(cause) => {
            let failure = Failure::new(Exit::Unreachable, "server-unreachable", chain)
                .hint("is the server running, and is its certificate one that ATTESTRY_CA knows?");
            match cause {
                OutgoingError::NoAnswer(_, why) => failure.away(why.to_string()),
                _ => failure,
            }
        }
        RemoteError::Unreadable(_) => Failure::new(Exit::Unexpected, "server-unreadable", chain)
            .hint("is this the address of an Attestry server, of this version?"),
        RemoteError::Untrue(_) => Failure::new(Exit::Integrity, "server-untrue", chain),
        RemoteError::Told(told) => {
            let exit = match (told.code.as_str(), told.status) {
                ("forked", _) => Exit::Integrity,
                (_, 400 | 405 | 413 | 415) => Exit::Usage,
                (_, 401 | 403) => Exit::NotAllowed,
                (_, 404) => Exit::NotFound,
                (_, 409 | 410 | 422) => Exit::No,
                (_, 429 | 502..=504) => Exit::Unreachable,
                _ => Exit::Unexpected,
            };
            let message = format!("{} {}", told.title, told.detail);
            let failure = Failure::new(exit, told.code.clone(), message.trim().to_owned());
            let failure = match &told.request_id {
                Some(id) => failure.detail(format!("request {id}")),
                None => failure,
            };
            // What a gateway says, or a server that is stopping or without its database.
            let failure = match told.status {
                502..=504 => failure.away(format!("status {}, {}", told.status, told.code)),
                _ => failure,
            };
            match (&told.hint, told.status) {
                (Some(hint), _) => failure.hint(hint.clone()),
                (None, 401) => failure.hint("ATTESTRY_TOKEN holds the token of whoever calls"),
                (None, _) => failure,
            }
        }
    }
}
