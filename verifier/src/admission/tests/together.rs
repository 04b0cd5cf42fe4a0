//! Requests for several artifacts, and what answers them.

use schemas::predicate::EntryRef;
use schemas::predicate::approval::{self, ApprovalOutcome, POST_HOC_REVIEW};
use schemas::predicate::deployment::{self, DeploymentResult};
use schemas::predicate::promotion_request::{self, ARTIFACTS_MAX, RequestPath};
use schemas::report::Code;
use schemas::statement::Subject;

use super::*;
use crate::fixture::cast::{APPROVER, SECURITY};

fn worker() -> Digest {
    artifact("worker")
}

/// A world with a request for both.
fn asked() -> (World, EntryIndex) {
    let mut world = World::with_gates("[]", "[]");
    let request = world.request_together(&[&app(), &worker()], "prod").unwrap();
    (world, request)
}

#[test]
fn a_request_is_about_so_many_artifacts_that_are_told_apart() {
    use Code::SubjectInvalid;
    let many = |count: usize| -> Vec<Digest> {
        (0..count).map(|number| artifact(&number.to_string())).collect()
    };
    let ask = |world: &mut World, all: &[Digest]| {
        world.request_together(&all.iter().collect::<Vec<_>>(), "prod")
    };
    let entry = ask(&mut world(), &many(ARTIFACTS_MAX)).unwrap();
    assert!(entry > 0);
    refused(SubjectInvalid, |w| ask(w, &many(ARTIFACTS_MAX + 1)));
    refused(SubjectInvalid, |w| ask(w, &[app(), worker(), app()]));
    refused(SubjectInvalid, |w| ask(w, &[app(), commit("app")]));
    refused(SubjectInvalid, |w| ask(w, &[commit("app"), app()]));
    let ledger = Digest::sha256(&crate::entry::genesis_prev(world().origin()));
    refused(SubjectInvalid, |w| ask(w, &[app(), ledger]));
    // Two artifacts are not one by their other digests.
    refused(SubjectInvalid, |w| {
        let also = |of: &Digest| {
            let mut subject = Subject::of(of, None);
            subject.digest.insert("sha512".to_owned(), "ab".repeat(64));
            subject
        };
        let body = w.request_body("prod");
        let subjects = vec![also(&app()), also(&worker())];
        w.log(&Statement::new(subjects, promotion_request::TYPE, body), &["mia"], None)
    });
}

#[test]
fn an_approval_of_some_of_them_is_none() {
    let (mut world, request) = asked();
    for wrong in [
        vec![app()],
        vec![worker()],
        vec![worker(), app()],
        vec![app(), artifact("another")],
        vec![app(), worker(), artifact("another")],
    ] {
        for outcome in [ApprovalOutcome::Granted, ApprovalOutcome::Rejected] {
            refused_in(&mut world, Code::SubjectsDiffer, |w| {
                let mut body = w.approval_body(request, APPROVER);
                body.outcome = outcome;
                w.record_about("ben", &wrong.iter().collect::<Vec<_>>(), approval::TYPE, &body)
            });
        }
    }
    world.approve("ben", APPROVER, request).unwrap();
    assert_eq!(world.open_request(request).1.approvals.len(), 1);
    // And one of more than was asked for is no answer to a request for one.
    let alone = world.request(&app(), "prod").unwrap();
    refused_in(&mut world, Code::SubjectsDiffer, |w| {
        let body = w.approval_body(alone, APPROVER);
        w.record_about("ben", &[&app(), &worker()], approval::TYPE, &body)
    });
}

/// What was approved with one artifact is not approved with another.
#[test]
fn a_digest_that_moved_between_requests_voids_the_approval() {
    let (mut world, first) = asked();
    let second = world.request_together(&[&app(), &artifact("another")], "prod").unwrap();
    refused_in(&mut world, Code::SubjectsDiffer, |w| {
        let body = w.approval_body(second, APPROVER);
        w.record_about("ben", &[&app(), &worker()], approval::TYPE, &body)
    });
    world.approve("ben", APPROVER, first).unwrap();
    assert_eq!(world.open_request(second).1.approvals, []);
}

#[test]
fn a_withdrawal_and_a_decision_are_about_all_of_them() {
    let (mut world, request) = asked();
    let statement = world.open_request(request).1.statement;
    refused_in(&mut world, Code::SubjectsDiffer, |w| {
        let mut body = w.request_body("prod");
        body.withdraws = Some(EntryRef { index: request, statement });
        w.record("mia", &app(), promotion_request::TYPE, &body)
    });
    let decision = world.decision(request).unwrap();
    for subjects in [vec![0], vec![1], vec![1, 0], vec![0, 1, 1]] {
        let mut wrong = decision.clone();
        wrong.subject = subjects.iter().map(|at| decision.subject[*at].clone()).collect();
        let code = match subjects.len() {
            3 => Code::SubjectInvalid,
            _ => Code::SubjectsDiffer,
        };
        refused_in(&mut world, code, |w| w.log(&wrong, &["service"], None));
    }
    let mut withdrawn = world.clone();
    withdrawn.withdraw("mia", request).unwrap();
    world.log(&decision, &["service"], None).unwrap();
    assert_eq!(world.verify().findings, []);
}

/// A decision rests on the threads of all of them.
#[test]
fn a_decision_is_stale_where_one_of_them_has_moved() {
    let (mut world, request) = asked();
    let mut decision = world.decision(request).unwrap();
    world.scan(&worker(), &[]).unwrap();
    decision.predicate.extension.at = world.now;
    decision.predicate.time_verified = world.now;
    refused_in(&mut world, Code::DecisionStale, |w| w.log(&decision, &["service"], None));
}

/// Without one of its artifacts a decision does not come out as it says.
#[test]
fn a_decision_about_one_that_hides_the_other_is_found_offline() {
    let mut world = World::with_gates("[]", r#"[{"vulnerabilities":{"max":{"critical":0}}}]"#);
    world.scan(&app(), &[]).unwrap();
    world.scan(&worker(), &["critical"]).unwrap();
    let alone = world.request(&app(), "prod").unwrap();
    let mut forged = world.decision(alone).unwrap();
    let both = world.request_together(&[&app(), &worker()], "prod").unwrap();
    let honest = world.decision(both).unwrap();
    let said = &mut forged.predicate.extension;
    said.request = honest.predicate.extension.request.clone();
    said.at = honest.predicate.extension.at;
    said.reads = honest.predicate.extension.reads.clone();
    forged.predicate.time_verified = said.at;
    forged.subject = honest.subject.clone();
    let mut filed = world.filed();
    let envelope = envelope(&forged, &["service"]);
    let time = world.now;
    filed.push(crate::fixture::forge::Filed { envelope, project: Some(project()), time });
    let records = crate::fixture::forge::forge(world.origin(), &filed);
    let mut source = crate::fixture::MemoryLog::new(records);
    let report = crate::log::verify_log(world.origin(), &mut source).unwrap();
    let found: Vec<Code> = report.findings.iter().map(|it| it.code).collect();
    assert_eq!(found, [Code::DecisionDisagrees]);
}

#[test]
fn who_goes_back_goes_back_to_what_was_granted_each() {
    let (mut world, request) = asked();
    world.decide(request).unwrap();
    let back = |world: &mut World, all: &[&Digest]| {
        let mut body = world.request_body("prod");
        body.path = RequestPath::Rollback;
        world.record_about("mia", all, promotion_request::TYPE, &body)
    };
    refused_in(&mut world, Code::IllegalMove, |w| back(w, &[&app(), &artifact("never")]));
    back(&mut world, &[&app(), &worker()]).unwrap();
}

#[test]
fn a_deployment_carries_out_the_promotion_of_its_artifact() {
    let (mut world, request) = asked();
    world.decide(request).unwrap();
    let deploy = |world: &mut World, of: &[&Digest]| {
        let mut body = world.deployment_body("prod", DeploymentResult::Succeeded);
        body.promotion = Some(request);
        world.record_about("ci", of, deployment::TYPE, &body)
    };
    refused_in(&mut world, Code::RequestMismatch, |w| deploy(w, &[&artifact("another")]));
    // Each is deployed by an event of its own.
    refused_in(&mut world, Code::SubjectInvalid, |w| deploy(w, &[&app(), &worker()]));
    deploy(&mut world, &[&worker()]).unwrap();
    deploy(&mut world, &[&app()]).unwrap();
    assert_eq!(world.verify().findings, []);
}

#[test]
fn the_review_of_an_emergency_is_about_all_of_them() {
    let mut world = World::new();
    world
        .policy(
            "paul",
            r#"{"apiVersion":"attestry/policy/v1","project":"payments","environments":[
                {"name":"prod","gates":[],"emergency":{"gates":[{"approvals":{"count":1,
                  "roles":["release-approver"],"not":["requester"]}}],
                 "review":{"within":"48h","roles":["security"]}}}]}"#,
        )
        .unwrap();
    let mut body = world.request_body("prod");
    body.path = RequestPath::Emergency;
    let both = [&app(), &worker()];
    let index = world.record_about("mia", &both, promotion_request::TYPE, &body).unwrap();
    let mut review = world.approval_body(index, SECURITY);
    review.meaning = POST_HOC_REVIEW.to_owned();
    world.approve("ben", APPROVER, index).unwrap();
    world.decide(index).unwrap();
    review.expires_at = world.now.plus_ms(crate::fixture::DAY);
    refused_in(&mut world, Code::SubjectsDiffer, |w| {
        w.record("sara", &app(), approval::TYPE, &review)
    });
    world.record_about("sara", &both, approval::TYPE, &review).unwrap();
}
