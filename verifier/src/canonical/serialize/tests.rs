//! Our own structs, compared with serde_json and another canonicalizer.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::super::{canonical_of, to_canonical};
use super::*;
use crate::json;

#[derive(Serialize)]
struct Sample<'a> {
    zeta: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<u64>,
    alpha: Vec<Choice<'a>>,
    map: BTreeMap<&'a str, i64>,
    tuple: (bool, char, ()),
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Choice<'a> {
    JustName,
    Text(&'a str),
    Pair(u8, i8),
    Named { z: u8, a: &'a str },
}

#[test]
fn structs_are_written_as_by_serde_json_and_canonicalised() {
    let sample = Sample {
        zeta: None,
        absent: None,
        alpha: vec![
            Choice::JustName,
            Choice::Text("\n\"\u{1}é"),
            Choice::Pair(1, -1),
            Choice::Named { z: 0, a: "" },
        ],
        map: BTreeMap::from([("\u{fb33}", 1), ("😀", -2), ("\"", 9_007_199_254_740_991)]),
        tuple: (true, 'x', ()),
    };
    let ours = canonical_of(&sample).unwrap();
    let theirs = serde_json::to_vec(&sample).unwrap();
    assert_eq!(ours, to_canonical(&json::parse(&theirs).unwrap()).unwrap());
    assert_eq!(ours, serde_json_canonicalizer::to_vec(&sample).unwrap());
    assert!(ours.starts_with(br#"{"alpha":["just-name",{"text":"\n\"\u0001"#));
}

#[test]
fn what_has_no_canonical_form_is_refused() {
    let shown = |result: Result<Vec<u8>>| result.unwrap_err().to_string();
    assert_eq!(shown(canonical_of(&1.5)), "floating-point field 1.5");
    assert_eq!(shown(canonical_of(&HashMap::from([(true, 2)]))), "map key is not a string");
    let counted = BTreeMap::from([(9, "b"), (10, "a")]);
    assert_eq!(
        canonical_of(&counted).unwrap(),
        br#"{"10":"a","9":"b"}"#,
        "integer keys are their digits, sorted as text"
    );
    let large = "integer 9007199254740992 is beyond 2^53 - 1, where readers disagree";
    assert_eq!(shown(canonical_of(&(1u64 << 53))), large);
    assert!(canonical_of(&i64::MIN).is_err());
    assert!(canonical_of(&u128::MAX).is_err());
    let twice = "member \"a\" occurs twice";
    #[derive(Serialize)]
    struct Twice {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    let value = Twice { a: 1, rest: BTreeMap::from([("a".to_owned(), 2)]) };
    assert_eq!(shown(canonical_of(&value)), twice);
}

#[test]
fn empty_containers_are_written() {
    let empty: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    assert_eq!(canonical_of(&empty).unwrap(), b"{}");
    let nested = BTreeMap::from([("b", vec![BTreeMap::from([("y", 1), ("x", 2)])]), ("a", vec![])]);
    assert_eq!(canonical_of(&nested).unwrap(), br#"{"a":[],"b":[{"x":2,"y":1}]}"#);
}
