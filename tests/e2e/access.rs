//! Who may call the server: tokens, what they allow, and everything that is no token.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use harness::http::{Answer, ask_with};
use harness::story;
use ledger::access::{Access, Carrier, Openness, Refusal, TokenAsk};
use ledger::http;
use ledger::store::Purpose;
use serde_json::{Value, json};
use verifier::access::Scope;
use verifier::signature::SigningKey;

use crate::serve::{Running, envelope, open, origin};

const HOUR_MS: i64 = 3_600_000;

/// A server of the team's ledger, closed to whoever has no token, and with an auditor.
fn closed() -> Running {
    let place = story::team();
    let add = |line: &str| {
        place.expect(0, &format!("attestry identity add {line} --key attestry-root.pem"));
    };
    place.expect(0, "attestry key generate ann.pem");
    place.expect(0, "attestry key generate ada.pem");
    add("ann --pub ann.pem.pub --role auditor --project '*'");
    add("ada --pub ada.pem.pub --role admin --project '*'");
    Running::with(place, http::Settings::default())
}

/// A token for an identity, made beside the server as an operator makes one.
pub fn token(server: &Running, identity: &str, scope: Scope) -> String {
    let identity = identity.parse().unwrap();
    let ask = TokenAsk { identity, scope, purpose: Purpose::Call, lifetime_ms: HOUR_MS };
    let made = server
        .runtime
        .block_on(async { open(server.place.path()).await.create_token(&ask).await.unwrap() });
    made.0.to_string()
}

/// A note that somebody has signed.
pub fn note_of(server: &Running, seed: u64, key: &str) -> Vec<u8> {
    let pem = std::fs::read_to_string(server.place.file(key)).unwrap();
    envelope(&origin(&server.place), seed, &SigningKey::from_pkcs8_pem(&pem).unwrap())
}

pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

pub fn get_as(server: &Running, token: &str, path: &str) -> Answer {
    ask_with(server.address, "GET", path, &bearer(token), b"")
}

pub fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["code"], code, "{}", answer.text());
    let asks = answer.header("www-authenticate");
    assert_eq!(asks, (status == 401).then_some("Bearer"), "{}", answer.text());
}

/// The paths of the API document, with their methods and whether they ask for a token.
fn documented() -> Vec<(String, String, bool)> {
    let text = http::document::<ledger::store::SqliteStore>().unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, operation)| {
                let security = operation["security"].as_array();
                let security = security.unwrap_or_else(|| panic!("{method} {path} has no need"));
                (method.to_uppercase(), path.clone(), !security.is_empty())
            })
        })
        .collect()
}

/// Something for every parameter of a path.
fn real(path: &str) -> String {
    let mut real = path.replace("/tile/{path}", "/tile/0/000");
    while let (Some(from), Some(to)) = (real.find('{'), real.find('}')) {
        real.replace_range(from..=to, "0");
    }
    real
}

/// What tells nothing of the log, or is where callers say who they are.
const OPEN: [&str; 9] = [
    "/api",
    "/api/v1/ledger",
    "/api/v1/openapi.json",
    "/healthz",
    "/readyz",
    "/api/v1/token",
    "/login",
    "/callback",
    "/logout",
];

#[test]
fn every_route_but_the_open_ones_asks_for_a_token() {
    let server = closed();
    let routes = documented();
    assert!(routes.len() >= 9, "{routes:?}");
    for (method, path, needs) in &routes {
        assert_eq!(*needs, !OPEN.contains(&path.as_str()), "{method} {path}");
        let answer = ask_with(server.address, method, &real(path), "", b"");
        if *needs {
            assert_refused(&answer, 401, "token-missing");
            // It says what would be needed, to whoever may ask for it.
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.starts_with("the call needs a role"), "{method} {path}: {detail}");
        } else {
            assert_ne!(answer.status, 401, "{method} {path}");
        }
        // Whoever has no role in the log has none here, whatever the method.
        let stranger = ask_with(server.address, method, &real(path), &bearer("x"), b"");
        assert_eq!(stranger.status == 401, *needs, "{method} {path}");
    }
}

/// Every call of somebody without a role names the one that is missing.
#[test]
fn every_refused_call_says_which_role_was_missing() {
    let server = closed();
    let stranger = token(&server, "ann", Scope::default());
    server.place.expect(0, "attestry identity revoke ann --role auditor --key attestry-root.pem");
    let mut named = std::collections::BTreeSet::new();
    for (method, path, needs) in documented() {
        if !needs {
            continue;
        }
        let answer = ask_with(server.address, &method, &real(&path), &bearer(&stranger), b"");
        assert_refused(&answer, 403, "role-missing");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        let role = detail.strip_prefix("ann has no ");
        let role = role.unwrap_or_else(|| panic!("{method} {path}: {detail}"));
        named.insert(role.split(" for ").next().unwrap().to_owned());
    }
    let expected = ["role", "role admin", "role auditor", "role besides auditor"];
    assert_eq!(named.into_iter().collect::<Vec<_>>(), expected);
    // So does the log, of an event whose signer lacks the role.
    let server = Running::with(story::team(), crate::serve::opened());
    let line = "attestry record test reports/unit.xml --suite unit --subject dist/app.zip";
    let refused = server.place.expect(4, &format!("{line} --key mia.pem"));
    let said = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("mia may not record test about payments"), "{said}");
    assert!(said.contains("that needs the role emitter"), "{said}");
}

/// What a token leaves of roles is what its holder can bring, whoever has signed it.
#[test]
fn a_token_for_a_machine_brings_no_approvals() {
    let server = Running::with(story::released(), http::Settings::default());
    let events = |kind: &str| {
        let log = server.place.expect(0, &format!("attestry log --kind {kind} --json")).stdout;
        let log: Value = serde_json::from_str(&log).unwrap();
        let index = log["entries"][0]["index"].as_u64().unwrap();
        let stored = server
            .runtime
            .block_on(async { open(server.place.path()).await.entry(index).await.unwrap() });
        stored.envelope.unwrap()
    };
    let emitter = Scope { roles: ["emitter".to_owned()].into(), ..Scope::default() };
    let (narrow, whole) = (token(&server, "ci", emitter), token(&server, "ci", Scope::default()));
    let post = |token: &str, envelope: &[u8]| {
        let path = "/api/v1/events?project=payments";
        ask_with(server.address, "POST", path, &bearer(token), envelope)
    };
    for (kind, role) in [
        ("approval", "release-approver"),
        ("promotion-request", "release-manager"),
        ("policy", "policy-admin"),
        ("decision", "service"),
    ] {
        let refused = post(&narrow, &events(kind));
        assert_refused(&refused, 403, "role-missing");
        let expected =
            format!("ci has no role {role} for project payments within what its token leaves");
        assert_eq!(refused.json()["detail"], expected.as_str(), "{kind}");
        // A token that leaves all roles carries what others have signed; the log knows it already.
        assert_eq!(post(&whole, &events(kind)).status, 200, "{kind}");
    }
    for kind in ["test", "build", "deployment"] {
        assert_eq!(post(&narrow, &events(kind)).status, 200, "{kind}");
    }
    let approver = Scope { roles: ["release-approver".to_owned()].into(), ..Scope::default() };
    let bob = token(&server, "bob", approver);
    assert_eq!(post(&bob, &events("approval")).status, 200);
    assert_refused(&post(&bob, &events("test")), 403, "role-missing");
}

#[test]
fn every_pack_is_on_record_with_who_took_it() {
    let place = story::released();
    for (name, role) in [("ann", "auditor"), ("ada", "admin")] {
        place.expect(0, &format!("attestry key generate {name}.pem"));
        let line = format!(
            "attestry identity add {name} --pub {name}.pem.pub --role {role} --project '*' \
             --key attestry-root.pem"
        );
        place.expect(0, &line);
    }
    let server = Running::with(place, http::Settings::default());
    let who = |name: &str| token(&server, name, Scope::default());
    let (ann, ada, ci) = (who("ann"), who("ada"), who("ci"));
    let ask = json!({
        "environment": "payments/prod", "from": "2020-01-01", "to": "2100-01-01",
        "for": "Example Audit LLP", "reason": "SOC 2 type II",
    });
    let headers = |token: &str| bearer(token) + "content-type: application/json\r\n";
    let post = |token: &str| {
        let body = ask.to_string();
        ask_with(server.address, "POST", "/api/v1/packs", &headers(token), body.as_bytes())
    };
    let exports = || {
        let log = server.place.expect(0, "attestry log --kind export --json").stdout;
        let log: Value = serde_json::from_str(&log).unwrap();
        log["entries"].as_array().unwrap().len()
    };
    assert_refused(&post(&ci), 403, "role-missing");
    assert_eq!((exports(), get_as(&server, &ada, "/api/v1/viewings").json()), (0, json!([])));
    for taken in 1..=2 {
        let pack = post(&ann);
        assert_eq!(pack.status, 200);
        let id = pack.header("attestry-pack").unwrap().to_owned();
        let seen = get_as(&server, &ada, "/api/v1/viewings").json();
        let seen = seen.as_array().unwrap();
        assert_eq!((exports(), seen.len()), (taken, taken), "{seen:?}");
        let row = &seen[taken - 1];
        assert_eq!((&row["identity"], &row["what"]), (&json!("ann"), &json!(format!("pack {id}"))));
    }
}

#[test]
fn what_is_no_token_is_refused_by_name() {
    let server = closed();
    let good = token(&server, "ann", Scope::default());
    assert_eq!(get_as(&server, &good, "/checkpoint").status, 200);
    let ask = |headers: &str| ask_with(server.address, "GET", "/checkpoint", headers, b"");
    let last = if good.ends_with('0') { '1' } else { '0' };
    let typo = format!("{}{last}", &good[..good.len() - 1]);
    for malformed in [
        bearer(&typo),
        bearer(""),
        bearer(&good.to_uppercase()),
        bearer(&format!("{good}0")),
        bearer(&format!("{good} {good}")),
        format!("Authorization: {good}\r\n"),
        format!("Authorization: Basic {good}\r\n"),
        "Authorization: Bearer\r\n".to_owned(),
        bearer(&good) + &bearer(&good),
        bearer(&good) + &bearer(&typo),
        bearer(&"x".repeat(10_000)),
    ] {
        assert_refused(&ask(&malformed), 401, "token-malformed");
    }
    // The framework takes no head of that size, and says so before anybody looks at it.
    let huge = ask(&bearer(&"x".repeat(1 << 20)));
    assert_eq!(huge.status, 431);
    for path in [
        format!("/checkpoint?access_token={good}"),
        format!("/checkpoint?token={good}"),
        "/checkpoint?access_token=x".to_owned(),
    ] {
        for headers in ["", &bearer(&good)] {
            let refused = ask_with(server.address, "GET", &path, headers, b"");
            assert_refused(&refused, 401, "token-malformed");
            assert!(!refused.text().contains(&good), "{}", refused.text());
        }
    }
    // Scheme and spaces are as RFC 9110 lets them be.
    assert_eq!(ask(&format!("authorization: bearer  {good}\r\n")).status, 200);
    assert_eq!(ask("").header("www-authenticate"), Some("Bearer"));
}

#[test]
fn a_token_of_another_log_is_unknown() {
    let (here, there) = (closed(), closed());
    let token = token(&there, "ann", Scope::default());
    assert_eq!(get_as(&there, &token, "/checkpoint").status, 200);
    assert_refused(&get_as(&here, &token, "/checkpoint"), 401, "token-unknown");
}

#[test]
fn roles_of_the_log_decide_and_scopes_narrow() {
    let server = closed();
    let scope = |roles: &[&str], projects: &[&str]| Scope {
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        projects: projects.iter().map(|project| project.parse().unwrap()).collect(),
    };
    let check = |token: &str, method: &str, path: &str, body: &[u8], expected: &str| {
        let answer = ask_with(server.address, method, path, &bearer(token), body);
        let found = match answer.status {
            200..=299 => "yes".to_owned(),
            _ => format!("{} {}", answer.status, answer.json()["detail"].as_str().unwrap()),
        };
        assert!(found.starts_with(expected), "{method} {path}: {found}, not {expected}");
    };
    let note = note_of(&server, 1, "ci.pem");
    let (ci, ann, ada) = (
        token(&server, "ci", Scope::default()),
        token(&server, "ann", Scope::default()),
        token(&server, "ada", Scope::default()),
    );
    check(&ci, "POST", "/api/v1/events", &note, "yes");
    // Whoever submits must be able to check his receipts: he sees that the log grows, and no more.
    check(&ci, "GET", "/checkpoint", b"", "yes");
    check(&ci, "GET", "/tile/0/000", b"", "403 ci has no role auditor for any project");
    check(&ci, "GET", "/api/v1/events/0", b"", "403 ci has no role auditor for every project");
    check(&ann, "GET", "/api/v1/events/0", b"", "yes");
    check(&ann, "GET", "/checkpoint", b"", "yes");
    check(&ann, "POST", "/api/v1/events", &note, "403 ann has no role besides auditor");
    check(&ann, "GET", "/api/v1/tokens", b"", "403 ann has no role admin for every project");
    check(&ada, "GET", "/api/v1/tokens", b"", "yes");
    check(&ada, "GET", "/tile/0/000", b"", "403 ada has no role auditor");
    // A foreign statement is filed where the caller's grants lead, and nowhere else.
    check(
        &ci,
        "POST",
        "/api/v1/events?project=shop",
        &note,
        "403 ci has no role besides auditor for project shop",
    );
    // Whoever narrows a token to one project may read hashes, and envelopes of no other.
    let narrow = token(&server, "ann", scope(&["auditor"], &["payments"]));
    check(&narrow, "GET", "/checkpoint", b"", "yes");
    check(
        &narrow,
        "GET",
        "/api/v1/events/0",
        b"",
        "403 ann has no role auditor for every project within what its token leaves",
    );
    // The project that an event itself names counts too.
    let elsewhere = token(&server, "ada", scope(&[], &["shop"]));
    check(
        &elsewhere,
        "POST",
        "/api/v1/events",
        &note,
        "403 ada has no role besides auditor for project payments",
    );
    let line = |bytes: &[u8]| {
        use base64::Engine as _;
        let envelope = base64::engine::general_purpose::STANDARD.encode(bytes);
        json!({ "envelope": envelope }).to_string() + "\n"
    };
    let batch = line(&note) + &line(b"no envelope");
    let answer = ask_with(
        server.address,
        "POST",
        "/api/v1/events/batch",
        &bearer(&elsewhere),
        batch.as_bytes(),
    );
    let lines: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["problem"]["code"], "role-missing", "{lines:?}");
    assert_eq!(lines[1]["problem"]["code"], "envelope-malformed", "{lines:?}");
}

/// No restart and no waiting: the next call is refused.
#[test]
fn power_ends_with_the_grant_the_token_or_its_time() {
    let server = closed();
    let token = token(&server, "ann", Scope::default());
    assert_eq!(get_as(&server, &token, "/checkpoint").status, 200);
    server.place.expect(0, "attestry identity revoke ann --role auditor --key attestry-root.pem");
    assert_refused(&get_as(&server, &token, "/checkpoint"), 403, "role-missing");
    let refused = get_as(&server, &token, "/api/v1/events/0");
    assert_refused(&refused, 403, "role-missing");
    assert!(refused.text().contains("ann has no role auditor"), "{}", refused.text());
    server.place.expect(
        0,
        "attestry identity add ann --role auditor --project '*' --key attestry-root.pem",
    );
    assert_eq!(get_as(&server, &token, "/checkpoint").status, 200);
    let listed = server.place.expect(0, "attestry token list --json");
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let id = listed["tokens"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(token[9..25], id);
    assert!(!listed.to_string().contains(&token[26..60]), "no secret is listed");
    server.place.expect(0, &format!("attestry token revoke {id}"));
    assert_refused(&get_as(&server, &token, "/checkpoint"), 401, "token-revoked");
    server.place.expect(5, "attestry token revoke 0123456789abcdef");
    server.place.expect(2, "attestry token revoke everything");
}

#[test]
fn a_token_expires() {
    let place = story::team();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (root, state) = (place.file("ledger"), place.file("state"));
        let now = ledger::clock::Clock::now(&ledger::clock::SystemClock);
        let clock = Arc::new(ledger::clock::ManualClock::at(now));
        let ledger = ledger::Ledger::open_with(&root, &state, clock.clone(), false).await.unwrap();
        let ledger = Arc::new(ledger);
        let ask = |lifetime_ms| TokenAsk {
            identity: "ci".parse().unwrap(),
            scope: Scope::default(),
            purpose: Purpose::Call,
            lifetime_ms,
        };
        for lifetime_ms in [0, -1, 999, i64::MAX, 366 * 24 * HOUR_MS + 1] {
            let refused = ledger.create_token(&ask(lifetime_ms)).await.unwrap_err();
            assert!(refused.to_string().contains("366 days"), "{refused}");
        }
        let (text, _) = ledger.create_token(&ask(HOUR_MS)).await.unwrap();
        let access = Access::new(Arc::clone(&ledger), Openness::default());
        clock.advance(HOUR_MS - 1);
        assert!(access.caller(&text, Carrier::Header).await.is_ok());
        clock.advance(1);
        assert!(matches!(
            access.caller(&text, Carrier::Header).await,
            Err(Refusal::Expired { .. })
        ));
    });
}

#[test]
fn openings_open_what_they_say() {
    let place = closed().stop();
    let open = Openness { reading: true, submitting: false };
    let server = Running::with(place, http::Settings { open, ..http::Settings::default() });
    let ask = |method: &str, path: &str| ask_with(server.address, method, path, "", b"");
    assert_eq!(ask("GET", "/checkpoint").status, 200);
    assert_eq!(ask("GET", "/api/v1/events/0").status, 200);
    assert_refused(&ask("POST", "/api/v1/events"), 401, "token-missing");
    assert_refused(&ask("GET", "/api/v1/tokens"), 401, "token-missing");
    // Who shows a token says who they are, and a bad one is no good anywhere.
    assert_refused(&get_as(&server, "x", "/checkpoint"), 401, "token-malformed");
    let ci = token(&server, "ci", Scope::default());
    assert_eq!(get_as(&server, &ci, "/checkpoint").status, 200);
    let place = server.stop();
    let open = Openness { reading: false, submitting: true };
    let server = Running::with(place, http::Settings { open, ..http::Settings::default() });
    let note = note_of(&server, 5, "ci.pem");
    let ask = |method: &str, path: &str| ask_with(server.address, method, path, "", &note);
    assert_eq!(ask("POST", "/api/v1/events").status, 201);
    assert_eq!(ask("GET", "/checkpoint").status, 200);
    assert_refused(&ask("GET", "/api/v1/events/0"), 401, "token-missing");
}

/// The first token makes others for an hour, and does nothing else.
#[test]
fn the_first_token_makes_others() {
    let server = closed();
    let ledger = || open(server.place.path());
    let first = server.runtime.block_on(async { ledger().await.first_token().await.unwrap() });
    let first = first.unwrap();
    let again = server.runtime.block_on(async { ledger().await.first_token().await.unwrap() });
    assert!(again.is_none(), "printed once");
    for (method, path) in [("GET", "/checkpoint"), ("POST", "/api/v1/events")] {
        let refused = ask_with(server.address, method, path, &bearer(&first), b"");
        assert_refused(&refused, 403, "role-missing");
    }
    let make = |token: &str, body: Value| {
        let headers = bearer(token) + "content-type: application/json\r\n";
        let body = body.to_string();
        ask_with(server.address, "POST", "/api/v1/tokens", &headers, body.as_bytes())
    };
    let made = make(&first, json!({ "identity": "ann", "expires": "90d", "roles": ["auditor"] }));
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let ann = made.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(get_as(&server, &ann, "/checkpoint").status, 200);
    for (body, status, code) in [
        (json!({ "identity": "nobody", "expires": "1d" }), 422, "unknown-identity"),
        (json!({ "identity": "ann", "expires": "367d" }), 422, "token-lifetime"),
        (json!({ "identity": "ann", "expires": "1d", "roles": ["admin"] }), 422, "scope-too-wide"),
        (json!({ "identity": "ci", "expires": "1d", "projects": ["shop"] }), 422, "scope-too-wide"),
        (json!({ "identity": "ann" }), 422, "request-malformed"),
        (json!({ "identity": "ann", "expires": "1d", "rolls": [] }), 422, "request-malformed"),
    ] {
        assert_refused(&make(&first, body), status, code);
    }
    assert_refused(&make(&ann, json!({ "identity": "ann", "expires": "1d" })), 403, "role-missing");
    let listed = get_as(&server, &first, "/api/v1/tokens").json();
    let purposes: Vec<&str> = listed["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["purpose"].as_str().unwrap())
        .collect();
    assert_eq!(purposes.len(), 2, "{listed}");
    assert!(purposes.contains(&"bootstrap") && purposes.contains(&"call"), "{listed}");
    let path = format!("/api/v1/tokens/{}", &ann[9..25]);
    let revoke = |path: &str| ask_with(server.address, "DELETE", path, &bearer(&first), b"");
    assert_eq!(revoke(&path).status, 204);
    assert_eq!(revoke(&path).status, 204);
    assert_refused(&get_as(&server, &ann, "/checkpoint"), 401, "token-revoked");
    assert_refused(&revoke("/api/v1/tokens/0123456789abcdef"), 404, "not-found");
    assert_refused(&revoke("/api/v1/tokens/x"), 400, "request-malformed");
}

/// As an operator types it: the token alone on standard output.
#[test]
fn the_command_line_makes_tokens() {
    let server = closed();
    let line = "attestry token create --identity ann --role auditor --expires 90d";
    let made = server.place.expect(0, line);
    let token = made.stdout.strip_suffix('\n').unwrap();
    assert_eq!(token.split_whitespace().count(), 1);
    assert!(!made.stderr.contains(token), "{}", made.stderr);
    assert_eq!(get_as(&server, token, "/checkpoint").status, 200);
    for (code, line) in [
        (5, "--identity nobody --expires 1d"),
        (4, "--identity ann --role admin --expires 1d"),
        (4, "--identity ci --project shop --expires 1d"),
        (2, "--identity ann --expires 367d"),
        (2, "--identity ann --expires forever"),
        (2, "--identity ann"),
        (2, "--identity Ann --expires 1d"),
    ] {
        server.place.expect(code, &format!("attestry token create {line}"));
    }
    let list = server.place.expect(0, "attestry token list").stdout;
    assert!(list.contains("ann") && list.contains("only auditor"), "{list}");
    assert_eq!(list.lines().count(), 1, "{list}");
}

/// What an operator can see afterwards: who has read a pack, with which token.
#[test]
fn reading_a_pack_is_noted() {
    let server = closed();
    let (ann, ada) =
        (token(&server, "ann", Scope::default()), token(&server, "ada", Scope::default()));
    server.runtime.block_on(async {
        let ledger = Arc::new(open(server.place.path()).await);
        let access =
            Access::new(Arc::clone(&ledger), Openness { reading: true, submitting: false });
        let caller = access.caller(&ann, Carrier::Header).await.unwrap();
        ledger.note_viewing(&caller, "pack 9f2c".to_owned()).await.unwrap();
        ledger.note_viewing(&access.anonymous(), "pack 9f2c".to_owned()).await.unwrap();
    });
    let seen = get_as(&server, &ada, "/api/v1/viewings").json();
    assert_eq!(seen[0]["identity"], "ann", "{seen}");
    assert_eq!(seen[0]["token"], ann[9..25], "{seen}");
    assert_eq!((seen[1]["what"].as_str(), &seen[1]["identity"]), (Some("pack 9f2c"), &Value::Null));
    assert_eq!(get_as(&server, &ada, "/api/v1/viewings?after=2").json(), json!([]));
}

/// A stream outlives its request, and not the caller's right to it.
#[test]
fn a_stream_ends_with_the_right_to_read() {
    let server = closed();
    let token = token(&server, "ann", Scope::default());
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    let head = format!(
        "GET /api/v1/events/stream?after=-1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}\r\n",
        bearer(&token)
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut bytes = [0; 1024];
    assert!(stream.read(&mut bytes).unwrap() > 0);
    assert!(bytes.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes));
    server.place.expect(0, &format!("attestry token revoke {}", &token[9..25]));
    stream.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let line = bearer(&self::token(&server, "ci", Scope::default()));
    // Whatever is logged meanwhile, it ends.
    for nth in 0.. {
        let note = note_of(&server, nth, "ci.pem");
        let logged = ask_with(server.address, "POST", "/api/v1/events", &line, &note);
        assert!(logged.status < 300, "{}", logged.text());
        match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(_) | Err(_) => assert!(std::time::Instant::now() < until, "it goes on"),
        }
    }
}

const SERVED: &str = "ATTESTRY_SERVED_FOLDER";

/// The child: `attestry serve` as a process of its own. Does nothing where no parent has named a
/// folder.
#[test]
fn child_that_serves_until_it_is_killed() {
    let Some(folder) = std::env::var_os(SERVED) else { return };
    let (mut stdin, mut stdout, mut stderr) = (&b""[..], std::io::stdout(), std::io::stderr());
    let mut io = cli::Io::new(&mut stdin, &mut stdout, &mut stderr, folder);
    let state = io.path("state").display().to_string();
    io.env.insert("ATTESTRY_STATE".to_owned(), state);
    let line = ["attestry", "serve", "--listen", "127.0.0.1:0"];
    cli::run(line.map(Into::into), &mut io);
}

/// Starts it, waits until it listens, and kills it; answers what it said on standard error.
fn serve_once(place: &harness::Place) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["access::child_that_serves_until_it_is_killed", "--exact", "--nocapture"]);
    command.env(SERVED, place.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let listens = lines.any(|line| line.contains("listens on http://127.0.0.1:"));
    child.kill().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    child.wait().unwrap();
    assert!(listens, "{stderr}");
    stderr
}

#[test]
fn the_first_server_prints_the_first_token_once() {
    let place = story::team();
    let found = |stderr: &str| {
        let tokens = stderr.lines().filter(|line| line.starts_with("attestry_"));
        tokens.map(str::to_owned).collect::<Vec<_>>()
    };
    let first = found(&serve_once(&place));
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(found(&serve_once(&place)).is_empty());
    let server = Running::with(place, http::Settings::default());
    assert_eq!(get_as(&server, &first[0], "/api/v1/tokens").status, 200);
}
