//! The files of a pack that follow from its entries: tables, report, keys, documents in force.
//!
//! They are written for people and other tools, and decide nothing; verification makes them again
//! and compares, so that nobody can change what a reader sees.

use std::collections::BTreeSet;

use schemas::report::{Code, Finding};

use super::bag::{Bag, Files, Scope};
use super::population::{Row, format_csv};
use super::shown::{Shown, attachment_path, envelope_path, proof_path};
use super::{PIN, PackReport};
use super::{gather, report};
use crate::canonical;
use crate::pin::{Pin, format_pin};
use crate::projection::State;
use crate::signature::PublicKey;

pub const POPULATION: &str = "data/population.csv";
pub const REPORT: &str = "data/report/index.html";
pub const TRUST: &str = "data/trust.json";
pub const POLICY: &str = "data/policy.json";

/// Everything that the derived files follow from.
pub struct Material<'a> {
    pub scope: &'a Scope,
    pub pin: &'a Pin,
    pub shown: &'a Shown,
    pub state: &'a State,
    pub rows: &'a [Row],
    /// The findings about the log, without those about the bag.
    pub findings: &'a [Finding],
}

/// Makes the derived files.
pub fn files(material: &Material) -> Files {
    let mut files = Files::new();
    files.insert(PIN.to_owned(), format_pin(material.pin).into_bytes());
    let csv = format_csv(material.scope, material.rows);
    files.insert(POPULATION.to_owned(), csv.into_bytes());
    files.insert(REPORT.to_owned(), report::html(material).into_bytes());
    let control = material.state.control();
    if let Some(bytes) =
        control.trust.as_ref().and_then(|it| canonical::canonical_of(&it.document).ok())
    {
        files.insert(TRUST.to_owned(), bytes);
    }
    let policy = control.policies.get(&material.scope.project);
    if let Some(bytes) = policy.and_then(|it| canonical::canonical_of(&it.document).ok()) {
        files.insert(POLICY.to_owned(), bytes);
    }
    for (id, key) in material.state.trust().iter().flat_map(|trust| trust.public_keys()) {
        files.insert(format!("data/keys/{id}.pem"), key.to_spki_pem().into_bytes());
        if let PublicKey::Ssh(key) = &**key {
            files.insert(format!("data/keys/{id}.pub"), key.to_line().into_bytes());
        }
    }
    files
}

/// The findings that the report of a pack speaks of: those about the log.
///
/// What only the reader's pin asks for is not among them: whoever made the pack did not know it.
pub fn log_findings(findings: &[Finding]) -> Vec<Finding> {
    let about_bag = |code: Code| {
        matches!(
            code,
            Code::ManifestMismatch
                | Code::PackMalformed
                | Code::DerivedMismatch
                | Code::RootsNotPinned
                | Code::AttachmentAbsent
                | Code::QuorumMissed
                | Code::AttachmentMismatch
        )
    };
    let about_log = findings.iter().filter(|finding| !about_bag(finding.code));
    let mut found: Vec<Finding> = about_log.cloned().collect();
    // However far whoever asks has come with sorting its own.
    found.sort_by_key(|finding| super::rank(finding.class));
    found
}

/// Makes the derived files again and compares them with those of the bag.
pub fn check(bag: &Bag, pin: &Pin, shown: &Shown, state: &State, report: &mut PackReport) {
    let findings = log_findings(&report.findings);
    let rows = &report.rows;
    let material = Material { scope: &bag.scope, pin, shown, state, rows, findings: &findings };
    let expected = files(&material);
    for (path, bytes) in &expected {
        if bag.payload.get(path) != Some(bytes) {
            let detail = format!("{path} is not what the entries of this pack give");
            report.findings.push(Finding::new(Code::DerivedMismatch, None, detail));
        }
    }
    if bag.readme != report::readme(&bag.scope, shown, state.trust().map(|trust| &**trust)) {
        let detail = "README.txt is not what this pack's format gives".to_owned();
        report.findings.push(Finding::new(Code::DerivedMismatch, None, detail));
    }
    // Where an entry could not be read, what it names is not known, and that is the finding.
    let evidence = (!report.is_broken()).then(|| named_by(shown));
    let known = |path: &str| {
        expected.contains_key(path)
            || [super::CHECKPOINT, super::OPENING, super::HEADS, super::EXTENSIONS].contains(&path)
            || path.starts_with("data/entries/")
            || evidence.as_ref().map_or_else(|| is_evidence(path), |named| named.contains(path))
    };
    if let Some(path) = bag.payload.keys().find(|path| !known(path)) {
        let detail = format!("{path} does not belong into a pack");
        report.findings.push(Finding::new(Code::PackMalformed, None, detail));
    }
}

fn is_evidence(path: &str) -> bool {
    let folders = ["data/proofs/", "data/envelopes/", "data/attachments/"];
    folders.iter().any(|folder| path.starts_with(folder))
}

/// The proofs, envelopes and attachments of the shown entries. An envelope that no entry names was
/// never logged, whoever signed it: it has no place among the evidence.
fn named_by(shown: &Shown) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (index, it) in &shown.entries {
        named.insert(proof_path(*index));
        named.insert(envelope_path(&it.entry.envelope));
        let attachments = it.event.iter().flat_map(gather::attachments_of);
        named.extend(attachments.map(|digest| attachment_path(&digest)));
    }
    named
}
