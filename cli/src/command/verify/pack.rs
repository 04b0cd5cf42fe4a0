//! A pack: one file, no network.

use schemas::report::{Class, Code, Finding};
use serde_json::{Value, json};
use verifier::checkpoint::{VerifiedCheckpoint, verify_checkpoint};
use verifier::merkle::proof::verify_consistency;
use verifier::pack::bag::Files;
use verifier::pack::{CHECKPOINT, EXTENSIONS, Extensions, PackReport, heads};
use verifier::pin::Pin;

use super::{receipt, report};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::{count, day, labelled, paragraph, plural};
use crate::pack_file::{self, Limits, PackFileError};

pub fn run(
    file: &str,
    pin: &Pin,
    kept: Option<&VerifiedCheckpoint>,
    io: &mut Io,
) -> Result<Exit, Failure> {
    io.progress("reading the pack");
    let files = match pack_file::read(&io.path(file), &Limits::PACK) {
        Ok(files) => files,
        Err(PackFileError::Failure(failure)) => return Err(failure),
        Err(PackFileError::Malformed(finding)) => return unread(file, finding, io),
    };
    let extends = kept.and_then(|kept| check_kept(kept, &files, pin));
    io.progress("verifying");
    let mut report = verifier::pack::verify(files, Some(pin));
    io.progress("");
    report.findings.extend(extends);
    let found = report::findings(&report.findings);
    let conclusion = report::conclusion(&report.findings, "the pack");
    let text = format!("{}{found}\n{conclusion}.\n{}", head(&report, pin), limits(&report));
    io.answer(&text, &to_json(&report))?;
    Ok(Exit::of_findings(&report.findings))
}

/// A container that is no pack is a finding too: somebody must look at it.
fn unread(file: &str, finding: Finding, io: &mut Io) -> Result<Exit, Failure> {
    io.progress("");
    let findings = [finding];
    let found = report::findings(&findings);
    let text = format!("{file}{found}\n{}.\n", report::conclusion(&findings, "the pack"));
    io.answer(&text, &report::to_json(&findings))?;
    Ok(Exit::of_findings(&findings))
}

/// The pack's log must extend a checkpoint kept from earlier.
fn check_kept(kept: &VerifiedCheckpoint, files: &Files, pin: &Pin) -> Option<Finding> {
    // A pack without a sound checkpoint has that finding already.
    let closing = verify_checkpoint(files.get(CHECKPOINT)?, pin.log()).ok()?;
    let extensions = files.get(EXTENSIONS).and_then(|bytes| {
        let value = verifier::json::parse(bytes).ok()?;
        verifier::json::read::<Extensions>(&value).ok()
    });
    let (size, root) = (kept.size(), kept.root());
    for it in extensions.unwrap_or_default().seen.iter().filter(|it| it.size == size) {
        let proof = heads::decode(&it.proof).unwrap_or_default();
        let holds =
            |root| verify_consistency(size, root, closing.size(), closing.root(), &proof).is_ok();
        if holds(root) {
            return None;
        }
        if holds(&it.root) {
            let detail = format!("kept is root {root} at size {size}, this log had {}", it.root);
            return Some(Finding::new(Code::NotExtending, None, detail));
        }
    }
    receipt::compare(kept, &closing)
}

/// What the pack is, and what was checked.
fn head(report: &PackReport, pin: &Pin) -> String {
    let mut text = String::new();
    let Some(scope) = &report.scope else {
        return "the pack does not say what it is about\n".to_owned();
    };
    let id = report.id.map_or(String::new(), |id| id.short());
    let (environment, from, to) = (scope.environment(), day(scope.from), day(scope.to));
    text.push_str(&format!("pack {id}…  {}  {environment}\n", scope.origin));
    text.push_str(&format!("{from} to {to} (UTC)\n\n"));
    let mut row = |label: &str, said: String| text.push_str(&labelled(2, label, 12, &said));
    let counts = &report.counts;
    row("roots", roots(report, pin));
    row("bytes", plural(counts.files, "file", "files"));
    let span = report.span.map_or(String::new(), |((first, _), (last, _))| {
        format!(" from {} to {}", count(first), count(last))
    });
    row(
        "entries",
        format!(
            "{} re-hashed and proven{span}; tree of size {}",
            count(counts.entries),
            count(report.size)
        ),
    );
    row("witnesses", super::report::witnesses(pin, &report.findings).to_owned());
    let newest = report.span.map(|(_, (_, time))| time);
    row("time", report::time(report.existed_by, newest));
    row("completeness", completeness(report));
    row("decisions", decisions(report));
    row("signatures", signatures(report));
    text
}

fn roots(report: &PackReport, pin: &Pin) -> String {
    match (pin.genesis(), report.pinned) {
        (Some(genesis), true) => format!("pinned: genesis {}…", genesis.short()),
        (Some(_), false) => "not those that the pin names, or not reached".to_owned(),
        (None, _) => "not pinned, as claimed by the holder of the log key".to_owned(),
    }
}

fn completeness(report: &PackReport) -> String {
    let deployments = plural(report.counts.deployments, "deployment", "deployments");
    let positions = report.positions.map_or(String::new(), |(first, last)| {
        format!(", positions {} to {} of its environment", count(first), count(last))
    });
    let threads = plural(report.counts.threads_proven, "thread", "threads");
    match report.heads_at {
        Some(heads) => {
            format!("{deployments}{positions}; {threads} whole, their ends proven by entry {heads}")
        }
        None => format!("{deployments}{positions}; nothing proves where the threads end"),
    }
}

/// What is found of a decision that comes out differently: it was signed by the service all the same.
const DISAGREE: [Code; 2] = [Code::DecisionDisagrees, Code::DecisionOtherPolicy];

fn decisions(report: &PackReport) -> String {
    let disagrees = |it: &&Finding| DISAGREE.contains(&it.code);
    let disagree = report.findings.iter().filter(disagrees).count();
    let again = report.counts.decisions_replayed;
    let mut text = plural(again, "evaluated again and agrees", "evaluated again and agree");
    if disagree > 0 {
        text.push_str(&format!(", {disagree} disagree"));
    }
    if report.counts.decisions_as_logged > 0 {
        let logged = count(report.counts.decisions_as_logged);
        text.push_str(&format!("; {logged} about others, as logged"));
    }
    text
}

/// How many signatures hold; the claim about roles only where no finding says otherwise.
fn signatures(report: &PackReport) -> String {
    let number = report.counts.signatures;
    let broken =
        |finding: &Finding| finding.class == Class::Rule || finding.class == Class::Integrity;
    let harmless = |code| code == Code::DeployedWithoutGrant || DISAGREE.contains(&code);
    let mut wrong = report.findings.iter().filter(|it| broken(it) && !harmless(it.code));
    match (number, wrong.next()) {
        (0, _) => "none was reached".to_owned(),
        (number, None) => {
            format!("{} valid, each by an identity with the role at that entry", count(number))
        }
        (number, Some(_)) => format!("{} valid", count(number)),
    }
}

/// The level that was reached, and what it does not prove.
fn limits(report: &PackReport) -> String {
    if report.findings.iter().any(|finding| finding.class == Class::Integrity) {
        return String::new();
    }
    let level = labelled(0, "level:", 6, "threads: shown entries only");
    let text = "What this does not prove: that everything that happened was recorded, that the \
                times are right, and what nobody signed. README.txt in the pack says more.";
    format!("{level}{}", paragraph(0, text))
}

fn to_json(report: &PackReport) -> Value {
    let scope = report.scope.as_ref().map(|scope| {
        json!({
            "origin": scope.origin, "environment": scope.environment(), "from": scope.from,
            "to": scope.to, "framework": scope.framework,
        })
    });
    let counts = &report.counts;
    let head = json!({
        "pack": report.id, "scope": scope, "size": report.size, "pinned": report.pinned,
        "existedBy": report.existed_by,
        "heads": report.heads_at, "level": "threads: shown entries only",
        "counts": {
            "files": counts.files, "entries": counts.entries, "signatures": counts.signatures,
            "decisionsReplayed": counts.decisions_replayed,
            "decisionsAsLogged": counts.decisions_as_logged,
            "deployments": counts.deployments, "threadsProven": counts.threads_proven,
        },
    });
    report::joined(head, report::to_json(&report.findings))
}
