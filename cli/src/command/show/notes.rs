//! The notes about an entry: postmortems and comments that somebody attached to it.

use std::collections::BTreeMap;

use schemas::id::EntryIndex;
use schemas::kind::ExtraThread;
use schemas::thread::ThreadId;
use serde_json::{Value, json};
use verifier::lineage::notes;

use crate::failure::Failure;
use crate::history::{History, Line};
use crate::output::labelled;

/// Entries of a thread that are read at once.
const PAGE: u64 = 100;

/// Lines for people and a list for machines; nothing of an entry to which no note is attached by
/// promotion or deployment.
pub fn about(history: &History, line: &Line) -> Result<Option<(String, Value)>, Failure> {
    let project = line.event.as_ref().and_then(|event| event.project());
    let Some(project) = project.filter(|_| line.kind().line().thread == ExtraThread::Environment)
    else {
        return Ok(None);
    };
    let index = line.entry.index;
    let mut found: BTreeMap<EntryIndex, (String, Value)> = BTreeMap::new();
    for thread in line.entry.threads.iter().map(|line| &line.thread) {
        if !matches!(thread, ThreadId::Artifact(_)) {
            continue;
        }
        let later = later(history, thread, index)?;
        for (line, note) in notes::about(project, index, &later) {
            let at = note.about.filter(|about| *about != index);
            let at = at.map_or(String::new(), |about| format!(" about entry {about}"));
            let (entry, signers) = (line.entry.index, line.signers.join(", "));
            let text = notes::beginning(&note.text);
            let text = labelled(0, "note", 9, &format!("entry {entry}{at} by {signers}: {text}"));
            let json = json!({
                "index": entry, "about": note.about, "time": line.entry.time,
                "signers": line.signers, "text": note.text,
            });
            found.insert(entry, (text, json));
        }
    }
    let (texts, items): (Vec<String>, Vec<Value>) = found.into_values().unzip();
    Ok(Some((texts.concat(), Value::Array(items))))
}

/// The lines of a thread behind an entry: whatever is about it came later.
fn later(history: &History, thread: &ThreadId, index: EntryIndex) -> Result<Vec<Line>, Failure> {
    let (mut later, mut from) = (Vec::new(), None);
    loop {
        let (lines, next) = history.back(Some(thread), from, PAGE)?;
        let reached = lines.last().is_none_or(|line| line.entry.index <= index);
        later.extend(lines.into_iter().filter(|line| line.entry.index > index));
        if reached || next.is_none() {
            return Ok(later);
        }
        from = next;
    }
}
