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
        ]
    );
    let more = policy("{ sbom: {} }", "  - { name: moon, gates: [] }\n");
    assert_eq!(compare(&old, &more)[0].what, "a new environment");
    assert_eq!(compare(&more, &old)[0].effect, Effect::Stricter);
}
