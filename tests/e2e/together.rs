//! Several artifacts in one request: they go together or not at all, by command line, over a server,
//! and in a pack.

use harness::http::{Answer, ask_with, get};
use harness::{Place, story};
use serde_json::{Value, json};
use verifier::merkle::sha256;

use crate::serve::Running;

const POLICY: &str = r#"apiVersion: attestry/policy/v1
project: payments
environments:
  - name: prod
    gates:
      - id: tests
        evidence: { kind: test, suites: [unit], result: passed }
      - approvals: { count: 1, roles: [release-approver], meaning: release, not: [author, requester] }
"#;

const FAILED: &str = r#"<testsuites><testsuite name="worker" tests="1" failures="1" timestamp="2026-11-20T09:00:00">
<testcase classname="worker" name="reads"><failure message="no"/></testcase></testsuite></testsuites>
"#;

const BOTH: &str = "dist/app.zip --with dist/worker.zip";

fn json(place: &Place, code: u8, line: &str) -> Value {
    serde_json::from_str(&place.expect(code, &format!("{line} --json")).stdout).unwrap()
}

fn digest(place: &Place, file: &str) -> String {
    let bytes = std::fs::read(place.file(file)).unwrap();
    format!("sha256:{}", sha256(&[&bytes]))
}

fn test(place: &Place, report: &str, archive: &str) -> String {
    let line =
        format!("attestry record test {report} --suite unit --subject {archive} --key ci.pem");
    place.expect(0, &line).stdout
}

/// Two archives with their builds; the app of them is tested.
fn built() -> Place {
    let place = story::team();
    place.write("both.yaml", POLICY);
    place.write("dist/worker.zip", "worker 2.0\n");
    place.write("reports/failed.xml", FAILED);
    place.expect(0, "attestry policy set both.yaml --key mia.pem");
    for (archive, name, version) in
        [("dist/app.zip", "payments", "1.4.2"), ("dist/worker.zip", "payments-worker", "2.0.0")]
    {
        let commit = story::MENDED;
        place.expect(
            0,
            &format!(
                "attestry record build --source git+https://github.com/acme/payments@{commit} \
                 --builder https://ci.acme.example/runner --name {name} --version {version} \
                 --subject {archive} --key ci.pem"
            ),
        );
    }
    let commit = story::MENDED;
    let review = "attestry record review reports/review.json --key ci.pem";
    place.expect(0, &format!("{review} --subject gitCommit:{commit}"));
    test(&place, "reports/unit.xml", "dist/app.zip");
    place
}

/// Asks for both; gives the name of the request.
fn promote(place: &Place) -> String {
    let line =
        format!("attestry promote {BOTH} --to prod --reason \"the new queue\" --key mia.pem");
    json(place, 0, &line)["request"].as_str().unwrap().to_owned()
}

fn narrow(text: &str) {
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn two_artifacts_go_together() {
    let place = built();
    test(&place, "reports/unit.xml", "dist/worker.zip");
    let both = [digest(&place, "dist/app.zip"), digest(&place, "dist/worker.zip")];
    let gate = place.expect(3, &format!("attestry gate {BOTH} --to prod")).stdout;
    assert!(gate.contains("2 artifacts together"), "{gate}");
    assert!(gate.contains("payments-worker 2.0.0"), "{gate}");
    narrow(&gate);
    let asked = place.expect(
        0,
        &format!("attestry promote {BOTH} --to prod --reason \"the new queue\" --key mia.pem"),
    );
    narrow(&asked.stdout);
    let request = asked.stdout.split(' ').next().unwrap().to_owned();
    let gate = json(&place, 3, &format!("attestry gate {BOTH} --to prod"));
    assert_eq!(gate["request"], request);
    assert_eq!(gate["artifact"]["digest"], both[0]);
    let digests: Vec<&str> = gate["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["digest"].as_str().unwrap())
        .collect();
    assert_eq!(digests, both);
    // Asked about alone, nobody has requested it.
    assert_eq!(json(&place, 3, "attestry gate dist/app.zip --to prod")["request"], Value::Null);

    let approved =
        place.expect(0, &format!("attestry approve {request} --reason looked --key bob.pem"));
    for digest in &both {
        assert!(approved.stderr.contains(digest.as_str()), "{}", approved.stderr);
    }
    narrow(&approved.stderr);
    assert!(approved.stdout.contains("granted as entry"), "{}", approved.stdout);

    let status = |place: &Place| {
        json(place, 0, "attestry status")["projects"][0]["environments"][0]["running"].clone()
    };
    let deploy = |archive: &str| {
        let line = format!(
            "attestry record deployment --subject {archive} --to prod --result succeeded \
             --promotion {request} --key ci.pem"
        );
        place.expect(0, &line);
    };
    deploy("dist/app.zip");
    assert_eq!(status(&place)["beside"], json!([]));
    deploy("dist/worker.zip");
    let running = status(&place);
    assert_eq!(running["artifact"]["digest"], both[1]);
    assert_eq!(running["beside"], json!([both[0]]));
    assert_eq!(running["granted"], true);

    let lineage = place.expect(0, "attestry lineage dist/worker.zip").stdout;
    assert!(lineage.contains("together"), "{lineage}");
    let replay = json(&place, 0, "attestry replay");
    assert_eq!((&replay["agreed"], &replay["disagreed"]), (&json!(1), &json!(0)));
    assert_eq!(replay["decisions"][0]["artifacts"], json!(both));
    place.expect(0, "attestry verify --trust ledger/pin.txt");

    story::pack(&place);
    place.expect(0, "attestry verify pack.zip --trust ledger/pin.txt");
    let shown = json(&place, 0, "attestry log --kind deployment --pack pack.zip");
    assert_eq!(shown["entries"].as_array().unwrap().len(), 2);
    let lineage = place.expect(0, "attestry lineage dist/app.zip --pack pack.zip").stdout;
    assert!(lineage.contains("deployment succeeded"), "{lineage}");
}

#[test]
fn one_that_lacks_evidence_keeps_both_out() {
    let place = built();
    let request = promote(&place);
    let waits = json(&place, 0, &format!("attestry approve {request} --reason ok --key bob.pem"));
    assert_eq!((&waits["outcome"], &waits["decision"]), (&Value::Null, &Value::Null));
    let worker = &digest(&place, "dist/worker.zip")[..15];
    let tests = waits["gates"][0].clone();
    assert_eq!(tests["verdict"], "waiting");
    assert!(tests["reason"].as_str().unwrap().starts_with(worker), "{tests}");
    // The other one by itself would have all that it needs but a person.
    let alone = json(&place, 3, "attestry gate dist/app.zip --to prod");
    assert_eq!(alone["gates"][0]["verdict"], "pass");
    let deployed = "attestry record deployment --subject dist/app.zip --to prod --result succeeded";
    let found = place.expect(3, &format!("{deployed} --key ci.pem"));
    assert!(found.stderr.contains("deployed-without-grant"), "{}", found.stderr);
    // Once the worker's test has failed neither enters.
    let said = test(&place, "reports/failed.xml", "dist/worker.zip");
    assert!(said.contains(&format!("{request} denied as entry")), "{said}");
    assert!(said.contains("payments 1.4.2") && said.contains("payments-worker 2.0.0"), "{said}");
    place.expect(3, &format!("attestry approve {request} --reason late --key bob.pem"));
    assert_eq!(json(&place, 0, "attestry replay")["agreed"], 1);
    place.expect(3, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn each_is_named_once_and_they_are_not_many() {
    let place = built();
    let line = format!("attestry promote {BOTH} --to prod --reason r --key mia.pem");
    let twice = place.expect(2, &format!("{line} --with dist/app.zip"));
    assert!(twice.stderr.contains("named twice"), "{}", twice.stderr);
    let many = "--with dist/worker.zip ".repeat(16);
    place.expect(2, &format!("attestry gate dist/app.zip --to prod {many}"));
    place.expect(5, "attestry gate dist/app.zip --to prod --with dist/none.zip");
}

#[test]
fn both_are_taken_back_together() {
    let place = built();
    let request = promote(&place);
    let line = format!("attestry withdraw {request} --reason \"not yet\" --key mia.pem");
    let said = place.expect(0, &line).stdout;
    assert!(said.contains("2 artifacts together"), "{said}");
    assert!(said.contains("payments 1.4.2") && said.contains("payments-worker 2.0.0"), "{said}");
    narrow(&said);
    place.expect(3, &format!("attestry approve {request} --reason late --key bob.pem"));
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

fn post(server: &Running, path: &str, body: &Value) -> Answer {
    let kind = "content-type: application/json\r\n";
    ask_with(server.address, "POST", path, kind, &body.to_string().into_bytes())
}

#[test]
fn a_server_shows_all_of_them() {
    let place = built();
    test(&place, "reports/unit.xml", "dist/worker.zip");
    let request = promote(&place);
    let both = [digest(&place, "dist/app.zip"), digest(&place, "dist/worker.zip")];
    let server = Running::over(place);
    let index: u64 = request[2..].parse().unwrap();
    let ask = json!({ "artifact": both[0], "with": [both[1]], "environment": "payments/prod" });
    let gate = post(&server, "/api/v1/gate", &ask).json();
    let line = format!("attestry gate {BOTH} --to prod");
    assert_eq!(gate, json(&server.place, 3, &line));
    let ask = json!({ "artifact": both[0], "with": [both[0]], "environment": "payments/prod" });
    assert_eq!(post(&server, "/api/v1/gate", &ask).status, 400);

    let ask = json!({ "kind": "approval", "request": index, "predicate": {
        "outcome": "granted", "meaning": "release", "role": "release-approver", "reason": "ok" } });
    let prepared = post(&server, "/api/v1/prepare", &ask).json();
    let subjects = prepared["shown"]["subject"].as_array().unwrap();
    let named: Vec<String> = subjects
        .iter()
        .map(|it| format!("sha256:{}", it["digest"]["sha256"].as_str().unwrap()))
        .collect();
    assert_eq!(named, both);

    let digests = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|it| it["digest"].as_str().unwrap().to_owned()).collect()
    };
    let shown = get(server.address, &format!("/api/v1/promotions/{request}")).json();
    assert_eq!((digests(&shown["artifacts"]), &shown["state"]), (both.to_vec(), &json!("open")));
    server.place.expect(0, &format!("attestry approve {request} --reason ok --key bob.pem"));
    let shown = get(server.address, &format!("/api/v1/promotions/{request}")).json();
    assert_eq!(shown["state"], "granted");
    let decision = get(server.address, &format!("/api/v1/decisions/{}", shown["decision"])).json();
    assert_eq!(digests(&decision["artifacts"]), both);
    let environment = get(server.address, "/api/v1/environments/payments/prod").json();
    assert_eq!(digests(&environment["granted"]["artifacts"]), both);
}
