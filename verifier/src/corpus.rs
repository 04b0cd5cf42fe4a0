//! Published test vectors of other projects, read from the corpus folder by tests alone.

#![allow(clippy::disallowed_methods, reason = "tests read files; the rules never do")]

use std::io::Write as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Reads one file of the corpus; says loudly that a test is skipped where there is none.
pub fn read(name: &str) -> Option<Vec<u8>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("ATTESTRY_CORPUS").map_or_else(beside, PathBuf::from);
    if !root.exists() {
        // Not `eprintln`, which the test runner would swallow.
        let root = root.display();
        writeln!(std::io::stderr(), "SKIPPED: no corpus at {root} (set ATTESTRY_CORPUS)").unwrap();
        return None;
    }
    let path = root.join(name);
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Reads one JSON file of the corpus, by a parser that is not ours.
pub fn read_json(name: &str) -> Option<Value> {
    read(name).map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

/// The members of an array; none for an absent file.
pub fn cases(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}"))
}

pub fn base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}
