//! Recording: what is read is logged with its receipt, and bad input gets a clear error and loses
//! nothing.

use harness::{Outcome, Place, story};
use serde_json::Value;

fn size(place: &Place) -> u64 {
    let status: Value =
        serde_json::from_str(&place.expect(0, "attestry status --json").stdout).unwrap();
    status["size"].as_u64().unwrap()
}

/// A refused command line: files it needs, what it reads, its exit code and a word of its error.
struct Bad {
    name: &'static str,
    line: String,
    stdin: &'static [u8],
    code: u8,
    says: &'static str,
}

fn bad(name: &'static str, line: &str, code: u8, says: &'static str) -> Bad {
    Bad { name, line: format!("attestry {line}"), stdin: b"", code, says }
}

/// Runs every case; after each the log is as long as before and holds.
fn check(place: &Place, cases: &[Bad]) {
    let before = size(place);
    let mut wrong = Vec::new();
    for case in cases {
        let Outcome { code, stdout, stderr } = place.run_with(&case.line, case.stdin);
        if code != case.code || !stderr.contains(case.says) || !stdout.is_empty() {
            wrong.push(format!(
                "{}: $ {}\nexit {code}, wanted {} and {:?}\n{stdout}{stderr}",
                case.name, case.line, case.code, case.says
            ));
        }
        if code != 2 && !stderr.contains("hint:") && !stderr.contains(case.says) {
            wrong.push(format!("{}: no word of help\n{stderr}", case.name));
        }
        assert_eq!(size(place), before, "{}: something was logged", case.name);
        let verified = place.run("attestry verify --trust ledger/pin.txt");
        assert_eq!(verified.code, 0, "{}: {}", case.name, verified.stdout);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A file of this length that takes no room.
fn huge(place: &Place, name: &str) {
    let file = std::fs::File::create(place.file(name)).unwrap();
    file.set_len((256 << 20) + 1).unwrap();
}

const BOMB: &str = r#"<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<testsuite name="u"><testcase classname="c" name="&b;"/></testsuite>"#;

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn bad_reports_are_refused_and_lose_nothing() {
    let place = story::team();
    for (name, text) in [
        ("empty.xml", String::new()),
        ("cut.xml", r#"<testsuite name="u"><testcase classname="c" name="a"/>"#.to_owned()),
        ("wrong.xml", r#"<testsuite name="u"></testcase></testsuite>"#.to_owned()),
        ("bomb.xml", BOMB.to_owned()),
        ("deep.xml", format!("<testsuite>{}", "<testsuite>".repeat(100_000))),
        ("other.xml", "<html><body/></html>".to_owned()),
        ("nothing.xml", r#"<testsuites/>"#.to_owned()),
        ("empty.json", String::new()),
        ("cut.json", r#"{"SchemaVersion": 2,"#.to_owned()),
        ("twice.json", r#"{"coverage.line": 1, "coverage.line": 99}"#.to_owned()),
        ("deep.json", format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000))),
        ("list.json", "[1,2,3]".to_owned()),
        ("bom.json", "\u{feff}{\"coverage.line\": 1}".to_owned()),
        ("nan.json", r#"{"coverage.line": NaN}"#.to_owned()),
        ("notrivy.json", r#"{"SchemaVersion":2,"ArtifactName":"x"}"#.to_owned()),
        ("policyless.json", r#"{"some":"thing"}"#.to_owned()),
        ("half.json", r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30"#.to_owned()),
    ] {
        place.write(name, text);
    }
    huge(&place, "huge.xml");
    huge(&place, "huge.json");
    let about = "--subject dist/app.zip --key ci.pem";
    let test = |name, file: &str, says| {
        bad(name, &format!("record test {file} --suite u {about}"), 2, says)
    };
    let scan = |name, file: &str, says| bad(name, &format!("record scan {file} {about}"), 2, says);
    let coverage =
        |name, file: &str, says| bad(name, &format!("record coverage {file} {about}"), 2, says);
    check(
        &place,
        &[
            test("an empty file", "empty.xml", "[report-empty]"),
            test("XML cut off", "cut.xml", "[xml-truncated]"),
            test("XML that does not nest", "wrong.xml", "[xml-malformed]"),
            test("an entity bomb", "bomb.xml", "[xml-document-type]"),
            test("XML too deep", "deep.xml", "[xml-limit]"),
            test("XML of another format", "other.xml", "[format-unknown]"),
            test("XML without a test", "nothing.xml", "[report-empty]"),
            test("huge XML", "huge.xml", "[file-too-large]"),
            scan("an empty JSON file", "empty.json", "[report-empty]"),
            scan("JSON cut off", "cut.json", "[json-malformed]"),
            scan("a scan that looked at nothing", "notrivy.json", "[trivy-no-results]"),
            scan("huge JSON", "huge.json", "[file-too-large]"),
            scan("JSON of no format", "policyless.json", "[format-unknown]"),
            scan("a test report as a scan", "reports/unit.xml", "[wrong-kind]"),
            coverage("a member twice", "twice.json", "[json-malformed]"),
            coverage("JSON too deep", "deep.json", "[json-malformed]"),
            coverage("a list", "list.json", "[json-not-an-object]"),
            coverage("a byte order mark", "bom.json", "[json-byte-order-mark]"),
            coverage("a number that is none", "nan.json", "[json-malformed]"),
            bad(
                "a good file and a bad one",
                &format!("record test reports/unit.xml cut.xml {about}"),
                2,
                "cut.xml",
            ),
            bad("half an envelope", "record envelope half.json", 3, "[envelope-malformed]"),
            bad(
                "an envelope that is empty",
                "record envelope empty.json",
                3,
                "[envelope-malformed]",
            ),
            bad("no file", &format!("record test {about}"), 2, "no file to record"),
            bad(
                "a file that is not there",
                &format!("record test gone.xml {about}"),
                5,
                "[file-not-found]",
            ),
            bad(
                "a metric without a number",
                &format!("record coverage --metric coverage.line {about}"),
                2,
                "coverage.line=83.2",
            ),
            bad(
                "a metric that is no number",
                &format!("record coverage --metric coverage.line=NaN {about}"),
                2,
                "NaN",
            ),
        ],
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn bad_subjects_projects_and_keys_are_refused_and_lose_nothing() {
    let mut place = story::team();
    place.expect(0, "attestry key generate stranger.pem");
    place.set("NO_KEY", "");
    place.write(
        "image.json",
        format!(
            r#"{{"SchemaVersion":2,"ArtifactName":"app:1","ArtifactType":"container_image",
            "Metadata":{{"RepoDigests":["registry.example/app@sha256:{}"]}},
            "Results":[{{"Target":"app:1","Class":"os-pkgs","Type":"debian"}}]}}"#,
            "51".repeat(32)
        ),
    );
    std::fs::copy(place.file("ci.pem"), place.file("open.pem")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(place.file("open.pem"), mode).unwrap();
    }
    let report = "record test reports/unit.xml --suite u";
    let app = "--subject dist/app.zip";
    let with = |rest: &str| format!("{report} {rest}");
    let mut cases = vec![
        bad(
            "a tag",
            &with("--subject registry.example/app:1.4.2 --key ci.pem"),
            2,
            "[tag-not-digest]",
        ),
        bad("a short tag", &with("--subject app:latest --key ci.pem"), 2, "[tag-not-digest]"),
        bad(
            "an empty variable",
            &with("--subject \"\" --key ci.pem"),
            2,
            "is your variable empty?",
        ),
        bad("a folder", &with("--subject dist --key ci.pem"), 2, "is a folder"),
        bad(
            "a file that is not there",
            &with("--subject dist/gone.zip --key ci.pem"),
            5,
            "[file-not-found]",
        ),
        bad("a short digest", &with("--subject sha256:ab --key ci.pem"), 2, "8 digits"),
        bad(
            "a prefix that nobody knows",
            &with("--subject sha256:0123456789 --key ci.pem"),
            5,
            "[subject-unknown]",
        ),
        bad("no subject", &with("--key ci.pem"), 2, "--subject is missing"),
        bad(
            "an unknown project",
            &with(&format!("{app} --project paymints --key ci.pem")),
            3,
            "this ledger has: payments",
        ),
        bad(
            "an empty project",
            &with(&format!("{app} --project \"\" --key ci.pem")),
            2,
            "--project is empty",
        ),
        bad(
            "a project that is no name",
            &with(&format!("{app} --project Payments! --key ci.pem")),
            2,
            "--project",
        ),
        bad(
            "another artifact's report",
            "record scan image.json --subject dist/app.zip --key ci.pem",
            3,
            "[report-names-other-subject]",
        ),
        bad("a key without the role", &with(&format!("{app} --key bob.pem")), 4, "[role-missing]"),
        bad(
            "a stranger's key",
            &with(&format!("{app} --key stranger.pem")),
            4,
            "[signature-invalid]",
        ),
        bad("the public half", &with(&format!("{app} --key ci.pem.pub")), 2, "public half"),
        bad("no key file", &with(&format!("{app} --key gone.pem")), 5, "[file-not-found]"),
        bad("an empty key", &with(&format!("{app} --key \"\"")), 2, "--key is empty"),
        bad("no key", &with(app), 2, "no key to sign with"),
        bad(
            "a secret that is not set",
            &with(&format!("{app} --key env:NO_KEY")),
            2,
            "NO_KEY is not set",
        ),
        bad("a key from nowhere", &with(&format!("{app} --key -")), 2, "[key-malformed]"),
        bad(
            "a kind that is none",
            "record rest reports/unit.xml --subject dist/app.zip --key ci.pem",
            2,
            "is no kind",
        ),
        bad(
            "a kind with its own command",
            "record approval --subject dist/app.zip --key ci.pem",
            2,
            "attestry approve",
        ),
        bad(
            "no ledger",
            "record note --text hello --key ci.pem --ledger nowhere",
            5,
            "[no-ledger]",
        ),
        bad("an empty note", "record note --text \"\" --key ci.pem", 2, "--text is empty"),
        bad(
            "a build without source",
            "record build --builder https://b.example --subject dist/app.zip --key ci.pem",
            2,
            "--source is missing",
        ),
        bad(
            "a source without commit",
            "record build --source git+https://h.example/r --builder b --subject dist/app.zip --key ci.pem",
            2,
            "COMMIT",
        ),
        bad(
            "a deployment without result",
            "record deployment --to prod --subject dist/app.zip --key ci.pem",
            2,
            "--result is missing",
        ),
        bad(
            "a result that is none",
            "record deployment --to prod --result maybe --subject dist/app.zip --key ci.pem",
            2,
            "succeeded",
        ),
        bad(
            "a deployment elsewhere",
            "record deployment --to other/prod --result failed --subject dist/app.zip --key ci.pem",
            2,
            "of project payments",
        ),
    ];
    #[cfg(unix)]
    cases.push(bad(
        "a key that others can read",
        &with(&format!("{app} --key open.pem")),
        4,
        "[key-file-open]",
    ));
    // Not everything that a key file may be is a key; and none of it may be told.
    place.write("secret.pem", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(place.file("secret.pem"), mode).unwrap();
    }
    cases.push(bad(
        "a key in another format",
        &with(&format!("{app} --key secret.pem")),
        2,
        "[key-malformed]",
    ));
    check(&place, &cases);
    let said = place.run("attestry record note --text x --key secret.pem").stderr;
    assert!(!said.contains("b3Blbn"), "{said}");
}

#[test]
fn bad_documents_are_refused_and_lose_nothing() {
    let place = story::team();
    place.write("anchors.yaml", story::POLICY.replace("gates:", "gates: &g"));
    place.write("twice.yaml", format!("{}project: other\n", story::POLICY));
    place.write("other.yaml", story::POLICY.replace("project: payments", "project: paymints"));
    place.write("binary.yaml", [0xff, 0xfe, 0x00]);
    check(
        &place,
        &[
            bad("a broken policy", "policy set broken.yaml --key mia.pem", 3, "[policy-refused]"),
            bad(
                "a policy with anchors",
                "policy set anchors.yaml --key mia.pem",
                3,
                "[policy-refused]",
            ),
            bad(
                "a policy with a key twice",
                "policy set twice.yaml --key mia.pem",
                3,
                "[policy-refused]",
            ),
            bad("a policy that is no text", "policy check binary.yaml", 3, "UTF-8"),
            bad(
                "a policy of another project",
                "policy set other.yaml --key mia.pem",
                3,
                "[unknown-project]",
            ),
            bad(
                "a policy by another key",
                "policy set policy.yaml --key bob.pem",
                4,
                "[role-missing]",
            ),
            bad("trust by no root", "identity add bob --alias robert --key mia.pem", 4, "["),
            bad(
                "a key twice",
                "identity add eve --pub bob.pem.pub --role security --project payments --key attestry-root.pem",
                3,
                "[trust-refused]",
            ),
            bad("nobody by that name", "identity revoke eve --key attestry-root.pem", 5, "eve"),
            bad(
                "a private key as public",
                "identity add eve --pub bob.pem --role security --project payments --key attestry-root.pem",
                2,
                "[",
            ),
            bad("no root key", "identity revoke ci", 2, "root key"),
            bad("a ledger over a ledger", "init --origin x.example", 2, "[folder-not-empty]"),
            bad("an origin that is none", "init --origin \"a b\" --dir new", 2, "--origin"),
            bad("an empty origin", "init --origin \"\" --dir new", 2, "--origin is empty"),
            bad(
                "a root key inside",
                "init --origin x.example --dir new --root-out new/root.pem",
                2,
                "inside",
            ),
            bad("a key over a key", "key generate ci.pem", 2, "["),
        ],
    );
    assert!(!place.file("new").exists());
}

#[test]
fn what_is_read_is_logged_with_a_receipt_that_verifies() {
    let place = story::team();
    let logged = place.expect(0, "attestry record test reports/unit.xml --suite unit --subject dist/app.zip --key ci.pem --json");
    let json: Value = serde_json::from_str(&logged.stdout).unwrap();
    let receipt = json["logged"][0]["receipt"].as_str().unwrap();
    assert_eq!(receipt, "dist/app.zip.8.receipt");
    place.expect(0, &format!("attestry verify {receipt} --trust ledger/pin.txt"));
    let text = std::fs::read_to_string(place.file(receipt)).unwrap();
    place.write("forged.receipt", text.replacen("index 8", "index 7", 1));
    place.expect(7, "attestry verify forged.receipt --trust ledger/pin.txt");
    place.write("cut.receipt", &text[..text.len() / 2]);
    place.expect(7, "attestry verify cut.receipt --trust ledger/pin.txt");
    // Two files at once are two events; the prefix of a known digest is enough.
    place.write(
        "reports/more.xml",
        r#"<testsuite name="i"><testcase classname="c" name="a"><failure/></testcase></testsuite>"#,
    );
    let both = place.expect(0, "attestry record test reports/unit.xml reports/more.xml --subject sha256:160b7f97 --receipt r --key ci.pem");
    assert!(both.stdout.contains("entry 9") && both.stdout.contains("entry 10"), "{}", both.stdout);
    assert!(place.file("r.9").exists() && place.file("r.10").exists());
    assert!(both.stdout.contains("1 failed"), "{}", both.stdout);
    assert_eq!(size(&place), 11);
}

#[test]
fn somebody_elses_envelope_is_kept_byte_for_byte_and_once() {
    let place = story::team();
    let payload = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"app","digest":{{"sha256":"{}"}}}}],"predicateType":"https://example.org/odd/v1","predicate":{{"x":1}}}}"#,
        "cd".repeat(32)
    );
    let pem = std::fs::read_to_string(place.file("ci.pem")).unwrap();
    let key = verifier::signature::SigningKey::from_pkcs8_pem(&pem).unwrap();
    let envelope = verifier::sign::sign_payload(payload.as_bytes(), &[&key]);
    place.write("odd.dsse.json", &envelope);
    let first = place.expect(0, "attestry record envelope odd.dsse.json");
    assert!(first.stdout.contains("logged as entry 8"), "{}", first.stdout);
    let again = place.expect(0, "attestry record envelope odd.dsse.json --json");
    let json: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(
        (&json["logged"][0]["index"], &json["logged"][0]["repeated"]),
        (&8.into(), &true.into())
    );
    assert_eq!(size(&place), 9);
    let shown: Value =
        serde_json::from_str(&place.expect(0, "attestry show 8 --json").stdout).unwrap();
    let digest = verifier::merkle::sha256(&[&envelope]).to_string();
    assert_eq!(shown["envelope"], Value::from(digest));
    place.expect(3, "attestry record envelope odd.dsse.json --subject dist/app.zip");
}

#[test]
fn keys_come_from_files_streams_and_variables() {
    let mut place = story::team();
    let pem = std::fs::read(place.file("ci.pem")).unwrap();
    let streamed = place.run_with("attestry record note --text one --key -", &pem);
    assert_eq!(streamed.code, 0, "{}", streamed.stderr);
    place.set("CI_KEY", str::from_utf8(&pem).unwrap());
    place.expect(0, "attestry record note --text two --key env:CI_KEY");
    place.set("ATTESTRY_KEY", "env:CI_KEY");
    place.expect(0, "attestry record note --text three");
    place.set("ATTESTRY_KEY", "ci.pem");
    place.expect(0, "attestry record coverage --metric coverage.line=83.2 --subject dist/app.zip");
    assert_eq!(size(&place), 12);
}

/// A ledger that nobody has used for two months.
#[test]
fn a_clock_far_ahead_takes_the_word_of_an_operator() {
    let mut place = Place::new();
    let now = ledger::clock::Clock::now(&ledger::clock::SystemClock);
    let then = std::sync::Arc::new(ledger::clock::ManualClock::at(now.plus_ms(-60 * 86_400_000)));
    let roots = [ledger::init::generate_key().unwrap()];
    place.set("ROOT", roots[0].to_pkcs8_pem().unwrap().as_str());
    let (dir, state) = (place.file("ledger"), place.file("state"));
    let origin = "ledger.acme.example".parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let made = ledger::Ledger::init(&dir, &origin, &roots, &state, then);
        made.await.unwrap().close().await;
    });
    place.expect(0, "attestry key generate ci.pem");
    let add = "attestry identity add ci --pub ci.pem.pub --role emitter --kind note \
               --project payments --key env:ROOT";
    let refused = place.expect(3, add).stderr;
    assert!(refused.contains("60 d ahead of it") && refused.contains("[clock-skew]"), "{refused}");
    assert!(refused.contains("hint:") && refused.contains("add --accept-clock"), "{refused}");
    place.expect(0, &format!("{add} --accept-clock"));
    // The newest entry is of now again.
    place.expect(0, "attestry record note --text hello --key ci.pem");
}
