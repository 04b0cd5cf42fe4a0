//! A release at the level of the library: promoted, deployed, exported, verified.

use ledger::init::sign_trust;
use ledger::{ExportAsk, LedgerError, Submission, Which};
use schemas::id::{Digest, Environment, Hash};
use schemas::predicate::EntryRef;
use schemas::predicate::approval::{self, Approval, ApprovalOutcome, SigningMode};
use schemas::predicate::promotion_request::{self, PromotionRequest};
use schemas::predicate::test;
use schemas::report::{Class, Code};
use schemas::statement::{Statement, Subject};
use schemas::trust::Grant;
use verifier::merkle::sha256;
use verifier::pack::bag::{self, Files};
use verifier::pack::{self, derived, shown};
use verifier::sign::sign_statement;
use verifier::signature::SigningKey;

use crate::world::{PROJECT, World, world};

const POLICY: &str = r#"{"apiVersion":"attestry/policy/v1","project":"payments","environments":[
  {"name":"prod","gates":[{"approvals":{"count":1,"roles":["release-approver"],"not":["requester"]}}]}]}"#;

/// Asks, approves, is granted, and deploys.
async fn release(world: &World, policy: Hash, artifact: &Digest) {
    let body = world.request_body(PROJECT, "prod").await;
    let asked = world.log(artifact, promotion_request::TYPE, body, &world.writer).await;
    world.clock.advance(1000);
    let waiting = world.ledger.evaluate_open(Which::Request(asked.index)).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].decision), (1, None));
    let body = Approval {
        ledger: world.ledger.origin().clone(),
        project: PROJECT.parse().unwrap(),
        nonce: world.ledger.nonce().unwrap(),
        environment: "prod".parse().unwrap(),
        request: EntryRef { index: asked.index, statement: asked.statement },
        policy,
        outcome: ApprovalOutcome::Granted,
        withdraws: None,
        meaning: "release".into(),
        role: "release-approver".into(),
        reason: "looked at it".into(),
        expires_at: world.ledger.now().plus_ms(3_600_000),
        signing_mode: SigningMode::Key,
        card: None,
        seen: world.ledger.seen().await.unwrap(),
    };
    world.log(artifact, approval::TYPE, body, &world.approver).await;
    world.clock.advance(1000);
    let decided = world.ledger.evaluate_open(Which::All).await.unwrap();
    assert!(decided[0].decision.is_some());
    world.clock.advance(1000);
    world.deploy(artifact).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_claim_to_have_seen_another_log() {
    let world = world().await;
    world.set_policy(POLICY).await;
    let artifact = Digest::sha256(&Hash([1; 32]));
    let mut seen = world.ledger.seen().await.unwrap();
    for (size, root) in [(seen.size, Hash([3; 32])), (seen.size + 1, seen.root)] {
        (seen.size, seen.root) = (size, root);
        let seen = seen.clone();
        let body = PromotionRequest { seen, ..world.request_body(PROJECT, "prod").await };
        let subject = vec![Subject::of(&artifact, None)];
        let statement = Statement::new(subject, promotion_request::TYPE, body);
        let envelope = sign_statement(&statement, &[&world.writer]).unwrap();
        let Err(LedgerError::Refused(finding)) = world.submit(envelope).await else { panic!() };
        assert_eq!(finding.code, Code::NotExtending);
    }
}

async fn exported(world: &World) -> Files {
    let environment: Environment = "payments/prod".parse().unwrap();
    let ask = ExportAsk {
        environment,
        from: "2026-11-20T00:00:00.000Z".parse().unwrap(),
        to: "2026-11-21T00:00:00.000Z".parse().unwrap(),
        audience: "an auditor".into(),
        reason: "yearly".into(),
        framework: None,
        patience: std::time::Duration::ZERO,
    };
    let exported = world.ledger.export(&ask).await.unwrap();
    world.ledger.log_export(&ask, &exported).await.unwrap();
    exported.files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_of_two_releases_holds() {
    let world = world().await;
    let policy = world.set_policy(POLICY).await;
    for number in [1, 2] {
        release(&world, policy, &Digest::sha256(&Hash([number; 32]))).await;
        world.submit(world.note("between", &world.writer)).await.unwrap();
    }
    let files = exported(&world).await;
    let report = pack::verify(files, Some(world.ledger.pin()));
    assert_eq!(report.findings, vec![]);
    assert_eq!((report.rows.len(), report.counts.decisions_replayed), (2, 2));
    assert_eq!(report.rows[0].approvers, ["approver"]);
    let whole = world.verify().await;
    assert_eq!((whole.findings, whole.counts.decisions), (vec![], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_without_grant_is_an_exception_of_the_pack() {
    let world = world().await;
    let policy = world.set_policy(POLICY).await;
    release(&world, policy, &Digest::sha256(&Hash([1; 32]))).await;
    world.deploy(&Digest::sha256(&Hash([9; 32]))).await;
    let report = pack::verify(exported(&world).await, Some(world.ledger.pin()));
    let codes: Vec<(Code, Class)> = report.findings.iter().map(|it| (it.code, it.class)).collect();
    assert_eq!(codes, [(Code::DeployedWithoutGrant, Class::Rule)]);
    assert_eq!(report.rows[1].exception, "deployed-without-grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_changed_file_is_noticed_and_so_is_a_missing_one() {
    let world = world().await;
    let policy = world.set_policy(POLICY).await;
    release(&world, policy, &Digest::sha256(&Hash([1; 32]))).await;
    let files = exported(&world).await;
    for path in files.keys() {
        let mut changed = files.clone();
        let bytes = changed.get_mut(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert!(pack::verify(changed, Some(world.ledger.pin())).is_broken(), "{path} changed");
        let mut without = files.clone();
        without.remove(path);
        assert!(pack::verify(without, Some(world.ledger.pin())).is_broken(), "{path} missing");
    }
}

/// Seals a payload anew, with whatever follows from its entries.
fn resealed(world: &World, files: Files, change: impl FnOnce(&mut Files)) -> Files {
    let (bag, _) = bag::open(files);
    let bag = bag.unwrap();
    let mut payload = bag.payload;
    change(&mut payload);
    let (bare, _) = bag::seal(&bag.scope, String::new(), payload.clone());
    let checked = pack::verify(bare, Some(world.ledger.pin()));
    let material = derived::Material {
        scope: &bag.scope,
        pin: world.ledger.pin(),
        shown: &checked.shown,
        state: &checked.state,
        rows: &checked.rows,
        findings: &derived::log_findings(&checked.findings),
    };
    payload.extend(derived::files(&material));
    let readme = pack::report::readme(
        &bag.scope,
        &checked.shown,
        checked.state.trust().map(|trust| &**trust),
    );
    bag::seal(&bag.scope, readme, payload).0
}

fn codes(report: &pack::PackReport) -> Vec<(Code, Class)> {
    report.findings.iter().map(|it| (it.code, it.class)).collect()
}

/// A test that passed, with a report of its own.
fn test_body(report: &[u8]) -> test::Test {
    let digest = Digest::sha256(&sha256(&[report]));
    serde_json::from_value(serde_json::json!({
        "result": "PASSED", "configuration": [],
        "attestry_report": {"format": "junit", "digest": digest, "sizeBytes": report.len(),
                            "binding": "unbound", "suite": "unit"},
    }))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_that_was_taken_out_is_named_once() {
    let world = world().await;
    let policy = world.set_policy(POLICY).await;
    let artifact = Digest::sha256(&Hash([1; 32]));
    let statement = Statement::new(
        vec![Subject::of(&artifact, Some("app"))],
        test::TYPE,
        test_body(b"<testsuite/>"),
    );
    let submission = Submission {
        envelope: sign_statement(&statement, &[&world.ci]).unwrap(),
        project: Some(PROJECT.parse().unwrap()),
        attachments: vec![b"<testsuite/>".to_vec()],
    };
    let logged = world.ledger.submit(vec![submission]).await.unwrap().remove(0).unwrap();
    release(&world, policy, &artifact).await;
    let files = exported(&world).await;
    assert_eq!(pack::verify(files.clone(), Some(world.ledger.pin())).findings, vec![]);
    let digest = Digest::sha256(&sha256(&[b"<testsuite/>"]));
    let without = resealed(&world, files, |payload| {
        payload.remove(&shown::attachment_path(&digest)).unwrap();
    });
    let report = pack::verify(without, Some(world.ledger.pin()));
    assert_eq!(codes(&report), [(Code::AttachmentAbsent, Class::Note)]);
    assert_eq!(report.findings[0].index, Some(logged.index));
    assert_eq!(report.findings[0].detail, digest.to_string());
}

/// Lets `ci` record about another project too, and records something about the artifact there.
async fn another_project(world: &World, artifact: &Digest) -> Hash {
    let trust = world.ledger.control().await.unwrap().trust.unwrap();
    let mut document = trust.document;
    let emits = |grant: &&mut Grant| grant.identity.as_str() == "ci";
    let grant = document.grants.iter_mut().find(emits).unwrap();
    grant.projects.push("shop".to_owned());
    let root = SigningKey::from_pkcs8_pem(&world.root.to_pkcs8_pem().unwrap()).unwrap();
    let envelope = sign_trust(&document, Some(trust.statement), &[root]).unwrap();
    world.submit(envelope).await.unwrap();
    let subject = vec![Subject::of(artifact, Some("app"))];
    let statement = Statement::new(subject, test::TYPE, test_body(b"of the shop"));
    let envelope = sign_statement(&statement, &[&world.ci]).unwrap();
    let digest = sha256(&[&envelope]);
    world.file(envelope, Some("shop".parse().unwrap())).await.unwrap();
    digest
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_may_be_of_another_project_is_withheld() {
    let world = world().await;
    let policy = world.set_policy(POLICY).await;
    let artifact = Digest::sha256(&Hash([1; 32]));
    let withheld = another_project(&world, &artifact).await;
    release(&world, policy, &artifact).await;
    let files = exported(&world).await;
    let envelopes: Vec<String> =
        files.keys().filter(|path| path.starts_with("data/envelopes/")).cloned().collect();
    for path in envelopes {
        let other = path == shown::envelope_path(&withheld);
        let without = resealed(&world, files.clone(), |payload| {
            payload.remove(&path).unwrap();
        });
        let report = pack::verify(without, Some(world.ledger.pin()));
        let found: Vec<(Code, Class)> = codes(&report)
            .into_iter()
            .filter(|(code, _)| *code != Code::AttachmentAbsent)
            .collect();
        if other {
            assert_eq!(found, [(Code::EnvelopeWithheld, Class::Unknown)]);
            assert_eq!((report.rows.len(), report.counts.decisions_replayed), (1, 1));
        } else {
            assert!(found.contains(&(Code::EnvelopeMissing, Class::Integrity)), "{path}");
        }
    }
}

/// A statement of several entries names its project on the first of them only; and most of what
/// it is about is not in the pack, where a signature without the role counts no more than elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_statement_is_whole_in_a_pack() {
    let world = world().await;
    let policy = world.set_policy(POLICY).await;
    let numbers = (0..300u16).map(|it| Digest::sha256(&sha256(&[&it.to_be_bytes()])));
    let artifacts: Vec<Digest> = numbers.collect();
    let subjects = artifacts.iter().map(|it| Subject::of(it, None)).collect();
    let statement = Statement::new(subjects, test::TYPE, test_body(b"of many"));
    let envelope = sign_statement(&statement, &[&world.ci, &world.approver]).unwrap();
    world.file(envelope, Some(PROJECT.parse().unwrap())).await.unwrap();
    release(&world, policy, artifacts.iter().max().unwrap()).await;
    let report = pack::verify(exported(&world).await, Some(world.ledger.pin()));
    assert_eq!(codes(&report), [(Code::AttachmentAbsent, Class::Note)]);
}
