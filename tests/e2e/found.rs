//! Whoever runs a server can sign what they like with its keys, and log it. An auditor with the ledger
//! or with a pack, a pin and no network finds it, by a code that says what was done.

use std::collections::BTreeSet;

use harness::insider::Insider;
use harness::{Place, story};
use schemas::id::{Digest, EntryIndex, Environment, Time};
use schemas::predicate::approval::{self, Approval, ApprovalOutcome, SigningMode};
use schemas::predicate::decision::Decision;
use schemas::predicate::{EntryRef, Seen};
use schemas::report::{Code, Verdict};
use schemas::statement::{Statement, Subject};
use serde_json::Value;
use verifier::dsse::{format_envelope, parse_envelope};
use verifier::log::LogReport;
use verifier::merkle::sha256;
use verifier::policy::decide::compose_decision;
use verifier::policy::{Ask, Evaluation, evaluate, evaluate_by};
use verifier::projection::slice::PolicyInForce;
use verifier::sign::sign_statement;

/// The key by which the ledger signs its decisions.
const SERVICE: &str = "ledger/keys/service.pem";

/// Behind the 37 entries of the story: a request to go to production once more.
const REQUEST: EntryIndex = 37;

/// What is forged, how, and the code by which it is found.
struct Forgery {
    what: &'static str,
    code: Code,
    forge: fn(&Place) -> EntryIndex,
}

/// The four that must not be taken for one another.
const FORGERIES: [Forgery; 4] = [
    Forgery {
        what: "a decision that its gates do not give",
        code: Code::DecisionDisagrees,
        forge: |place| decided(place, |_| {}),
    },
    Forgery {
        what: "a decision by a policy that is no longer in force",
        code: Code::DecisionOtherPolicy,
        forge: by_the_old_policy,
    },
    Forgery {
        what: "an approval by somebody whose role has ended",
        code: Code::RoleMissing,
        forge: |place| {
            place.expect(0, &format!("{REVOKE} --role release-approver"));
            approved(place, APP, |_| {})
        },
    },
    Forgery {
        what: "an approval moved to another digest",
        code: Code::RequestMismatch,
        forge: |place| approved(place, RC, |_| {}),
    },
];

/// Other ways to the same ends, and what they are found by.
const VARIANTS: [Forgery; 5] = [
    Forgery {
        what: "a grant moved to another digest",
        code: Code::RequestMismatch,
        forge: |place| {
            let moved = |it: &mut Statement<Decision>| it.subject = subject(RC);
            decided(place, moved)
        },
    },
    Forgery {
        what: "a decision by the old policy that names the one in force",
        code: Code::DecisionDisagrees,
        forge: |place| {
            let old = policy_in_force(place);
            stricter(place);
            let by_old = |it: &LogReport, ask: &Ask, at| evaluate_by(&it.state, &old, ask, at);
            signed(place, |log, ask, at| granting(by_old(log, ask, at).unwrap()), |_| {})
        },
    },
    Forgery {
        what: "a decision that counts an approval whose signer's role has ended since",
        code: Code::DecisionDisagrees,
        forge: |place| {
            place.expect(0, &format!("attestry approve P-{REQUEST} --reason ok --key bob.pem"));
            place.expect(0, &format!("{REVOKE} --role release-approver"));
            decided(place, |_| {})
        },
    },
    Forgery {
        what: "an approval by a key that was taken from its holder",
        code: Code::SignatureInvalid,
        forge: |place| {
            place.expect(0, REVOKE);
            approved(place, APP, |_| {})
        },
    },
    Forgery {
        what: "an approval whose digest was written over, with the signature that it had",
        code: Code::SignatureInvalid,
        forge: |place| approved(place, APP, |envelope| *envelope = written_over(envelope)),
    },
];

const REVOKE: &str = "attestry identity revoke bob --key attestry-root.pem";

/// What the story has promoted, and what it has refused.
const APP: &[u8] = b"payments 1.4.2\n";
const RC: &[u8] = b"payments 1.4.2-rc1\n";

fn digest(artifact: &[u8]) -> Digest {
    Digest::sha256(&sha256(&[artifact]))
}

fn subject(artifact: &[u8]) -> Vec<Subject> {
    vec![Subject::of(&digest(artifact), None)]
}

fn prod() -> Environment {
    "payments/prod".parse().unwrap()
}

/// A release, and a request that nobody has approved, in a ledger that is about to be forged.
fn asked() -> Place {
    let place = open();
    place.tampered("whoever runs the server forges entries in it");
    place
}

/// A release, and a request that nobody has approved.
fn open() -> Place {
    let place = story::released();
    place.expect(0, "attestry promote dist/app.zip --to prod --reason again --key mia.pem");
    place
}

fn policy_in_force(place: &Place) -> PolicyInForce {
    let log = Insider::of(place).log();
    log.state.policy(&prod().project).unwrap().clone()
}

/// The policy asks for one more approval from now on.
fn stricter(place: &Place) {
    place.write("strict.yaml", story::POLICY.replace("count: 2", "count: 3"));
    place.expect(0, "attestry policy set strict.yaml --key mia.pem");
}

/// Every gate says what its holder wants.
fn granting(mut evaluation: Evaluation) -> Evaluation {
    for gate in &mut evaluation.gates {
        (gate.verdict, gate.next, gate.until) = (Verdict::Pass, None, None);
    }
    evaluation
}

/// Signs and logs a decision on the open request, composed as the service does from an evaluation.
fn signed(
    place: &Place,
    evaluation: impl FnOnce(&LogReport, &Ask, Time) -> Evaluation,
    change: impl FnOnce(&mut Statement<Decision>),
) -> EntryIndex {
    let insider = Insider::of(place);
    let log = insider.log();
    let (environment, artifact) = (prod(), digest(APP));
    let ask = Ask { environment: &environment, artifact: &artifact, request: Some(REQUEST) };
    let at = insider.newest();
    let evaluation = evaluation(&log, &ask, at);
    let mut decision =
        compose_decision(&log.state, &ask, &evaluation, at, insider.nonce()).unwrap();
    change(&mut decision);
    insider.slip_in(&sign_statement(&decision, &[&insider.key(SERVICE)]).unwrap())
}

/// A grant whose gates say yes, whatever they say.
fn decided(place: &Place, change: impl FnOnce(&mut Statement<Decision>)) -> EntryIndex {
    let yes = |log: &LogReport, ask: &Ask, at| granting(evaluate(&log.state, ask, at).unwrap());
    signed(place, yes, change)
}

/// The policy has become stricter, and somebody decides by the one before.
fn by_the_old_policy(place: &Place) -> EntryIndex {
    let old = policy_in_force(place);
    place.expect(0, &format!("attestry approve P-{REQUEST} --reason ok --key bob.pem"));
    stricter(place);
    let by_old =
        |log: &LogReport, ask: &Ask, at| granting(evaluate_by(&log.state, &old, ask, at).unwrap());
    signed(place, by_old, |decision| {
        let named = old.statement.to_string();
        decision.predicate.policy.digest.insert("sha256".to_owned(), named);
        let policy = EntryRef { index: old.entry, statement: old.statement };
        decision.predicate.extension.policy = policy;
    })
}

/// An approval of the open request by bob's key, about this artifact.
fn approved(place: &Place, about: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> EntryIndex {
    let insider = Insider::of(place);
    let log = insider.log();
    let environment = prod();
    let request = &log.state.environment(&environment).unwrap().unwrap().requests[&REQUEST];
    let body = Approval {
        ledger: insider.origin().clone(),
        project: environment.project.clone(),
        nonce: insider.nonce(),
        environment: environment.name.clone(),
        request: EntryRef { index: REQUEST, statement: request.statement },
        policy: log.state.policy(&environment.project).unwrap().statement,
        outcome: ApprovalOutcome::Granted,
        withdraws: None,
        meaning: "release".to_owned(),
        role: "release-approver".to_owned(),
        reason: "looked at the canary".to_owned(),
        expires_at: request.time.plus_ms(86_400_000),
        signing_mode: SigningMode::Key,
        card: None,
        seen: Seen { size: log.size, root: log.root },
    };
    let statement = Statement::new(subject(about), approval::TYPE, body);
    let mut envelope = sign_statement(&statement, &[&insider.key("bob.pem")]).unwrap();
    change(&mut envelope);
    insider.slip_in(&envelope)
}

/// The same envelope about another artifact, by whoever has not the key.
fn written_over(envelope: &[u8]) -> Vec<u8> {
    let genuine = parse_envelope(envelope).unwrap();
    let payload = String::from_utf8(genuine.payload.clone()).unwrap();
    let payload = payload.replace(digest(APP).hex(), digest(RC).hex());
    let signature = &genuine.signatures[0];
    let keyid = signature.keyid.as_ref().unwrap().parse().unwrap();
    format_envelope(payload.as_bytes(), &[(keyid, &signature.sig)])
}

/// What `attestry verify` finds, but for the deployment that nothing granted in the story itself.
fn findings(place: &Place, line: &str) -> BTreeSet<(String, Option<u64>)> {
    let told: Value = serde_json::from_str(&place.expect(3, line).stdout).unwrap();
    let all = told["findings"].as_array().unwrap().iter();
    let all = all.map(|it| (it["code"].as_str().unwrap().to_owned(), it["index"].as_u64()));
    all.filter(|(code, _)| code != Code::DeployedWithoutGrant.name()).collect()
}

/// The forgery is found in the ledger, in a pack of it far from any ledger, and by nothing else.
fn check(forgery: &Forgery) {
    let place = asked();
    let index = (forgery.forge)(&place);
    let expected = BTreeSet::from([(forgery.code.name().to_owned(), Some(index))]);
    let found = findings(&place, "attestry verify --trust ledger/pin.txt --json");
    assert_eq!(found, expected, "{}: the ledger", forgery.what);
    story::pack(&place);
    let away = Place::new();
    for (from, to) in [("pack.zip", "pack.zip"), ("ledger/pin.txt", "pin.txt")] {
        std::fs::copy(place.file(from), away.file(to)).unwrap();
    }
    let found = findings(&away, "attestry verify pack.zip --trust pin.txt --json");
    assert_eq!(found, expected, "{}: the pack", forgery.what);
    let replayed = place.run("attestry replay --json");
    let told: Value = serde_json::from_str(&replayed.stdout).unwrap();
    let is_decision = told["decisions"].as_array().unwrap().iter().find(|it| it["entry"] == index);
    match is_decision {
        Some(decision) => assert_eq!(decision["code"], forgery.code.name(), "{}", forgery.what),
        None => assert_eq!(replayed.code, 0, "{}: no decision disagrees", forgery.what),
    }
}

#[test]
fn each_forgery_is_found_offline_by_its_own_code() {
    FORGERIES.iter().for_each(check);
    let codes: BTreeSet<Code> = FORGERIES.iter().map(|forgery| forgery.code).collect();
    assert_eq!(codes.len(), FORGERIES.len());
}

#[test]
fn other_ways_to_the_same_ends_are_found_too() {
    VARIANTS.iter().for_each(check);
}

/// A forged grant has no effect: its request is still open, and only people's answers close it.
#[test]
fn a_forged_grant_grants_nothing() {
    let place = asked();
    let forged = decided(&place, |_| {});
    place.expect(3, "attestry gate dist/app.zip --to prod");
    // The request is as open as before, and people answer it.
    let answer = |who| format!("attestry approve P-{REQUEST} --reason ok --key {who}.pem");
    place.expect(0, &answer("bob"));
    let granted = place.expect(0, &answer("carol")).stdout;
    assert!(granted.contains("granted"), "{granted}");
    let found = findings(&place, "attestry verify --trust ledger/pin.txt --json");
    let expected = (Code::DecisionDisagrees.name().to_owned(), Some(forged));
    assert_eq!(found, BTreeSet::from([expected]));
}

/// What every journey's folder is asked when it goes away would be noticed.
#[test]
fn a_place_whose_decisions_disagree_does_not_go_in_silence() {
    let place = open();
    decided(&place, |_| {});
    let gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(place)));
    let said = gone.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("1 disagree") && said.contains("DecisionDisagrees"), "{said}");
    // Nobody is asked twice, and whoever says that it is broken is not asked.
    drop(asked());
}
