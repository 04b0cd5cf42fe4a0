use super::*;
use crate::policy_text::parse_policy;

/// A policy whose `prod` has these gates and further members.
fn policy(gates: &str, more: &str) -> PolicyDocument {
    let text = format!(
        "apiVersion: attestry/policy/v1\nproject: p\nenvironments:\n  - {{ name: staging, gates: [] }}\n  \
         - name: prod\n    gates: [{gates}]\n{more}"
    );
    parse_policy(&text).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}")).0
}

/// The one change, and the opposite one where the two are swapped.
fn check(old: &str, new: &str, effect: Effect, what: &str) {
    let opposite = match effect {
        Effect::Stricter => Effect::Looser,
        Effect::Looser => Effect::Stricter,
        Effect::Changed => Effect::Changed,
    };
    for (old, new, effect, what) in [(old, new, effect, what), (new, old, opposite, "")] {
        let changes = compare(&policy(old, ""), &policy(new, ""));
        assert_eq!(changes.len(), 1, "{old} {new} {changes:?}");
        assert_eq!(changes[0].effect, effect, "{changes:?}");
        assert!(changes[0].what.contains(what), "{changes:?}");
        assert!(changes[0].place.starts_with("prod "), "{changes:?}");
    }
}

#[test]
fn every_field_goes_its_way() {
    use Effect::{Changed, Looser, Stricter};
    let approvals = |rest: &str| format!("{{ approvals: {{ count: 1, roles: [qa], {rest} }} }}");
    for (old, new, effect, what) in [
        (approvals(""), approvals("within: 72h"), Stricter, "within: nothing -> 72h"),
        (approvals("within: 3d"), approvals("within: 4d"), Looser, "within: 3d -> 4d"),
        (approvals("not: [author]"), approvals("not: [author, requester]"), Stricter, "not: "),
        (approvals("meaning: a"), approvals("meaning: b"), Changed, "meaning: a -> b"),
        (approvals(""), approvals("meaning: b"), Stricter, "meaning: nothing"),
        (
            "{ approvals: { count: 1, roles: [qa, dev] } }".to_owned(),
            "{ approvals: { count: 1, roles: [qa] } }".to_owned(),
            Stricter,
            "roles: qa, dev -> qa",
        ),
        (
            "{ approvals: { count: 1, roles: [qa, dev] } }".to_owned(),
            "{ approvals: { count: 1, roles: [qa, ops] } }".to_owned(),
            Changed,
            "roles",
        ),
        (
            "{ vulnerabilities: { max: { high: 2 } } }".to_owned(),
            "{ vulnerabilities: { max: { high: 0 } } }".to_owned(),
            Stricter,
            "max.high: 2 -> 0",
        ),
        (
            "{ vulnerabilities: { max: { high: 2 } } }".to_owned(),
            "{ vulnerabilities: { max: { high: 2, low: 9 } } }".to_owned(),
            Stricter,
            "max.low: nothing -> 9",
        ),
        (
            "{ measurement: { metric: m, min: \"0.9\" } }".to_owned(),
            "{ measurement: { metric: m, min: \"0.95\" } }".to_owned(),
            Stricter,
            "min: 0.9 -> 0.95",
        ),
        (
            "{ soak: { in: staging, for: 24h } }".to_owned(),
            "{ soak: { in: staging, for: 2d } }".to_owned(),
            Stricter,
            "for: 24h -> 2d",
        ),
        (
            "{ sbom: {} }".to_owned(),
            "{ sbom: {}, waiver: { by: [qa], max: 7d } }".to_owned(),
            Looser,
            "waiver",
        ),
        (
            "{ sbom: {} }".to_owned(),
            "{ sbom: {}, when: { class: [high] } }".to_owned(),
            Looser,
            "when",
        ),
        ("{ sbom: {} }".to_owned(), "{ sbom: {}, fails: wait }".to_owned(), Looser, "fails"),
        ("{ sbom: {} }".to_owned(), "{ sbom: { names_artifact: true } }".to_owned(), Stricter, "n"),
        (String::new(), "{ sbom: {} }".to_owned(), Stricter, ""),
    ] {
        check(&old, &new, effect, what);
    }
}

/// Two of one gate, what the second does, and a part of what is told.
const AROUND_A_PROMOTION: &[(&str, &str, Effect, &str)] = &[
    (
        "{ canary: {} }",
        "{ canary: { min_samples: 100 } }",
        Effect::Stricter,
        "min_samples: nothing",
    ),
    ("{ canary: {} }", "{ canary: { in: staging } }", Effect::Changed, "in: nothing -> staging"),
    (
        "{ canary: { min_duration: 1h } }",
        "{ canary: { min_duration: 30m } }",
        Effect::Looser,
        "min_duration: 1h -> 30m",
    ),
    (
        "{ slo: { max_burn_rate: 2, max_age: 1h } }",
        "{ slo: { max_burn_rate: \"1.5\", max_age: 1h } }",
        Effect::Stricter,
        "max_burn_rate: 2 -> 1.5",
    ),
    (
        "{ slo: { min_budget_left: 20, max_age: 1h } }",
        "{ slo: { min_budget_left: 10, max_age: 1h } }",
        Effect::Looser,
        "min_budget_left",
    ),
    (
        "{ configuration: { roles: [qa] } }",
        "{ configuration: { roles: [qa], parity: staging } }",
        Effect::Stricter,
        "parity",
    ),
    ("{ migration: {} }", "{ migration: { irreversible: true } }", Effect::Looser, "irreversible"),
    (
        "{ migration: {} }",
        "{ migration: { rehearsed_in: staging } }",
        Effect::Stricter,
        "rehearsed",
    ),
    ("{ rollback-ready: {} }", "{ rollback-ready: { first: true } }", Effect::Looser, "first"),
    (
        "{ rollback-ready: {} }",
        "{ rollback-ready: { seen_within: 1h } }",
        Effect::Stricter,
        "seen_within",
    ),
    (
        "{ dependency: { project: a } }",
        "{ dependency: { project: a, versions: \">=2.0.0\" } }",
        Effect::Stricter,
        "versions",
    ),
    (
        "{ dependency: { project: a } }",
        "{ dependency: { project: b } }",
        Effect::Changed,
        "project",
    ),
    (
        "{ measurement: { metric: m, max: 5 } }",
        "{ measurement: { metric: m, max: 5, max_increase_percent: 10 } }",
        Effect::Stricter,
        "max_increase_percent",
    ),
    (
        "{ window: { allow: \"Mon-Fri 09:00-16:00\", zone: UTC } }",
        "{ window: { allow: \"Mon-Thu 09:00-12:00\", zone: UTC } }",
        Effect::Stricter,
        "allow",
    ),
    (
        "{ window: { allow: \"Mon 09:00-16:00\", zone: UTC } }",
        "{ window: { allow: \"Tue 09:00-16:00\", zone: UTC } }",
        Effect::Changed,
        "allow",
    ),
    (
        "{ rego: { text: \"package a\\na := true\", rule: data.a.a } }",
        "{ rego: { text: \"package a\\na := false\", rule: data.a.a } }",
        Effect::Changed,
        "text",
    ),
    (
        "{ vulnerabilities: { max: { high: 0 } } }",
        "{ vulnerabilities: { max: { high: 0 }, vex: honour } }",
        Effect::Looser,
        "vex",
    ),
    (
        "{ licenses: { deny: [X] } }",
        "{ licenses: { deny: [X], unknown: allow } }",
        Effect::Looser,
        "unk",
    ),
    (
        "{ licenses: { deny: [X] } }",
        "{ licenses: { deny: [X], unknown: deny } }",
        Effect::Stricter,
        "unk",
    ),
];

#[test]
fn gates_around_a_promotion_go_their_ways() {
    for (old, new, effect, what) in AROUND_A_PROMOTION {
        check(old, new, *effect, what);
    }
}

#[test]
fn what_is_let_through_by_name_goes_by_its_days() {
    use Effect::{Changed, Looser, Stricter};
    let scan =
        |list: &str| format!("{{ vulnerabilities: {{ max: {{ high: 0 }}, allow: [{list}] }} }}");
    let allowed =
        |id: &str, until: &str| format!("{{ id: {id}, until: \"{until}\", why: because }}");
    let (a, b) = (allowed("CVE-1", "2026-12-01"), allowed("CVE-2", "2026-12-01"));
    let later = allowed("CVE-1", "2027-01-01");
    check(&scan(""), &scan(&a), Looser, "allow");
    check(&scan(&format!("{a}, {b}")), &scan(&b), Stricter, "allow");
    check(&scan(&a), &scan(&later), Looser, "allow");
    check(&scan(&a), &scan(&b), Changed, "allow");
    let reworded = a.replace("because", "as-agreed");
    assert_eq!(compare(&policy(&scan(&a), ""), &policy(&scan(&reworded), "")), []);
}

#[test]
fn what_stands_beside_a_gate_goes_its_way() {
    use Effect::{Changed, Looser, Stricter};
    for (old, new, effect, what) in [
        ("when: { class: [a] }", "when: { class: [a, b] }", Stricter, "when.class: a -> a, b"),
        ("when: { class: [a] }", "when: { class: [a], paths: [db] }", Looser, "when.paths"),
        ("when: { class_not: [a] }", "when: { class_not: [a, b] }", Looser, "when.class_not"),
        ("when: { paths_outside: [a] }", "when: { paths_outside: [b] }", Changed, "when.paths_out"),
        (
            "when: { lines_over: 10 }",
            "when: { lines_over: 20 }",
            Looser,
            "when.lines_over: 10 -> 20",
        ),
        ("limit: 4h", "limit: 8h", Changed, "limit: 4h -> 8h"),
        ("limit: 4h", "limit: 4h, escalate: lead", Changed, "escalate"),
        ("waiver: { by: [a], max: 7d }", "waiver: { by: [a, b], max: 7d }", Looser, "waiver.by"),
        ("waiver: { by: [a], max: 7d }", "waiver: { by: [a], max: 14d }", Looser, "waiver.max"),
        ("fails: wait", "fails: wait, waiver: { by: [a], max: 7d }", Looser, "waiver: nothing"),
    ] {
        check(
            &format!("{{ sbom: {{}}, {old} }}"),
            &format!("{{ sbom: {{}}, {new} }}"),
            effect,
            what,
        );
    }
}

/// Whatever can be written in a policy has its way, and no line is about what cannot.
#[test]
fn every_parameter_of_every_gate_has_its_way() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../schemas/json/policy.schema.json")).unwrap();
    let leaves = |root: &str| {
        let mut leaves = BTreeSet::new();
        collect(&schema, &schema["$defs"][root], &mut Vec::new(), &mut leaves);
        leaves
    };
    let rule = leaves("GateRule");
    for line in GATES {
        let mut of_gate = rule.iter().filter(|path| path[0] == line.name);
        assert!(of_gate.next().is_some() || line.name == "freeze", "{}", line.name);
    }
    // What has lists of gates is walked by hand.
    let walked = |path: &&Vec<String>| {
        path[0] != "name" && !path.iter().any(|it| it == "gates") && path[0] != "rollback"
    };
    let environment: BTreeSet<Vec<String>> =
        leaves("EnvironmentRule").iter().filter(walked).cloned().collect();
    for (table, leaves) in [(RULE, &rule), (ENVIRONMENT, &environment)] {
        let without: Vec<String> = leaves
            .iter()
            .filter(|path| direction(table, path).is_none())
            .map(|path| path.join("."))
            .collect();
        assert_eq!(without, [""; 0], "add their lines to direction.rs");
        for (pattern, way) in table {
            let only: &[(&str, Direction)] = &[(pattern, *way)];
            let is_mapping = ["when", "waiver"].contains(pattern);
            let fits = leaves.iter().any(|path| direction(only, path).is_some());
            assert!(fits || is_mapping, "{pattern} is no parameter");
        }
    }
    // Whoever adds to the document decides here what `compare` does with it.
    let document: Vec<&String> =
        schema["$defs"]["PolicyDocument"]["properties"].as_object().unwrap().keys().collect();
    let compared = ["apiVersion", "project", "extends", "groups", "calendars", "environments"];
    assert_eq!(document, compared);
    let environment: Vec<&String> =
        schema["$defs"]["EnvironmentRule"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(environment, ["name", "from", "expires", "gates", "emergency", "rollback"]);
}

/// The paths of everything that is no mapping; `x` stands for a name that may be any.
fn collect(root: &Value, schema: &Value, path: &mut Vec<String>, into: &mut BTreeSet<Vec<String>>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return collect(root, &root["$defs"][name], path, into);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return choices
            .iter()
            .filter(|it| it["type"] != "null")
            .for_each(|it| collect(root, it, path, into));
    }
    let mut below = |name: &str, schema: &Value| {
        path.push(name.to_owned());
        collect(root, schema, path, into);
        path.pop();
    };
    let properties = schema["properties"].as_object();
    match (properties, &schema["additionalProperties"]) {
        (Some(properties), _) => properties.iter().for_each(|(name, it)| below(name, it)),
        (None, any @ Value::Object(_)) => below("x", any),
        // Without members.
        (None, _) if schema["type"] == "object" => {}
        (None, _) => _ = into.insert(path.clone()),
    }
}

#[test]
fn what_asks_nothing_changes_nothing() {
    let (a, b) = ("{ sbom: {} }", "{ sbom: {}, why: because }");
    assert_eq!(compare(&policy(a, ""), &policy(b, "")), []);
    assert_eq!(compare(&policy(a, ""), &policy(a, "")), []);
}

#[test]
fn environments_and_paths_come_and_go() {
    let old = policy("{ sbom: {} }", "");
    let new = policy(
        "{ sbom: {} }",
        "    from: [staging]\n    rollback: { gates: [] }\n    expires: 7d\n",
    );
    let effects: Vec<(Effect, String)> =
        compare(&old, &new).into_iter().map(|it| (it.effect, it.place)).collect();
    assert_eq!(
        effects,
        [
            (Effect::Stricter, "prod".to_owned()),
            (Effect::Stricter, "prod".to_owned()),
            (Effect::Looser, "prod (rollback)".to_owned()),
            (Effect::Looser, "prod (rollback) sbom".to_owned()),
        ]
    );
    let emergency = |within: &str, roles: &str| {
        let review = format!("review: {{ within: {within}, roles: [{roles}] }}");
        let gates = "gates: [{ approvals: { count: 1, roles: [qa], not: [requester] } }]";
        policy("{ sbom: {} }", &format!("    emergency: {{ {gates}, {review} }}\n"))
    };
    let (before, after) = (emergency("7d", "qa"), emergency("3d", "qa, ops"));
    let effects: Vec<(Effect, String)> =
        compare(&before, &after).into_iter().map(|it| (it.effect, it.what)).collect();
    assert_eq!(
        effects,
        [
            (Effect::Looser, "emergency.review.roles: qa -> qa, ops".to_owned()),
            (Effect::Stricter, "emergency.review.within: 7d -> 3d".to_owned()),
        ]
    );
    assert_eq!(compare(&old, &before)[0].effect, Effect::Looser);
    // Going back needs what going forward needs, said or not.
    let same = policy("{ sbom: {} }", "    rollback: { gates: [{ sbom: {} }] }\n");
    assert_eq!(compare(&old, &same), []);
    let more = policy("{ sbom: {} }", "  - { name: moon, gates: [] }\n");
    assert_eq!(compare(&old, &more)[0].what, "a new environment");
    assert_eq!(compare(&more, &old)[0].effect, Effect::Stricter);
}

#[test]
fn groups_and_calendars_go_the_way_of_the_gates_that_ask_for_them() {
    use Effect::{Changed, Looser, Stricter};
    let named = |gates: &str, lists: &str| {
        let text = format!(
            "apiVersion: attestry/policy/v1\nproject: p\n{lists}\nenvironments:\n  - name: prod\n    \
             gates: [{gates}]\n"
        );
        parse_policy(&text).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}")).0
    };
    let check = |gates: &str, old: &str, new: &str, effect| {
        let changes = compare(&named(gates, old), &named(gates, new));
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!(changes[0].effect, effect, "{changes:?}");
    };
    let (few, many) = ("groups: { leads: [ann] }", "groups: { leads: [ben, ann] }");
    let approvals = "{ approvals: { count: 1, roles: [qa], groups: [leads] } }";
    check(approvals, few, many, Looser);
    check(approvals, many, few, Stricter);
    check("{ sbom: {} }", few, many, Changed);
    let (few, many) = ("2026-12-24", "2026-12-24, 2026-12-25");
    let days = |list: &str| {
        let quoted: Vec<String> = list.split(", ").map(|day| format!("\"{day}\"")).collect();
        format!("calendars: {{ days: [{}] }}", quoted.join(", "))
    };
    let window = |list: &str| {
        format!("{{ window: {{ allow: \"Mon-Fri 09:00-16:00\", zone: UTC, {list}: [days] }} }}")
    };
    check(&window("not_on"), &days(few), &days(many), Stricter);
    check(&window("only_on"), &days(few), &days(many), Looser);
    let reordered = days("2026-12-25, 2026-12-24");
    let same =
        compare(&named(&window("not_on"), &days(many)), &named(&window("not_on"), &reordered));
    assert_eq!(same, []);
}
