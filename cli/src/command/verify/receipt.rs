//! A receipt alone: it proves that an entry is in the log, and nothing of what the entry means.

use schemas::report::{Code, Finding};
use serde_json::json;
use verifier::checkpoint::VerifiedCheckpoint;
use verifier::entry::Entry;
use verifier::pin::Pin;
use verifier::receipt::{
    RECEIPT_BYTES_MAX, RECEIPTS_MAX, format_receipt, parse_receipts, verify_receipt,
};

use super::report;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::{labelled, minute, paragraph};

/// What a receipt cannot say.
const LIMITS: &str = "A receipt proves inclusion and nothing else: that this entry stands in the \
                      log. Who signed what it names, with which right, and what was decided upon \
                      it, a pack or the ledger proves.";

pub fn run(
    file: &str,
    pin: &Pin,
    kept: Option<&VerifiedCheckpoint>,
    io: &mut Io,
) -> Result<Exit, Failure> {
    let bytes = io.read_file(file, (RECEIPT_BYTES_MAX * RECEIPTS_MAX) as u64)?;
    let mut findings = Vec::new();
    let mut text = String::new();
    let mut items = Vec::new();
    match parse_receipts(&bytes) {
        Err(cause) => findings.push(broken(&cause)),
        Ok(receipts) => {
            for receipt in &receipts {
                match verify_receipt(format_receipt(receipt).as_bytes(), pin.log()) {
                    Err(cause) => findings.push(broken(&cause)),
                    Ok(proven) => {
                        let (line, item, wrong) =
                            tell(proven.entry(), proven.index(), proven.checkpoint(), pin);
                        text.push_str(&line);
                        items.push(item);
                        findings.extend(wrong);
                        findings.extend(verifier::pack::quorum_finding(pin, proven.checkpoint()));
                        findings.extend(kept.and_then(|kept| compare(kept, proven.checkpoint())));
                    }
                }
            }
        }
    }
    let conclusion = report::conclusion(&findings, "the receipt");
    let list = report::findings(&findings);
    let limits = paragraph(0, LIMITS);
    let json = report::joined(
        json!({ "receipts": items, "level": "inclusion" }),
        report::to_json(&findings),
    );
    io.answer(&format!("{text}{list}{conclusion}\n{limits}"), &json)?;
    Ok(Exit::of_findings(&findings))
}

fn broken(cause: &dyn std::fmt::Display) -> Finding {
    Finding::new(Code::ProofInvalid, None, cause.to_string())
}

/// What a proven entry says of itself.
fn tell(
    bytes: &[u8],
    index: u64,
    checkpoint: &VerifiedCheckpoint,
    pin: &Pin,
) -> (String, serde_json::Value, Option<Finding>) {
    let (origin, size) = (checkpoint.origin(), checkpoint.size());
    let entry = match Entry::parse(bytes) {
        Ok(entry) if entry.index == index => entry,
        Ok(entry) => {
            let detail = format!("proven at {index}, it says {}", entry.index);
            let finding = Finding::new(Code::IndexMismatch, Some(index), detail);
            return (String::new(), json!({ "index": index }), Some(finding));
        }
        Err(cause) => {
            let finding = Finding::new(Code::EntryMalformed, Some(index), cause.to_string());
            return (String::new(), json!({ "index": index }), Some(finding));
        }
    };
    let mut text = format!("entry {index} is in {origin}, tree of size {size}\n");
    text.push_str(&labelled(
        2,
        "time",
        9,
        &format!("{} UTC, the ledger's word", minute(entry.time)),
    ));
    let existed_by = pin.existed_by(checkpoint);
    if let Some(by) = existed_by {
        let said = format!("by {} UTC: its witnesses had seen it then", minute(by));
        text.push_str(&labelled(2, "existed", 9, &said));
    }
    text.push_str(&labelled(2, "type", 9, &entry.predicate_type));
    text.push_str(&labelled(2, "statement", 9, &entry.statement.to_string()));
    for line in &entry.threads {
        text.push_str(&labelled(2, "about", 9, &line.thread.to_string()));
    }
    let item = json!({
        "index": index, "origin": origin, "size": size, "time": entry.time,
        "type": entry.predicate_type, "statement": entry.statement, "existedBy": existed_by,
        "threads": entry.threads.iter().map(|it| it.thread.to_string()).collect::<Vec<_>>(),
    });
    (text, item, None)
}

/// Two checkpoints of one log and size must have one root; others need a consistency proof.
pub fn compare(kept: &VerifiedCheckpoint, found: &VerifiedCheckpoint) -> Option<Finding> {
    let (size, root) = (kept.size(), kept.root());
    if size == found.size() {
        let detail = format!("kept is root {root} at size {size}, here it is {}", found.root());
        return (root != found.root()).then(|| Finding::new(Code::NotExtending, None, detail));
    }
    let detail = format!(
        "no proof at hand between the kept checkpoint (size {size}) and this one (size {})",
        found.size()
    );
    Some(Finding {
        class: schemas::report::Class::Unknown,
        ..Finding::new(Code::NotExtending, None, detail)
    })
}
