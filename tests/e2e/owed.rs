//! What is owed, by command line: what waits for whom, what is waived, and where what runs differs
//! from what was granted. Here, against a server, and from a pack.

use std::time::{Duration, Instant};

use harness::http::get;
use harness::{Outcome, Place, story};
use serde_json::Value;

use crate::remote::away;
use crate::serve::Running;

const PATIENCE: Duration = Duration::from_secs(60);

const POLICY: &str = r#"apiVersion: attestry/policy/v1
project: payments
environments:
  - name: dev
    gates:
      - vulnerabilities: { max: { critical: 0 } }
        waiver: { by: [security], max: 30d }
  - name: prod
    gates:
      - approvals: { count: 2, roles: [release-approver, security], not: [requester] }
        limit: 1s
        escalate: security
"#;

const EACH_POLICY: &str = r#"apiVersion: attestry/policy/v1
project: payments
environments:
  - name: prod
    gates:
      - approvals: { count: 2, roles: [release-approver, security], each: { security: 1 }, not: [requester] }
"#;

/// The team under this policy, and `ops`, who records what runs.
fn team() -> Place {
    let place = story::team();
    place.write("owed.yaml", POLICY);
    place.expect(0, "attestry policy set owed.yaml --key mia.pem");
    place.expect(0, "attestry key generate ops.pem");
    place.expect(
        0,
        "attestry identity add ops --pub ops.pem.pub --role emitter --kind observation \
         --kind deployment --kind build --project payments --key attestry-root.pem",
    );
    place
}

fn json_of(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn json(place: &Place, code: u8, line: &str) -> Value {
    json_of(&place.expect(code, &format!("{line} --json")))
}

/// Asks until it is so: time passes by itself.
fn until(place: &Place, line: &str, so: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = json_of(&place.run(&format!("{line} --json")));
        if so(&found) {
            return found;
        }
        assert!(Instant::now() < end, "{line}: waited in vain: {found}");
        std::thread::yield_now();
    }
}

fn digest(place: &Place, file: &str) -> String {
    let bytes = std::fs::read(place.file(file)).unwrap();
    format!("sha256:{}", verifier::merkle::sha256(&[&bytes]))
}

/// Both lines say the same of what is not a time.
#[track_caller]
fn assert_alike(here: &Place, away: &Place, line: &str, code: u8, served: Option<Value>) {
    let (here, away) = (json(here, code, line), json(away, code, line));
    assert_eq!(here, away, "{line}");
    if let Some(served) = served {
        assert_eq!(served, here, "{line}");
    }
}

#[test]
fn what_waits_is_listed_for_whom_it_waits() {
    let place = team();
    let nothing = place.expect(0, "attestry inbox");
    assert_eq!(nothing.stdout, "nothing waits\n");
    let asked =
        json(&place, 0, "attestry promote dist/app.zip --to prod --reason \"1.4.2\" --key mia.pem");
    let request = asked["request"].as_str().unwrap().to_owned();
    let found = json(&place, 3, "attestry inbox");
    let item = &found["items"][0];
    assert_eq!((&item["request"], &item["what"]), (&Value::from(request.as_str()), &"gate".into()));
    assert_eq!(item["gate"]["id"], "approvals");
    assert_eq!(item["roles"], serde_json::json!(["release-approver", "security"]));
    assert_eq!(item["people"], serde_json::json!(["alice", "bob", "carol"]));
    assert_eq!(item["requester"], "mia");
    // Whoever has answered, or has asked, is not waited for.
    place.expect(0, &format!("attestry approve {request} --reason ok --key bob.pem"));
    place.expect(0, "attestry inbox --identity bob");
    place.expect(0, "attestry inbox --identity mia");
    let late = until(&place, "attestry inbox --role security", |found| {
        found["items"][0]["overdue"].is_object()
    });
    assert_eq!(late["items"][0]["overdue"]["role"], "security");
    assert_eq!(late["items"][0]["overdue"]["people"], serde_json::json!(["carol"]));
    let text = place.expect(3, "attestry inbox --identity carol").stdout;
    for said in [&format!("{request}  "), "overdue for ", "carol (security)", "1 overdue"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let status = place.expect(0, "attestry status").stdout;
    assert!(status.contains("(overdue: approvals)"), "{status}");
    let status = json(&place, 0, "attestry status");
    let prod = &status["projects"][0]["environments"][1];
    assert_eq!(prod["requests"][0]["overdue"], serde_json::json!(["approvals"]));
    // A word that nobody has is a mistake, and no empty inbox.
    place.expect(5, "attestry inbox --role secruity");
    place.expect(5, "attestry inbox --identity nobody");
    place.expect(2, "attestry inbox --role security --identity carol");
    place.expect(3, "attestry inbox --project other");

    let server = Running::over(place);
    let away = away(&server);
    for (line, query) in [
        ("attestry inbox", ""),
        ("attestry inbox --role security", "?role=security"),
        ("attestry inbox --identity alice --project payments", "?identity=alice&project=payments"),
    ] {
        let served = get(server.address, &format!("/api/v1/inbox{query}"));
        assert_alike(&server.place, &away, line, 3, Some(served.json()));
    }
    assert_eq!(get(server.address, "/api/v1/inbox?role=a&identity=b").status, 400);
    assert_eq!(get(server.address, "/api/v1/inbox?project=other").status, 404);
    let place = server.stop();
    place.expect(0, &format!("attestry approve {request} --reason ok --key carol.pem"));
    place.expect(0, "attestry inbox");
}

/// What nothing has granted shows beside a request, whether or not that one would grant it.
#[test]
fn an_open_request_hides_no_deployment_without_a_grant() {
    let place = team();
    place.expect(
        3,
        "attestry record deployment --to prod --result succeeded --key ops.pem --subject dist/rc.zip",
    );
    let before = place.expect(0, "attestry status").stdout;
    assert_eq!(before.matches("deployed without grant").count(), 1, "{before}");
    place.expect(0, "attestry promote dist/app.zip --to prod --reason \"1.4.2\" --key mia.pem");
    let both = place.expect(0, "attestry status").stdout;
    for said in ["waits: approvals", "deployed without grant"] {
        assert_eq!(both.matches(said).count(), 1, "{said}: {both}");
    }
    assert!(both.lines().all(|line| line.chars().count() <= 80), "{both}");
    let status = json(&place, 0, "attestry status");
    let prod = &status["projects"][0]["environments"][1];
    assert_eq!(
        (&prod["running"]["granted"], prod["requests"].as_array().unwrap().len()),
        (&false.into(), 1)
    );
}

/// `attestry gate` and `attestry inbox` name nobody whose approval would not count.
#[test]
fn whoever_does_not_count_is_not_named() {
    let place = story::team();
    place.write("each.yaml", EACH_POLICY);
    place.expect(0, "attestry policy set each.yaml --key mia.pem");
    let asked = json(&place, 0, "attestry promote dist/app.zip --to prod --reason r --key mia.pem");
    let request = asked["request"].as_str().unwrap().to_owned();
    let who = |people: &[&str]| {
        let gate = json(&place, 3, "attestry gate dist/app.zip --to prod");
        let inbox = json(&place, 3, "attestry inbox");
        assert_eq!(gate["who"]["approvals"], serde_json::json!(people));
        assert_eq!(inbox["items"][0]["people"], serde_json::json!(people));
    };
    who(&["alice", "bob", "carol"]);
    place.expect(0, &format!("attestry approve {request} --reason ok --key bob.pem"));
    // One of two is there, and what lacks is somebody from security.
    who(&["carol"]);
    place.expect(0, "attestry inbox --role release-approver");
    place.expect(0, "attestry inbox --identity alice");
    place.expect(3, "attestry inbox --role security");
}

#[test]
fn what_runs_is_compared_with_what_was_granted() {
    let place = team();
    place.write(
        "open.yaml",
        "apiVersion: attestry/policy/v1\nproject: payments\nenvironments:\n  - name: prod\n    gates: []\n",
    );
    place.expect(0, "attestry policy set open.yaml --key mia.pem");
    let (app, other) = (digest(&place, "dist/app.zip"), digest(&place, "dist/rc.zip"));
    place.expect(0, "attestry drift");
    place.expect(
        0,
        &format!(
            "attestry record build --subject dist/app.zip --source \
             git+https://github.com/acme/payments@{} --builder https://ci.acme.example/runner \
             --name payments --version 1.4.2 --key ops.pem",
            story::MENDED
        ),
    );
    place.expect(0, "attestry promote dist/app.zip --to prod --reason r --key mia.pem");
    let deploy = "attestry record deployment --to prod --result succeeded --key ops.pem --subject";
    place.expect(0, &format!("{deploy} dist/app.zip"));
    let never = place.expect(3, "attestry drift prod");
    assert!(never.stdout.contains("attestry observe payments/prod"), "{}", never.stdout);
    let status = place.expect(0, "attestry status").stdout;
    assert!(!status.contains("drift"), "{status}");

    let observe = |artifacts: &[(&str, &str)]| {
        let seen = |(digest, tag): &(&str, &str)| {
            format!(r#"{{"digest":"{digest}","name":"r.example/app","tag":"{tag}","instances":2}}"#)
        };
        let seen: Vec<String> = artifacts.iter().map(seen).collect();
        let text = format!(r#"{{"source":"hand","artifacts":[{}]}}"#, seen.join(","));
        place.write("seen.json", text);
        place.expect(0, "attestry observe prod --file seen.json --key ops.pem").stdout
    };
    let said = observe(&[(&app, "1.4.2")]);
    assert!(said.ends_with("\nno difference from what was granted\n"), "{said}");
    let none = place.expect(0, "attestry drift payments/prod");
    assert!(none.stdout.contains("no difference in 1 environment"), "{}", none.stdout);
    let status = place.expect(0, "attestry status").stdout;
    assert!(status.lines().any(|line| line.starts_with("drift     none (")), "{status}");
    let said = observe(&[(&other, "1.4.2")]);
    let expected = "\n3 differences from what was granted: attestry drift payments/prod\n";
    assert!(said.ends_with(expected), "{said}");
    let found = json(&place, 3, "attestry drift");
    let differences = found["environments"][0]["differences"].as_array().unwrap();
    let codes: Vec<&str> = differences.iter().map(|it| it["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["unapproved-digest", "tag-drift", "granted-not-running"]);
    assert_eq!(differences[0]["seen"]["instances"], 2);
    assert_eq!(differences[2]["artifact"]["version"], "1.4.2");
    let text = place.expect(3, "attestry drift prod").stdout;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let status = json(&place, 0, "attestry status");
    let drift = &status["projects"][0]["environments"][0]["drift"];
    assert_eq!(drift["differences"], serde_json::json!(codes));
    place.expect(3, "attestry drift qa");

    // A pack knows the environment that it is of, and what was granted there.
    let period = story::period();
    let pack = format!(
        "attestry pack create --environment payments/prod {period} --for A --reason R -o pack.zip"
    );
    place.expect(0, &pack);
    let of_pack = json(&place, 3, "attestry drift prod --pack pack.zip --trust ledger/pin.txt");
    let of_pack: Vec<&Value> = of_pack["environments"][0]["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["code"])
        .collect();
    // The other artifact was never on the environment's thread: nothing is known of it.
    assert_eq!(of_pack, ["tag-drift", "granted-not-running", "cannot-be-told"]);

    let server = Running::over(place);
    let away = away(&server);
    for (line, query) in
        [("attestry drift", ""), ("attestry drift prod", "?environment=payments/prod")]
    {
        let served = get(server.address, &format!("/api/v1/drift{query}"));
        assert_alike(&server.place, &away, line, 3, Some(served.json()));
    }
    let served = get(server.address, "/api/v1/status").json();
    assert_alike(&server.place, &away, "attestry status", 0, Some(served));
    assert_eq!(get(server.address, "/api/v1/drift?environment=payments/qa").status, 404);
    server.stop();
}

/// So long from now, as a time.
fn in_ms(ms: i64) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    schemas::id::Time(i64::try_from(since.as_millis()).unwrap() + ms).to_string()
}

#[test]
fn a_waiver_is_told_of_until_nothing_runs_by_it() {
    let place = team();
    place.expect(0, "attestry waivers");
    place.expect(0, "attestry record scan reports/scan-rc.json --subject dist/rc.zip --key ci.pem");
    place.expect(3, "attestry promote dist/rc.zip --to dev --reason r --key mia.pem");
    let waive = |ends: &str| {
        let line = "attestry waive vulnerabilities --to dev --role security --reason unreachable";
        json(&place, 0, &format!("{line} --expires {ends} --key carol.pem"))["index"].clone()
    };
    // Long enough to be granted and deployed by.
    let entry = waive(&in_ms(15_000));
    let open = json(&place, 0, "attestry waivers");
    assert_eq!(open["waivers"][0]["standing"], "ends-soon");
    place.expect(0, "attestry promote dist/rc.zip --to dev --reason r --key mia.pem");
    place.expect(
        0,
        "attestry record deployment --to dev --result succeeded --key ops.pem --subject dist/rc.zip",
    );
    let relied = until(&place, "attestry waivers", |found| {
        found["waivers"][0]["standing"] == "relied-after-end"
    });
    let row = &relied["waivers"][0];
    assert_eq!((&row["entry"], &row["gate"]), (&entry, &"vulnerabilities".into()));
    assert_eq!(row["relied"][0]["environment"], "payments/dev");
    let longer = waive(&in_ms(25 * 86_400_000));
    let text = place.expect(3, "attestry waivers").stdout;
    for said in ["relied upon after its end", "ended ", "by carol (security)", "open\n"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    // An auditor finds it from the pack alone.
    let period = story::period();
    let pack = format!(
        "attestry pack create --environment payments/dev {period} --for A --reason R -o pack.zip"
    );
    place.expect(0, &pack);
    let verified = place.expect(3, "attestry verify pack.zip --trust ledger/pin.txt");
    assert!(verified.stdout.contains("waiver-expired-in-use"), "{}", verified.stdout);
    let line = "attestry waivers --pack pack.zip --trust ledger/pin.txt";
    let of_pack = json(&place, 3, line);
    assert_eq!(of_pack["waivers"][0]["entry"], entry);

    let server = Running::over(place);
    let away = away(&server);
    let served = get(server.address, "/api/v1/waivers?project=payments").json();
    assert_alike(&server.place, &away, "attestry waivers", 3, Some(served));
    let place = server.stop();
    // Asked for again, and granted by the one that is in force.
    place.expect(0, "attestry promote dist/rc.zip --to dev --reason again --key mia.pem");
    let mended = json(&place, 0, "attestry waivers");
    assert_eq!(mended["waivers"].as_array().unwrap().len(), 1);
    assert_eq!(mended["waivers"][0]["entry"], longer);
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}
