//! What derived types read from a value, and what the errors say.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::decimal::Decimal;
use crate::json::parse;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Policy<'a> {
    #[serde(borrow)]
    project: &'a str,
    count: u8,
    offset: Option<i64>,
    #[serde(default)]
    gates: Vec<Gate>,
    #[serde(default)]
    labels: BTreeMap<Name, Option<u64>>,
    ratio: Option<f64>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Name(String);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Gate {
    Open,
    Named(String),
    Pair(u8, u8),
    Evidence { max: Decimal },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Tagged {
    Metric { value: Decimal, unit: Option<Name> },
    Count { value: u32 },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Count(u64),
    Exact(Decimal),
    Text(String),
    List(Vec<Untagged>),
}

#[derive(Debug, PartialEq, Deserialize)]
struct Flat {
    id: String,
    #[serde(flatten)]
    rest: BTreeMap<String, Decimal>,
}

#[track_caller]
fn check<T: for<'de> Deserialize<'de> + fmt::Debug>(input: &str, expected: &str) {
    let value = parse(input.as_bytes()).unwrap();
    let shown = match read::<T>(&value) {
        Ok(read) => format!("{read:?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(shown, expected, "{input}");
}

#[track_caller]
fn check_policy(input: &str, expected: &str) {
    let value = parse(input.as_bytes()).unwrap();
    let shown = match read::<Policy<'_>>(&value) {
        Ok(read) => format!("{read:?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(shown, expected, "{input}");
}

#[test]
fn structs_are_read() {
    check_policy(
        r#"{"project":"a\u0062","count":255,"offset":-9007199254740991,"ratio":0.5,
            "gates":["open",{"named":"x"},{"pair":[1,2]},{"evidence":{"max":83.40}}],
            "labels":{"y":null,"x":9007199254740991}}"#,
        "Policy { project: \"ab\", count: 255, offset: Some(-9007199254740991), gates: [Open, \
         Named(\"x\"), Pair(1, 2), Evidence { max: 83.40 }], labels: {Name(\"x\"): \
         Some(9007199254740991), Name(\"y\"): None}, ratio: Some(0.5) }",
    );
    check::<(bool, char, ())>(r#"[true,"é",null]"#, "(true, 'é', ())");
    check::<serde::de::IgnoredAny>(r#"[1.5,{"a":1e999}]"#, "IgnoredAny");
    check::<schemas::id::Hash>(&format!("{:?}", "ab".repeat(32)), &"ab".repeat(32));
}

#[test]
fn errors_name_the_path() {
    let check = check_policy;
    check("[]", "expected struct Policy, found an array");
    check(r#"{"count":1}"#, "missing field `project`");
    check(
        &policy(r#","a":1"#),
        "unknown field `a`, expected one of `project`, `count`, `offset`, `gates`, `labels`, `ratio`",
    );
    check(r#"{"project":1,"count":1}"#, "project: expected a borrowed string, found integer `1`");
    check(r#"{"project":"p","count":256}"#, "count: expected u8, found integer `256`");
    check(r#"{"project":"p","count":-1}"#, "count: expected u8, found integer `-1`");
    check(r#"{"project":"p","count":1.0}"#, "count: expected u8, found 1.0");
    check(r#"{"project":"p","count":1e0}"#, "count: expected u8, found 1e0");
    check(r#"{"project":"p","count":"1"}"#, "count: expected u8, found string \"1\"");
    check(
        &policy(r#","offset":9223372036854775808"#),
        "offset: expected i64, found 9223372036854775808",
    );
    check(
        &policy(r#","offset":99999999999999999999"#),
        "offset: expected i64, found 99999999999999999999",
    );
    check(&policy(r#","ratio":1e999"#), "ratio: expected f64, found 1e999");
}

fn policy(rest: &str) -> String {
    format!(r#"{{"project":"p","count":1{rest}}}"#)
}

#[test]
fn errors_name_the_path_through_lists_enums_and_maps() {
    let check = check_policy;
    check(
        &policy(r#","gates":["open",{"evidence":{"max":true}}]"#),
        "gates[1].evidence.max: expected a decimal number, found boolean `true`",
    );
    check(
        &policy(r#","gates":[{"evidence":{"max":1,"min":1}}]"#),
        "gates[0].evidence: unknown field `min`, expected `max`",
    );
    check(
        &policy(r#","gates":[{"pair":[1,2,3]}]"#),
        "gates[0].pair: invalid length 3, expected fewer elements in array",
    );
    check(
        &policy(r#","gates":["shut"]"#),
        "gates[0]: unknown variant `shut`, expected one of `open`, `named`, `pair`, `evidence`",
    );
    check(&policy(r#","gates":["named"]"#), "gates[0]: expected a value, found unit variant");
    check(&policy(r#","gates":[{"open":1}]"#), "gates[0].open: expected unit, found integer `1`");
    check(
        &policy(r#","gates":[{}]"#),
        "gates[0]: invalid length 0, expected an object with one member",
    );
    check(&policy(r#","gates":[null]"#), "gates[0]: expected enum Gate, found null");
    check(&policy(r#","labels":{"a\n":"x"}"#), "labels.a\\n: expected u64, found string \"x\"");
}

#[test]
fn buffered_numbers_stay_exact() {
    check::<Tagged>(r#"{"kind":"metric","value":83.40}"#, "Metric { value: 83.40, unit: None }");
    check::<Tagged>(r#"{"value":1e999,"kind":"metric"}"#, "Metric { value: 1e999, unit: None }");
    check::<Tagged>(r#"{"kind":"metric","value":7}"#, "Metric { value: 7, unit: None }");
    check::<Tagged>(r#"{"kind":"count","value":7}"#, "Count { value: 7 }");
    check::<Tagged>(
        r#"{"kind":"other"}"#,
        "kind: unknown variant `other`, expected `metric` or `count`",
    );
    check::<Flat>(
        r#"{"id":"x","a":0.10,"b":1}"#,
        "Flat { id: \"x\", rest: {\"a\": 0.10, \"b\": 1} }",
    );
    check::<Untagged>(r#"[1,1.0,"x",[]]"#, "List([Count(1), Exact(1.0), Text(\"x\"), List([])])");
    check::<Untagged>("18446744073709551616", "Exact(18446744073709551616)");
    for (input, why) in [
        (r#"{"kind":"count","value":7.0}"#, "a fraction is no integer"),
        (r#"{"kind":"metric","value":1,"unit":1.5}"#, "a number is no string"),
        (r#"{"kind":"metric","value":1,"unti":"s"}"#, "unknown field"),
        (r#"{"kind":"metric","value":"x"}"#, "not a number"),
    ] {
        assert!(read::<Tagged>(&parse(input.as_bytes()).unwrap()).is_err(), "{why}");
    }
}

#[test]
fn strings_are_borrowed_from_the_value() {
    let value = parse(br#"["plain","esc\u0061ped"]"#).unwrap();
    assert_eq!(read::<Vec<&str>>(&value).unwrap(), ["plain", "escaped"]);
}

#[test]
fn messages_stay_short() {
    let text = format!("{{\"{}\":\"{}\"}}", "k".repeat(10_000), "v".repeat(10_000));
    let value = parse(text.as_bytes()).unwrap();
    let error = read::<BTreeMap<String, u8>>(&value).unwrap_err();
    assert!(error.to_string().len() < 500);
}

/// Derived types read a seeded document as serde_json would give it to them; only -0 is a float to
/// them and a whole number to us.
#[test]
fn seeded_values_are_read_as_by_serde_json() {
    let mut seeded = crate::seeded::Seeded::new(0x5eed_0007);
    for _ in 0..10_000 {
        let mut text = String::new();
        seeded.json(3, &mut text);
        let text = text.replace("-0", "0");
        let Ok(value) = parse(text.as_bytes()) else {
            continue;
        };
        let same =
            |ours: Option<String>, theirs: Option<String>| assert_eq!(ours, theirs, "{text}");
        macro_rules! compare {
            ($($type:ty,)*) => {$(same(
                read::<$type>(&value).ok().map(|read| format!("{read:?}")),
                serde_json::from_str::<$type>(&text).ok().map(|read| format!("{read:?}")),
            );)*};
        }
        compare! {
            i64, u8, bool, String, Option<u64>, Vec<Option<String>>, BTreeMap<String, i64>,
            (u8, String), Gate2, Vec<f64>,
        }
    }
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "read by Debug")]
#[serde(rename_all = "lowercase")]
enum Gate2 {
    A(i64),
    B,
    Key(Vec<u8>),
}
