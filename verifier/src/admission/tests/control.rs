//! Trust documents, policies, heads and exports.

use schemas::id::Time;
use schemas::predicate::export::{self, Export};
use schemas::statement::{Statement, Subject};
use schemas::trust::{Compromise, KeyAlgorithm, KeyText, TrustDocument};

use super::{app, project, refused, refused_in, world};
use crate::fixture::authenticator::Authenticator;
use crate::fixture::body::{FULL_POLICY, policy_json};
use crate::fixture::cast::{self, grant, identity, key_text, log_key, vkey};
use crate::fixture::{ORIGIN, World, artifact, envelope, key_id};
use crate::signature::PublicKey;
use crate::trust::encode_key;
use schemas::report::Code;

/// A later document, changed like this and signed by two roots, breaks a rule.
#[track_caller]
fn document_refused(code: Code, change: impl FnOnce(&mut TrustDocument)) {
    refused(code, |w| w.amend(change));
}

#[test]
fn a_later_document_keeps_what_holds_for_life() {
    use Code::{RulesUnknown, TrustRefused};
    document_refused(RulesUnknown, |it| it.rules = 2);
    document_refused(TrustRefused, |it| it.entry = "attestry/entry/v2".into());
    document_refused(TrustRefused, |it| it.log_key = log_key(ORIGIN, "other log"));
    document_refused(TrustRefused, |it| it.log_key = vkey(ORIGIN, 0x04, "log"));
    document_refused(TrustRefused, |it| it.log_key = "no vkey".into());
    document_refused(TrustRefused, |it| {
        it.origin = "b.example".parse().unwrap();
        it.log_key = log_key("b.example", "log");
    });
}

#[test]
fn one_key_stands_once_in_any_role() {
    let at = |it: &mut TrustDocument, key: KeyText| it.identities[0].keys.push(key);
    for twice in ["ci", "anna-2", "root-3", "log"] {
        document_refused(Code::TrustRefused, |it| at(it, key_text(twice)));
    }
    document_refused(Code::TrustRefused, |it| it.roots.keys.push(key_text("root-1")));
    document_refused(Code::TrustRefused, |it| it.roots.keys.push(key_text("log")));
    document_refused(Code::TrustRefused, |it| {
        let key = "AAAA".to_owned();
        at(it, KeyText { key, ..key_text("x") });
    });
    assert!(world().amend(|it| at(it, key_text("ci-2"))).is_ok());
    // However it is written: in PEM, as SSH has it, or with other signatures.
    let ssh = |name: &str, application: Option<&str>| {
        encode_key(&PublicKey::Ssh(Box::new(Authenticator::ed25519(name, application).public())))
    };
    document_refused(Code::TrustRefused, |it| at(it, ssh("ci", None)));
    document_refused(Code::TrustRefused, |it| at(it, ssh("root-1", Some("ssh:"))));
    document_refused(Code::TrustRefused, |it| at(it, ssh("log", None)));
    let device = Authenticator::p256("device", Some("acme.example")).public();
    let pages = ["https://acme.example".to_owned()];
    let passkey = device.clone().into_passkey(&pages).unwrap();
    let forms = [passkey, device].map(|key| encode_key(&PublicKey::Ssh(Box::new(key))));
    let [passkey, security_key] = forms;
    let both = [passkey.clone(), security_key.clone()];
    document_refused(Code::TrustRefused, |it| both.into_iter().for_each(|key| at(it, key)));
    assert!(world().amend(|it| at(it, passkey.clone())).is_ok());
    for origins in [vec![], vec!["https://evil.example".to_owned()]] {
        let key = KeyText { origins, ..passkey.clone() };
        document_refused(Code::TrustRefused, |it| at(it, key));
    }
    let origins = pages.to_vec();
    document_refused(Code::TrustRefused, |it| at(it, KeyText { origins, ..security_key }));
    let other = KeyText { algorithm: KeyAlgorithm::EcdsaP256, ..key_text("ci-2") };
    document_refused(Code::TrustRefused, |it| at(it, other));
}

#[test]
fn names_and_aliases_belong_to_one_identity() {
    let with = |name: &'static str, alias: &'static str| {
        move |it: &mut TrustDocument| it.identities.push(identity(name, &[], &[alias]))
    };
    document_refused(Code::TrustRefused, with("ci", "x"));
    document_refused(Code::TrustRefused, with("new", "alexcodes"));
    document_refused(Code::TrustRefused, with("new", "anna"));
    document_refused(Code::TrustRefused, with("new", ""));
    document_refused(Code::TrustRefused, |it| {
        let alias = "x".repeat(321);
        it.identities.push(identity("new", &[], &[&alias]));
    });
    assert!(world().amend(with("new", "new@acme.example")).is_ok());
}

#[test]
fn grants_are_complete() {
    for bad in [
        grant("nobody", "auditor", &[], "payments"),
        grant("nora", "Auditor", &[], "payments"),
        grant("nora", "", &[], "payments"),
        grant("nora", "auditor", &[], "Payments"),
        grant("nora", "auditor", &["test"], "payments"),
        grant("nora", "emitter", &[], "payments"),
        grant("nora", "emitter", &["tests"], "payments"),
        schemas::trust::Grant { projects: Vec::new(), ..grant("nora", "auditor", &[], "payments") },
    ] {
        document_refused(Code::TrustRefused, |it| it.grants.push(bad));
    }
}

#[test]
fn roots_are_a_threshold_of_keys() {
    document_refused(Code::TrustRefused, |it| it.roots.threshold = 0);
    document_refused(Code::TrustRefused, |it| it.roots.threshold = 4);
    document_refused(Code::TrustRefused, |it| {
        it.roots.keys = (0..33).map(|n| key_text(&format!("r{n}"))).collect();
    });
}

#[test]
fn a_notice_of_a_compromise_stays() {
    let notice = |from| Compromise { key: key_id("bot"), from };
    let mut world = world();
    world.amend(|it| it.compromises.push(notice(5))).unwrap();
    let mut refused = |change: fn(&mut TrustDocument)| {
        refused_in(&mut world, Code::TrustRefused, |w| w.amend(change));
    };
    refused(|it| it.compromises.clear());
    refused(|it| it.compromises[0].from = 6);
    // Of two notices the earlier holds, in whatever order they stand.
    for order in [[5, 100], [100, 5]] {
        let mut world = world.clone();
        world.amend(|it| it.compromises = order.map(notice).to_vec()).unwrap();
        assert!(world.sequence.state.trust().unwrap().is_tainted(&key_id("bot"), 5));
    }
    world.amend(|it| it.compromises[0].from = 4).unwrap();
}

#[test]
fn a_threshold_of_the_roots_in_force_signs() {
    let by =
        |roots: &'static [&'static str]| move |w: &mut World| w.trust(w.document.clone(), roots);
    refused(Code::ThresholdMissed, by(&["root-1"]));
    refused(Code::ThresholdMissed, by(&["root-1", "anna"]));
    refused(Code::ThresholdMissed, by(&["service"]));
    refused(Code::SignatureExtra, by(&["root-1", "root-1"]));
    refused(Code::SignatureExtra, by(&["root-1", "nobody"]));
    refused(Code::SignatureInvalid, by(&["nobody"]));
    assert!(by(&["root-3", "root-2"])(&mut world()).is_ok());
    let mut world = world();
    let key = key_id("root-2");
    world.amend(|it| it.compromises.push(Compromise { key, from: 1 })).unwrap();
    refused_in(&mut world, Code::ThresholdMissed, by(&["root-1", "root-2"]));
    by(&["root-1", "root-3"])(&mut world).unwrap();
}

#[test]
fn new_roots_sign_with_the_old() {
    let mut next = cast::document();
    next.roots.keys = ["root-3", "root-4", "root-5"].map(key_text).to_vec();
    let by = |roots: &'static [&'static str]| {
        let next = next.clone();
        move |w: &mut World| w.trust(next, roots)
    };
    refused(Code::ThresholdMissed, by(&["root-1", "root-2"]));
    refused(Code::ThresholdMissed, by(&["root-4", "root-5"]));
    refused(Code::ThresholdMissed, by(&["root-1", "root-4", "root-5"]));
    let mut world = world();
    by(&["root-1", "root-3", "root-4"])(&mut world).unwrap();
    let same = |w: &mut World, roots: &[&str]| w.trust(w.document.clone(), roots);
    // The old roots are no keys in force any more.
    refused_in(&mut world, Code::SignatureInvalid, |w| same(w, &["root-1", "root-2"]));
    same(&mut world, &["root-4", "root-5"]).unwrap();
    assert_eq!(world.verify().findings, []);
}

#[test]
fn documents_name_the_one_that_they_replace() {
    refused(Code::NotReplacing, |w| {
        let mut statement = w.trust_statement(w.document.clone());
        statement.predicate.replaces = None;
        w.log(&statement, &["root-1", "root-2"], None)
    });
    refused(Code::NotReplacing, |w| {
        let mut statement = w.policy_statement(FULL_POLICY);
        statement.predicate.replaces = None;
        w.log(&statement, &["paul"], None)
    });
    refused(Code::SubjectInvalid, |w| {
        let mut statement = w.trust_statement(w.document.clone());
        statement.subject = vec![Subject::of(&app(), None)];
        w.log(&statement, &["root-1", "root-2"], None)
    });
    refused(Code::SubjectInvalid, |w| {
        let mut statement = w.policy_statement(FULL_POLICY);
        statement.subject.push(Subject::of(&app(), None));
        w.log(&statement, &["paul"], None)
    });
}

#[test]
fn what_belongs_to_the_ledger_is_filed_under_no_project() {
    let mut world = world();
    let statement = world.heads_statement();
    let last = world.log(&statement, &["service"], Some("payments")).unwrap();
    let entry = crate::entry::Entry::parse(&world.records[last as usize].entry).unwrap();
    let threads: Vec<String> = entry.threads.iter().map(|it| it.thread.to_string()).collect();
    assert_eq!(threads, ["control ledger"]);
    assert_eq!(world.verify().findings, []);
}

#[test]
fn entry_0_is_a_trust_document_of_this_log() {
    let begin = |code, document: TrustDocument, roots: &[&str]| {
        let mut world = World::empty(cast::document());
        let result = world.trust(document, roots);
        assert!(
            matches!(&result, Err(super::Refusal::Rule(it)) if it.code == code),
            "{}: {result:?}",
            code.name()
        );
        assert_eq!(world.size(), 0);
    };
    begin(Code::ThresholdMissed, cast::document(), &["root-1"]);
    begin(Code::SignatureExtra, cast::document(), &["root-1", "root-2", "ci"]);
    begin(Code::SignatureExtra, cast::document(), &["root-1", "root-2", "nobody"]);
    let rules = TrustDocument { rules: 2, ..cast::document() };
    begin(Code::RulesUnknown, rules, &["root-1", "root-2"]);
    let mut world = World::empty(cast::document());
    let body = crate::fixture::body::test("unit", schemas::predicate::test::TestResult::Passed);
    let result = world.record("ci", &app(), schemas::predicate::test::TYPE, &body);
    assert!(matches!(result, Err(super::Refusal::Rule(it)) if it.code == Code::TrustRefused));
    // A document made for another log does not begin this one.
    let mut other = cast::document();
    other.origin = "b.example".parse().unwrap();
    other.log_key = log_key("b.example", "log");
    let statement = World::empty(other).trust_of_itself();
    let bytes = envelope(&statement, &["root-1", "root-2"]);
    let result = world.append(&bytes, None, world.now);
    assert!(matches!(result, Err(super::Refusal::Rule(it)) if it.code == Code::OtherLedger));
}

#[test]
fn a_policy_keeps_the_rules_of_policies() {
    refused(Code::RoleMissing, |w| w.policy("mia", FULL_POLICY));
    let twice = r#"[{"evidence":{"kind":"sbom"}},{"evidence":{"kind":"sbom"}}]"#;
    refused(Code::PolicyRefused, |w| w.policy("paul", &policy_json("[]", twice)));
    refused(Code::ProjectMismatch, |w| {
        w.policy("paul", &FULL_POLICY.replace("\"payments\"", "\"shop\""))
    });
    let unknown = r#"[{"sook":{}}]"#;
    let json = policy_json("[]", unknown);
    assert!(serde_json::from_str::<schemas::policy::PolicyDocument>(&json).is_err());
}

#[test]
fn heads_are_of_the_log_just_before_them() {
    refused(Code::RoleMissing, |w| {
        let statement = w.heads_statement();
        w.log(&statement, &["ci"], None)
    });
    // Whoever serves one project, or one environment of each, does not speak for the ledger.
    for (projects, environments, holds) in
        [("payments", vec![], false), ("*", vec!["prod"], false), ("*", vec![], true)]
    {
        let mut world = world();
        let amend = |it: &mut TrustDocument| {
            it.identities.push(identity("local", &["local"], &[]));
            let mut grant = grant("local", "service", &[], projects);
            grant.environments = environments.iter().map(|name| name.parse().unwrap()).collect();
            it.grants.push(grant);
        };
        world.amend(amend).unwrap();
        let log = |w: &mut World| {
            let statement = w.heads_statement();
            w.log(&statement, &["local"], None)
        };
        match holds {
            true => assert!(log(&mut world).is_ok()),
            false => refused_in(&mut world, Code::RoleMissing, log),
        }
    }
    refused(Code::HeadsStale, |w| {
        let statement = w.heads_statement();
        w.scan(&app(), &[]).unwrap();
        w.log(&statement, &["service"], None)
    });
    refused(Code::SubjectInvalid, |w| {
        let mut statement = w.heads_statement();
        statement.subject = vec![Subject::of(&app(), None)];
        w.log(&statement, &["service"], None)
    });
}

#[test]
fn an_export_names_one_pack_and_its_period() {
    let export = |by: &'static str, change: fn(&mut Export, &mut Vec<Subject>)| {
        move |w: &mut World| {
            let mut body = Export {
                ledger: w.origin().clone(),
                project: project(),
                nonce: w.nonce(),
                environment: "prod".parse().unwrap(),
                from: Time(0),
                to: w.now,
                size: w.size(),
                audience: "the auditor".to_owned(),
                reason: "the third quarter".to_owned(),
            };
            let mut subjects = vec![Subject::of(&artifact("pack"), None)];
            change(&mut body, &mut subjects);
            w.log(&Statement::new(subjects, export::TYPE, body), &[by], None)
        }
    };
    refused(Code::RoleMissing, export("nora", |_, _| {}));
    refused(Code::PredicateInvalid, export("service", |it, _| it.to = it.from));
    refused(Code::PredicateInvalid, export("service", |it, _| it.size += 1));
    refused(Code::PredicateInvalid, export("service", |_, it| it.push(it[0].clone())));
    assert!(export("service", |_, _| {})(&mut world()).is_ok());
}
