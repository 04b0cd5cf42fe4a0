//! Sigstore bundles: whose signature counts, for what, and from when.

use schemas::id::Time;
use schemas::report::Code;
use schemas::trust::{Identity, KeyAlgorithm, KeyText, SigstoreName, TrustDocument};

use super::{Logged, app, project, refused, refused_in, world};
use crate::corpus;
use crate::fixture::cast::{grant, identity, key_text};
use crate::fixture::{HOUR, World};

const BUNDLE: &str = "sigstore/conda-attestation.sigstore.json";
const SUBJECT: &str =
    "https://github.com/prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main";

fn certified(subject: &str) -> Identity {
    let name = SigstoreName {
        issuer: "https://token.actions.githubusercontent.com".to_owned(),
        subject: subject.to_owned(),
    };
    Identity { sigstore: vec![name], ..identity("workflow", &[], &[]) }
}

/// A log that believes the public instance, and knows a workflow that may record other evidence.
fn believing(subject: &str) -> Option<World> {
    let root = String::from_utf8(corpus::read("sigstore/trusted_root.public-good.json")?).unwrap();
    let mut world = world();
    world
        .amend(|it| {
            it.sigstore_roots.push(root);
            it.identities.push(certified(subject));
            it.grants.push(grant("workflow", "emitter", &["build"], "payments"));
        })
        .unwrap();
    Some(world)
}

fn log_bundle(world: &mut World, bytes: &[u8]) -> Logged {
    world.now = world.now.plus_ms(1000);
    world.append(bytes, Some(&project()), world.now)
}

#[test]
fn a_certified_identity_records_evidence() {
    let Some(mut world) = believing(SUBJECT) else {
        return;
    };
    let bundle = corpus::read(BUNDLE).unwrap();
    let index = log_bundle(&mut world, &bundle).unwrap();
    let report = world.verify();
    assert_eq!(report.findings, []);
    let entry = crate::entry::Entry::parse(&world.records[index as usize].entry).unwrap();
    assert_eq!(entry.envelope, crate::merkle::sha256(&[&bundle]), "over the bytes received");
    assert_eq!(entry.envelope_bytes, bundle.len() as u64);
    refused_in(&mut world, Code::StatementRepeated, |w| log_bundle(w, &bundle));
}

#[test]
fn others_and_altered_bundles_are_nobodys() {
    let bundle = corpus::read(BUNDLE);
    let Some((mut other, bundle)) = believing("https://github.com/acme/x").zip(bundle) else {
        return;
    };
    refused_in(&mut other, Code::SignatureInvalid, |w| log_bundle(w, &bundle));
    refused(Code::SignatureInvalid, |w| log_bundle(w, &bundle));
    let altered = String::from_utf8(bundle).unwrap().replace("\"keyid\"", "\"keyId\"");
    let mut world = believing(SUBJECT).unwrap();
    let payload = altered.replacen("\"payload\":\"eyJ", "\"payload\":\"ewJ", 1);
    refused_in(&mut world, Code::EnvelopeMalformed, |w| log_bundle(w, payload.as_bytes()));
    // From the entry of a notice on, what it signs does not count.
    let id = *world.sequence.state.trust().unwrap().sigstore_ids().next().unwrap();
    let from = world.size();
    let notice = schemas::trust::Compromise { key: id, from };
    world.amend(|it| it.compromises.push(notice)).unwrap();
    let bundle = corpus::read(BUNDLE).unwrap();
    refused_in(&mut world, Code::SignatureInvalid, |w| log_bundle(w, &bundle));
}

/// The library that checks bundles knows its machine's clock only; the rule is the entry's time.
#[test]
fn a_bundle_is_older_than_its_entry() {
    let (Some(root), Some(bundle)) =
        (corpus::read("sigstore/trusted_root.public-good.json"), corpus::read(BUNDLE))
    else {
        return;
    };
    let integrated_at: Time = "2025-09-01T12:13:59.000Z".parse().unwrap();
    let at = |before_ms: i64| {
        let mut world = World::empty(crate::fixture::cast::document());
        world.now = integrated_at.plus_ms(-before_ms);
        let mut document = world.document.clone();
        // An older root: nothing in it begins after the bundle.
        let root = String::from_utf8(root.clone()).unwrap();
        document.sigstore_roots.push(root.replace("2025-09-23T00:00:00Z", "2025-08-01T00:00:00Z"));
        document.identities.push(certified(SUBJECT));
        document.grants.push(grant("workflow", "emitter", &["build"], "payments"));
        world.trust(document, &["root-1", "root-2"]).unwrap();
        world
    };
    refused_in(&mut at(HOUR), Code::SignatureInvalid, |w| log_bundle(w, &bundle));
    let mut world = at(HOUR);
    world.now = integrated_at.plus_ms(-1000);
    assert!(log_bundle(&mut world, &bundle).is_ok(), "in the same second");
}

#[test]
fn a_trusted_root_has_begun_when_it_is_pinned() {
    let Some(root) = corpus::read("sigstore/trusted_root.public-good.json") else {
        return;
    };
    let root = String::from_utf8(root).unwrap();
    let with = |root: String| move |it: &mut TrustDocument| it.sigstore_roots.push(root);
    refused(Code::TrustRefused, |w| w.amend(with(root.replace("2025-09-23", "2027-01-01"))));
    refused(Code::TrustRefused, |w| w.amend(with("{}".to_owned())));
    refused(Code::TrustRefused, |w| {
        w.amend(|it| it.sigstore_roots = vec![root.clone(), root.clone()])
    });
    refused(Code::TrustRefused, |w| w.amend(|it| it.sigstore_roots = vec![root.clone(); 9]));
    refused(Code::TrustRefused, |w| w.amend(|it| it.identities.push(certified("no root"))));
    let unsound = |subject: &str| {
        let (root, subject) = (root.clone(), subject.to_owned());
        move |it: &mut TrustDocument| {
            it.sigstore_roots.push(root);
            it.identities.push(certified(&subject));
        }
    };
    assert!(world().amend(unsound("x")).is_ok());
    for bad in ["", "a\nb", &"x".repeat(1025)] {
        refused(Code::TrustRefused, |w| w.amend(unsound(bad)));
    }
    refused(Code::TrustRefused, |w| {
        w.amend(|it| {
            unsound("x")(it);
            it.identities.push(Identity { name: "twice".parse().unwrap(), ..certified("x") });
        })
    });
}

/// A public-key bundle is verified as its envelope is: by a key that the trust document has.
#[test]
fn a_public_key_bundle_is_an_envelope_in_a_wrapper() {
    let Some(bundle) = corpus::read("sigstore/bundle-publish.json") else {
        return;
    };
    let pem = String::from_utf8(corpus::read("sigstore/publish_key.pub").unwrap()).unwrap();
    let key = pem.lines().nth(1).unwrap().to_owned();
    let algorithm = KeyAlgorithm::EcdsaP256;
    let mut world = world();
    world
        .amend(|it| {
            let keys = vec![KeyText { algorithm, key, ..key_text("npm") }];
            it.identities.push(Identity { keys, ..identity("npm", &[], &[]) });
            it.grants.push(grant("npm", "emitter", &["build"], "payments"));
        })
        .unwrap();
    assert!(log_bundle(&mut world, &bundle).is_ok());
    assert_eq!(world.verify().findings, []);
    refused(Code::SignatureInvalid, |w| log_bundle(w, &bundle));
}

/// Our own kinds have one spelling, and a bundle is another.
#[test]
fn our_own_kinds_come_in_no_bundle() {
    let wrapped = |w: &mut World| {
        let body = w.measurement_body(&[("p99", "1")]);
        let subject = vec![schemas::statement::Subject::of(&app(), None)];
        let kind = schemas::predicate::measurement::TYPE;
        let statement = schemas::statement::Statement::new(subject, kind, body);
        let envelope = crate::fixture::envelope(&statement, &["ci"]);
        let envelope = String::from_utf8(envelope).unwrap();
        format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":""}}}},"dsseEnvelope":{envelope}}}"#
        )
    };
    refused(Code::PredicateInvalid, |w| {
        let bundle = wrapped(w);
        log_bundle(w, bundle.as_bytes())
    });
}
