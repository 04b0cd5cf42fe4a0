//! Token exchange: an ID token of a CI job for a token of an hour, against an issuer of our own.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::http::{Answer, ask_with};
use harness::issuer::{Issuer, Key, Kind};
use harness::{repository, story};
use ledger::access::issuers::Issuers;
use ledger::access::rules::Rules;
use ledger::clock::{Clock, ManualClock, SystemClock};
use ledger::http;
use ledger::outgoing::{self, Outgoing};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::access::{assert_refused, bearer, get_as, note_of};
use crate::serve::Running;

const AUDIENCE: &str = "https://ledger.acme.example";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

fn issuers(value: Value) -> Arc<Issuers> {
    let outgoing = Outgoing::new(&outgoing::Settings::default()).unwrap();
    Arc::new(Issuers::new(Rules::read(value).unwrap(), outgoing))
}

/// Rules as an operator writes them for GitHub and GitLab.
fn rules(issuer: &Issuer) -> Value {
    json!({ "issuers": [{
        "issuer": "https://token.forge.example",
        "audience": AUDIENCE,
        "keys": issuer.url("/keys"),
        "rules": [
            {
                "claims": { "repository": "acme/payments", "ref": "refs/heads/*" },
                "identity": "ci",
                "projects": ["payments"],
            },
            { "claims": { "project_path": "acme/audit" }, "identity": "ann", "roles": ["auditor"] },
            { "claims": { "email": "ann@acme.example" }, "identity": "ann" },
            { "claims": { "sub": "nobody" }, "identity": "nobody" },
        ],
    }] })
}

fn server(issuer: &Issuer) -> Running {
    let place = story::team();
    place.expect(0, "attestry key generate ann.pem");
    place.expect(
        0,
        "attestry identity add ann --pub ann.pem.pub --role auditor --project '*' \
         --key attestry-root.pem",
    );
    let settings = http::Settings { issuers: Some(issuers(rules(issuer))), ..Default::default() };
    Running::with(place, settings)
}

fn now() -> i64 {
    SystemClock.now().0 / 1000
}

/// The claims of a job of ours, some of them changed.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": "https://token.forge.example", "aud": AUDIENCE, "sub": "repo:acme/payments",
        "repository": "acme/payments", "ref": "refs/heads/main",
        "iat": now(), "nbf": now(), "exp": now() + 300,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn exchange(server: &Running, id_token: &str) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", GRANT)
        .append_pair("subject_token_type", ID_TOKEN)
        .append_pair("subject_token", id_token)
        .finish();
    let headers = "content-type: application/x-www-form-urlencoded\r\n";
    ask_with(server.address, "POST", "/api/v1/token", headers, body.as_bytes())
}

#[test]
fn a_job_gets_a_token_of_an_hour_for_what_its_rule_says() {
    let keys = [Key::new("rsa-1", Kind::Rsa), Key::new("ec-1", Kind::P256)];
    let issuer = Issuer::of_keys(&[&keys[0], &keys[1]]);
    let server = server(&issuer);
    for (nth, key) in keys.iter().enumerate() {
        let answer = exchange(&server, &key.sign(&claims(json!({}))));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let body = answer.json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3600)));
        let token = body["access_token"].as_str().unwrap().to_owned();
        let note = note_of(&server, nth as u64, "ci.pem");
        let logged = ask_with(server.address, "POST", "/api/v1/events", &bearer(&token), &note);
        assert_eq!(logged.status, 201, "{}", logged.text());
        assert_refused(&get_as(&server, &token, "/api/v1/events/0"), 403, "role-missing");
    }
    // JSON does as well; GitLab's claims; an array with one audience.
    let job =
        claims(json!({ "repository": null, "project_path": "acme/audit", "aud": [AUDIENCE] }));
    let body = json!({ "grant_type": GRANT, "subject_token": keys[0].sign(&job),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt" });
    let headers = "content-type: application/json\r\n";
    let body = body.to_string();
    let answer = ask_with(server.address, "POST", "/api/v1/token", headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(get_as(&server, &token, "/checkpoint").status, 200);
    assert_eq!(issuer.asked(), 1, "its keys are kept");
    let listed = server.place.expect(0, "attestry token list --json").stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let purposes: BTreeSet<&str> = listed["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["purpose"].as_str())
        .collect();
    assert_eq!(purposes, BTreeSet::from(["exchange"]), "{listed}");
}

#[test]
fn every_other_id_token_is_refused_by_name() {
    let (rsa, ec, other) =
        (Key::new("rsa-1", Kind::Rsa), Key::new("ec-1", Kind::P256), Key::new("rsa-1", Kind::Rsa));
    let issuer = Issuer::of_keys(&[&rsa, &ec]);
    let server = server(&issuer);
    let check = |token: &str, status: u16, code: &str| {
        let answer = exchange(&server, token);
        assert_eq!(answer.json()["code"], code, "{}", answer.text());
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(!answer.text().contains(token) || token.len() < 8, "{}", answer.text());
    };
    let good = claims(json!({}));
    let unsigned = |header: Value, signature: &[u8]| {
        let part = |it: &Value| URL_SAFE_NO_PAD.encode(it.to_string());
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!("{}.{}.{signature}", part(&header), part(&good))
    };
    check(&unsigned(json!({ "alg": "none", "kid": "rsa-1" }), b""), 401, "id-token-algorithm");
    check(&unsigned(json!({ "alg": "None", "kid": "rsa-1" }), b""), 401, "id-token-algorithm");
    // A public key taken for a shared secret: whatever the MAC, there is no such algorithm.
    let mac = rsa.public_pem();
    check(&unsigned(json!({ "alg": "HS256", "kid": "rsa-1" }), &mac), 401, "id-token-algorithm");
    check(&unsigned(json!({ "alg": "RS256", "kid": "rsa-1" }), b""), 401, "id-token-signature");
    // A key checks its own algorithm alone.
    let header = json!({ "alg": "ES256", "kid": "rsa-1" });
    check(&rsa.sign_as(&header, &good), 401, "id-token-key");
    let header = json!({ "alg": "RS256", "kid": "ec-1" });
    check(&ec.sign_as(&header, &good), 401, "id-token-key");
    check(&rsa.sign_as(&json!({ "alg": "RS256" }), &good), 401, "id-token-key");
    // A key that the token brings along is nobody's.
    let header = json!({ "alg": "RS256", "kid": "mine", "jwk": other.public() });
    check(&other.sign_as(&header, &good), 401, "id-token-key");
    check(&other.sign(&good), 401, "id-token-signature");
    for (changes, status, code) in [
        (json!({ "iss": "https://token.forge.example/" }), 401, "id-token-issuer"),
        (json!({ "iss": null }), 400, "id-token-malformed"),
        (json!({ "aud": "https://other.example" }), 401, "id-token-audience"),
        (json!({ "aud": [AUDIENCE, "https://other.example"] }), 401, "id-token-audience"),
        (json!({ "aud": [] }), 401, "id-token-audience"),
        (json!({ "aud": null }), 401, "id-token-audience"),
        (json!({ "exp": now() - 1 }), 401, "id-token-expired"),
        (json!({ "exp": null }), 400, "id-token-malformed"),
        (json!({ "exp": "tomorrow" }), 400, "id-token-malformed"),
        (json!({ "exp": 1e300 }), 400, "id-token-malformed"),
        (json!({ "nbf": now() + 120 }), 401, "id-token-early"),
        (json!({ "iat": now() + 120 }), 401, "id-token-early"),
        (json!({ "repository": "acme/payments-evil" }), 403, "id-token-no-rule"),
        (json!({ "repository": "evil/acme/payments" }), 403, "id-token-no-rule"),
        (json!({ "repository": ["acme/payments"] }), 403, "id-token-no-rule"),
        (json!({ "ref": "refs/tags/v1" }), 403, "id-token-no-rule"),
        (json!({ "ref": null }), 403, "id-token-no-rule"),
        (json!({ "repository": null, "email": "ann@acme.example" }), 403, "id-token-no-rule"),
        (
            json!({ "repository": null, "email": "ann@acme.example", "email_verified": false }),
            403,
            "id-token-no-rule",
        ),
        // A rule may outlive its identity.
        (json!({ "repository": null, "sub": "nobody" }), 422, "unknown-identity"),
    ] {
        check(&rsa.sign(&claims(changes)), status, code);
    }
    let verified =
        json!({ "repository": null, "email": "ann@acme.example", "email_verified": true });
    assert_eq!(exchange(&server, &rsa.sign(&claims(verified))).status, 200);
    check(&rsa.sign(&claims(json!({ "padding": "x".repeat(20_000) }))), 400, "id-token-too-large");
    check("a.b", 400, "id-token-malformed");
    check("", 400, "id-token-malformed");
    let ask = |kind: &str, body: &str| {
        let headers = format!("content-type: {kind}\r\n");
        ask_with(server.address, "POST", "/api/v1/token", &headers, body.as_bytes())
    };
    let form = "application/x-www-form-urlencoded";
    for (kind, body, status, code) in [
        (form, "", 400, "request-malformed"),
        (
            form,
            "grant_type=a&grant_type=b&subject_token=c&subject_token_type=d",
            400,
            "request-malformed",
        ),
        (
            form,
            "grant_type=password&subject_token=c&subject_token_type=d",
            400,
            "grant-unsupported",
        ),
        ("application/json", "{}", 400, "request-malformed"),
        ("text/plain", "grant_type=a", 400, "request-malformed"),
    ] {
        let answer = ask(kind, body);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (status, &json!(code)),
            "{kind} {body}"
        );
    }
    let huge = ask(form, &"x".repeat(200_000));
    assert_eq!((huge.status, &huge.json()["code"]), (413, &json!("request-too-large")));
}

/// Whatever key ids strangers make up, the issuer is asked once a minute.
#[test]
fn keys_are_fetched_again_for_an_unknown_one_and_when_they_are_old() {
    let (old, new) = (Key::new("old", Kind::P256), Key::new("new", Kind::P256));
    let issuer = Issuer::of_keys(&[&old]);
    let issuers = issuers(rules(&issuer));
    let clock = ManualClock::at(SystemClock.now());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let job = claims(json!({ "exp": now() + 1_000_000 }));
    let admit = |key: &Key| {
        let admitted = runtime.block_on(issuers.admit(&key.sign(&job), clock.now()));
        admitted.map(|(_, rule)| rule.identity.to_string()).map_err(|cause| cause.to_string())
    };
    assert_eq!(admit(&old).as_deref(), Ok("ci"));
    for _ in 0..5 {
        assert!(admit(&new).unwrap_err().contains("no key"));
    }
    assert_eq!(issuer.asked(), 1, "they were read a moment ago");
    clock.advance(60_000);
    assert!(admit(&new).is_err());
    assert_eq!(issuer.asked(), 2);
    issuer.set_keys(&[&new]);
    clock.advance(60_000);
    assert_eq!(admit(&new).as_deref(), Ok("ci"));
    assert_eq!(issuer.asked(), 3);
    // A key that the issuer has withdrawn is believed for an hour at most.
    issuer.set_keys(&[&old]);
    clock.advance(3_600_000);
    assert!(admit(&new).unwrap_err().contains("no key"));
    // An issuer that is away, or answers something else: nobody is let in on old keys for ever.
    for answer in [(500, json!({})), (200, json!({})), (200, json!([]))] {
        issuer.set(move |_, _| answer.clone());
        clock.advance(3_600_000);
        assert!(admit(&old).unwrap_err().contains("cannot be read"));
        assert!(admit(&old).unwrap_err().contains("cannot be read"));
    }
}

/// Answers every connection over TLS with the same JSON, until there have been so many.
fn serve_keys(folder: &std::path::Path, body: String, times: usize) -> std::net::SocketAddr {
    use std::io::{Read as _, Write as _};
    let pem = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let certificate = CertificateDer::from_pem_slice(&pem("tls.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&pem("tls.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(builder.with_single_cert(vec![certificate], key).unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(times).flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            // Whoever does not trust the certificate says so, and asks nothing.
            if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
                let _ = write!(stream, "{head}: {}\r\n\r\n{body}", body.len());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    address
}

/// An issuer whose certificate nobody else has signed is believed where the operator says so.
#[test]
fn an_issuer_behind_a_private_authority() {
    let key = Key::new("ec-1", Kind::P256);
    let place = story::team();
    crate::edge::certificate(place.path());
    let keys = json!({ "keys": [key.public()] }).to_string();
    let address = serve_keys(place.path(), keys, 2);
    let rules = json!({ "issuers": [{
        "issuer": "https://token.forge.example", "audience": AUDIENCE,
        "keys": format!("https://{address}/keys"),
        "rules": [{ "claims": { "repository": "acme/payments" }, "identity": "ci" }],
    }] });
    place.write("rules.yaml", rules.to_string());
    let line = "attestry serve --listen 127.0.0.1:0 --oidc-rules rules.yaml --outgoing-ca";
    place.expect(1, &format!("{line} rules.yaml"));
    let server = |authorities: Option<std::path::PathBuf>| {
        let (mut stdin, mut stdout, mut stderr) = (&b""[..], Vec::new(), Vec::new());
        let mut io = cli::Io::new(&mut stdin, &mut stdout, &mut stderr, place.path());
        let outgoing = outgoing::Settings { authorities, ..outgoing::Settings::default() };
        let (issuers, _) = cli::service::read_rules("rules.yaml", &outgoing, &mut io).unwrap();
        Running::with(place.copy(), http::Settings { issuers, ..http::Settings::default() })
    };
    let token = key.sign(&claims(json!({})));
    let refused = exchange(&server(None), &token);
    assert_eq!(refused.status, 503, "{}", refused.text());
    let admitted = exchange(&server(Some(place.file("tls.crt"))), &token);
    assert_eq!(admitted.status, 200, "{}", admitted.text());
}

#[test]
fn without_rules_nothing_is_exchanged() {
    let server = Running::with(story::team(), http::Settings::default());
    let answer = exchange(&server, "a.b.c");
    assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("exchange-closed")));
}

/// The examples of the documentation are rules, and what is none is refused before anybody listens.
#[test]
fn rules_are_read_strictly() {
    let page = std::fs::read_to_string(repository().join("docs/access.md")).unwrap();
    let blocks: String = page.split("```").filter_map(|it| it.strip_prefix("yaml\n")).collect();
    let place = story::team();
    place.write("rules.yaml", &blocks);
    let (mut stdin, mut stdout, mut stderr) = (&b""[..], Vec::new(), Vec::new());
    let mut io = cli::Io::new(&mut stdin, &mut stdout, &mut stderr, place.path());
    let (issuers, login) =
        cli::service::read_rules("rules.yaml", &Default::default(), &mut io).unwrap();
    assert!(issuers.is_some() && login.is_some());
    for (name, text, expected) in [
        ("twice.yaml", blocks.clone() + &blocks, "login"),
        ("typo.yaml", blocks.replace("audience:", "audiance:"), "audiance"),
        ("wide.yaml", blocks.replace("acme/payments", "'*'"), "repository is empty"),
        ("stranger.yaml", blocks.replace("repository:", "actor:"), "fit strangers"),
        ("back.yaml", blocks.replace("/callback", "/elsewhere"), "/callback"),
        ("none.yaml", "7".to_owned(), "rules"),
    ] {
        place.write(name, text);
        let line = format!("attestry serve --listen 127.0.0.1:0 --oidc-rules {name}");
        let refused = place.expect(2, &line);
        assert!(refused.stderr.contains(expected), "{name}: {}", refused.stderr);
    }
    place.expect(5, "attestry serve --listen 127.0.0.1:0 --oidc-rules gone.yaml");
}
