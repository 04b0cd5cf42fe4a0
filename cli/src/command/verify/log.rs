//! The ledger that is here, from its first byte to its last.

use schemas::id::Time;
use schemas::report::{Code, Finding};
use serde_json::json;
use verifier::checkpoint::{VerifiedCheckpoint, verify_checkpoint};
use verifier::entry::Entry;
use verifier::log::LogReport;
use verifier::merkle::proof::verify_consistency;
use verifier::pin::Pin;

use super::report;
use crate::argument::LedgerArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::{count, labelled, paragraph, plural};
use crate::service::Service;
use crate::watching::watched;

pub fn run(
    ledger: &LedgerArgs,
    pin: &Pin,
    kept: Option<&VerifiedCheckpoint>,
    io: &mut Io,
) -> Result<Exit, Failure> {
    let service = Service::open(ledger, io)?;
    let size = service.size()?;
    let mut log = watched(size, io, |progress| service.verify(progress.hearing()))?;
    log.findings.extend(check_pin(&log, pin));
    let (published, wrong) = check_published(&service, &log, pin)?;
    log.findings.extend(wrong);
    let existed_by = published.and_then(|published| pin.existed_by(&published));
    if let Some(kept) = kept {
        log.findings.extend(check_kept(&service, &log, kept)?);
    }
    let found = report::findings(&log.findings);
    let conclusion = report::conclusion(&log.findings, "the log");
    let time = report::time(existed_by, newest(&service, &log)?);
    let told = head(&service, &log, pin, time);
    let text = format!("{told}{found}\n{conclusion}.\n{}", limits(&log));
    let head = json!({
        "origin": service.origin(), "size": log.size, "root": log.root, "genesis": log.genesis,
        "pinned": is_pinned(&log, pin), "halted": log.halted, "existedBy": existed_by,
        "level": format!("every entry re-derived to size {}", log.size),
        "counts": {
            "events": log.counts.events, "signatures": log.counts.signatures,
            "decisions": log.counts.decisions, "heads": log.counts.heads,
            "findings": log.counts.findings,
        },
    });
    io.answer(&text, &report::joined(head, report::to_json(&log.findings)))?;
    Ok(Exit::of_findings(&log.findings))
}

fn is_pinned(log: &LogReport, pin: &Pin) -> bool {
    pin.genesis().is_some() && pin.genesis() == log.genesis.as_ref()
}

/// The auditor's pin, which may be another one than the ledger's own.
fn check_pin(log: &LogReport, pin: &Pin) -> Option<Finding> {
    let found = log.genesis?;
    let Some(pinned) = pin.genesis() else {
        return Some(Finding::new(Code::RootsNotPinned, None, "the pin names no genesis"));
    };
    if *pinned != found {
        let detail = format!("entry 0 hashes to {found}, pinned is {pinned}");
        return Some(Finding::new(Code::GenesisMismatch, Some(0), detail));
    }
    let trust = log.state.trust()?;
    let key = &trust.document.log_key;
    let detail = format!("the trust document names {key}, pinned is {}", pin.log());
    (*key != pin.log().to_string()).then(|| Finding::new(Code::LogKeyMismatch, None, detail))
}

/// The published checkpoint by the auditor's key, and what is wrong with it.
fn check_published(
    service: &Service,
    log: &LogReport,
    pin: &Pin,
) -> Result<(Option<VerifiedCheckpoint>, Option<Finding>), Failure> {
    if log.halted {
        return Ok((None, None));
    }
    let note = service.checkpoint()?;
    Ok(match verify_checkpoint(note.as_bytes(), pin.log()) {
        Ok(checkpoint) => {
            let missed = verifier::pack::quorum_finding(pin, &checkpoint);
            (Some(checkpoint), missed)
        }
        Err(cause) => {
            let wrong = Finding::new(Code::CheckpointInvalid, None, cause.to_string());
            (None, Some(wrong))
        }
    })
}

/// What the newest entry says of the time.
fn newest(service: &Service, log: &LogReport) -> Result<Option<Time>, Failure> {
    let Some(index) = log.size.checked_sub(1).filter(|_| !log.halted) else {
        return Ok(None);
    };
    let stored = service.entry(index)?;
    Ok(Entry::parse(&stored.entry).ok().map(|entry| entry.time))
}

/// The log must extend what was kept.
fn check_kept(
    service: &Service,
    log: &LogReport,
    kept: &VerifiedCheckpoint,
) -> Result<Option<Finding>, Failure> {
    let (size, root) = (kept.size(), kept.root());
    if size > log.size {
        let detail = format!("the kept checkpoint has size {size}, the log only {}", log.size);
        return Ok(Some(Finding::new(Code::NotExtending, None, detail)));
    }
    let proof = service.consistency(size, log.size)?;
    let holds = verify_consistency(size, root, log.size, &log.root, &proof);
    Ok(holds.err().map(|cause| {
        let detail = format!("kept is root {root} at size {size}: {cause}");
        Finding::new(Code::NotExtending, None, detail)
    }))
}

fn head(service: &Service, log: &LogReport, pin: &Pin, time: String) -> String {
    let mut text = format!("ledger {}\n\n", service.origin());
    let mut row = |label: &str, said: String| text.push_str(&labelled(2, label, 12, &said));
    let roots = match (pin.genesis(), is_pinned(log, pin)) {
        (Some(genesis), true) => format!("pinned: genesis {}…", genesis.short()),
        (Some(_), false) => "not those that the pin names".to_owned(),
        (None, _) => "not pinned, as claimed by the holder of the log key".to_owned(),
    };
    row("roots", roots);
    let end = if log.halted { ", then it broke off" } else { "" };
    row(
        "entries",
        format!(
            "{} re-hashed, linked and re-derived{end}; root {}…",
            count(log.size),
            log.root.short()
        ),
    );
    row("witnesses", super::report::witnesses(pin, &log.findings).to_owned());
    row("time", time);
    row(
        "heads",
        plural(log.counts.heads, "event agrees with the state", "events agree with the state"),
    );
    row(
        "decisions",
        plural(log.counts.decisions, "evaluated again and agrees", "evaluated again and agree"),
    );
    row(
        "signatures",
        format!(
            "{} valid, by {}",
            count(log.counts.signatures),
            plural(log.counts.events, "event", "events")
        ),
    );
    text
}

/// The level that was reached, and what it does not prove.
fn limits(log: &LogReport) -> String {
    if Exit::of_findings(&log.findings) == Exit::Integrity {
        return String::new();
    }
    let level = format!("threads: every entry re-derived to size {}", count(log.size));
    let text = "What this does not prove: that everything that happened was recorded, and that \
                the times are right. A checkpoint kept elsewhere (--checkpoint F) proves that \
                nothing was taken back since.";
    format!("{}{}", labelled(0, "level:", 6, &level), paragraph(0, text))
}
