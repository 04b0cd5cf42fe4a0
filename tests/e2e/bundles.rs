//! Sigstore bundles from the outside: pinned roots, certified identities, and real bundles over the
//! command line, over HTTP, in packs and offline.

use std::path::PathBuf;

use harness::http::ask;
use harness::{Place, corpus, story};
use serde_json::Value;

use crate::serve::{Running, assert_problem};

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const WORKFLOW: &str =
    "https://github.com/prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main";

/// What the bundle is about.
fn subject(bundle: &[u8]) -> String {
    let event = verifier::event::Event::read(bundle).unwrap();
    event.digests().next().unwrap().to_string()
}

/// A ledger that believes the public instance and knows a workflow; the bundle lies in the folder.
fn believing() -> Option<(Place, Vec<u8>)> {
    let folder: PathBuf = corpus()?.join("sigstore");
    let place = story::team();
    let bundle = std::fs::read(folder.join("conda-attestation.sigstore.json")).unwrap();
    place.write("published.sigstore.json", &bundle);
    let root = std::fs::read(folder.join("trusted_root.public-good.json")).unwrap();
    place.write("trusted_root.json", root);
    place.expect(0, "attestry identity sigstore-roots trusted_root.json --key attestry-root.pem");
    place.expect(
        0,
        &format!(
            "attestry identity add workflow --sigstore-issuer {ISSUER} --sigstore-subject {WORKFLOW} \
             --role emitter --kind build --project payments --key attestry-root.pem"
        ),
    );
    Some((place, bundle))
}

#[test]
fn a_bundle_is_logged_once_and_verifies_offline_and_in_packs() {
    let Some((place, bundle)) = believing() else { return };
    let line = "attestry record envelope published.sigstore.json --json";
    let logged: Value = serde_json::from_str(&place.expect(0, line).stdout).unwrap();
    let index = logged["logged"][0]["index"].as_u64().unwrap();
    assert_eq!(logged["logged"][0]["repeated"], false, "{logged}");
    let again: Value = serde_json::from_str(&place.expect(0, line).stdout).unwrap();
    assert_eq!(again["logged"][0]["repeated"], true, "{again}");
    assert_eq!(again["logged"][0]["index"], index, "{again}");
    let shown = place.expect(0, &format!("attestry show {index} --json")).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let digest = verifier::merkle::sha256(&[&bundle]).to_string();
    assert_eq!(shown["envelope"], digest.as_str(), "the bytes received are hashed");
    let log = place.expect(0, "attestry log").stdout;
    assert!(log.contains("workflow"), "the identity signed: {log}");
    place.expect(0, "attestry verify --trust ledger/pin.txt");
    // What it says is somebody's evidence about an artifact that is promoted and deployed.
    let policy = "apiVersion: attestry/policy/v1\nproject: payments\nenvironments:\n  - name: prod\n    gates: []\n";
    place.write("open.yaml", policy);
    place.expect(0, "attestry policy set open.yaml --key mia.pem");
    let about = subject(&bundle);
    place.expect(0, &format!("attestry promote {about} --to prod --reason x --key mia.pem"));
    place.expect(
        0,
        &format!(
            "attestry record deployment --subject {about} --to prod --result succeeded --key ci.pem"
        ),
    );
    story::pack(&place);
    let files = cli::pack_file::read(&place.file("pack.zip"), &cli::pack_file::Limits::PACK);
    let kept = files.unwrap().remove(&format!("data/envelopes/{digest}.json")).unwrap();
    assert_eq!(kept, bundle, "kept byte for byte");
    place.expect(0, "attestry verify pack.zip --trust ledger/pin.txt");
}

#[test]
fn a_server_takes_a_bundle_as_an_envelope() {
    let Some((place, bundle)) = believing() else { return };
    let path = "/api/v1/events?project=payments";
    let altered =
        String::from_utf8(bundle.clone()).unwrap().replace("\"logIndex\":\"", "\"logIndex\":\"1");
    assert_ne!(altered.as_bytes(), bundle, "the log index is found");
    let file = corpus().unwrap().join("sigstore-conformance/happy-path-v0.3.sigstore.json");
    let file = std::fs::read(file).unwrap();
    let server = Running::over(place);
    assert_problem(
        &ask(server.address, "POST", path, altered.as_bytes()),
        403,
        "signature-invalid",
    );
    assert_problem(&ask(server.address, "POST", path, &file), 422, "envelope-malformed");
    let first = ask(server.address, "POST", path, &bundle);
    assert_eq!(first.status, 201, "{}", first.text());
    let again = ask(server.address, "POST", path, &bundle);
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(again.json()["index"], first.json()["index"]);
    assert_eq!(again.json()["receipt"], first.json()["receipt"]);
    server.stop().expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn nobody_signs_by_sigstore_without_a_root_and_a_name() {
    let place = story::team();
    let Some(folder) = corpus() else { return };
    let bundle = std::fs::read(folder.join("sigstore/conda-attestation.sigstore.json")).unwrap();
    place.write("published.sigstore.json", &bundle);
    let root = std::fs::read(folder.join("sigstore/trusted_root.public-good.json")).unwrap();
    place.write("trusted_root.json", &root);
    let record = "attestry record envelope published.sigstore.json";
    let add = |subject: &str| {
        format!(
            "attestry identity add workflow --sigstore-issuer {ISSUER} --sigstore-subject {subject} \
             --role emitter --kind build --project payments --key attestry-root.pem"
        )
    };
    let refused = place.expect(4, record);
    assert!(refused.stderr.contains("[signature-invalid]"), "{}", refused.stderr);
    let refused = place.expect(2, &add(WORKFLOW));
    assert!(refused.stderr.contains("sigstore-roots"), "{}", refused.stderr);
    place.write("none.json", "{}");
    place.expect(2, "attestry identity sigstore-roots none.json --key attestry-root.pem");
    place.expect(
        2,
        "attestry identity sigstore-roots published.sigstore.json --key attestry-root.pem",
    );
    place.expect(0, "attestry identity sigstore-roots trusted_root.json --key attestry-root.pem");
    place.expect(4, record);
    place.expect(0, &add(&WORKFLOW.replace("main", "other")));
    place.expect(4, record);
    place.expect(0, &add(WORKFLOW));
    let trust = place.expect(0, "attestry trust show").stdout;
    let digest = verifier::merkle::sha256(&[&root]).to_string();
    assert!(trust.contains(&digest) && trust.contains(WORKFLOW), "{trust}");
    // Its name can be compromised as a key can.
    place.expect(0, record);
    place.expect(0, "attestry identity compromise workflow --from 8 --key attestry-root.pem");
    place.expect(2, "attestry identity sigstore-roots --key attestry-root.pem");
    place.expect(0, "attestry identity revoke workflow --key attestry-root.pem");
    place.expect(0, "attestry identity sigstore-roots --key attestry-root.pem");
    place.run("attestry verify --trust ledger/pin.txt");
}

/// A P-256 key of somebody's own, for foreign envelopes and for ours.
#[test]
fn a_p256_key_signs_what_is_recorded() {
    let Some(folder) = corpus() else { return };
    let place = story::team();
    for name in ["cosign-attestation.json", "cosign.pub"] {
        place.write(name, std::fs::read(folder.join("dsse").join(name)).unwrap());
    }
    let add = "attestry identity add cosign --pub cosign.pub --role emitter --kind build \
               --project payments --key attestry-root.pem";
    place.expect(4, "attestry record envelope cosign-attestation.json");
    place.expect(2, &format!("{add} --raw-signatures --pub ci.pem.pub"));
    place.expect(0, add);
    place.expect(0, "attestry record envelope cosign-attestation.json");
    place.expect(0, "attestry verify --trust ledger/pin.txt");
    let twice = add.replace("add cosign", "add cosign2 --raw-signatures");
    let refused = place.expect(3, &twice);
    assert!(refused.stderr.contains("stands twice"), "{}", refused.stderr);
}
