//! Names and lists of names inside a gate.

use std::collections::BTreeSet;

use super::{Complaints, is_hidden};

/// Most members of a list inside a gate.
const LIST_MAX: usize = 64;

/// Longest name of a suite or metric.
const NAME_BYTES_MAX: usize = 200;

/// Complains about members that repeat, are too many, or have trouble of their own.
pub(super) fn check_list(
    at: &str,
    members: &[String],
    complaints: &mut Complaints,
    trouble: impl Fn(&str) -> Option<String>,
) {
    if members.len() > LIST_MAX {
        complaints.add(at, format!("{} members; write at most {LIST_MAX}", members.len()));
    }
    let mut seen = BTreeSet::new();
    for (index, member) in members.iter().take(LIST_MAX).enumerate() {
        let at = format!("{at}[{index}]");
        if let Some(message) = trouble(member) {
            complaints.add(at, message);
        } else if !seen.insert(member) {
            complaints.add(at, format!("`{member}` stands here twice; write it once"));
        }
    }
}

/// Says why a text is no name of a suite or metric.
pub(super) fn name_trouble(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("an empty name; write one or leave it out".to_owned());
    }
    if name.len() > NAME_BYTES_MAX {
        return Some(format!("{} bytes; write at most {NAME_BYTES_MAX}", name.len()));
    }
    let hidden = name.chars().find(|c| is_hidden(*c))?;
    Some(format!("holds the invisible {}; leave it out", hidden.escape_unicode()))
}
