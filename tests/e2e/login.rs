//! People log in: a browser goes to an issuer of our own, which checks what came with the code.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::http::{Answer, ask_with};
use harness::issuer::{Issuer, Key, Kind};
use harness::story;
use ledger::access::login::Login;
use ledger::access::rules::Rules;
use ledger::clock::{Clock, SystemClock};
use ledger::http;
use ledger::outgoing::{self, Outgoing};
use serde_json::{Value, json};

use crate::access::{assert_refused, bearer, get_as, note_of};
use crate::serve::Running;

const CALLBACK: &str = "https://ledger.acme.example/callback";

/// What the issuer knows of a browser that was sent to it: the query of its address.
type Asked = HashMap<String, String>;

fn pairs(text: &str) -> Asked {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// A server with an issuer that turns the code `code` into an ID token, for whoever has the verifier.
fn world(changes: Value) -> (Running, Issuer, Arc<Mutex<Asked>>) {
    let place = story::team();
    place.expect(0, "attestry key generate ann.pem");
    let add = "attestry identity add ann --pub ann.pem.pub --project '*' --key attestry-root.pem";
    place.expect(0, &format!("{add} --role auditor"));
    place.write("secret.txt", "s3cret\n");
    let key = Key::new("people-1", Kind::P256);
    let issuer = Issuer::start(|_, _| (404, Value::Null));
    let asked: Arc<Mutex<Asked>> = Arc::default();
    let seen = Arc::clone(&asked);
    let keys = json!({ "keys": [key.public()] });
    issuer.set(move |line, body| {
        if line.starts_with("GET /keys ") {
            return (200, keys.clone());
        }
        let (form, asked) = (pairs(body), seen.lock().unwrap().clone());
        let hash = verifier::merkle::sha256(&[form["code_verifier"].as_bytes()]);
        let proven = URL_SAFE_NO_PAD.encode(hash.0) == asked["code_challenge"];
        let known = form["client_id"] == "attestry" && form["client_secret"] == "s3cret";
        let whole = form["code"] == "code"
            && form["redirect_uri"] == CALLBACK
            && form["grant_type"] == "authorization_code";
        if !(line.starts_with("POST /token ") && proven && known && whole) {
            return (400, json!({ "error": "invalid_grant" }));
        }
        let now = SystemClock.now().0 / 1000;
        let mut claims = json!({
            "iss": "https://people.example", "aud": "attestry", "sub": "4711", "iat": now,
            "exp": now + 60, "nonce": asked["nonce"], "email": "ann@acme.example",
            "email_verified": true,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        (200, json!({ "access_token": "x", "token_type": "Bearer", "id_token": key.sign(&claims) }))
    });
    let rules = Rules::read(json!({ "login": {
        "issuer": {
            "issuer": "https://people.example", "audience": "attestry", "keys": issuer.url("/keys"),
            "rules": [{ "claims": { "email": "ann@acme.example" }, "identity": "ann" }],
        },
        "authorize": "https://people.example/authorize?tenant=acme",
        "token": issuer.url("/token"),
        "callback": CALLBACK,
        "secretFile": "secret.txt",
    } }))
    .unwrap();
    let rules = rules.resolve(place.path());
    let outgoing = Outgoing::new(&outgoing::Settings::default()).unwrap();
    let login = Some(Arc::new(Login::new(rules.login.unwrap(), outgoing)));
    let server = Running::with(place, http::Settings { login, ..http::Settings::default() });
    (server, issuer, asked)
}

fn cookies(answer: &Answer) -> HashMap<String, String> {
    let lines = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    lines
        .map(|(_, line)| {
            for word in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age="] {
                assert!(line.contains(word), "{line}");
            }
            assert!(!line.contains("Domain"), "{line}");
            let (name, rest) = line.split_once('=').unwrap();
            assert!(name.starts_with("__Host-attestry"), "{line}");
            (name.to_owned(), rest.split(';').next().unwrap().to_owned())
        })
        .collect()
}

fn with(server: &Running, method: &str, path: &str, name: &str, value: &str) -> Answer {
    let headers = format!("cookie: theme=dark; {name}={value}\r\n");
    ask_with(server.address, method, path, &headers, b"")
}

/// Goes to the issuer and comes back; answers what the server says then.
fn log_in(server: &Running, asked: &Mutex<Asked>) -> Answer {
    let begun = ask_with(server.address, "GET", "/login", "", b"");
    assert_eq!(begun.status, 303, "{}", begun.text());
    let address = url::Url::parse(begun.header("location").unwrap()).unwrap();
    let query = pairs(address.query().unwrap());
    assert_eq!(address.host_str(), Some("people.example"));
    for (name, value) in [
        ("tenant", "acme"),
        ("response_type", "code"),
        ("client_id", "attestry"),
        ("redirect_uri", CALLBACK),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(query[name], value);
    }
    let attempt = &cookies(&begun)["__Host-attestry-login"];
    assert!(!address.as_str().contains(attempt.rsplit('.').next().unwrap()), "the verifier stays");
    let path = format!("/callback?code=code&state={}", query["state"]);
    *asked.lock().unwrap() = query;
    with(server, "GET", &path, "__Host-attestry-login", attempt)
}

#[test]
fn somebody_logs_in_reads_and_logs_out() {
    let (server, _issuer, asked) = world(json!({}));
    let answer = log_in(&server, &asked);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{}", answer.text());
    let cookies = cookies(&answer);
    assert_eq!(cookies["__Host-attestry-login"], "", "the attempt is over");
    let session = &cookies["__Host-attestry"];
    let ask = |method: &str, path: &str| with(&server, method, path, "__Host-attestry", session);
    assert_eq!(ask("GET", "/checkpoint").status, 200);
    // A session is no token for machines, and a machine's token is no session.
    assert_refused(&get_as(&server, session, "/checkpoint"), 401, "token-unknown");
    server.place.expect(
        0,
        "attestry identity add ann --role policy-admin --project '*' --key attestry-root.pem",
    );
    let made = server.place.expect(0, "attestry token create --identity ann --expires 1h").stdout;
    assert_eq!(get_as(&server, made.trim(), "/checkpoint").status, 200);
    let other = with(&server, "GET", "/checkpoint", "__Host-attestry", made.trim());
    assert_refused(&other, 401, "token-missing");
    // Another site's page changes nothing, whatever its browser sends along.
    let note = note_of(&server, 1, "ci.pem");
    let post = |site: &str| {
        let headers = format!("cookie: __Host-attestry={session}\r\n{site}");
        ask_with(server.address, "POST", "/api/v1/events", &headers, &note)
    };
    assert_refused(&post(""), 401, "token-malformed");
    assert_refused(&post("sec-fetch-site: cross-site\r\n"), 401, "token-malformed");
    assert_eq!(post("sec-fetch-site: same-origin\r\n").status, 201);
    // Two cookies of one name: nobody knows who has set which.
    let twice = format!("cookie: __Host-attestry={session}; __Host-attestry={session}\r\n");
    let twice = ask_with(server.address, "GET", "/checkpoint", &twice, b"");
    assert_refused(&twice, 401, "token-missing");
    assert_eq!(ask("POST", "/logout").status, 303);
    assert_refused(&ask("GET", "/checkpoint"), 401, "token-missing");
    let listed = server.place.expect(0, "attestry token list --json").stdout;
    assert!(listed.contains("\"session\"") && !listed.contains(&session[26..60]), "{listed}");
}

#[test]
fn nobody_is_logged_in_who_did_not_begin_here() {
    let (server, _issuer, asked) = world(json!({}));
    let begun = || {
        let begun = ask_with(server.address, "GET", "/login", "", b"");
        let address = url::Url::parse(begun.header("location").unwrap()).unwrap();
        (pairs(address.query().unwrap()), cookies(&begun)["__Host-attestry-login"].clone())
    };
    let ((mine, cookie), (theirs, _)) = (begun(), begun());
    *asked.lock().unwrap() = theirs.clone();
    let back =
        |path: &str, cookie: &str| with(&server, "GET", path, "__Host-attestry-login", cookie);
    // Somebody else's way back in this browser, and none at all.
    for (path, cookie) in [
        (format!("/callback?code=code&state={}", theirs["state"]), cookie.as_str()),
        (format!("/callback?code=code&state={}", mine["state"]), ""),
        (format!("/callback?code=code&state={}", mine["state"]), "a.b.c"),
        ("/callback?code=code&state=".to_owned(), cookie.as_str()),
        ("/callback?code=code".to_owned(), cookie.as_str()),
        (format!("/callback?state={}", mine["state"]), cookie.as_str()),
    ] {
        assert_refused(&back(&path, cookie), 403, "login-state");
    }
    // A code that was meant for another verifier, one that is wrong, and a user who would not.
    let path = format!("/callback?code=code&state={}", mine["state"]);
    assert_refused(&back(&path, &cookie), 403, "login-refused");
    *asked.lock().unwrap() = mine.clone();
    let wrong = format!("/callback?code=other&state={}", mine["state"]);
    assert_refused(&back(&wrong, &cookie), 403, "login-refused");
    let denied = format!("/callback?error=access_denied&state={}", mine["state"]);
    assert_refused(&back(&denied, &cookie), 403, "login-refused");
    assert_eq!(back(&path, &cookie).status, 303, "the right one, in the end");
}

#[test]
fn claims_that_are_not_this_login_are_refused() {
    for (changes, status, code) in [
        (json!({ "nonce": "another" }), 403, "login-nonce"),
        (json!({ "aud": "another" }), 401, "id-token-audience"),
        (json!({ "iss": "https://else.example" }), 401, "id-token-issuer"),
        (json!({ "exp": 1 }), 401, "id-token-expired"),
        (json!({ "email_verified": false }), 403, "id-token-no-rule"),
        (json!({ "email": "eve@acme.example" }), 403, "id-token-no-rule"),
    ] {
        let (server, _issuer, asked) = world(changes);
        let answer = log_in(&server, &asked);
        let found = answer.json()["code"].clone();
        assert_eq!((answer.status, found), (status, json!(code)), "{}", answer.text());
        assert!(answer.header("set-cookie").is_none());
    }
    // The ID token of somebody who logs in is nothing that machines exchange.
    let (server, ..) = world(json!({}));
    let headers = bearer("x") + "content-type: application/json\r\n";
    let body = json!({ "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token", "subject_token": "a" });
    let body = body.to_string();
    let answer = ask_with(server.address, "POST", "/api/v1/token", &headers, body.as_bytes());
    assert_eq!(answer.json()["code"], "exchange-closed");
}

#[test]
fn without_an_issuer_nobody_logs_in() {
    let server = Running::with(story::team(), http::Settings::default());
    for path in ["/login", "/callback?code=a&state=b"] {
        assert_refused(&ask_with(server.address, "GET", path, "", b""), 404, "login-closed");
    }
}
