//! Why a ledger did not do what it was asked, for the reader with the problem.

use ledger::LedgerError;
use schemas::id::Project;
use schemas::report::{Code, Finding};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::span;

pub fn not_here() -> Failure {
    Failure::usage("this is done where the ledger's folder is, not against its server")
        .hint("on the server: --ledger DIR")
}

/// Says why something was not logged.
pub fn refusal(cause: &LedgerError, known: &[Project]) -> Failure {
    let failure = failure_of(cause);
    match failure.code.as_ref() {
        "unknown-project" => unknown_project(failure.message, known),
        _ => failure,
    }
}

/// Lists the projects that there are.
pub fn unknown_project(message: String, known: &[Project]) -> Failure {
    let names: Vec<&str> = known.iter().map(Project::as_str).collect();
    let failure = Failure::new(Exit::No, "unknown-project", message);
    match names.as_slice() {
        [] => failure.hint(
            "a project exists once a grant names it: attestry identity add NAME --pub FILE \
             --role emitter --kind test --project P --key ROOT",
        ),
        names => failure.hint(format!("this ledger has: {}", names.join(", "))),
    }
}

pub fn failure_of(cause: &LedgerError) -> Failure {
    let chain = chain(cause);
    match cause {
        LedgerError::Refused(finding) => {
            let exit = Exit::of_refusal(finding);
            let message = refused(finding);
            let failure = Failure::new(exit, finding.code.name(), message);
            match hint_for(finding.code) {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        }
        LedgerError::NotFound(path) => {
            let message = format!("there is no ledger at {}", path.display());
            Failure::new(Exit::NotFound, "no-ledger", message)
                .hint("name it with --ledger DIR or ATTESTRY_LEDGER, or make one: attestry init")
        }
        LedgerError::NoEntry(index) => {
            Failure::new(Exit::NotFound, "no-entry", format!("there is no entry {index}"))
        }
        LedgerError::Forked(_) => Failure::new(Exit::Integrity, "forked", chain).hint(
            "this ledger does not continue what it has published: stop using it, keep a copy, \
             and find out which backup was put back",
        ),
        LedgerError::Clock { now, last } if now > last => {
            let ahead = span(now.since(*last));
            Failure::new(Exit::No, "clock-skew", format!("{chain}: {ahead} ahead of it"))
                .detail("an entry with a wrong time would hold every later one there")
                .hint("set this machine's clock right; where it is, add --accept-clock")
        }
        LedgerError::Clock { now, last } => {
            let behind = span(last.since(*now));
            Failure::new(Exit::No, "clock-skew", format!("{chain}: {behind} behind it"))
                .hint("set this machine's clock right: times of entries never go back")
        }
        LedgerError::Full => Failure::new(Exit::Unexpected, "database-full", chain)
            .hint("nothing was logged and nothing was lost: make room on the disk, then repeat"),
        LedgerError::AttachmentTooLarge { .. } => {
            Failure::new(Exit::Usage, "file-too-large", chain)
        }
        LedgerError::NoKey { .. } => Failure::new(Exit::NotAllowed, "key-missing", chain),
        LedgerError::Occupied => Failure::new(Exit::Usage, "database-not-empty", chain).hint(
            "a log moves into an empty database, an empty schema of one, or a folder without \
             ledger.db; where an old ledger.db is in the way, move that file elsewhere first",
        ),
        LedgerError::Move(_) => Failure::new(Exit::Usage, "move-nowhere", chain),
        LedgerError::Store(cause) => super::database::failure(cause, chain),
        LedgerError::Remote(cause) => super::server::failure(cause, chain),
        LedgerError::Malformed { .. }
        | LedgerError::File { .. }
        | LedgerError::Random(_)
        | LedgerError::Abandoned => Failure::new(Exit::Unexpected, "ledger-failed", chain),
    }
}

/// What was refused and why. The state that forbids a move says it in whole.
fn refused(finding: &Finding) -> String {
    match finding.code {
        Code::IllegalMove => finding.detail.clone(),
        code => format!("{}: {}", code.meaning(), finding.detail),
    }
}

/// The next step after a refusal, where there is one that fits all cases.
fn hint_for(code: Code) -> Option<&'static str> {
    match code {
        Code::RoleMissing => Some("`attestry identity list` shows who may do what"),
        Code::SignatureInvalid => {
            Some("`attestry identity list` shows the keys that the ledger knows")
        }
        Code::ThresholdMissed => {
            Some("sign with the root key that `attestry init` made; for more of them repeat --key")
        }
        Code::RequestUnknown => {
            Some("`attestry status` lists what is open, `attestry log` the rest")
        }
        Code::UnknownEnvironment => Some("`attestry status` lists the environments"),
        Code::NotReplacing => Some("somebody was faster: look again, then repeat"),
        Code::PolicyChanged => Some("look at the gates again, then repeat"),
        _ => None,
    }
}

/// An error with everything behind it, on one line.
pub fn chain(cause: &dyn std::error::Error) -> String {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_that_is_not_allowed_is_told_by_its_state_alone() {
        let told = |code| refused(&Finding::new(code, None, "x was never granted in p/prod"));
        assert_eq!(told(Code::IllegalMove), "x was never granted in p/prod");
        assert_ne!(told(Code::RequestUnknown), "x was never granted in p/prod");
    }

    #[test]
    fn a_full_database_says_that_nothing_is_lost() {
        let failure = failure_of(&LedgerError::Full);
        assert_eq!((failure.code.as_ref(), failure.exit), ("database-full", Exit::Unexpected));
        let text = failure.render();
        assert!(
            text.contains("the database is full") && text.contains("nothing was lost"),
            "{text}"
        );
    }
}
