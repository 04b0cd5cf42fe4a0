//! Where an error of the type reader is.

use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::wording::unknown_word;
use super::yaml::key_path;

pub type TypeError = serde_path_to_error::Error<serde_json::Error>;

/// Writes the path of an error that was found below `above`.
pub fn error_path(above: &str, value: &Value, error: &TypeError) -> String {
    let mut path = above.to_owned();
    let mut at = Some(value);
    for segment in error.path() {
        match segment {
            Segment::Map { key } => {
                path = key_path(&path, key);
                at = at.and_then(|value| value.get(key.as_str()));
            }
            Segment::Seq { index } => {
                path = format!("{path}[{index}]");
                at = at.and_then(|value| value.get(*index));
            }
            // A key that is an enum: the library does not say which one.
            Segment::Unknown => {
                if let Some(key) = at.and_then(|value| culprit(value, error.inner())) {
                    path = key_path(&path, &key);
                }
                break;
            }
            Segment::Enum { .. } => break,
        }
    }
    path
}

/// Finds the member of a mapping of counts that an error is about.
fn culprit(value: &Value, error: &serde_json::Error) -> Option<String> {
    let object = value.as_object()?;
    let text = error.to_string();
    match unknown_word(&text) {
        Some(word) => object.contains_key(word.found).then(|| word.found.to_owned()),
        None => object.iter().find(|(_, count)| !count.is_u64()).map(|(key, _)| key.clone()),
    }
}

/// Removes the member that a path ends in; false where there is none.
pub fn remove(value: &mut Value, path: &Path) -> bool {
    let mut at = value;
    let mut segments = path.iter().peekable();
    while let Some(segment) = segments.next() {
        let next = match (segment, segments.peek()) {
            (Segment::Map { key }, None) => {
                return at.as_object_mut().is_some_and(|object| object.shift_remove(key).is_some());
            }
            (Segment::Map { key }, Some(_)) => at.get_mut(key.as_str()),
            (Segment::Seq { index }, _) => at.get_mut(*index),
            (Segment::Enum { .. } | Segment::Unknown, _) => None,
        };
        match next {
            Some(next) => at = next,
            None => return false,
        }
    }
    false
}
