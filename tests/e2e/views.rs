//! What a server shows of the ledger is what the command line prints of it; and a client with
//! nothing but OpenSSL and HTTP can take part.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::http::{Answer, ask_with, get};
use harness::{Place, story};
use serde_json::{Value, json};
use verifier::merkle::sha256;

use crate::serve::{Running, assert_problem};

const PROMOTE: &str =
    "attestry promote dist/app.zip --to prod --reason \"and again\" --key mia.pem --json";

fn post(server: SocketAddr, path: &str, body: &Value) -> Answer {
    ask_with(
        server,
        "POST",
        path,
        "content-type: application/json\r\n",
        &body.to_string().into_bytes(),
    )
}

fn read(server: SocketAddr, path: &str) -> Value {
    let answer = get(server, path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

fn printed(place: &Place, code: u8, line: &str) -> Value {
    serde_json::from_str(&place.expect(code, line).stdout).unwrap()
}

/// The story, a request that waits, and a server over it.
fn waiting() -> (Running, u64, String) {
    let place = story::released();
    let asked = printed(&place, 0, PROMOTE);
    let artifact = asked["artifact"]["digest"].as_str().unwrap().to_owned();
    let request = asked["index"].as_u64().unwrap();
    (Running::over(place), request, artifact)
}

#[test]
fn what_the_server_shows_is_what_the_command_line_prints() {
    let (server, request, artifact) = waiting();
    let (place, address) = (&server.place, server.address);
    let asked = json!({ "artifact": artifact, "environment": "payments/prod" });
    let gate = post(address, "/api/v1/gate", &asked).json();
    assert_eq!(gate, printed(place, 3, "attestry gate dist/app.zip --to prod --json"));
    assert_eq!(gate["request"], format!("P-{request}"));

    let evaluated = post(address, "/api/v1/evaluate", &json!({ "request": request })).json();
    assert_eq!(evaluated, printed(place, 0, &format!("attestry evaluate P-{request} --json")));
    let none = post(address, "/api/v1/evaluate", &json!({ "request": 0 })).json();
    assert_eq!(none, json!({ "requests": [] }));

    let status = printed(place, 0, "attestry status --json");
    let mut cells = status["projects"][0]["environments"].as_array().unwrap().clone();
    cells.sort_by_key(|cell| cell["environment"].to_string());
    let shown = read(address, "/api/v1/environments?project=payments");
    let shown = shown["items"].as_array().unwrap();
    assert_eq!(shown.len(), cells.len());
    for (shown, cell) in shown.iter().zip(&cells) {
        for member in ["environment", "running", "requests"] {
            assert_eq!(shown[member], cell[member], "{shown} {cell}");
        }
        let name = cell["environment"].as_str().unwrap();
        assert_eq!(*shown, read(address, &format!("/api/v1/environments/payments/{name}")));
    }
    assert_eq!(shown[0]["granted"]["request"], "P-27", "{}", shown[0]);
    assert_problem(&get(address, "/api/v1/environments/payments/qa"), 404, "not-found");

    let policy = read(address, "/api/v1/policies/payments");
    assert_eq!(
        (&policy["digest"], &policy["index"]),
        (&gate["policy"]["digest"], &gate["policy"]["entry"])
    );
    let source = sha256(&[story::POLICY.as_bytes()]);
    assert_eq!(policy["source"], format!("sha256:{source}"));
    let trust = read(address, "/api/v1/trust");
    assert_eq!(trust["document"]["origin"], "ledger.acme.example");
    assert_problem(&get(address, "/api/v1/policies/other"), 404, "not-found");

    let digits = &artifact["sha256:".len()..][..8];
    let found = read(address, &format!("/api/v1/artifacts?prefix={digits}"));
    assert_eq!(found, json!({ "items": [artifact] }));
    assert_problem(&get(address, "/api/v1/artifacts?prefix=abc"), 400, "request-malformed");
    let known = read(address, &format!("/api/v1/artifacts/{artifact}?project=payments"));
    let known = &known["projects"][0];
    assert_eq!(known["version"], "1.4.2");
    let kinds: Vec<&str> = known["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    for kind in ["build", "test", "vulnerabilities", "analysis", "measurement", "sbom"] {
        assert!(kinds.contains(&kind), "{kind}: {known}");
    }
    assert_eq!(known["environments"].as_array().unwrap().len(), 2, "{known}");
    let unknown = format!("/api/v1/artifacts/sha256:{}", "0".repeat(64));
    assert_problem(&get(address, &unknown), 404, "not-found");
}

fn texts<'a>(page: &'a Value, member: &str) -> Vec<&'a str> {
    page["items"].as_array().unwrap().iter().map(|it| it[member].as_str().unwrap()).collect()
}

#[test]
fn promotions_come_with_what_was_or_would_be_decided() {
    let (server, request, _) = waiting();
    let address = server.address;
    let open = format!("P-{request}");
    let all = read(address, "/api/v1/promotions?project=payments");
    assert_eq!(texts(&all, "request"), [&*open, "P-34", "P-27", "P-24", "P-15"], "{all}");
    assert_eq!(texts(&all, "state"), ["open", "denied", "granted", "granted", "denied"]);
    assert_eq!(all["asOf"], request + 1);
    for (state, expected) in [
        ("open", vec![&*open]),
        ("granted", vec!["P-27", "P-24"]),
        ("denied", vec!["P-34", "P-15"]),
        ("expired", vec![]),
    ] {
        let page = read(address, &format!("/api/v1/promotions?state={state}"));
        assert_eq!(texts(&page, "request"), expected, "{state}");
    }
    let staging = read(address, "/api/v1/promotions?environment=payments/staging");
    assert_eq!(texts(&staging, "request"), ["P-24", "P-15"]);
    let items = all["items"].as_array().unwrap();
    for item in items {
        let name = item["request"].as_str().unwrap();
        assert_eq!(read(address, &format!("/api/v1/promotions/{name}")), *item);
        assert_eq!(item["requester"], "mia");
        let Some(decision) = item["decision"].as_u64() else { continue };
        let decision = read(address, &format!("/api/v1/decisions/{decision}"));
        assert_eq!((&decision["request"], &decision["gates"]), (&item["request"], &item["gates"]));
        assert_eq!(decision["outcome"], item["state"]);
        assert!(!decision["reads"].as_array().unwrap().is_empty());
    }
    assert_eq!(items[0]["gates"][1]["verdict"], "waiting", "{}", items[0]);
    assert_problem(&get(address, "/api/v1/promotions/P-3"), 404, "not-found");
    assert_problem(&get(address, "/api/v1/promotions/P-03"), 400, "request-malformed");
    assert_problem(&get(address, "/api/v1/promotions?state=lost"), 400, "request-malformed");
    assert_problem(&get(address, "/api/v1/decisions/27"), 404, "not-found");
}

#[test]
fn pages_stay_the_same_while_the_log_grows() {
    let (server, _, _) = waiting();
    let address = server.address;
    for list in ["/api/v1/promotions?project=payments", "/api/v1/decisions?project=payments"] {
        let whole = read(address, list);
        assert!(whole["items"].as_array().unwrap().len() >= 4, "{whole}");
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = read(address, &format!("{list}&limit=1{cursor}"));
            assert_eq!(page["asOf"], whole["asOf"]);
            items.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
            server.place.expect(0, PROMOTE);
        }
        assert_eq!(json!(items), whole["items"], "{list}");
        let as_of = &whole["asOf"];
        let again = read(address, &format!("{list}&as_of={as_of}"));
        assert_eq!(again["items"], whole["items"], "{list}");
        let foreign = format!("/api/v1/environments?project=payments{cursor}");
        assert_problem(&get(address, &foreign), 400, "cursor-invalid");
    }
    let none = read(address, "/api/v1/decisions?to=2020-01-01");
    assert_eq!((&none["items"], none.get("next")), (&json!([]), None));
    let every = read(address, "/api/v1/decisions?from=2020-01-01");
    assert_eq!(every["items"].as_array().unwrap().len(), 4);
}

fn openssl(place: &Place, line: &str) -> Vec<u8> {
    let mut command = Command::new("openssl");
    let output = command.args(line.split(' ')).current_dir(place.path()).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Lets the server prepare a statement, signs it with OpenSSL, and submits it. Answers its index
/// and what the signer was shown.
pub fn take_part(server: &Running, key: &str, asked: &Value) -> (u64, Value) {
    let prepared = post(server.address, "/api/v1/prepare", asked);
    assert_eq!(prepared.status, 200, "{}", prepared.text());
    let prepared = prepared.json();
    let text = |member: &str| prepared[member].as_str().unwrap();
    let to_sign = STANDARD.decode(text("pae")).unwrap();
    server.place.write("to-sign", &to_sign);
    let sign = format!("pkeyutl -sign -rawin -inkey {key} -in to-sign");
    let public = openssl(&server.place, &format!("pkey -in {key} -pubout -outform DER"));
    let (keyid, sig) = (sha256(&[&public]), STANDARD.encode(openssl(&server.place, &sign)));
    let envelope = format!(
        r#"{{"payload":"{}","payloadType":"{}","signatures":[{{"keyid":"{keyid}","sig":"{sig}"}}]}}"#,
        text("payload"),
        text("payloadType"),
    );
    let logged = ask_with(server.address, "POST", "/api/v1/events", "", envelope.as_bytes());
    assert_eq!(logged.status, 201, "{}", logged.text());
    let logged = logged.json();
    assert_eq!(logged["statement"], text("statement"));
    assert_eq!(text("statement"), sha256(&[&to_sign]).to_string());
    let payload: Value =
        serde_json::from_slice(&STANDARD.decode(text("payload")).unwrap()).unwrap();
    assert_eq!(prepared["shown"], payload);
    (logged["index"].as_u64().unwrap(), prepared["shown"].clone())
}

#[test]
fn a_client_with_openssl_alone_takes_part() {
    let (server, _, artifact) = waiting();
    let address = server.address;
    let subjects = json!([{ "digest": { "sha256": artifact["sha256:".len()..] } }]);
    let note = json!({ "kind": "note", "project": "payments", "predicate": { "text": "seen" } });
    let (_, shown) = take_part(&server, "ci.pem", &note);
    assert_eq!(shown["subject"][0]["name"], "ledger.acme.example");

    let request = json!({
        "kind": "promotion-request", "project": "payments", "subjects": subjects,
        "predicate": { "to": "prod", "reason": "asked with OpenSSL" },
    });
    let (request, shown) = take_part(&server, "mia.pem", &request);
    assert_eq!(shown["predicate"]["seen"]["size"], request, "what was published just before");

    for (key, role) in [("bob.pem", "release-approver"), ("carol.pem", "security")] {
        let approval = json!({
            "kind": "approval", "request": request,
            "predicate": {
                "outcome": "granted", "meaning": "release", "role": role, "reason": "1.50 is fine",
            },
        });
        let (_, shown) = take_part(&server, key, &approval);
        let policy = read(address, "/api/v1/policies/payments");
        assert_eq!(shown["predicate"]["policy"], policy["statement"]);
        assert_eq!(shown["subject"][0]["digest"]["sha256"], artifact["sha256:".len()..]);
    }
    // The server decides by itself, or because somebody asks.
    let end = Instant::now() + Duration::from_secs(30);
    let state = loop {
        post(address, "/api/v1/evaluate", &json!({ "project": "payments" }));
        let state = read(address, &format!("/api/v1/promotions/{request}"))["state"].clone();
        if state != "open" || Instant::now() > end {
            break state;
        }
    };
    assert_eq!(state, "granted");

    let test = json!({
        "kind": "test", "project": "payments", "subjects": subjects,
        "predicate": { "result": "PASSED", "configuration": [] },
    });
    let prepared = post(address, "/api/v1/prepare", &test).json();
    assert_eq!(prepared["shown"]["predicate"], test["predicate"], "{prepared}");
    for (wrong, status, code) in [
        (json!({ "kind": "heads", "predicate": {} }), 400, "request-malformed"),
        (json!({ "kind": "note", "predicate": { "text": "x" } }), 422, "project-mismatch"),
        (
            json!({ "kind": "note", "project": "payments", "predicate": {} }),
            422,
            "predicate-invalid",
        ),
        (
            json!({ "kind": "note", "project": "payments", "predicate": 7 }),
            422,
            "predicate-invalid",
        ),
        (
            json!({ "kind": "approval", "request": request, "predicate": {} }),
            422,
            "request-unknown",
        ),
        (json!({ "kind": "approval", "predicate": {} }), 422, "request-unknown"),
    ] {
        assert_problem(&post(address, "/api/v1/prepare", &wrong), status, code);
    }
    // 3: the story has a deployment that nothing had granted; what is broken would be 7.
    server.stop().expect(3, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn a_pack_is_on_record_before_it_is_given() {
    let server = Running::over(story::released());
    let ask = json!({
        "environment": "payments/prod", "from": "2020-01-01", "to": "2100-01-01",
        "for": "Example Audit LLP", "reason": "SOC 2 type II", "framework": "soc2",
    });
    let pack = post(server.address, "/api/v1/packs", &ask);
    assert_eq!(pack.status, 200, "{}", pack.text());
    assert_eq!(pack.header("content-type"), Some("application/zip"));
    let disposition = pack.header("content-disposition");
    assert_eq!(disposition, Some("attachment; filename=\"attestry-payments-prod.zip\""));
    let entry: u64 = pack.header("attestry-entry").unwrap().parse().unwrap();
    let logged = read(server.address, &format!("/api/v1/events/{entry}"));
    let text = logged["entry"].as_str().unwrap();
    let id = pack.header("attestry-pack").unwrap();
    assert!(text.contains("\ntype urn:attestry:export:v1\n") && text.contains(id), "{text}");
    server.place.write("pack.zip", &pack.body);
    let mut wrong = ask.clone();
    wrong["environment"] = json!("payments/qa");
    assert_problem(&post(server.address, "/api/v1/packs", &wrong), 404, "not-found");
    wrong["environment"] = json!("payments/prod");
    wrong["to"] = json!("2019-01-01");
    assert_problem(&post(server.address, "/api/v1/packs", &wrong), 400, "request-malformed");
    let place = server.stop();
    // 3: something was deployed that nothing had granted, and the pack says so.
    let report = printed(&place, 3, "attestry verify pack.zip --trust ledger/pin.txt --json");
    assert!(report.to_string().contains("deployed-without-grant"), "{report}");
}
