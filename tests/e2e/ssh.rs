//! Signing with SSH keys, and what stock OpenSSH says of it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::{Place, story};
use serde_json::Value;
use verifier::fixture::authenticator::{Authenticator, armour};
use verifier::signature::PublicKey;
use verifier::trust::encode_key;

const NAMESPACE: &str = "attestry/dsse/v1";

/// Whether OpenSSH is here; a loud skip otherwise.
fn has_openssh() -> bool {
    let here = Command::new("ssh-keygen").arg("-?").output().is_ok();
    if !here {
        let _ = std::io::stderr().write_all(b"SKIPPED: no ssh-keygen\n");
    }
    here
}

fn run(place: &Place, program: &str, args: &[&str], stdin: &[u8]) -> (bool, String) {
    let mut command = Command::new(program);
    command.args(args).current_dir(place.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let _ = input.write_all(stdin);
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// What `ssh-keygen -Y verify` says of a signature by the key of a `.pub` line.
fn keygen_accepts(place: &Place, line: &str, blob: &[u8], message: &[u8]) -> bool {
    place.write("check/allowed", format!("somebody {line}"));
    place.write("check/sig", armour(blob));
    let args = ["-Y", "verify", "-f", "check/allowed", "-I", "somebody", "-n", NAMESPACE, "-s"];
    let (holds, _) = run(place, "ssh-keygen", &[&args[..], &["check/sig"]].concat(), message);
    holds
}

/// What security keys and passkeys sign, made in memory, is what OpenSSH takes for it.
#[test]
fn stock_ssh_keygen_accepts_what_we_accept() {
    if !has_openssh() {
        return;
    }
    let place = Place::new();
    let page = "https://ledger.acme.example";
    let message = b"DSSEv1 28 application/vnd.in-toto+json 2 {}";
    for device in [
        Authenticator::ed25519("alex", None),
        Authenticator::p256("alex", None),
        Authenticator::ed25519("alex", Some("ssh:")),
        Authenticator::p256("alex", Some("ssh:")),
    ] {
        let (key, line, signed) = (device.public(), device.public_line(), device.sign(message));
        assert!(keygen_accepts(&place, &line, &signed, message), "{line}");
        assert_eq!(key.verify(message, &signed), Ok(()), "{line}");
        assert!(!keygen_accepts(&place, &line, &signed, b"other"), "{line}");
    }
    let mut device = Authenticator::p256("alex", Some("acme.example"));
    let key = device.public().into_passkey(&[page.to_owned()]).unwrap();
    let line = device.public_line();
    let signed = device.sign_in_browser(message, page);
    assert!(keygen_accepts(&place, &line, &signed, message));
    assert_eq!(key.verify(message, &signed), Ok(()));
    assert!(!keygen_accepts(&place, &line, &signed, b"other"));
    // Untouched: ssh-keygen leaves that to its caller, and we do not take it.
    device.flags = 0x04;
    let untouched = device.sign_in_browser(message, page);
    assert!(key.verify(message, &untouched).is_err());
}

/// Makes an SSH key without a passphrase, or with one.
fn make_key(place: &Place, kind: &str, name: &str, passphrase: &str) {
    let args = ["-q", "-t", kind, "-N", passphrase, "-C", name, "-f", name];
    let (made, said) = run(place, "ssh-keygen", &args, b"");
    assert!(made, "{said}");
}

fn json(place: &Place, code: u8, line: &str) -> Value {
    serde_json::from_str(&place.expect(code, &format!("{line} --json")).stdout).unwrap()
}

/// The bytes that the ledger has kept at an entry.
fn envelope_at(place: &Place, index: &str) -> Vec<u8> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ledger = crate::serve::open(place.path()).await;
        ledger.entry(index.parse().unwrap()).await.unwrap().envelope.unwrap()
    })
}

/// Two people approve with SSH keys; stock ssh-keygen verifies what the ledger has kept.
#[test]
fn approvals_by_ssh_keys_are_checked_by_openssh() {
    if !has_openssh() {
        return;
    }
    let place = story::team();
    make_key(&place, "ed25519", "dora", "");
    make_key(&place, "ecdsa", "emil", "");
    for (name, role) in [("dora", "release-approver"), ("emil", "security")] {
        place.expect(0, &format!(
            "attestry identity add {name} --pub {name}.pub --role {role} --project payments --key attestry-root.pem"
        ));
    }
    let policy = "apiVersion: attestry/policy/v1\nproject: payments\nenvironments:\n  - name: prod\n    gates:\n      - approvals: { count: 2, roles: [release-approver, security] }\n";
    place.write("simple.yaml", policy);
    place.expect(0, "attestry policy set simple.yaml --key mia.pem");
    let promote = "attestry promote dist/app.zip --to prod --reason now --key mia.pem";
    let request = json(&place, 0, promote)["request"].as_str().unwrap().to_owned();
    let mut approvals = Vec::new();
    for (name, state) in [("dora", "waits"), ("emil", "granted")] {
        let line = format!("attestry approve {request} --reason fine --key ssh:{name}");
        let answer = place.expect(0, &line);
        let shown = format!("  name     {name}, by ssh\n");
        assert!(answer.stderr.contains(&shown), "{}", answer.stderr);
        assert!(answer.stdout.contains(state), "{}", answer.stdout);
        let words: Vec<&str> = answer.stdout.split(' ').collect();
        approvals.push((name, words[4].to_owned()));
    }
    for (name, index) in approvals {
        let envelope: Value = serde_json::from_slice(&envelope_at(&place, &index)).unwrap();
        let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
        let said: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(said["predicate"]["signingMode"], "ssh");
        let blob = STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap();
        let message = verifier::dsse::pae(verifier::dsse::PAYLOAD_TYPE, &payload);
        let line = std::fs::read_to_string(place.file(&format!("{name}.pub"))).unwrap();
        assert!(keygen_accepts(&place, &line, &blob, &message), "{name}");
    }
    place.expect(0, "attestry verify --trust ledger/pin.txt");
    // An auditor needs OpenSSH and nothing of ours: the pack's README says how.
    let deploy = "attestry record deployment --subject dist/app.zip --to prod --result succeeded --key ci.pem";
    place.expect(0, deploy);
    story::pack(&place);
    let readme = crate::outside::check_readme(&place, 0);
    assert!(readme.contains("ssh-keygen -Y verify"), "{readme}");
    let replaced = json(&place, 0, "attestry identity list");
    let algorithms: Vec<&Value> = replaced["identities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|identity| &identity["keys"][0]["algorithm"])
        .collect();
    assert!(algorithms.contains(&&Value::from("ssh")), "{replaced}");
}

/// An agent that is stopped when the test ends.
struct Agent {
    process: std::process::Child,
    socket: String,
}

impl Agent {
    fn start(place: &Place) -> Agent {
        let socket = place.file("agent.sock").display().to_string();
        let process = Command::new("ssh-agent")
            .args(["-D", "-a", &socket])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !place.file("agent.sock").exists() && std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        Agent { process, socket }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A key behind a passphrase signs through the agent that holds it, by fingerprint or by its file.
#[test]
fn an_agent_signs_for_a_key_that_nobody_can_read() {
    if !has_openssh() {
        return;
    }
    let mut place = story::team();
    make_key(&place, "ed25519", "dora", "open sesame");
    place.expect(0, "attestry identity add dora --pub dora.pub --role release-manager --project payments --key attestry-root.pem");
    let by_file = "attestry record note --text hello --key ssh:dora";
    let agent = Agent::start(&place);
    place.write("askpass", "#!/bin/sh\necho open sesame\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(place.file("askpass"), mode).unwrap();
    let added = Command::new("ssh-add")
        .arg("dora")
        .current_dir(place.path())
        .env("SSH_AUTH_SOCK", &agent.socket)
        .env("SSH_ASKPASS", place.file("askpass"))
        .env("SSH_ASKPASS_REQUIRE", "force")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let (_, listed) = run(&place, "ssh-keygen", &["-l", "-f", "dora.pub"], b"");
    let fingerprint = listed.split(' ').nth(1).unwrap();
    let by_agent = format!("attestry record note --text hello --key agent:{fingerprint}");
    let refused = place.expect(2, &by_agent);
    assert!(refused.stderr.contains("SSH_AUTH_SOCK"), "{}", refused.stderr);
    place.set("SSH_AUTH_SOCK", &agent.socket);
    place.expect(0, &by_agent);
    place.expect(0, by_file);
    place.expect(5, "attestry record note --text hello --key agent:SHA256:AAAA");
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn what_is_no_ssh_key_is_refused_by_its_reason() {
    if !has_openssh() {
        return;
    }
    let place = story::team();
    make_key(&place, "ed25519", "dora", "");
    make_key(&place, "rsa", "rsa", "");
    let refused = |code: u8, line: &str, why: &str| {
        let outcome = place.expect(code, &format!("attestry {line}"));
        assert!(outcome.stderr.contains(why), "{line}: {}", outcome.stderr);
    };
    refused(2, "record note --text x --key dora", "ssh:FILE");
    refused(2, "record note --text x --key ssh:", "empty");
    refused(2, "record note --text x --key ssh:rsa", "not an SSH key of type");
    refused(5, "record note --text x --key ssh:gone", "gone.pub");
    refused(4, "record note --text x --key ssh:dora", "signature-invalid");
    let add = "identity add dora --role security --project payments --key attestry-root.pem";
    refused(2, &format!("{add} --pub rsa.pub"), "not an SSH key of type");
    refused(2, &format!("{add} --pub dora"), "private key");
    place.write("two.pub", std::fs::read_to_string(place.file("dora.pub")).unwrap().repeat(2));
    refused(2, &format!("{add} --pub two.pub"), "one line");
}

/// The trust document takes a passkey with its pages, and refuses it without.
#[test]
fn a_passkey_is_a_key_with_its_pages() {
    let device = Authenticator::p256("alex", Some("acme.example")).public();
    let passkey = device.into_passkey(&["https://acme.example".to_owned()]).unwrap();
    let text = encode_key(&PublicKey::Ssh(Box::new(passkey)));
    let written = serde_json::to_value(&text).unwrap();
    assert_eq!(written["algorithm"], "passkey");
    assert_eq!(written["origins"][0], "https://acme.example");
    assert!(verifier::trust::decode_key(&text).is_ok());
}
