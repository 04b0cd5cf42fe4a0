//! Decisions and approvals by somebody who holds the keys that sign them and no rule stops: each way to
//! an unearned grant is found by its own code, and has no effect.

use schemas::predicate::EntryRef;
use schemas::predicate::approval;
use schemas::predicate::decision::Decision;
use schemas::report::Verdict;
use schemas::statement::{Statement, Subject};

use super::forged::appended;
use super::{Class, Code, FULL_POLICY, World, artifact, environment, project};
use crate::fixture::cast::APPROVER;
use crate::fixture::envelope;
use crate::policy::decide::compose_decision;
use crate::policy::{Ask, evaluate_by};
use crate::projection::slice::PolicyInForce;

/// Policies that ask for one more approval than before.
fn stricter(world: &mut World) {
    let policy = FULL_POLICY.replace(r#""count": 2"#, r#""count": 3"#);
    world.policy("paul", &policy).unwrap();
}

fn in_force(world: &World) -> PolicyInForce {
    world.sequence.state.policy(&project()).unwrap().clone()
}

/// A request that nobody has approved, and a decision by this policy whose gates all say yes.
fn unearned(world: &mut World, request: u64, by: &PolicyInForce) -> Statement<Decision> {
    let (environment, artifact) = (environment("prod"), artifact("first"));
    let ask = Ask { environment: &environment, artifact: &artifact, request: Some(request) };
    let (nonce, at) = (world.nonce(), world.now);
    let state = &world.sequence.state;
    let mut evaluation = evaluate_by(state, by, &ask, at).unwrap();
    for gate in &mut evaluation.gates {
        (gate.verdict, gate.next, gate.until) = (Verdict::Pass, None, None);
    }
    compose_decision(state, &ask, &evaluation, at, nonce).unwrap()
}

fn asked(world: &mut World) -> u64 {
    world.request(&artifact("first"), "prod").unwrap()
}

#[test]
fn a_forged_decision_grants_nothing() {
    appended(Code::DecisionDisagrees, Class::Rule, |w| {
        let request = asked(w);
        let policy = in_force(w);
        envelope(&unearned(w, request, &policy), &["service"])
    });
    appended(Code::DecisionOtherPolicy, Class::Rule, |w| {
        let (request, old) = (asked(w), in_force(w));
        stricter(w);
        let mut decision = unearned(w, request, &old);
        let named = old.statement.to_string();
        decision.predicate.policy.digest.insert("sha256".to_owned(), named);
        let policy = EntryRef { index: old.entry, statement: old.statement };
        decision.predicate.extension.policy = policy;
        envelope(&decision, &["service"])
    });
    // The same that names the policy in force.
    appended(Code::DecisionDisagrees, Class::Rule, |w| {
        let (request, old) = (asked(w), in_force(w));
        stricter(w);
        envelope(&unearned(w, request, &old), &["service"])
    });
    appended(Code::RequestMismatch, Class::Rule, |w| {
        let request = asked(w);
        let policy = in_force(w);
        let mut decision = unearned(w, request, &policy);
        decision.subject = vec![Subject::of(&artifact("second"), None)];
        envelope(&decision, &["service"])
    });
}

#[test]
fn an_approval_counts_for_its_digest_and_while_its_signer_has_the_role() {
    let by_ben = |w: &mut World, about: &str, request: u64| {
        let body = w.approval_body(request, APPROVER);
        let subject = vec![Subject::of(&artifact(about), None)];
        envelope(&Statement::new(subject, approval::TYPE, body), &["ben"])
    };
    appended(Code::RequestMismatch, Class::Rule, |w| {
        let request = asked(w);
        by_ben(w, "second", request)
    });
    appended(Code::RoleMissing, Class::Rule, |w| {
        let request = asked(w);
        w.amend(|it| it.grants.retain(|grant| grant.identity.as_str() != "ben")).unwrap();
        by_ben(w, "first", request)
    });
    // Whose keys are taken too signs nothing any more.
    appended(Code::SignatureInvalid, Class::Rule, |w| {
        let request = asked(w);
        w.amend(|it| {
            it.grants.retain(|grant| grant.identity.as_str() != "ben");
            let ben = it.identities.iter_mut().find(|it| it.name.as_str() == "ben");
            ben.unwrap().keys.clear();
        })
        .unwrap();
        by_ben(w, "first", request)
    });
    // What was given before counts no more, and a decision that counts it comes out differently.
    appended(Code::DecisionDisagrees, Class::Rule, |w| {
        let request = asked(w);
        w.approve("ben", APPROVER, request).unwrap();
        w.amend(|it| it.grants.retain(|grant| grant.identity.as_str() != "ben")).unwrap();
        let policy = in_force(w);
        envelope(&unearned(w, request, &policy), &["service"])
    });
}
