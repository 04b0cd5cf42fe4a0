//! Requests, approvals, decisions and deployments.

use schemas::id::Hash;
use schemas::predicate::approval::{self, Approval, ApprovalOutcome, SigningMode};
use schemas::predicate::decision::{Decision, Outcome};
use schemas::predicate::deployment::{self, DeploymentResult};
use schemas::predicate::promotion_request::{self, PromotionRequest};
use schemas::report::{Code, Verdict};
use schemas::statement::{PAYLOAD_TYPE, Statement, Subject};
use schemas::trust::Identity;

use super::{app, refused, refused_in, world};
use crate::dsse::{format_envelope, pae};
use crate::fixture::authenticator::Authenticator;
use crate::fixture::cast::{APPROVER, SECURITY, grant, identity};
use crate::fixture::{DAY, World, artifact, commit};
use crate::sign::payload_of;
use crate::signature::PublicKey;
use crate::trust::encode_key;

fn ask(
    by: &'static str,
    change: fn(&mut PromotionRequest),
) -> impl Fn(&mut World) -> super::Logged {
    move |world| {
        let mut body = world.request_body("prod");
        change(&mut body);
        world.record(by, &app(), promotion_request::TYPE, &body)
    }
}

#[test]
fn a_request_is_by_a_release_manager_for_a_known_environment() {
    refused(Code::RoleMissing, ask("anna", |_| {}));
    refused(Code::UnknownEnvironment, ask("mia", |it| it.to = "moon".parse().unwrap()));
    refused(Code::PredicateInvalid, ask("mia", |it| it.reason = String::new()));
    refused(Code::PredicateInvalid, ask("mia", |it| it.reason = "x".repeat(4097)));
    refused(Code::PredicateInvalid, ask("mia", |it| it.ticket = Some("x".repeat(4097))));
    refused(Code::PredicateInvalid, ask("mia", |it| it.seen.size += 1));
    let about = |subjects: Vec<Subject>| {
        move |w: &mut World| {
            let body = w.request_body("prod");
            w.log(&Statement::new(subjects, promotion_request::TYPE, body), &["mia"], None)
        }
    };
    let one = Subject::of(&app(), None);
    refused(Code::SubjectInvalid, about(vec![one.clone(), one]));
    refused(Code::SubjectInvalid, about(vec![Subject::of(&commit("app"), None)]));
    assert!(ask("mia", |_| {})(&mut world()).is_ok());
}

#[test]
fn so_many_requests_may_be_open() {
    let mut world = world();
    for _ in 0..crate::projection::slice::REQUESTS_MAX {
        world.request(&app(), "prod").unwrap();
    }
    let one_more = world.request(&app(), "prod");
    assert!(matches!(one_more, Err(super::Refusal::Rule(it)) if it.code == Code::PredicateInvalid));
    // Expired ones make room, before anything has moved them out.
    world.wait(30 * DAY);
    assert!(world.request(&app(), "prod").is_ok());
}

#[test]
fn so_many_approvals_are_kept_and_a_withdrawal_makes_room() {
    let (mut world, request) = asked();
    let full = crate::projection::slice::APPROVALS_MAX;
    for _ in 0..full {
        world.approve("ben", APPROVER, request).unwrap();
    }
    refused_in(&mut world, Code::PredicateInvalid, |w| w.approve("anna", APPROVER, request));
    let mut body = world.approval_body(request, APPROVER);
    body.outcome = ApprovalOutcome::Withdrawn;
    body.withdraws = Some(world.open_request(request).1.approvals[0].statement);
    world.answer("ben", &body).unwrap();
    world.approve("anna", APPROVER, request).unwrap();
    assert_eq!(world.open_request(request).1.approvals.len(), full);
}

#[test]
fn an_artifact_is_in_so_many_environments() {
    let mut world = world();
    for number in 0..crate::projection::slice::PLACES_MAX {
        world.deploy(&app(), &number.to_string()).unwrap();
    }
    let one_more = world.deploy(&app(), "prod");
    assert!(matches!(one_more, Err(super::Refusal::Rule(it)) if it.code == Code::SubjectInvalid));
    world.deploy(&app(), "7").unwrap();
    world.deploy(&artifact("other"), "prod").unwrap();
}

#[test]
fn an_approval_names_its_own_signers_card() {
    let card = |byte| schemas::id::Digest::sha256(&Hash([byte; 32]));
    let (mut world, request) = asked();
    world
        .amend(|document| {
            for identity in &mut document.identities {
                identity.card = match identity.name.as_str() {
                    "ben" => Some(card(1)),
                    "anna" => Some(card(2)),
                    _ => None,
                };
            }
        })
        .unwrap();
    let sign = |world: &mut World, card| {
        let mut body = world.approval_body(request, APPROVER);
        body.card = Some(card);
        world.answer("ben", &body)
    };
    refused_in(&mut world, Code::PredicateInvalid, |w| sign(w, card(2)));
    refused_in(&mut world, Code::PredicateInvalid, |w| sign(w, card(3)));
    assert!(sign(&mut world, card(1)).is_ok());
}

/// A world with a request for `prod`.
fn asked() -> (World, u64) {
    let mut world = world();
    let request = world.request(&app(), "prod").unwrap();
    (world, request)
}

#[track_caller]
fn approval_refused(code: Code, by: &str, change: impl FnOnce(&World, &mut Approval)) {
    let (mut world, request) = asked();
    refused_in(&mut world, code, |w| {
        let mut body = w.approval_body(request, APPROVER);
        change(w, &mut body);
        w.record(by, &app(), schemas::predicate::approval::TYPE, &body)
    });
}

#[test]
fn an_approval_is_by_its_role_for_an_open_request() {
    use Code::{AdminApproves, PredicateInvalid, RequestMismatch, RequestUnknown, RoleMissing};
    approval_refused(RoleMissing, "nora", |_, _| {});
    approval_refused(RoleMissing, "sara", |_, _| {});
    approval_refused(RoleMissing, "ben", |_, it| it.role = SECURITY.to_owned());
    approval_refused(RoleMissing, "mia", |_, it| it.role = "release-manager".to_owned());
    approval_refused(AdminApproves, "adam", |_, _| {});
    approval_refused(RequestUnknown, "ben", |_, it| it.request.index -= 1);
    approval_refused(RequestUnknown, "ben", |_, it| it.environment = "staging".parse().unwrap());
    approval_refused(RequestMismatch, "ben", |_, it| it.request.statement = Hash([7; 32]));
    approval_refused(PredicateInvalid, "ben", |_, it| it.seen.size += 1);
    approval_refused(PredicateInvalid, "ben", |_, it| it.reason = "x".repeat(4097));
    approval_refused(PredicateInvalid, "ben", |_, it| it.meaning = "x".repeat(64));
    approval_refused(PredicateInvalid, "ben", |_, it| it.withdraws = Some(Hash([7; 32])));
    approval_refused(PredicateInvalid, "ben", |_, it| it.outcome = ApprovalOutcome::Withdrawn);
    approval_refused(Code::ApprovalExpired, "ben", |w, it| it.expires_at = w.now);
    approval_refused(Code::PolicyChanged, "ben", |_, it| it.policy = Hash([7; 32]));
    let (mut world, request) = asked();
    refused_in(&mut world, RequestMismatch, |w| {
        let body = w.approval_body(request, APPROVER);
        w.record("ben", &artifact("other"), schemas::predicate::approval::TYPE, &body)
    });
    refused_in(&mut world, RequestUnknown, |w| {
        let mut body = w.approval_body(request, APPROVER);
        w.wait(30 * DAY);
        body.expires_at = w.now.plus_ms(DAY);
        w.answer("ben", &body)
    });
}

#[test]
fn only_the_approver_withdraws() {
    let (mut world, request) = asked();
    world.approve("ben", APPROVER, request).unwrap();
    let given = world.open_request(request).1.approvals[0].statement;
    let withdraw = |by: &'static str| {
        move |w: &mut World| {
            let mut body = w.approval_body(request, APPROVER);
            body.outcome = ApprovalOutcome::Withdrawn;
            body.withdraws = Some(given);
            w.answer(by, &body)
        }
    };
    refused_in(&mut world, Code::PredicateInvalid, withdraw("anna"));
    withdraw("ben")(&mut world).unwrap();
    refused_in(&mut world, Code::PredicateInvalid, withdraw("ben"));
}

/// A world with a request that every gate admits or one fails, and its decision.
fn decidable(vulnerabilities: &[&str]) -> (World, Statement<Decision>) {
    let mut world = world();
    let source = commit("app");
    world.build(&app(), &source).unwrap();
    world.test(&app(), "unit", schemas::predicate::test::TestResult::Passed).unwrap();
    world.measurement(&app(), "coverage.line", "83.4").unwrap();
    world.scan(&app(), vulnerabilities).unwrap();
    let request = world.request(&app(), "staging").unwrap();
    let decision = world.decision(request).unwrap();
    (world, decision)
}

#[track_caller]
fn decision_refused(code: Code, change: impl FnOnce(&mut World, &mut Statement<Decision>)) {
    let (mut world, mut decision) = decidable(&[]);
    change(&mut world, &mut decision);
    refused_in(&mut world, code, |w| w.log(&decision, &["service"], None));
}

#[test]
fn a_decision_that_evaluates_again_stands() {
    for (severities, outcome) in [(&[][..], Outcome::Granted), (&["critical"], Outcome::Denied)] {
        let (mut world, decision) = decidable(severities);
        assert_eq!(decision.predicate.extension.outcome, outcome);
        world.log(&decision, &["service"], None).unwrap();
        assert_eq!(world.verify().findings, []);
    }
}

#[test]
fn a_decision_is_the_services_about_an_open_request() {
    let (mut world, decision) = decidable(&[]);
    for who in ["mia", "adam", "ci", "anna"] {
        refused_in(&mut world, Code::RoleMissing, |w| w.log(&decision, &[who], None));
    }
    decision_refused(Code::RulesUnknown, |_, it| it.predicate.extension.rules = 2);
    decision_refused(Code::RequestUnknown, |_, it| it.predicate.extension.request.index -= 1);
    decision_refused(Code::RequestMismatch, |_, it| {
        it.predicate.extension.request.statement = Hash([7; 32]);
    });
    decision_refused(Code::RequestMismatch, |_, it| {
        it.subject = vec![Subject::of(&artifact("other"), None)];
    });
    decision_refused(Code::SubjectInvalid, |_, it| it.subject.push(it.subject[0].clone()));
    world.log(&decision, &["service"], None).unwrap();
    refused_in(&mut world, Code::StatementRepeated, |w| w.log(&decision, &["service"], None));
    let mut again = decision;
    again.predicate.extension.nonce = world.nonce();
    refused_in(&mut world, Code::RequestUnknown, |w| w.log(&again, &["service"], None));
}

#[test]
fn a_decision_is_made_between_the_entry_before_and_its_own() {
    let at = |ms: i64| {
        move |_: &mut World, it: &mut Statement<Decision>| {
            let at = it.predicate.extension.at.plus_ms(ms);
            it.predicate.extension.at = at;
            it.predicate.time_verified = at;
        }
    };
    decision_refused(Code::DecisionTime, at(-1));
    decision_refused(Code::DecisionTime, at(1001));
    let (mut world, mut decision) = decidable(&[]);
    at(1000)(&mut world, &mut decision);
    world.log(&decision, &["service"], None).unwrap();
}

/// Every thread that was read moves once, and no other does.
#[test]
fn a_decision_whose_reads_have_moved_is_stale() {
    fn moved(world: &mut World, which: &str) {
        match which {
            "artifact" => world.scan(&app(), &[]).unwrap(),
            "environment" => world.request(&artifact("other"), "staging").unwrap(),
            "control" => world.amend(|_| {}).unwrap(),
            "project" => world.scan(&artifact("other"), &[]).unwrap(),
            which => unreachable!("{which}"),
        };
    }
    for which in ["artifact", "environment", "control"] {
        let stale = |w: &mut World, it: &mut Statement<Decision>| {
            moved(w, which);
            it.predicate.extension.at = w.now;
            it.predicate.time_verified = w.now;
        };
        decision_refused(Code::DecisionStale, stale);
    }
    let (mut world, mut decision) = decidable(&[]);
    moved(&mut world, "project");
    decision.predicate.extension.at = world.now;
    decision.predicate.time_verified = world.now;
    world.log(&decision, &["service"], None).unwrap();
}

#[test]
fn a_decision_that_comes_out_differently_is_refused() {
    type Change = fn(&mut Decision);
    let changes: [Change; 21] = [
        |it| it.extension.gates[0].verdict = Verdict::Fail,
        |it| it.extension.gates[0].verdict = Verdict::Waived,
        |it| it.extension.gates[0].id = "other".into(),
        |it| it.extension.gates[0].gate = "soak".into(),
        |it| it.extension.gates[1].entries.clear(),
        |it| it.extension.gates[1].entries.push(0),
        |it| it.extension.gates[0].reason.push('!'),
        |it| it.extension.gates[1].reason.clear(),
        |it| it.extension.gates[2].next = Some("nothing".into()),
        |it| it.extension.gates[3].until = Some(it.extension.at),
        |it| it.extension.gates.last_mut().unwrap().reason = "0 critical".into(),
        |it| drop(it.extension.gates.pop()),
        |it| it.extension.gates.push(it.extension.gates[0].clone()),
        |it| it.extension.gates.swap(0, 1),
        |it| it.extension.outcome = Outcome::Denied,
        |it| drop(it.extension.reads.pop()),
        |it| it.extension.reads.clear(),
        |it| it.extension.reads.swap(0, 1),
        |it| it.verified_levels = vec!["FAILED".into()],
        |it| it.resource_uri = it.resource_uri.replace("staging", "prod"),
        |it| it.time_verified = it.time_verified.plus_ms(-1),
    ];
    for change in changes {
        decision_refused(Code::DecisionDisagrees, |_, it| change(&mut it.predicate));
    }
    let policies: [Change; 2] =
        [|it| it.extension.policy.index += 1, |it| it.extension.policy.statement = Hash([7; 32])];
    for change in policies {
        decision_refused(Code::DecisionOtherPolicy, |_, it| change(&mut it.predicate));
    }
    // The summary names it too.
    decision_refused(Code::DecisionDisagrees, |_, it| {
        it.predicate.policy.digest.insert("sha256".into(), Hash([7; 32]).to_string());
    });
    let (mut world, mut decision) = decidable(&["critical"]);
    let body = &mut decision.predicate;
    let scan = body.extension.gates.last_mut().unwrap();
    scan.verdict = Verdict::Pass;
    body.extension.outcome = Outcome::Granted;
    body.verified_levels = vec!["ATTESTRY_ADMITTED".to_owned()];
    body.verification_result = schemas::predicate::decision::VerificationResult::Passed;
    refused_in(&mut world, Code::DecisionDisagrees, |w| w.log(&decision, &["service"], None));
    decision_refused(Code::PredicateInvalid, |_, it| {
        it.predicate.extension.reads[0].kind = "moon".into();
    });
}

#[test]
fn nothing_is_composed_that_is_not_decided() {
    use crate::policy::decide::ComposeError::{NotOpen, Undecided};
    let mut world = world();
    let request = world.request(&app(), "prod").unwrap();
    assert_eq!(world.decision(request).unwrap_err(), Undecided);
    world.wait(30 * DAY);
    assert_eq!(world.decision(request).unwrap_err(), NotOpen(request));
}

#[test]
fn a_deployment_needs_an_emitter_and_says_where_nothing_granted_it() {
    refused(Code::RoleMissing, |w| {
        let body = w.deployment_body("prod", DeploymentResult::Succeeded);
        w.record("mia", &app(), deployment::TYPE, &body)
    });
    refused(Code::SubjectInvalid, |w| {
        let body = w.deployment_body("prod", DeploymentResult::Succeeded);
        w.record("ci", &commit("app"), deployment::TYPE, &body)
    });
    for (result, found) in [
        (DeploymentResult::Started, 1),
        (DeploymentResult::Succeeded, 1),
        (DeploymentResult::Failed, 0),
    ] {
        let mut world = world();
        let body = world.deployment_body("prod", result);
        let entry = world.record("ci", &app(), deployment::TYPE, &body).unwrap();
        let findings = world.verify().findings;
        assert_eq!(findings.len(), found);
        for finding in findings {
            assert_eq!((finding.code, finding.index), (Code::DeployedWithoutGrant, Some(entry)));
        }
    }
    let (mut world, decision) = decidable(&[]);
    world.log(&decision, &["service"], None).unwrap();
    world.deploy(&app(), "staging").unwrap();
    assert_eq!(world.verify().findings, []);
}

/// A denial closes its own request; what another artifact has replaced it does refuse.
#[test]
fn a_denial_takes_no_grant_from_what_runs() {
    let (mut world, decision) = decidable(&[]);
    world.log(&decision, &["service"], None).unwrap();
    world.deploy(&app(), "staging").unwrap();
    let denied = |w: &mut World| {
        w.scan(&app(), &["critical"]).unwrap();
        let request = w.request(&app(), "staging").unwrap();
        w.decide(request).unwrap();
    };
    denied(&mut world);
    world.deploy(&app(), "staging").unwrap();
    assert_eq!(world.verify().findings, []);
    let from = world.evaluate("prod", &app(), None).gates.remove(0);
    assert_eq!((from.gate.as_str(), from.verdict), ("source-environment", Verdict::Waiting));

    let other = artifact("other");
    world.build(&other, &commit("other")).unwrap();
    world.test(&other, "unit", schemas::predicate::test::TestResult::Passed).unwrap();
    world.measurement(&other, "coverage.line", "83.4").unwrap();
    world.scan(&other, &[]).unwrap();
    let request = world.request(&other, "staging").unwrap();
    world.decide(request).unwrap();
    world.deploy(&other, "staging").unwrap();
    denied(&mut world);
    let back = world.deploy(&app(), "staging").unwrap();
    let findings = world.verify().findings;
    let codes: Vec<_> = findings.iter().map(|it| (it.code, it.index)).collect();
    assert_eq!(codes, [(Code::DeployedWithoutGrant, Some(back))]);
}

/// Everybody's approval in their own way: by a key file, in SSH's format, by a touched security key,
/// by a passkey. An approval that claims another way than its key's is refused.
#[test]
fn an_approval_says_how_it_was_signed() {
    const PAGE: &str = "https://ledger.acme.example";
    let ssh = Authenticator::ed25519("gina", None);
    let touched = Authenticator::ed25519("gus", Some("ssh:"));
    let passkey = Authenticator::p256("gwen", Some("acme.example"));
    let asked = passkey.public().into_passkey(&[PAGE.to_owned()]).unwrap();
    let people = [("gina", ssh.public()), ("gus", touched.public()), ("gwen", asked)];
    let mut world = world();
    world
        .amend(|it| {
            for (name, key) in &people {
                let keys = vec![encode_key(&PublicKey::Ssh(Box::new(key.clone())))];
                it.identities.push(Identity { keys, ..identity(name, &[], &[]) });
                it.grants.push(grant(name, APPROVER, &[], "payments"));
            }
        })
        .unwrap();
    let request = world.request(&app(), "prod").unwrap();
    let signed = |world: &mut World, nth: usize, mode: SigningMode| {
        let body = Approval { signing_mode: mode, ..world.approval_body(request, APPROVER) };
        let subject = vec![Subject::of(&app(), None)];
        let payload = payload_of(&Statement::new(subject, approval::TYPE, body)).unwrap();
        let message = pae(PAYLOAD_TYPE, &payload);
        let sig = match nth {
            0 => ssh.sign(&message),
            1 => touched.sign(&message),
            _ => passkey.sign_in_browser(&message, PAGE),
        };
        let id = PublicKey::Ssh(Box::new(people[nth].1.clone())).key_id();
        let envelope = format_envelope(&payload, &[(id, sig)]);
        world.now = world.now.plus_ms(1000);
        world.append(&envelope, None, world.now)
    };
    let modes = [SigningMode::Ssh, SigningMode::SecurityKey, SigningMode::Passkey];
    let all = [&modes[..], &[SigningMode::Key]].concat();
    for (nth, own) in modes.into_iter().enumerate() {
        for claimed in all.iter().filter(|claimed| **claimed != own) {
            let code = Code::SigningModeMismatch;
            refused_in(&mut world, code, |w| signed(w, nth, *claimed));
        }
        signed(&mut world, nth, own).unwrap();
    }
    let by_file = |world: &mut World, mode: SigningMode| {
        let body = Approval { signing_mode: mode, ..world.approval_body(request, APPROVER) };
        world.answer("anna", &body)
    };
    for claimed in modes {
        refused_in(&mut world, Code::SigningModeMismatch, |w| by_file(w, claimed));
    }
    by_file(&mut world, SigningMode::Key).unwrap();
    assert_eq!(world.verify().findings, []);
}
