//! Cases of the strict reading, and a seeded comparison with serde_json.

use super::*;
use crate::canonical::to_canonical;
use crate::seeded::Seeded;

#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &str) {
    let shown = match parse(input.as_ref()) {
        Ok(value) => format!("{value:?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(shown, expected);
}

#[test]
fn values_are_read() {
    check("null", "Null");
    check(" \t\r\n true \n", "Bool(true)");
    check("false", "Bool(false)");
    check("[]", "Array([])");
    check("{}", "Object([])");
    check("[ 1 , [ ] ]", r#"Array([Number("1"), Array([])])"#);
    check(r#"{"b":1,"a":"x"}"#, r#"Object([("b", Number("1")), ("a", String("x"))])"#);
    check(r#""\"\\\/\b\f\n\r\t\u0041\u00E9""#, r#"String("\"\\/\u{8}\u{c}\n\r\tAé")"#);
    check(
        r#""\ud83d\ude00 \uFFFF""#,
        "String(\"😀 \u{ffff}\")".replace('\u{ffff}', "\\u{ffff}").as_str(),
    );
    check("\"\u{7f}é\"", "String(\"\\u{7f}é\")");
    for number in ["0", "-0", "10", "-1.50", "1e5", "1E-05", "0.0e+00", "123456789012345678901"] {
        check(number, &format!("Number({number:?})"));
    }
}

#[test]
fn malformed_documents_are_refused_where_they_break() {
    check("", "expected a value at byte 0");
    check("  ", "expected a value at byte 2");
    check("\u{feff}1", "starts with a byte order mark");
    check(b"\"a\xff\"", "not UTF-8 at byte 2");
    check(b"\"\xed\xa0\x80\"", "not UTF-8 at byte 1");
    check("1 2", "expected the end at byte 2");
    check("1\0", "expected the end at byte 1");
    check("1\u{a0}", "expected the end at byte 1");
    check("tru", "expected a value at byte 0");
    check("True", "expected a value at byte 0");
    check("NaN", "expected a value at byte 0");
    check("[1,]", "expected a value at byte 3");
    check("[1 2]", "expected ',' or ']' at byte 3");
    check("[", "expected a value at byte 1");
    check("{,}", "expected a member name at byte 1");
    check("{a:1}", "expected a member name at byte 1");
    check(r#"{"a":1,}"#, "expected a member name at byte 7");
    check(r#"{"a" 1}"#, "expected ':' at byte 5");
    check(r#"{"a":1 "b":2}"#, "expected ',' or '}' at byte 7");
    check(r#"{"a":}"#, "expected a value at byte 5");
    check("// x\n1", "expected a value at byte 0");
    check("'a'", "expected a value at byte 0");
}

#[test]
fn malformed_strings_are_refused() {
    check(r#"""#, "expected '\"' at byte 1");
    check(r#""abcdefghij"#, "expected '\"' at byte 11");
    check("\"a\nb\"", "unescaped control character at byte 2");
    check("\"\0\"", "unescaped control character at byte 1");
    check("\"0123456789\u{1f}\"", "unescaped control character at byte 11");
    check(r#""\x""#, "expected an escape at byte 2");
    check(r#""\"#, "expected an escape at byte 2");
    check(r#""\u12g4""#, "expected a hex digit at byte 5");
    check(r#""\u12"#, "expected a hex digit at byte 5");
    check(r#""\u+123""#, "expected a hex digit at byte 3");
    check(r#""\ud800""#, "half of a surrogate pair at byte 1");
    check(r#""\ud800\n""#, "half of a surrogate pair at byte 1");
    check(r#""ab\udc00\ud800""#, "half of a surrogate pair at byte 3");
    check(r#""\ud800\ud800""#, "half of a surrogate pair at byte 1");
    check(r#""\ud800\u0041""#, "half of a surrogate pair at byte 1");
    check(r#""\ud800\u00""#, "expected a hex digit at byte 11");
}

#[test]
fn malformed_numbers_are_refused() {
    check("-", "expected a digit at byte 1");
    check("01", "expected the end at byte 1");
    check("-01", "expected the end at byte 2");
    check("+1", "expected a value at byte 0");
    check(".5", "expected a value at byte 0");
    check("1.", "expected a digit at byte 2");
    check("1.e5", "expected a digit at byte 2");
    check("1e", "expected a digit at byte 2");
    check("1e+", "expected a digit at byte 3");
    check("0x10", "expected the end at byte 1");
    check("-Infinity", "expected a digit at byte 1");
}

#[test]
fn no_member_occurs_twice_at_any_depth() {
    let twice = |name: &str, at| format!("member {name:?} occurs twice in the object at byte {at}");
    check(r#"{"a":1,"a":1}"#, &twice("a", 0));
    check(r#"[{"x":{"a":1,"b":2,"a":3}}]"#, &twice("a", 6));
    check(r#"{"a":1,"\u0061":1}"#, &twice("a", 0));
    check(r#"{"":1,"":1}"#, &twice("", 0));
    check(r#"{"a":{"a":{}}}"#, r#"Object([("a", Object([("a", Object([]))]))])"#);
    for count in [2, FEW_MEMBERS, FEW_MEMBERS + 1, 1000] {
        let names: Vec<String> = (0..count).map(|nth| format!("\"m{nth}\":0")).collect();
        let distinct = format!("{{{}}}", names.join(","));
        assert!(parse(distinct.as_bytes()).is_ok());
        let repeated = format!("{{{},\"\\u006d1\":0}}", names.join(","));
        check(&repeated, &twice("m1", 0));
    }
}

#[test]
fn nesting_ends_at_64() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        let at = DEPTH_MAX * open.len();
        check(nested(DEPTH_MAX + 1), &format!("more than 64 levels deep at byte {at}"));
        check(open.repeat(1_000_000), &format!("more than 64 levels deep at byte {at}"));
    }
    let wide = format!("[{}[]]", "[[]],".repeat(1000));
    assert!(parse(wide.as_bytes()).is_ok(), "depth is nesting, not a count of containers");
}

#[test]
fn plain_runs_end_at_every_offset() {
    for length in 0..40 {
        for special in ["\"", "\\n\"", "\\u0000\""] {
            let run = "é".repeat(length / 2) + &"x".repeat(length - length / 2);
            let text = format!("\"{run}{special}");
            let read: String = serde_json::from_str(&text).unwrap();
            assert_eq!(parse(text.as_bytes()).unwrap().as_str(), Some(read.as_str()));
        }
        for byte in 0..=255u8 {
            let mut text = vec![b'"'];
            text.resize(length + 1, b'~');
            text.extend([byte, b'"']);
            let accepted = serde_json::from_slice::<String>(&text).is_ok();
            assert_eq!(parse(&text).is_ok(), accepted, "byte {byte:#x} after {length}");
        }
    }
}

/// What the limit of an envelope lets through takes time linear in its size; anything else would
/// be noticed here as a test that does not end.
#[test]
fn hostile_documents_end() {
    const SIZE: usize = 4 << 20;
    let many = |piece: &str| piece.repeat(SIZE / piece.len());
    let names: Vec<String> = (0..SIZE / 14).map(|nth| format!("\"n{nth:08}\":0")).collect();
    for text in [
        format!("[{}0]", many("0,")),
        format!("[{}0]", many("[],")),
        format!("[{}0]", many("[0],")),
        format!("[{}0]", many("{\"\":0},")),
        format!("\"{}\"", many("x")),
        format!("\"{}\"", many("\\u00e9")),
        format!("[{}0]", many("1424953923781206.25,")),
        many("1"),
        many(" ") + "1",
        format!("{{{}}}", names.join(",")),
    ] {
        let value = parse(text.as_bytes()).unwrap();
        assert!(to_canonical(&value).is_ok() || text.starts_with("11"));
    }
    let repeated = format!("{{{}\"a\":0}}", many("\"a\":0,"));
    assert!(parse(repeated.as_bytes()).is_err());
}

/// A large array must not leave its capacity behind for each small one that follows.
#[test]
fn containers_take_no_more_than_they_hold() {
    let text = format!("{{\"a\":[{}0],\"b\":[1],\"c\":{{\"d\":1}}}}", "0,".repeat(10_000));
    let value = parse(text.as_bytes()).unwrap();
    let Some(Value::Array(small)) = value.get("b") else { panic!("no array") };
    assert_eq!(small.capacity(), 1);
}

/// Accepted by us = accepted by serde_json, but for: repeated members, more than 64 levels (they
/// stop at 127), and numbers beyond a double (they refuse them, we keep the text).
#[test]
fn seeded_documents_are_read_as_by_serde_json() {
    let mut seeded = Seeded::new(0x5eed_0001);
    let (mut accepted, mut repeated) = (0, 0);
    for _ in 0..30_000 {
        let mut text = String::new();
        seeded.json(4, &mut text);
        if seeded.below(2) == 0 {
            damage(&mut seeded, &mut text);
        }
        let theirs = match serde_json::from_str::<serde_json::Value>(&text) {
            Err(error) if error.to_string().contains("out of range") => continue,
            theirs => theirs.ok(),
        };
        match (parse(text.as_bytes()), theirs) {
            (Ok(ours), Some(theirs)) => {
                accepted += 1;
                assert_eq!(as_theirs(&ours), theirs, "{text}");
            }
            (Err(JsonError::DuplicateMember { .. }), _) => repeated += 1,
            (ours, theirs) => assert_eq!(ours.is_ok(), theirs.is_some(), "{text}"),
        }
    }
    assert!(accepted > 10_000 && repeated > 500, "{accepted} {repeated}");
}

/// Removes, repeats or inserts a character somewhere.
fn damage(seeded: &mut Seeded, text: &mut String) {
    let mut chars: Vec<char> = text.chars().collect();
    let at = seeded.below(chars.len());
    match seeded.below(3) {
        0 => drop(chars.remove(at)),
        1 => chars.insert(at, chars[at]),
        _ => {
            let inserted =
                seeded.pick(&["\"", "\\", "{", "}", "[", "]", ",", ":", "0", "\u{1}", "e"]);
            chars.splice(at..at, inserted.chars());
        }
    }
    *text = chars.into_iter().collect();
}

fn as_theirs(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(text) => serde_json::from_str(text).unwrap(),
        Value::String(text) => text.to_string().into(),
        Value::Array(values) => values.iter().map(as_theirs).collect(),
        Value::Object(members) => {
            let pairs = members.iter().map(|(name, value)| (name.to_string(), as_theirs(value)));
            serde_json::Value::Object(pairs.collect())
        }
    }
}
