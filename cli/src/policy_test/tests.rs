use super::*;
use crate::policy_text::parse_policy;

const POLICY: &str = "apiVersion: attestry/policy/v1
project: payments
environments:
  - name: staging
    gates:
      - evidence: { kind: test, suites: [unit], result: passed, max_age: 7d }
  - name: prod
    from: [staging]
    gates:
      - soak: { in: staging, for: 24h }
      - approvals: { count: 1, roles: [qa], not: [author, requester], within: 72h }
";

/// Plays one case; gives what was wrong with it.
fn play(case: &str) -> Vec<String> {
    let people = "people:\n  mia: { roles: [release-manager] }\n  anna: { roles: [qa] }\n  alex: \
                  { roles: [qa], aliases: [alex@acme.example] }\n  kim: { roles: [qa] }\n";
    let text = format!("policy: policy.yaml\n{people}cases:\n{case}");
    let fixture = read(&text).unwrap_or_else(|cause| panic!("{text}\n{cause}"));
    let (policy, _) = parse_policy(POLICY).unwrap();
    super::play(&fixture, &policy).remove(0).wrong
}

const STORY: &str = "  - name: a release
    to: prod
    events:
      - build: { commits: [c1] }
      - review: { commit: c1, authors: [alex@acme.example], reviewers: [anna] }
      - test: { suite: unit }
      - request: { by: mia, to: staging }
      - decide: { to: staging }
      - deployment: { to: staging }
      - wait: WAIT
      - request: { by: mia }
      - approval: { by: WHO, role: qa }
    expect:
";

fn story(wait: &str, who: &str, expected: &str) -> Vec<String> {
    let story = STORY.replace("WAIT", wait).replace("WHO", who);
    play(&format!("{story}      {expected}\n"))
}

#[test]
fn a_story_comes_out_as_expected() {
    let nothing: Vec<String> = Vec::new();
    let expected = "outcome: granted\n      gates: { from: pass, soak: pass, approvals: pass }";
    assert_eq!(story("24h", "anna", expected), nothing);
    assert_eq!(story("23h", "anna", "outcome: open\n      gates: { soak: waiting }"), nothing);
    let reasoned = "gates: { approvals: { verdict: waiting, reason: \"alex does not count\" } }";
    assert_eq!(story("24h", "alex", reasoned), nothing);
}

/// Two artifacts, each with what `staging` asks for; the worker's test ends as it is said.
fn both(result: &str, asked: &str, expected: &str) -> Vec<String> {
    play(&format!(
        "  - name: both
    to: staging
    artifact: app
    with: [worker]
    events:
      - test: {{ suite: unit }}
      - test: {{ suite: unit, artifact: worker, result: {result} }}
{asked}    expect: {{ {expected} }}
"
    ))
}

#[test]
fn several_artifacts_are_asked_about_together_and_the_worst_counts() {
    let nothing: Vec<String> = Vec::new();
    let asked = "      - request: { by: mia }\n";
    for (result, asked, expected) in [
        ("passed", asked, "outcome: granted, gates: { evidence: pass }"),
        ("failed", asked, "outcome: denied, gates: { evidence: fail }"),
        // Without a request too, as `attestry gate` answers.
        ("failed", "", "gates: { evidence: fail }"),
        // A request for one of them says nothing of both.
        ("passed", "      - request: { by: mia, artifact: app }\n", "outcome: granted"),
    ] {
        assert_eq!(both(result, asked, expected), nothing, "{result} {asked}");
    }
    let wrong = both("failed", asked, "gates: { evidence: pass }");
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    let worker = stage::artifact("worker").short();
    assert!(wrong[0].contains(&worker), "the worker fails, and not the app: {wrong:?}");
    for (with, part) in [("[app]", "none of them twice"), ("[a, a]", "none of them twice")] {
        let case = format!("  - {{ name: x, to: staging, with: {with}, expect: {{}} }}\n");
        let wrong = play(&case);
        assert!(wrong[0].contains(part), "{with}: {wrong:?}");
    }
    let many: Vec<String> = (0..16).map(|nth| format!("w{nth}")).collect();
    let case =
        format!("  - {{ name: x, to: staging, with: [{}], expect: {{}} }}\n", many.join(", "));
    assert!(play(&case)[0].contains("at most 15 artifacts"));
}

/// An approval and a decision are of all that their request is about, as in a ledger.
#[test]
fn what_answers_a_request_is_about_all_of_it() {
    let nothing: Vec<String> = Vec::new();
    let story = |approval: &str, expected: &str| {
        play(&format!(
            "  - name: both
    to: prod
    with: [worker]
    events:
      - build: {{ commits: [c1] }}
      - build: {{ commits: [c2], artifact: worker }}
      - review: {{ commit: c1, authors: [anna], reviewers: [alex] }}
      - review: {{ commit: c2, authors: [alex@acme.example], reviewers: [anna] }}
      - test: {{ suite: unit }}
      - test: {{ suite: unit, artifact: worker }}
      - request: {{ by: mia, to: staging, artifact: worker, with: [app] }}
      - decide: {{ to: staging }}
      - deployment: {{ to: staging }}
      - deployment: {{ to: staging, artifact: worker }}
      - wait: 24h
      - request: {{ by: mia }}
      - approval: {{ {approval}, role: qa }}
    expect: {{ {expected} }}
"
        ))
    };
    let waits = |name: &str| {
        format!(
            "outcome: open, gates: {{ soak: pass, approvals: {{ verdict: waiting, reason: {name} does not count }} }}"
        )
    };
    // Each wrote one of the two, so neither counts for both.
    assert_eq!(story("by: anna", &waits("anna")), nothing);
    assert_eq!(story("by: alex", &waits("alex")), nothing);
    assert_eq!(story("by: kim", "outcome: granted"), nothing);
    let one = story("by: kim, artifact: app", "outcome: granted");
    assert_eq!(one, ["event 13: nothing is requested for prod"]);
}

#[test]
fn what_comes_out_differently_is_told() {
    let wrong = story("24h", "anna", "outcome: denied\n      gates: { soak: fail, moon: pass }");
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert_eq!(wrong[0], "it is granted");
    assert_eq!(wrong[1], "there is no gate moon");
    assert!(wrong[2].starts_with("soak is pass: "), "{wrong:?}");
}

/// Who has no role cannot approve here either: the rules of admission are the ledger's.
#[test]
fn what_a_ledger_would_refuse_is_refused() {
    let wrong = story("24h", "mia", "outcome: granted");
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].starts_with("event 9: the ledger would refuse it"), "{wrong:?}");
    assert!(wrong[0].ends_with("[role-missing]"), "{wrong:?}");
    let nothing_asked = "  - name: x\n    to: prod\n    events:\n      - approval: { by: anna, role: \
                         qa }\n    expect: { outcome: open }\n";
    assert_eq!(play(nothing_asked), ["event 1: nothing is requested for prod"]);
}

#[test]
fn a_fixture_is_read_strictly() {
    for (text, part) in [
        ("policy: a\ncases: []\nmore: 1\n", "line 3: unknown field `more`"),
        ("policy: a\ncases:\n  - name: x\n    to: a\n    expect: { outcome: maybe }\n", "line 5"),
        ("policy: a\ncases:\n  - {name: x, to: a, events: [{ sing: {} }], expect: {}}\n", "line 3"),
        ("policy: &a b\ncases: []\n", "line 1"),
    ] {
        let cause = read(text).unwrap_err();
        assert!(cause.contains(part), "{text}: {cause}");
    }
}

const READY: &str = "apiVersion: attestry/policy/v1
project: payments
environments:
  - name: prod
    gates:
      - rollback-ready: { seen_within: 1h, first: true }
";

/// Plays what happens after `old` runs in production; gives what was wrong with it.
fn play_later(events: &str, expected: &str) -> Vec<String> {
    let text = format!(
        "policy: policy.yaml\npeople: {{ mia: {{ roles: [release-manager] }}, sam: {{ roles: [security] }} }}\n\
         cases:\n  - name: x\n    to: prod\n    events:\n      - request: {{ by: mia, artifact: old }}\n      \
         - decide: {{ artifact: old }}\n      - deployment: {{ to: prod, artifact: old }}\n      - wait: 2h\n\
         {events}    expect: {{ {expected} }}\n"
    );
    let fixture = read(&text).unwrap_or_else(|cause| panic!("{text}\n{cause}"));
    let (policy, _) = parse_policy(READY).unwrap();
    super::play(&fixture, &policy).remove(0).wrong
}

fn recorded(kind: &str, by: &str, predicate: &str) -> String {
    format!("      - record: {{ kind: {kind}, by: {by}, predicate: {{ {predicate} }} }}\n")
}

#[test]
fn what_is_seen_can_be_played() {
    let nothing: Vec<String> = Vec::new();
    let seen = |word: &str| {
        let artifacts = format!("artifacts: [{{ digest: {word}, instances: 2 }}]");
        recorded("observation", "ci", &format!("environment: prod, source: docker, {artifacts}"))
    };
    let asked = "      - request: { by: mia }\n";
    assert_eq!(play_later(&(seen("old") + asked), "outcome: granted"), nothing);
    assert_ne!(play_later(&(seen("new") + asked), "outcome: granted"), nothing);
    assert_ne!(play_later(asked, "outcome: granted"), nothing);
}

/// A ledger takes some kinds about itself only, and refuses them about an artifact.
#[test]
fn what_is_about_the_ledger_can_be_played() {
    let nothing: Vec<String> = Vec::new();
    let digest = format!("sha256:{}", "ab".repeat(32));
    let (until, gate) = ("2026-02-01T00:00:00Z", "gate: rollback-ready, role: security");
    let incident = "environment: prod, id: INC-1, status: opened, severity: sev2, summary: s";
    for event in [
        recorded(
            "configuration",
            "ci",
            &format!("environment: prod, state: applied, digest: '{digest}'"),
        ),
        recorded("incident", "ci", incident),
        recorded("incident", "ci", &format!("{incident}, at: '2026-01-05T09:00:00Z'")),
        recorded(
            "freeze",
            "sam",
            &format!(
                "from: '2026-01-05T09:00:00Z', until: '{until}', reason: r, exceptEmergency: false, \
                 outcome: set"
            ),
        ),
        recorded(
            "waiver",
            "sam",
            &format!(
                "{gate}, environment: prod, reason: r, expiresAt: '{until}', reviewAt: '{until}', \
                 outcome: accepted"
            ),
        ),
    ] {
        let wrong = play_later(&event, "gates: { rollback-ready: waiting }");
        let refused: Vec<&String> =
            wrong.iter().filter(|it| it.contains("not the ledger")).collect();
        assert_eq!(refused, nothing.iter().collect::<Vec<_>>(), "{event}");
    }
}
