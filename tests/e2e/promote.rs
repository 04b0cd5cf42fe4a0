//! Promotions: asked, approved, refused, decided; and what is refused on the way.

use harness::{Place, story};
use serde_json::Value;

fn json(place: &Place, code: u8, line: &str) -> Value {
    serde_json::from_str(&place.expect(code, &format!("{line} --json")).stdout).unwrap()
}

fn size(place: &Place) -> u64 {
    json(place, 0, "attestry status")["size"].as_u64().unwrap()
}

/// A ledger whose one environment asks for one approval, and a build of known authors.
fn asking(gate: &str) -> Place {
    let place = story::team();
    let policy = format!(
        "apiVersion: attestry/policy/v1\nproject: payments\nenvironments:\n  - name: prod\n    gates:\n      - {gate}\n"
    );
    place.write("simple.yaml", policy);
    place.expect(0, "attestry policy set simple.yaml --key mia.pem");
    let commit = story::MENDED;
    place.expect(0, &format!(
        "attestry record build --source git+https://github.com/acme/payments@{commit} \
         --builder https://ci.acme.example/runner --version 1.4.2 --subject dist/app.zip --key ci.pem"
    ));
    place.expect(
        0,
        &format!(
            "attestry record review reports/review.json --subject gitCommit:{commit} --key ci.pem"
        ),
    );
    place
}

const ONE: &str = "approvals: { count: 1, roles: [release-approver, security], not: [author, requester], within: 72h }";

fn promote(place: &Place) -> String {
    let asked =
        json(place, 0, "attestry promote dist/app.zip --to prod --reason now --key mia.pem");
    asked["request"].as_str().unwrap().to_owned()
}

#[test]
fn an_author_does_not_count_and_another_does() {
    let place = asking(ONE);
    let request = promote(&place);
    let alice =
        json(&place, 0, &format!("attestry approve {request} --reason mine --key alice.pem"));
    assert_eq!(alice["decision"], Value::Null);
    assert!(alice["gates"][0]["reason"].as_str().unwrap().contains("alice does not count"));
    let twice =
        json(&place, 0, &format!("attestry approve {request} --reason again --key alice.pem"));
    assert_eq!(twice["decision"], Value::Null);
    let bob = json(&place, 0, &format!("attestry approve {request} --reason looked --key bob.pem"));
    assert_eq!(bob["outcome"], Value::from("granted"));
    assert!(bob["decision"].is_u64());
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn one_person_is_one_approval() {
    let place = asking(&ONE.replace("count: 1", "count: 2"));
    let request = promote(&place);
    for reason in ["once", "twice"] {
        let bob =
            json(&place, 0, &format!("attestry approve {request} --reason {reason} --key bob.pem"));
        assert_eq!(bob["outcome"], Value::Null);
    }
    let carol =
        json(&place, 0, &format!("attestry approve {request} --reason fine --key carol.pem"));
    assert_eq!(carol["outcome"], Value::from("granted"));
}

#[test]
fn a_rejection_denies() {
    let place = asking(ONE);
    let request = promote(&place);
    let rejected = json(&place, 0, &format!("attestry reject {request} --reason no --key bob.pem"));
    assert_eq!(rejected["outcome"], Value::from("denied"));
    place.expect(3, &format!("attestry approve {request} --reason yes --key carol.pem"));
}

#[test]
fn an_unknown_author_is_not_a_pass() {
    let place = asking(ONE);
    // The candidate has a build whose commit nobody reviewed: who wrote it cannot be told.
    place.expect(
        0,
        &format!(
            "attestry record build --source git+https://github.com/acme/payments@{} \
         --builder https://ci.acme.example/runner --version rc --subject dist/rc.zip --key ci.pem",
            story::FIRST
        ),
    );
    let asked =
        json(&place, 0, "attestry promote dist/rc.zip --to prod --reason now --key mia.pem");
    let request = asked["request"].as_str().unwrap();
    let bob = json(&place, 0, &format!("attestry approve {request} --reason looked --key bob.pem"));
    assert_eq!(bob["outcome"], Value::Null);
    // Nobody has said who wrote it: that can still be said.
    assert_eq!(bob["gates"][0]["verdict"], Value::from("waiting"));
    json(&place, 3, "attestry gate dist/rc.zip --to prod");
    // Somebody whom the ledger does not know: whether bob is the same person cannot be told.
    place.write("unknown.json", r#"{"authors":["somebody@else.example"],"outcome":"approved"}"#);
    let commit = story::FIRST;
    let review = format!("record review unknown.json --subject gitCommit:{commit} --key ci.pem");
    place.expect(0, &format!("attestry {review}"));
    let gate = json(&place, 8, "attestry gate dist/rc.zip --to prod");
    assert_eq!(gate["gates"][0]["verdict"], Value::from("indeterminate"));
    assert_eq!(gate["admitted"], Value::from(false));
}

#[test]
fn answers_that_may_not_be_given_are_refused_and_lose_nothing() {
    let place = asking(ONE);
    let request = promote(&place);
    let before = size(&place);
    for (line, code, says) in [
        ("approve P-999 --reason x --key bob.pem", 5, "[request-unknown]"),
        ("approve P-3 --reason x --key bob.pem", 5, "[request-unknown]"),
        ("approve P3 --reason x --key bob.pem", 2, "P-118"),
        ("approve \"\" --reason x --key bob.pem", 2, "is your variable empty?"),
        ("approve REQUEST --reason \"\" --key bob.pem", 2, "--reason is empty"),
        ("approve REQUEST --reason x --expires 0s --key bob.pem", 2, "--expires"),
        ("approve REQUEST --reason x --expires soon --key bob.pem", 2, "--expires"),
        ("approve REQUEST --reason x --key ci.pem", 4, "["),
        ("approve REQUEST --reason x --key mia.pem", 4, "["),
        ("approve REQUEST --reason x --role security --key bob.pem", 4, "["),
        ("approve REQUEST --reason x --key attestry-root.pem", 4, "["),
        ("evaluate P-999", 5, "[request-unknown]"),
        ("evaluate P-3", 5, "[request-unknown]"),
        ("promote dist/app.zip --to qa --reason x --key mia.pem", 3, "[unknown-environment]"),
        ("promote dist/app.zip --to other/prod --reason x --key mia.pem", 3, "[unknown-project]"),
        (
            "promote dist/app.zip --to other/prod --project payments --reason x --key mia.pem",
            2,
            "no environment of project payments",
        ),
        ("promote dist/app.zip --to \"\" --reason x --key mia.pem", 2, "is your variable empty?"),
        ("promote app:latest --to prod --reason x --key mia.pem", 2, "[tag-not-digest]"),
        ("promote sha256:01234567 --to prod --reason x --key mia.pem", 5, "[subject-unknown]"),
        ("promote dist/app.zip --to prod --reason x --key bob.pem", 4, "[role-missing]"),
        ("promote dist/app.zip --to prod --reason \"\" --key mia.pem", 2, "--reason is empty"),
        ("gate dist/app.zip --to qa", 3, "it has: prod"),
        ("gate dist/app.zip --to other/prod", 3, "this ledger has: payments"),
    ] {
        let line = format!("attestry {}", line.replace("REQUEST", &request));
        let outcome = place.run(&line);
        assert_eq!(outcome.code, code, "$ {line}\n{}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.stderr.contains(says), "$ {line}\n{}", outcome.stderr);
        assert_eq!(size(&place), before, "$ {line}");
    }
    place.expect(0, "attestry verify --trust ledger/pin.txt");
    // And the request is as open as it was.
    json(&place, 0, &format!("attestry approve {request} --reason looked --key bob.pem"));
    assert_eq!(size(&place), before + 2);
}

#[test]
fn evidence_that_comes_later_decides_what_waits() {
    let place = asking("evidence: { kind: test, suites: [unit], result: passed }");
    let request = promote(&place);
    assert_eq!(
        json(&place, 0, &format!("attestry evaluate {request}"))["requests"][0]["outcome"],
        Value::Null
    );
    let recorded = json(
        &place,
        0,
        "attestry record test reports/unit.xml --suite unit --subject dist/app.zip --key ci.pem",
    );
    assert_eq!(recorded["decisions"][0]["outcome"], Value::from("granted"));
    let again = json(&place, 0, &format!("attestry evaluate {request}"));
    assert_eq!(again["requests"][0]["outcome"], Value::from("granted"));
    assert_eq!(again["requests"][0]["decision"], recorded["decisions"][0]["decision"]);
    let none = place.expect(0, "attestry evaluate");
    assert!(none.stdout.contains("no request is open"), "{}", none.stdout);
}

#[test]
fn who_is_revoked_or_whose_key_is_lost_signs_nothing() {
    let place = asking(ONE);
    let request = promote(&place);
    place.expect(0, "attestry identity revoke bob --key attestry-root.pem");
    place.expect(4, &format!("attestry approve {request} --reason x --key bob.pem"));
    let size = size(&place);
    place.expect(
        0,
        &format!("attestry identity compromise ci --from {size} --key attestry-root.pem"),
    );
    place.expect(4, "attestry record note --text x --key ci.pem");
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn what_was_not_granted_is_logged_and_told() {
    let place = asking(ONE);
    let deployed = place.expect(3, "attestry record deployment --subject dist/app.zip --to prod --result succeeded --key ci.pem");
    assert!(deployed.stderr.contains("[deployed-without-grant]"), "{}", deployed.stderr);
    let status = place.expect(0, "attestry status");
    assert!(status.stdout.contains("deployed without grant"), "{}", status.stdout);
    place.expect(3, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn an_approval_that_expires_does_not_count_any_more() {
    let place = asking(&ONE.replace("count: 1", "count: 2"));
    let request = promote(&place);
    json(
        &place,
        0,
        &format!("attestry approve {request} --reason quick --expires 1s --key bob.pem"),
    );
    // The one wait of these tests: nothing but time makes an approval expire.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let carol =
        json(&place, 0, &format!("attestry approve {request} --reason fine --key carol.pem"));
    assert_eq!(carol["outcome"], Value::Null);
    let reason = carol["gates"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("1 of 2") && reason.contains("expired"), "{reason}");
}

/// A decided request keeps its decision's word; an open one has the gates' of now.
#[test]
fn lineage_marks_approvals_that_do_not_count() {
    let place = story::released();
    let open = "attestry promote dist/app.zip --to prod --reason again --key mia.pem";
    place.expect(0, open);
    place.expect(0, "attestry approve P-37 --reason mine --key alice.pem");
    place.expect(0, "attestry approve P-37 --reason fine --key carol.pem");
    let tree = place.expect(0, "attestry lineage dist/app.zip").stdout;
    let marks = tree.matches("does not count: wrote 9c27d10").count();
    assert_eq!(marks, 2, "{tree}");
    let after = |words: &str| {
        let rest = tree.split(words).nth(1).unwrap();
        rest.lines().nth(1).unwrap_or_default().to_owned()
    };
    assert!(after("I wrote it and it works").contains("does not count"), "{tree}");
    assert!(after("(release-approver): mine").contains("does not count"), "{tree}");
    assert!(!after("(security): fine").contains("does not count"), "{tree}");
    // The same from a pack, where the request is open as of its end.
    story::pack(&place);
    let pack = place.expect(0, "attestry lineage dist/app.zip --pack pack.zip").stdout;
    assert_eq!(pack.matches("does not count: wrote 9c27d10").count(), 2, "{pack}");
}

#[test]
fn status_counts_the_requests_that_it_does_not_show() {
    let place = story::released();
    let ask = "attestry promote dist/app.zip --to prod --key mia.pem --reason";
    place.expect(0, &format!("{ask} one"));
    let one = place.expect(0, "attestry status").stdout;
    assert!(one.contains("P-37 waits: approvals") && !one.contains("more open"), "{one}");
    place.expect(0, &format!("{ask} two"));
    let two = place.expect(0, "attestry status").stdout;
    assert!(two.contains("P-38 waits: approvals; 1 more open"), "{two}");
}

/// A hint is a command to copy: what is known stands in it.
#[test]
fn hints_say_what_is_known() {
    let place = story::team();
    place.write("keys/README", "");
    let zoe = place.expect(0, "attestry key generate keys/zoe.pem");
    assert!(zoe.stderr.contains("add zoe --pub keys/zoe.pem.pub --role ROLE"), "{}", zoe.stderr);
    assert!(zoe.stderr.contains("--project payments --key attestry-root.pem"), "{}", zoe.stderr);
    place.expect(0, "attestry record build --source git+https://github.com/acme/payments@4be1f0a2c3d4e5f60718293a4b5c6d7e8f901234 --builder https://ci.acme.example/runner --subject dist/app.zip --key ci.pem");
    place.expect(0, "attestry promote dist/app.zip --to staging --reason x --key mia.pem");
    let approved = place.expect(4, "attestry approve P-9 --reason x --key keys/zoe.pem");
    let hint = "  attestry identity add NAME --pub keys/zoe.pem.pub --role ROLE \\\n    \
                --project payments --key ROOT.pem\n";
    assert!(approved.stderr.ends_with(hint), "{}", approved.stderr);
}
