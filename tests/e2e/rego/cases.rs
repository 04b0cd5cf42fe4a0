//! Rules in Rego, written for this comparison: each builtin that a rule may call, and the shapes that
//! rules of policies have.

/// Evidence that says yes, evidence that says no, and none.
pub const INPUTS: [&str; 3] = [
    r#"{"at":"2026-11-20T17:00:00.123Z","project":"payments",
        "environment":{"name":"prod","granted":null},
        "artifact":{"digest":"sha256:ab12","evidence":{"version":"1.4.2",
            "tests":{"unit":{"entry":7,"facts":{"result":"PASSED","counts":{"passed":412,"failed":0}}},
                     "e2e":{"entry":9,"facts":{"result":"PASSED","counts":{"passed":12,"failed":0}}}},
            "metrics":{"coverage.line":{"facts":{"value":"83.2"}},"latency.p95":{"facts":{"value":"120"}}}}},
        "request":{"requester":{"identity":"mia"},"approvals":[
            {"role":"qa","signer":{"identity":"anna"},"time":"2026-11-20T16:00:00.000Z"},
            {"role":"security","signer":{"identity":"sara"},"time":"2026-11-20T16:30:00.000Z"}]}}"#,
    r#"{"at":"2026-11-20T17:00:00.123Z","project":"payments","environment":{"name":"staging"},
        "artifact":{"digest":"sha256:cd34","evidence":{"version":"2.0.0-rc.1",
            "tests":{"unit":{"entry":3,"facts":{"result":"FAILED","counts":{"passed":10,"failed":2}}}},
            "metrics":{"coverage.line":{"facts":{"value":"n/a"}}}}},
        "request":{"requester":{"identity":"mia"},"approvals":[
            {"role":"qa","signer":{"identity":"mia"},"time":"2026-11-01T16:00:00.000Z"}]}}"#,
    "{}",
];

// OPA refuses what it sees to be of the wrong kind when it reads a rule: such values come by way of
// the input here, of which it knows nothing.

/// Rules with more to them than one expression, by a name that is theirs alone.
pub const BODIES: &[(&str, &str)] = &[
    (
        "all_tests_passed",
        "default allow := false
allow if {
    count(input.artifact.evidence.tests) > 0
    every run in input.artifact.evidence.tests { run.facts.result == \"PASSED\" }
}",
    ),
    (
        "every_over_nothing_holds",
        "allow if { every x in [] { x == 1 } }",
    ),
    (
        "every_with_a_key",
        "allow if { every name, run in input.artifact.evidence.tests { name != \"\"; run.entry > 2 } }",
    ),
    (
        "approved_by_another",
        "default allow := false
allow if {
    some approval in input.request.approvals
    approval.signer.identity != input.request.requester.identity
    approval.role in {\"qa\", \"lead\"}
}",
    ),
    (
        "people_who_approved",
        "people contains approval.signer.identity if some approval in input.request.approvals
allow := {\"people\": people, \"many\": count(people) >= 2}",
    ),
    (
        "people_of_each_role",
        "by_role[approval.role] contains approval.signer.identity if some approval in input.request.approvals
allow := by_role",
    ),
    (
        "people_below_a_name",
        "people.approved contains approval.signer.identity if some approval in input.request.approvals
allow := people",
    ),
    (
        "people_of_each_role_by_comprehension",
        "allow := {a.role: names |
    some a in input.request.approvals
    names := {b.signer.identity | some b in input.request.approvals; b.role == a.role}
}",
    ),
    (
        "a_verdict_with_a_reason",
        "default allow := {\"verdict\": \"waiting\", \"reason\": \"no tests\"}
allow := {\"verdict\": \"fail\", \"reason\": sprintf(\"%d failed\", [failed])} if {
    failed := sum([run.facts.counts.failed | some run in input.artifact.evidence.tests])
    failed > 0
} else := {\"verdict\": \"pass\", \"reason\": \"all passed\"} if {
    count(input.artifact.evidence.tests) > 0
}",
    ),
    (
        "else_by_else",
        "grade := \"a\" if to_number(input.artifact.evidence.metrics[\"coverage.line\"].facts.value) >= 90
else := \"b\" if input.project == \"payments\"
else := \"c\"
allow := grade",
    ),
    (
        "functions_with_patterns",
        "worth(\"qa\") := 1
worth(\"security\") := 2
worth(role) := 0 if not role in {\"qa\", \"security\"}
allow := [worth(a.role) | some a in input.request.approvals]",
    ),
    (
        "functions_call_functions",
        "twice(x) := x * 2
allow := twice(twice(3)) + twice(1)",
    ),
    ("negation", "allow if not input.artifact.evidence.tests.unit.facts.counts.failed > 0"),
    ("negation_of_what_is_not_there", "allow if not input.nothing.at.all"),
    ("what_is_not_there_has_no_value", "allow := input.nothing.at.all"),
    ("what_is_not_there_is_not_equal", "allow if input.nothing != 1"),
    ("null_is_a_value", "allow if input.environment.granted == null"),
    ("a_default", "default allow := false\nallow if input.project == \"shop\""),
    ("two_bodies", "allow if input.environment.name == \"prod\"\nallow if input.environment.name == \"staging\""),
    (
        "times_are_texts",
        "allow := {a.role | some a in input.request.approvals; a.time >= \"2026-11-20T16:30:00.000Z\"}",
    ),
    (
        "comprehensions",
        "allow := {
    \"list\": [name | some name, _ in input.artifact.evidence.tests],
    \"set\": {run.facts.result | some run in input.artifact.evidence.tests},
    \"object\": {name: run.entry | some name, run in input.artifact.evidence.tests},
}",
    ),
    (
        "nested_comprehensions",
        "allow := [row | some i in [1, 2, 3]; row := [n | some j in [1, 2, 3]; j <= i; n := i * j]]",
    ),
    (
        "with_another_input",
        "ready if input.x == 1
allow if { ready with input as {\"x\": 1}; not ready with input as {\"x\": 2} }",
    ),
    ("destructuring", "allow := [a, b, rest] if { [a, b, rest] := [1, {\"x\": 2}, [3]] }"),
    ("unification", "allow := x if { {\"role\": x, \"n\": 1} = {\"role\": \"qa\", \"n\": 1} }"),
    ("some_index", "allow := {i | some i; input.request.approvals[i].role == \"qa\"}"),
    ("wildcards", "allow if input.request.approvals[_].role == \"security\""),
    ("membership", "allow := [1 in [1, 2], 3 in {1, 2}, \"a\", 2 in {\"x\": 2}, (\"x\", 2 in {\"x\": 2})]"),
    ("sets_have_no_order", "allow := {3, 1, 2, 1}"),
    ("set_operators", "allow := [{1, 2} | {3}, {1, 2, 3} & {2, 3, 4}, {1, 2, 3} - {2}]"),
    ("order_of_kinds", "allow := [null < true, true < 0, 1 < \"a\", \"a\" < [1], [1] < {\"a\": 1}, {\"a\": 1} < {1}]"),
    ("equality_of_kinds", "allow := [1 == 1.0, \"1\" == 1, [] == {}, {} == {}, null == false]"),
    ("arithmetic", "allow := [7 / 2, 7 % 3, -7 + 2, 2 * 3.5, 0.5 + 0.25, 10 / 5, 1 - 4]"),
    ("large_numbers", "allow := [9007199254740993 + 0, 9007199254740992 * 1024, 123456789012345678901234567890 + 1]"),
    ("binary_fractions", "allow := 0.1 + 0.2"),
    ("overlapping_occurrences", "allow := strings.count(\"aaa\", \"aa\")"),
    ("texts_to_the_left", "allow := sprintf(\"%-5s|\", [\"ab\"])"),
    ("a_boolean_as_text", "allow := sprintf(\"%t\", [true])"),
    ("a_boolean_by_the_way", "allow := sprintf(\"%v\", [true])"),
    ("a_version_with_a_letter", "allow := semver.is_valid(\"v1.4.2\")"),
    ("rules_below_a_name", "limits.high := 0\nlimits.low := 9\nallow := limits"),
    (
        "objects_below_a_name",
        "of.role[a.role] := a.signer.identity if some a in input.request.approvals\nallow := of",
    ),
    ("division_by_zero", "allow := 1 / 0"),
    ("kinds_that_do_not_add", "allow := object.get(input, \"none\", \"a\") + 1"),
    ("strings_and_raw_strings", "allow := [\"a\\tb\\u00e9\", `a\\tb`, \"\\\"\"]"),
    ("an_array_out_of_bounds", "allow := object.get(input, \"none\", [1, 2])[5]"),
    ("an_object_with_kinds_of_keys", "allow := {1: \"a\", \"1\": \"b\"}[\"1\"]"),
    (
        "rules_that_hold_rules",
        "approvals_of[role] := n if {
    some role in {\"qa\", \"security\", \"ops\"}
    n := count([a | some a in input.request.approvals; a.role == role])
}
allow := approvals_of",
    ),
    (
        "a_recursive_walk_by_hand",
        "parts := split(input.artifact.evidence.version, \".\")
allow := {\"major\": to_number(parts[0]), \"count\": count(parts)}",
    ),
];

/// One expression each; every builtin is among them.
pub const EXPRESSIONS: &[&str] = &[
    "[abs(-3), abs(2.5), abs(0)]",
    "[ceil(1.2), ceil(-1.2), floor(1.8), floor(-1.2), round(1.5), round(2.5), round(-1.5)]",
    "[max([1, 3, 2]), min([1, 3, 2]), max({\"a\", \"b\"}), min({2, 1}), sum([1, 2, 3.5]), sum(set())]",
    "max([])",
    "[count([1, 2]), count({1}), count({\"a\": 1}), count(\"h\u{e9}llo\"), count([])]",
    "sort([3, \"a\", 1, null, [1], {\"x\": 1}, true])",
    "sort({3, 1, 2})",
    "[array.concat([1], [2, 3]), array.reverse([1, 2, 3]), array.slice([1, 2, 3, 4], 1, 3)]",
    "[array.slice([1, 2, 3], -1, 2), array.slice([1, 2, 3], 2, 9), array.slice([1, 2, 3], 2, 1)]",
    "[base64.encode(\"hello?>\"), base64.decode(\"aGVsbG8/Pg==\"), base64.is_valid(\"a\"), base64.is_valid(\"YQ==\")]",
    "base64.decode(\"!\")",
    "[hex.encode(\"hello\"), hex.decode(\"68656c6c6f\"), hex.encode(\"\")]",
    "hex.decode(\"zz\")",
    "[bits.and(12, 10), bits.or(12, 10), bits.xor(12, 10), bits.and(-1, 7)]",
    "[concat(\", \", [\"a\", \"b\"]), concat(\"\", [\"a\"]), concat(\"-\", {\"b\", \"a\"}), concat(\",\", [])]",
    "[contains(\"release\", \"eas\"), contains(\"a\", \"\"), contains(\"\", \"a\")]",
    "[startswith(\"v1.4\", \"v\"), endswith(\"a.rego\", \".rego\"), startswith(\"\", \"\")]",
    "[indexof(\"h\u{e9}llo\", \"l\"), indexof(\"abc\", \"x\"), indexof(\"abc\", \"c\")]",
    "[substring(\"h\u{e9}llo\", 1, 2), substring(\"hello\", 2, -1), substring(\"hello\", 3, 9)]",
    "substring(\"hello\", -1, 2)",
    "[lower(\"ABC\u{c9}\"), upper(\"abc\u{e9}\")]",
    "[replace(\"a-b-c\", \"-\", \"_\"), replace(\"aaa\", \"aa\", \"b\"), replace(\"ab\", \"\", \"-\")]",
    "[split(\"1.4.2\", \".\"), split(\"abc\", \"\"), split(\"\", \",\"), split(\",a,\", \",\")]",
    "[trim(\"--a-b--\", \"-\"), trim_left(\"xxa\", \"x\"), trim_right(\"axx\", \"x\"), trim_space(\" a\\t\\n\")]",
    "[trim_prefix(\"v1.2\", \"v\"), trim_prefix(\"1.2\", \"v\"), trim_suffix(\"a.zip\", \".zip\"), trim(\"abc\", \"\")]",
    "[strings.any_prefix_match(\"release/1\", [\"main\", \"release/\"]), strings.any_prefix_match({\"a\"}, \"b\")]",
    "[strings.any_suffix_match(\"a.go\", {\".rs\", \".go\"}), strings.any_suffix_match([\"x\"], [])]",
    "[strings.count(\"cheese\", \"e\"), strings.reverse(\"h\u{e9}l\")]",
    "[format_int(255, 16), format_int(-5, 2), format_int(8, 8), format_int(10.7, 10)]",
    "[sprintf(\"%s is %d of %v\", [\"a\", 3, [1, \"b\"]]), sprintf(\"%.2f %5d|%x\", [3.14159, 42, 255])]",
    "[sprintf(\"%v %v\", [null, {\"a\": 1}]), sprintf(\"%%\", []), sprintf(\"%q\", [\"a\\\"b\"])]",
    "[to_number(\"12\"), to_number(\"1.5\"), to_number(true), to_number(null), to_number(7)]",
    "to_number(\"x\")",
    "to_number(\"\")",
    "[is_array([]), is_boolean(1 == 1), is_null(null), is_number(1), is_object({}), is_set(set()), is_string(\"\")]",
    "[type_name(1), type_name(\"\"), type_name(null), type_name([]), type_name({}), type_name({1}), type_name(true)]",
    "[json.filter({\"a\": {\"b\": 1, \"c\": 2}, \"d\": 3}, [\"a/b\", \"d\"]), json.filter({\"a\": 1}, [])]",
    "[json.remove({\"a\": {\"b\": 1, \"c\": 2}, \"d\": 3}, [\"a/b\", \"x\"]), json.remove({\"a\": 1}, {\"a\"})]",
    "[object.get({\"a\": {\"b\": 1}}, [\"a\", \"b\"], 0), object.get({\"a\": 1}, \"x\", \"none\"), object.keys({\"a\": 1, \"b\": 2})]",
    "[object.filter({\"a\": 1, \"b\": 2}, [\"a\", \"c\"]), object.remove({\"a\": 1, \"b\": 2}, {\"a\"})]",
    "[object.union({\"a\": {\"x\": 1}}, {\"a\": {\"y\": 2}, \"b\": 3}), object.union({\"a\": 1}, {\"a\": [2]})]",
    "[object.subset({\"a\": 1, \"b\": {\"c\": 2}}, {\"b\": {\"c\": 2}}), object.subset([1, 2, 3], [2, 3]), object.subset({1, 2}, {3})]",
    "[intersection({{1, 2}, {2, 3}}), union({{1}, {2}}), union(set()), intersection({{1}, {2}})]",
    "[glob.match(\"*.acme.example\", [\".\"], \"ci.acme.example\"), glob.match(\"*\", [\".\"], \"a.b\"), glob.match(\"**\", [\".\"], \"a.b\")]",
    "[glob.match(\"release/*\", [\"/\"], \"release/1.4\"), glob.match(\"{a,b}c\", [], \"bc\"), glob.match(\"[a-c]\", [], \"d\"), glob.match(\"?\", [], \"x\")]",
    "[glob.match(\"*:id\", [\":\"], \"a:id\"), glob.match(\"a*\", null, \"a.b\"), glob.match(\"\", [], \"\")]",
    "[regex.match(`^v[0-9]+\\.[0-9]+$`, \"v1.4\"), regex.match(\"a\", \"bab\"), regex.match(`^\\p{L}+$`, \"h\u{e9}\"), regex.match(`(?i)ABC`, \"abc\")]",
    "[regex.is_valid(\"a(b\"), regex.is_valid(`[a-z]+`)]",
    "regex.match(\"a(b\", \"ab\")",
    "[semver.compare(\"1.4.2\", \"1.10.0\"), semver.compare(\"2.0.0\", \"2.0.0-rc.1\"), semver.compare(\"1.0.0\", \"1.0.0\")]",
    "semver.compare(\"1.4\", \"1.4.0\")",
    "[semver.is_valid(\"1.4.2\"), semver.is_valid(\"1.4\"), semver.is_valid(\"1.0.0-rc.1+b\")]",
    "count(object.get(input, \"none\", 1))",
    "lower(object.get(input, \"none\", 1))",
    "concat(\",\", object.get(input, \"none\", [1]))",
    "[x | some x in [3, 1, 2]; x > 1]",
    "to_number(input.artifact.evidence.metrics[\"coverage.line\"].facts.value) >= 80",
    "semver.compare(input.artifact.evidence.version, \"1.5.0\")",
    "object.get(input, [\"artifact\", \"evidence\", \"tests\", \"unit\", \"facts\", \"counts\", \"failed\"], -1)",
    "sort([name | some name, _ in object.get(input, [\"artifact\", \"evidence\", \"metrics\"], {})])",
];
