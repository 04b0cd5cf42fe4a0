//! Promotions beside the normal path: emergencies and their reviews, the way back, requests that are
//! taken back, plans, and under which name somebody signs. Where the folder is, and through a server.

use harness::http::{ask_with, get};
use harness::serving::wait_for;
use harness::snapshot::{Transcript, check};
use harness::{Place, paths, story};
use serde_json::{Value, json};

use crate::remote::away;
use crate::serve::Running;
use crate::views::take_part;

fn told(place: &Place, code: u8, line: &str) -> Value {
    serde_json::from_str(&place.expect(code, &format!("{line} --json")).stdout).unwrap()
}

const EMERGENCY: &str =
    "attestry promote dist/app.zip --to prod --emergency --reason INC-42 --key mia.pem";

/// The request's name.
fn asked(place: &Place, line: &str) -> String {
    told(place, 0, line)["request"].as_str().unwrap().to_owned()
}

/// An emergency that one person has let through.
fn let_through(place: &Place) -> String {
    let request = asked(place, EMERGENCY);
    let line = format!("attestry approve {request} --reason looked --key bob.pem");
    let approved = told(place, 0, &line);
    assert_eq!(approved["outcome"], "granted");
    assert_eq!(approved["reviews"][0]["request"], Value::from(request.as_str()));
    request
}

fn reviews(place: &Place) -> Value {
    told(place, 0, "attestry status")["projects"][0]["environments"][0]["reviews"].clone()
}

#[test]
fn the_paths_read_as_they_are_kept() {
    let place = paths::begun();
    let known = crate::cli::known();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut transcript = Transcript::new(&place);
    let mut stale = Vec::new();
    for chapter in paths::chapters() {
        for (line, code) in &chapter.lines {
            transcript.run(line, *code);
        }
        stale.extend(check(chapter.name, &transcript.take(&known)).err());
    }
    assert!(stale.is_empty(), "{}", stale.join("\n"));
    place.expect(0, "attestry verify --trust ledger/pin.txt");
    place.expect(0, "attestry replay");
}

/// The same lines where there is only a server's address and one's own keys, with the same answers
/// but for what is told of the first meeting.
#[test]
fn the_paths_go_through_a_server_alike() {
    let here = paths::begun();
    let server = Running::over(here.copy());
    let away = away(&server);
    away.expect(0, "attestry status");
    for (line, code) in paths::chapters().into_iter().flat_map(|it| it.lines) {
        let (local, remote) = (here.expect(code, &line), away.expect(code, &line));
        assert_eq!(local.stdout.lines().count(), remote.stdout.lines().count(), "$ {line}");
        assert_eq!(local.stderr.lines().count(), remote.stderr.lines().count(), "$ {line}");
    }
    let withdrawn = get(server.address, "/api/v1/promotions/P-18").json();
    assert_eq!((&withdrawn["state"], &withdrawn["withdrawn"]), (&"withdrawn".into(), &19.into()));
    let emergency = get(server.address, "/api/v1/promotions/P-12").json();
    assert_eq!((&emergency["state"], &emergency["path"]), (&"granted".into(), &"emergency".into()));
    assert_eq!(emergency["incident"], 10);
    assert_eq!(emergency["plans"]["releaseNotes"], digest(&here, "notes.md"));
    let shown = told(&away, 0, "attestry show P-12");
    assert_eq!(emergency["notes"], shown["notes"]);
    assert_eq!(shown["notes"][1]["signers"], json!(["alice"]));
    // What takes a request back is none itself.
    assert_eq!(get(server.address, "/api/v1/promotions/P-19").status, 404);
    let list = get(server.address, "/api/v1/promotions?project=payments").json();
    let names: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["request"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["P-21", "P-18", "P-16", "P-12"]);
    let subject = digest(&here, "dist/app.zip");
    let lineage = get(server.address, &format!("/api/v1/artifacts/{subject}/lineage")).json();
    let told_here = told(&away, 0, "attestry lineage dist/app.zip");
    assert_eq!(lineage["lineage"], told_here["lineage"]);
    assert!(told_here.to_string().contains("note by alice: INC-42"), "{told_here}");
    server.stop().expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn an_overdue_review_shows_everywhere_until_it_is_signed() {
    let server = Running::over(paths::begun_with("1s"));
    let away = away(&server);
    let request = let_through(&away);
    wait_for("an overdue review", || (reviews(&away)[0]["overdue"] == true).then_some(()));
    let gate = "attestry gate dist/app.zip --to prod";
    let show = format!("attestry show {request}");
    for (line, code) in [("attestry status", 0), (gate, 3), (show.as_str(), 0)] {
        for place in [&away, &server.place] {
            let said = place.expect(code, line).stdout;
            assert!(said.contains("OVERDUE since"), "$ {line}\n{said}");
        }
    }
    let path = format!("/api/v1/promotions/{request}");
    assert_eq!(get(server.address, &path).json()["review"]["overdue"], true);
    let environment = get(server.address, "/api/v1/environments/payments/prod").json();
    assert_eq!(environment["reviews"][0]["request"], Value::from(request.as_str()));
    let status = get(server.address, "/api/v1/status").json();
    let here = told(&server.place, 0, "attestry status");
    assert_eq!(status["projects"][0]["environments"][0]["reviews"], reviews(&away));
    assert_eq!(here["projects"][0]["environments"][0]["reviews"], reviews(&away));
    // Neither who approved it, nor whose role the policy does not name, nor a role one has not.
    let review = format!("attestry approve {request} --meaning post-hoc-review --reason r --key");
    for (line, code, said) in [
        (format!("{review} bob.pem"), 3, "reviewer-involved"),
        (format!("{review} alice.pem"), 4, "role-missing"),
        (format!("{review} mia.pem"), 4, "role-missing"),
    ] {
        let refused = away.expect(code, &line);
        assert!(refused.stderr.contains(said), "$ {line}\n{}", refused.stderr);
    }
    // A no is a review too.
    let reject = format!("attestry reject {request} --meaning post-hoc-review --reason r");
    let reviewed = told(&away, 0, &format!("{reject} --key carol.pem"));
    assert_eq!(reviewed["reviews"], Value::Array(Vec::new()));
    assert_eq!(reviews(&away), Value::Array(Vec::new()));
    assert!(!away.expect(3, gate).stdout.contains("OVERDUE"));
    let shown = away.expect(0, &show).stdout;
    assert!(shown.contains("reviewed as entry"), "{shown}");
    away.expect(3, &format!("{review} carol.pem"));
    server.stop().expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn whoever_has_a_key_and_a_web_client_reviews_too() {
    let server = Running::over(paths::begun());
    let request = let_through(&server.place);
    let index: u64 = request[2..].parse().unwrap();
    let asked = json!({"kind": "approval", "request": index, "predicate": {
        "outcome": "granted", "meaning": "post-hoc-review", "role": "security", "reason": "fine",
    }});
    let (entry, shown) = take_part(&server, "carol.pem", &asked);
    assert_eq!(shown["predicate"]["request"]["index"], index);
    assert_eq!(reviews(&server.place), Value::Array(Vec::new()));
    let shown = server.place.expect(0, &format!("attestry show {request}")).stdout;
    assert!(shown.contains(&format!("reviewed as entry {entry}")), "{shown}");
    // It is reviewed once.
    let again = asked.to_string().into_bytes();
    let json = "content-type: application/json\r\n";
    let refused = ask_with(server.address, "POST", "/api/v1/prepare", json, &again);
    assert_eq!(refused.json()["code"], "request-unknown", "{}", refused.text());
}

/// Where the policy says nothing of an emergency there is none; going back then needs what going
/// forward needs.
#[test]
fn a_path_that_the_policy_does_not_have_is_refused() {
    let place = story::released();
    let refused = place.expect(3, EMERGENCY);
    assert!(refused.stderr.contains("[no-such-path]"), "{}", refused.stderr);
    // Whoever asks without a request is told the same, with the same code.
    let words = "the policy has no emergency path into payments/prod";
    assert!(refused.stderr.contains(words), "{}", refused.stderr);
    let gate = told(&place, 3, "attestry gate dist/app.zip --to prod --emergency");
    assert_eq!(
        (&gate["gates"][0]["verdict"], &gate["gates"][0]["reason"]),
        (&"fail".into(), &words.into())
    );
    let hint = gate["gates"][0]["next"].as_str().unwrap();
    let joined = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(joined.contains(hint), "{hint}: {joined}");
    let back = told(&place, 3, "attestry gate dist/app.zip --to prod --rollback");
    let ids: Vec<&str> =
        back["gates"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!((ids, &back["path"]), (vec!["from", "approvals"], &"rollback".into()));
    place.expect(2, &format!("{EMERGENCY} --rollback"));
}

#[test]
fn going_back_is_by_its_own_gates_and_only_to_what_was_there() {
    let place = paths::begun();
    let deploy = "attestry record deployment --to prod --result succeeded --key ci.pem --subject";
    let_through(&place);
    place.expect(0, &format!("{deploy} dist/app.zip"));
    let newer = EMERGENCY.replace("app.zip", "rc.zip");
    let back = "attestry promote dist/app.zip --to prod --rollback --reason INC-43 --key mia.pem";
    place.expect(3, &back.replace("app.zip", "rc.zip"));
    let request = asked(&place, &newer);
    place.expect(0, &format!("attestry approve {request} --reason looked --key bob.pem"));
    place.expect(0, &format!("{deploy} dist/rc.zip"));
    let gate = told(&place, 0, "attestry gate dist/app.zip --to prod --rollback");
    assert_eq!((&gate["admitted"], &gate["path"]), (&true.into(), &"rollback".into()));
    told(&place, 3, "attestry gate dist/app.zip --to prod");
    let granted = told(&place, 0, back);
    assert_eq!((&granted["outcome"], &granted["path"]), (&"granted".into(), &"rollback".into()));
    let rolled = format!(
        "attestry record rollback --to prod --result succeeded --reason INC-43 --from {} \
         --subject dist/app.zip --key ci.pem",
        digest(&place, "dist/rc.zip")
    );
    place.expect(0, &rolled);
    let shown = place.expect(0, &format!("attestry show {request}")).stdout;
    assert!(shown.contains("rolled back as entry"), "{shown}");
    // Two emergencies, and each has its review.
    assert_eq!(reviews(&place).as_array().unwrap().len(), 2);
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn plans_go_along_by_their_digests_and_are_kept_but_for_the_configuration() {
    let place = paths::begun();
    let elsewhere = format!("sha256:{}", "ab".repeat(32));
    let line = format!(
        "attestry promote dist/app.zip --to prod --reason r --release-notes notes.md --risk risk.md \
         --rollback-plan {elsewhere} --configuration settings.env --key mia.pem"
    );
    place.expect(5, &line.replace("notes.md", "none.md"));
    place.expect(2, &line.replace(&elsewhere, "sha256:ab"));
    place.expect(2, &line.replace("risk.md", "\"\""));
    place.expect(5, &format!("{line} --incident 8"));
    let asked = told(&place, 0, &line);
    let [notes, risk, settings] =
        ["notes.md", "risk.md", "settings.env"].map(|it| digest(&place, it));
    let plans = &asked["plans"];
    assert_eq!(plans["releaseNotes"], Value::from(notes.as_str()));
    assert_eq!(plans["rollback"], Value::from(elsewhere.as_str()));
    assert_eq!(plans["configuration"], Value::from(settings.as_str()));
    let request = asked["request"].as_str().unwrap();
    let signed = place.expect(0, &format!("attestry approve {request} --reason r --key bob.pem"));
    for (name, digest) in [
        ("release notes", &notes),
        ("risk assessment", &risk),
        ("rollback plan", &elsewhere),
        ("configuration", &settings),
    ] {
        let lines = format!("  {name}\n    {digest}\n");
        assert!(signed.stderr.contains(&lines), "{lines}{}", signed.stderr);
    }
    let kept =
        |digest: &str| place.file(&format!("ledger/attachments/sha256/{}", &digest[7..])).exists();
    assert_eq!(
        [&notes, &risk, &settings, &elsewhere].map(|it| kept(it)),
        [true, true, false, false]
    );
    // A pack has what is kept, and says of the rest that it is a digest.
    story::pack(&place);
    let verified = told(&place, 0, "attestry verify pack.zip --trust ledger/pin.txt");
    let absent = verified["findings"].as_array().unwrap().iter();
    let absent: Vec<&str> = absent
        .filter(|it| it["code"] == "attachment-absent")
        .map(|it| it["detail"].as_str().unwrap())
        .collect();
    assert_eq!(absent, [elsewhere.as_str()]);
}

/// Names stand beside the log, so that they can be erased; what was signed stays.
#[test]
fn an_approval_names_the_card_that_was_shown() {
    let place = paths::begun();
    let set = "attestry identity card bob --print-name \"Bob Baker\" --title \"Head of release\" \
               --key attestry-root.pem";
    place.expect(4, &set.replace("attestry-root.pem", "bob.pem"));
    place.expect(5, &set.replace("card bob", "card nobody"));
    let logged = told(&place, 0, set)["index"].clone();
    let card = told(&place, 0, "attestry identity card bob");
    let digest = card["card"].as_str().unwrap().to_owned();
    assert_eq!((&card["name"], &card["title"]), (&"Bob Baker".into(), &"Head of release".into()));
    let request = asked(&place, "attestry promote dist/app.zip --to prod --reason r --key mia.pem");
    let approve = format!("attestry approve {request} --reason r --key");
    let bob = place.expect(0, &format!("{approve} bob.pem --json"));
    assert!(bob.stderr.contains("Bob Baker, Head of release (bob), by key"), "{}", bob.stderr);
    let named = |outcome: &str| {
        let index = serde_json::from_str::<Value>(outcome).unwrap()["index"].clone();
        let shown = told(&place, 0, &format!("attestry show {index}"));
        shown["payload"]["predicate"]["card"].clone()
    };
    assert_eq!(named(&bob.stdout), Value::from(digest.as_str()));
    // Not in the log itself.
    let trust = place.expect(0, &format!("attestry show {logged}")).stdout;
    assert!(trust.contains(&digest) && !trust.contains("Baker"), "{trust}");
    // Erased: the log is whole, and the next approval names no card.
    let file = place.file(&format!("ledger/attachments/sha256/{}", &digest[7..]));
    std::fs::remove_file(file).unwrap();
    place.expect(5, "attestry identity card bob");
    place.expect(0, "attestry verify --trust ledger/pin.txt");
    let again = place.expect(0, &format!("{approve} bob.pem --json"));
    assert!(again.stderr.contains("note: the person card of bob"), "{}", again.stderr);
    assert_eq!(named(&again.stdout), Value::Null);
    place.expect(2, "attestry identity card bob --print-name \" Bob\" --key attestry-root.pem");
    // As a file, with the identity.
    place.write("card.txt", "name Alice Adams\n");
    let add = "attestry identity add alice --card card.txt --key attestry-root.pem";
    place.expect(0, add);
    assert_eq!(told(&place, 0, "attestry identity card alice")["title"], Value::Null);
    place.write("card.txt", "Alice\n");
    place.expect(2, add);
}

fn digest(place: &Place, file: &str) -> String {
    let bytes = std::fs::read(place.file(file)).unwrap();
    format!("sha256:{}", verifier::merkle::sha256(&[&bytes]))
}
