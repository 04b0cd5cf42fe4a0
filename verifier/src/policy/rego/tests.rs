use serde_json::json;

use super::*;

const RULE: &str = "data.release.allow";

/// A module whose rule has this body.
fn module(body: &str) -> String {
    format!("package release\nimport rego.v1\ndefault allow := false\n{body}\n")
}

fn value(text: &str, input: &str) -> Result<serde_json::Value, RegoError> {
    evaluate(text, RULE, input)
}

#[test]
fn a_rule_has_a_value() {
    let text = module("allow if { input.count > 2; startswith(input.name, \"a\") }");
    assert_eq!(value(&text, r#"{"count":3,"name":"app"}"#), Ok(json!(true)));
    assert_eq!(value(&text, r#"{"count":2,"name":"app"}"#), Ok(json!(false)));
    assert_eq!(value(&text, "{}"), Ok(json!(false)));
    let text = "package release\nimport rego.v1\nallow := {\"verdict\": \"fail\", \"reason\": r} if \
                r := sprintf(\"%d left\", [input.n])\n";
    assert_eq!(value(text, r#"{"n":4}"#), Ok(json!({"verdict":"fail","reason":"4 left"})));
}

#[test]
fn what_gives_no_value_cannot_be_told() {
    let undefined = "package release\nimport rego.v1\nallow if input.x\n";
    assert_eq!(value(undefined, "{}"), Err(RegoError::Undefined));
    for (text, part) in [
        ("package release\nallow if {".to_owned(), "cannot be read"),
        ("".to_owned(), "cannot be read"),
        (module("allow if { nothing_of_the_kind(1) }"), "cannot be read"),
        ("package other\nimport rego.v1\nallow := true\n".to_owned(), "cannot be read"),
        (module("allow if a\na if b\nb if a"), "cannot be"),
    ] {
        let found = value(&text, r#"{"a":"x"}"#).map_err(|cause| cause.to_string());
        assert!(found.as_ref().is_err_and(|it| it.contains(part)), "{text}: {found:?}");
    }
    for rule in ["release.allow", "data.release", "data", "data.release.allow[0]", "data..allow"] {
        assert!(matches!(evaluate("", rule, "{}"), Err(RegoError::Rule(_))), "{rule}");
    }
}

/// A builtin that fails fails what it stands in, also behind `not`: nothing passes by mistake.
#[test]
fn a_failing_builtin_makes_nothing_true() {
    for body in ["to_number(input.a) > 1", "x := to_number(input.a); not x"] {
        let text = module(&format!("allow if {{ {body} }}"));
        assert_eq!(value(&text, r#"{"a":"x"}"#), Ok(json!(false)), "{body}");
    }
    let only = "package release\nimport rego.v1\nallow := to_number(input.a)\n";
    assert_eq!(value(only, r#"{"a":"x"}"#), Err(RegoError::Undefined));
}

/// A rule that reads a clock, chance or the network is refused before it is signed.
#[test]
fn only_listed_builtins_are_called() {
    for call in [
        "rand.intn(\"x\", 10) > 4",
        "time.now_ns() > 0",
        "http.send({\"method\": \"get\", \"url\": \"http://localhost\"})",
        "opa.runtime()",
        "uuid.rfc4122(\"x\")",
        "net.cidr_contains(\"10.0.0.0/8\", \"10.0.0.1\")",
        "numbers.range(1, 10)",
        "trace(\"x\")",
        "print(\"x\")",
        "json.patch({}, [])",
    ] {
        let text = module(&format!("allow if {{ {call} }}"));
        let error = check(&text, RULE).unwrap_err();
        assert!(matches!(error, RegoError::Builtin(_) | RegoError::Module(_)), "{call}: {error}");
        assert!(value(&text, "{}").is_err(), "{call}");
    }
    // Also where the rule calls it by a road.
    let text = module("allow if helper\nhelper if { rand.intn(\"x\", 2) == 1 }");
    assert_eq!(check(&text, RULE), Err(RegoError::Builtin("rand.intn".to_owned())));
    // A name in a text or a comment is no call.
    let text = module("# rand.intn(1)\nallow if { \"rand.intn\" == input.x }");
    assert_eq!(check(&text, RULE), Ok(()));
}

#[test]
fn steps_and_sizes_are_bounded() {
    let list = format!("{{\"l\":{}}}", json!((0..700).collect::<Vec<_>>()));
    let cross = module("allow if { count([1 | some a in input.l; some b in input.l]) > 0 }");
    let error = value(&cross, &list).unwrap_err();
    assert!(error.to_string().contains("cannot be evaluated"), "{error}");
    let once = module("allow if { count([1 | some a in input.l]) == 700 }");
    assert_eq!(value(&once, &list), Ok(json!(true)));
    let long = module(&"#".repeat(TEXT_BYTES_MAX));
    assert!(matches!(check(&long, RULE), Err(RegoError::TextTooLong(_))));
    assert!(matches!(value("", &" ".repeat(INPUT_BYTES_MAX + 1)), Err(RegoError::InputTooLong(_))));
}

/// Neither deep nesting nor a long chain of rules ends the process.
#[test]
fn deep_modules_are_errors_or_values() {
    let nested = module(&format!("allow if {{ {}1{} == 1 }}", "(".repeat(5000), ")".repeat(5000)));
    assert!(check(&nested, RULE).is_err());
    let chain: String = (0..800).map(|n| format!("r{n} if r{}\n", n + 1)).collect();
    let text = module(&format!("allow if r0\n{chain}r800 if true"));
    assert!(text.len() <= TEXT_BYTES_MAX);
    let _ = value(&text, "{}");
}

#[test]
fn the_same_input_gives_the_same_value() {
    let text = module("allow := [k | some k, v in input; v]");
    let first = value(&text, r#"{"b":true,"a":true,"c":false}"#).unwrap();
    assert_eq!(first, json!(["a", "b"]));
    assert_eq!(value(&text, r#"{"c":false,"a":true,"b":true}"#).unwrap(), first);
}
