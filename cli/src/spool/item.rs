//! One event that waits: a line of JSON that says what it is and for whom, then its bytes.

use schemas::id::{Hash, Project, Time};
use schemas::statement::ENVELOPE_BYTES_MAX;
use serde::{Deserialize, Serialize};
use verifier::merkle::sha256;

use ledger::Submission;
use ledger::objects::ATTACHMENT_BYTES_MAX;

/// First word of the line: a later form would have another.
const FORMAT: &str = "attestry/spool/v1";

/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 65_536;

/// Most attachments of one event.
const ATTACHMENTS_MAX: usize = 64;

/// Largest event with its attachments, in bytes.
pub const ITEM_BYTES_MAX: usize = LINE_BYTES_MAX + ENVELOPE_BYTES_MAX + ATTACHMENT_BYTES_MAX;

/// What is said of an event, besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct About {
    /// The log's verifier key: only this log gets it, at whatever address.
    pub log: String,
    /// Where that log was when the event was recorded.
    pub server: String,
    pub project: Option<Project>,
    pub kind: String,
    /// The line for people.
    pub summary: String,
    pub spooled_at: Time,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Line {
    format: String,
    about: About,
    envelope: Part,
    attachments: Vec<Part>,
}

/// What stands behind the line, in its order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Part {
    sha256: Hash,
    size_bytes: u64,
}

impl Part {
    fn of(bytes: &[u8]) -> Part {
        Part { sha256: sha256(&[bytes]), size_bytes: bytes.len() as u64 }
    }
}

/// An event that was signed, and waits.
#[derive(Debug, Clone)]
pub struct Item {
    pub about: About,
    pub envelope: Vec<u8>,
    pub attachments: Vec<Vec<u8>>,
}

/// Why bytes are no event that waits, or are not kept as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    #[error("its first line is none of ours: {0}")]
    Line(String),
    #[error("it is cut off, or changed: its bytes are not those that its first line names")]
    Bytes,
    #[error("an event with its attachments is larger than {ITEM_BYTES_MAX} bytes")]
    TooLarge,
}

impl Item {
    pub fn of(about: About, submission: Submission) -> Item {
        let Submission { envelope, attachments, .. } = submission;
        Item { about, envelope, attachments }
    }

    pub fn format(&self) -> Result<Vec<u8>, ItemError> {
        let line = Line {
            format: FORMAT.to_owned(),
            about: self.about.clone(),
            envelope: Part::of(&self.envelope),
            attachments: self.attachments.iter().map(|bytes| Part::of(bytes)).collect(),
        };
        let mut out =
            serde_json::to_vec(&line).map_err(|cause| ItemError::Line(cause.to_string()))?;
        out.push(b'\n');
        let parts = || std::iter::once(&self.envelope).chain(&self.attachments);
        let bytes = out.len() + parts().map(Vec::len).sum::<usize>();
        if out.len() > LINE_BYTES_MAX || bytes > ITEM_BYTES_MAX {
            return Err(ItemError::TooLarge);
        }
        out.reserve_exact(bytes - out.len());
        parts().for_each(|part| out.extend_from_slice(part));
        Ok(out)
    }

    /// Reads what `format` wrote: whole, and every byte as it was.
    pub fn parse(bytes: &[u8]) -> Result<Item, ItemError> {
        let head = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
        let end = head.iter().position(|byte| *byte == b'\n').ok_or(ItemError::Bytes)?;
        let line: Line = serde_json::from_slice(&bytes[..end])
            .map_err(|cause| ItemError::Line(cause.to_string()))?;
        if line.format != FORMAT {
            return Err(ItemError::Line(format!("{:.40?}", line.format)));
        }
        if line.attachments.len() > ATTACHMENTS_MAX {
            return Err(ItemError::TooLarge);
        }
        let mut rest = &bytes[end + 1..];
        let mut take = |part: &Part| {
            let size = usize::try_from(part.size_bytes).map_err(|_| ItemError::Bytes)?;
            let (taken, behind) = rest.split_at_checked(size).ok_or(ItemError::Bytes)?;
            rest = behind;
            if sha256(&[taken]) == part.sha256 { Ok(taken.to_vec()) } else { Err(ItemError::Bytes) }
        };
        let envelope = take(&line.envelope)?;
        let attachments = line.attachments.iter().map(&mut take).collect::<Result<_, _>>()?;
        match rest.is_empty() {
            true => Ok(Item { about: line.about, envelope, attachments }),
            false => Err(ItemError::Bytes),
        }
    }

    pub fn submission(self) -> Submission {
        let project = self.about.project;
        Submission { envelope: self.envelope, project, attachments: self.attachments }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn item(text: &str) -> Item {
        let about = About {
            log: "ledger.example+00000000+AQ".into(),
            server: "https://ledger.example".into(),
            project: Some("payments".parse().unwrap()),
            kind: "test".into(),
            summary: "1 passed".into(),
            spooled_at: Time(1_000),
        };
        let attachments = vec![b"report".to_vec(), Vec::new()];
        Item { about, envelope: text.as_bytes().to_vec(), attachments }
    }

    #[test]
    fn an_event_is_read_back_whole() {
        let item = item("envelope\nwith a line");
        let read = Item::parse(&item.format().unwrap()).unwrap();
        assert_eq!(read.about, item.about);
        assert_eq!((&read.envelope, &read.attachments), (&item.envelope, &item.attachments));
        assert_eq!(read.submission().project, item.about.project);
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_noticed() {
        let bytes = item("envelope").format().unwrap();
        for end in 0..bytes.len() {
            assert!(Item::parse(&bytes[..end]).is_err(), "cut at {end}");
        }
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        for at in line + 1..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Item::parse(&changed).unwrap_err(), ItemError::Bytes, "byte {at}");
        }
        assert_eq!(Item::parse(&[bytes.as_slice(), b"x"].concat()).unwrap_err(), ItemError::Bytes);
        let later = String::from_utf8(bytes).unwrap().replace("spool/v1", "spool/v2");
        assert!(matches!(Item::parse(later.as_bytes()), Err(ItemError::Line(_))));
        assert!(Item::parse(b"{}\n").is_err() && Item::parse(b"no line").is_err());
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let mut item = item("envelope");
        item.about.summary = "x".repeat(LINE_BYTES_MAX);
        assert_eq!(item.format().unwrap_err(), ItemError::TooLarge);
    }
}
