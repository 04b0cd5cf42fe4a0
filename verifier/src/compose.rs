//! Composes predicates whose own fields somebody has written: payloads that are ready to be signed.

use schemas::id::{Digest, Origin};
use schemas::statement::Subject;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::entry::genesis_prev;

/// A member of a predicate, as JSON.
pub struct Member {
    name: &'static str,
    json: String,
}

impl Member {
    pub fn new(name: &'static str, value: &impl Serialize) -> serde_json::Result<Member> {
        Ok(Member { name, json: serde_json::to_string(value)? })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// Writes a predicate: members that are filled in, then those of an object that somebody wrote,
/// which stay as they were written, then more that are filled in.
///
/// Numbers keep their spelling so. A member that stands twice is refused where the statement is
/// read.
pub fn fill(
    before: &[Member],
    written: &str,
    after: &[Member],
) -> serde_json::Result<Box<RawValue>> {
    let inner = written.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let filled = |it: &Member| format!("\"{}\":{}", it.name, it.json);
    let mut members: Vec<String> = before.iter().map(filled).collect();
    members.push(inner.unwrap_or_default().trim().to_owned());
    members.extend(after.iter().map(filled));
    members.retain(|member| !member.is_empty());
    RawValue::from_string(format!("{{{}}}", members.join(",")))
}

/// The ledger itself as a subject: it opens no artifact thread.
pub fn ledger_subject(origin: &Origin) -> Subject {
    Subject::of(&Digest::sha256(&genesis_prev(origin)), Some(origin.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_stays_as_it_was_written() {
        let nonce = [Member::new("nonce", &"ab").unwrap()];
        let seen = [Member::new("seen", &7).unwrap()];
        for (written, expected) in [
            (r#"{ "value": 1.50 }"#, r#"{"nonce":"ab","value": 1.50,"seen":7}"#),
            ("{}", r#"{"nonce":"ab","seen":7}"#),
            (" { } ", r#"{"nonce":"ab","seen":7}"#),
        ] {
            assert_eq!(fill(&nonce, written, &seen).unwrap().get(), expected);
        }
        assert_eq!(fill(&[], "{}", &[]).unwrap().get(), "{}");
        assert!(fill(&nonce, "{\"a\":}", &[]).is_err());
    }
}
