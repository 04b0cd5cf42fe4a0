use schemas::policy::GATES;
use schemas::trust::TrustDocument;

use super::*;
use crate::fixture::{World, artifact, body, cast, environment};

/// The fixture's people, and three who each record everything in one place alone.
fn people() -> TrustDocument {
    let mut document = cast::document();
    let every: Vec<&str> = schemas::kind::KINDS.iter().map(|line| line.name).collect();
    for (name, project, place) in [
        ("stage-ci", "payments", "staging"),
        ("prod-ci", "payments", "prod"),
        ("shop-ci", "shop", "prod"),
    ] {
        document.identities.push(cast::identity(name, &[name], &[]));
        let mut grant = cast::grant(name, role::EMITTER, &every, project);
        grant.environments = vec![place.parse().unwrap()];
        document.grants.push(grant);
    }
    document
}

/// A policy whose `prod` has these gates, with a group and where artifacts come from.
fn policy(gates: &str, more: &str) -> PolicyDocument {
    let json = body::policy_json("[]", &format!("[{gates}]"));
    let groups = r#""groups":{"leads":["ben","mia"]},"environments""#;
    let json = json.replacen(r#""environments""#, groups, 1);
    let mut document: PolicyDocument = serde_json::from_str(&json).unwrap();
    if !more.is_empty() {
        let prod = serde_json::from_str(&format!(r#"{{"name":"prod",{more},"gates":[{gates}]}}"#));
        *document.environments.last_mut().unwrap() = prod.unwrap();
    }
    document
}

fn verdict(id: &str, verdict: Verdict) -> GateVerdict {
    GateVerdict {
        id: id.to_owned(),
        gate: id.to_owned(),
        verdict,
        reason: String::new(),
        next: None,
        entries: Vec::new(),
        until: None,
    }
}

fn names(people: &People, id: &str) -> Vec<String> {
    people.get(id).into_iter().flatten().map(ToString::to_string).collect()
}

/// Who can supply what one waiting gate of `prod` asks for.
fn check(gate: &str, expected: &[&str]) {
    let world = World::of(people(), &["root-1", "root-2"]);
    let (policy, environment) = (policy(gate, ""), environment("prod"));
    let trust = world.sequence.state.trust().unwrap();
    let way = RequestPath::Normal;
    let asked = Asked { policy: &policy, trust, environment: &environment, way, request: None };
    let id = &policy.environments.last().unwrap().gates[0].id;
    let told = |it| Evaluation::told(vec![verdict(id, it)], None);
    let found = asked.missing(&told(Verdict::Waiting));
    assert_eq!(names(&found, id), expected, "{gate}");
    assert!(asked.missing(&told(Verdict::Pass)).is_empty());
}

/// One or more of each gate in the register, and who has the grants for it.
const GATE_PEOPLE: &[(&str, &[&str])] = &[
    (r#"{"provenance":{"builders":["b"],"source":"s"}}"#, &["ci", "prod-ci"]),
    (r#"{"evidence":{"kind":"test","result":"passed"}}"#, &["ci", "bot", "prod-ci"]),
    (r#"{"evidence":{"kind":"review"}}"#, &["ci", "prod-ci"]),
    (r#"{"evidence":{"kind":"sbom","signed_by":["security"]}}"#, &["sara"]),
    (r#"{"measurement":{"metric":"m","min":"1"}}"#, &["ci", "prod-ci"]),
    (r#"{"vulnerabilities":{"max":{"high":0},"vex":"honour"}}"#, &["ci", "prod-ci"]),
    (r#"{"analysis":{"max":{"error":0}}}"#, &["ci", "prod-ci"]),
    (r#"{"sbom":{}}"#, &["ci", "prod-ci"]),
    (r#"{"licenses":{"deny":["X"]}}"#, &["ci", "prod-ci"]),
    (r#"{"soak":{"in":"staging","for":"1h"}}"#, &["ci", "stage-ci"]),
    (r#"{"canary":{}}"#, &["ci", "prod-ci"]),
    (r#"{"canary":{"in":"staging"}}"#, &["ci", "stage-ci"]),
    (r#"{"slo":{"max_burn_rate":"2","max_age":"1h"}}"#, &["ci", "prod-ci"]),
    (r#"{"freeze":{}}"#, &["mia", "paul"]),
    (r#"{"configuration":{"roles":["security"]}}"#, &["ci", "sara", "prod-ci"]),
    (
        r#"{"configuration":{"roles":["security"],"parity":"staging"}}"#,
        &["ci", "sara", "stage-ci", "prod-ci"],
    ),
    (r#"{"migration":{}}"#, &["ci", "prod-ci"]),
    (r#"{"migration":{"rehearsed_in":"staging"}}"#, &["ci", "stage-ci", "prod-ci"]),
    (r#"{"rollback-ready":{"seen_within":"1h"}}"#, &["ci", "prod-ci"]),
    (r#"{"rollback-ready":{"rehearsed_in":"staging"}}"#, &["ci", "stage-ci", "prod-ci"]),
    (r#"{"dependency":{"project":"shop"}}"#, &["stranger", "shop-ci"]),
    (r#"{"dependency":{"project":"shop","in":"moon"}}"#, &["stranger"]),
    (r#"{"window":{"allow":"Mon 09:00-10:00","zone":"UTC"}}"#, &[]),
    (r#"{"approvals":{"count":1,"roles":["security"]}}"#, &["sara"]),
    // An admin who was made an approver approves nothing.
    (r#"{"approvals":{"count":1,"roles":["release-approver"]}}"#, &["mia", "anna", "ben", "alex"]),
    (
        r#"{"approvals":{"count":1,"roles":["release-approver"],"groups":["leads"]}}"#,
        &["mia", "ben"],
    ),
    (r#"{"approvals":{"count":1,"roles":["security"],"signing":["key"]}}"#, &["sara"]),
    (r#"{"approvals":{"count":1,"roles":["security"],"signing":["security-key"]}}"#, &[]),
    (r#"{"rego":{"text":"package a","rule":"data.a.b"}}"#, &[]),
];

#[test]
fn those_with_the_grant_can_supply() {
    for (gate, expected) in GATE_PEOPLE {
        check(gate, expected);
    }
    for line in GATES {
        let begins = format!(r#"{{"{}":"#, line.name);
        assert!(GATE_PEOPLE.iter().any(|(gate, _)| gate.starts_with(&begins)), "{}", line.name);
    }
}

#[test]
fn the_request_says_by_which_gates_and_who_has_asked() {
    let mut world = World::of(people(), &["root-1", "root-2"]);
    let approvals = r#"{"approvals":{"count":1,"roles":["release-approver"],"not":["requester"]}}"#;
    let more = format!(
        r#""from":["staging"],"emergency":{{"gates":[{approvals}],
           "review":{{"within":"7d","roles":["security"]}}}}"#
    );
    let waiver = r#""waiver":{"by":["release-approver"],"max":"7d"}"#;
    let policy = policy(&format!(r#"{{{waiver},"sbom":{{}}}}"#), &more);
    let json = serde_json::to_string(&policy).unwrap();
    world.policy("paul", &json).unwrap();
    let at = world.request(&artifact("app"), "prod").unwrap();
    let (_, request) = world.open_request(at);
    let emergency = Request { path: RequestPath::Emergency, ..request.clone() };
    let environment = environment("prod");
    let trust = world.sequence.state.trust().unwrap();
    let way = RequestPath::Normal;
    let nothing = Asked { policy: &policy, trust, environment: &environment, way, request: None };
    let asked = |request| match request {
        None => nothing,
        Some(it) => Asked { way: way_of(it), request, ..nothing },
    };
    let verdicts = [
        verdict("from", Verdict::Waiting),
        verdict("sbom", Verdict::Fail),
        verdict("approvals", Verdict::Waiting),
    ];
    let told = Evaluation::told(verdicts.to_vec(), None);
    // On the normal path there is no approvals gate; mia asks, and waives nothing of it.
    let found = asked(Some(&request)).missing(&told);
    assert_eq!(names(&found, "from"), ["mia"]);
    assert_eq!(names(&found, "sbom"), ["ci", "prod-ci"]);
    assert!(!found.contains_key("approvals"));
    let waivable = |request| names(&asked(request).waivable(&verdicts), "sbom");
    assert_eq!(waivable(None), ["mia", "anna", "ben", "alex"]);
    assert_eq!(waivable(Some(&request)), ["anna", "ben", "alex"]);
    let unknown = [verdict("sbom", Verdict::Indeterminate)];
    assert!(asked(None).waivable(&unknown).is_empty());

    let found = asked(Some(&emergency)).missing(&told);
    assert_eq!(names(&found, "approvals"), ["anna", "ben", "alex"]);
    assert!(asked(Some(&emergency)).waivable(&verdicts).is_empty());
}

/// What the gate itself knows of who counts is used; `missing` alone would name `alex` and `mia`.
#[test]
fn whoever_does_not_count_is_not_named() {
    let gate = r#"{"approvals":{"count":1,"roles":["release-approver"],
        "not":["author","requester"]}}"#;
    let mut world = World::with_gates("[]", &format!("[{gate}]"));
    let it = artifact("app");
    world.build(&it, &crate::fixture::commit("one")).unwrap();
    world.review(&crate::fixture::commit("one"), "alexcodes").unwrap();
    let at = world.request(&it, "prod").unwrap();
    let evaluation = world.evaluate("prod", &it, Some(at));
    let (_, request) = world.open_request(at);
    let (policy, environment) = (policy(gate, ""), environment("prod"));
    let asked = Asked {
        policy: &policy,
        trust: world.sequence.state.trust().unwrap(),
        environment: &environment,
        way: RequestPath::Normal,
        request: Some(&request),
    };
    assert_eq!(names(&asked.missing(&evaluation), "approvals"), ["anna", "ben"]);
}

fn way_of(request: &Request) -> RequestPath {
    request.path
}
