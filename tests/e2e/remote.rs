//! Commands against a server: the same lines, the same answers, the same exit codes as where the
//! ledger's folder is, and a client that believes nothing.

use harness::{Outcome, Place, story};
use verifier::access::Scope;

use crate::access::token;
use crate::serve::Running;

/// A place of a user who has the story's files and keys, but no ledger: only a server's address.
pub fn away(server: &Running) -> Place {
    let mut away = server.place.copy();
    std::fs::remove_dir_all(away.file("ledger")).unwrap();
    away.set("ATTESTRY_PROJECT", "payments");
    away.set("ATTESTRY_LEDGER", &format!("http://{}", server.address));
    away
}

/// Exit code, standard output, standard error.
type Said = (u8, String, String);

/// What both must say: all but what is told of the first meeting.
fn said(outcome: Outcome) -> Said {
    let lines = outcome.stderr.split_inclusive('\n');
    let mut stderr = String::new();
    let mut meeting = false;
    for line in lines {
        meeting =
            line.starts_with("note: this machine meets") || (meeting && line.starts_with(' '));
        if !meeting {
            stderr.push_str(line);
        }
    }
    (outcome.code, outcome.stdout, stderr)
}

/// What a line says here and there, as of one moment.
///
/// Ages are said in whole seconds, and one may end between the two answers: then both are asked again.
/// What differs for another reason differs each time.
fn both(here: &Place, away: &Place, line: &str) -> (Said, Said) {
    let ask = || (said(here.run(line)), said(away.run(line)));
    let mut answers = ask();
    for _ in 0..2 {
        if answers.0 != answers.1 {
            answers = ask();
        }
    }
    answers
}

#[test]
fn reading_commands_answer_alike() {
    let here = story::released();
    std::fs::copy(here.file("ledger/pin.txt"), here.file("pin.txt")).unwrap();
    let server = Running::over(here);
    let away = away(&server);
    let (json, mut count) = ("--json", 0);
    for line in [
        "status",
        "log",
        "log --kind approval",
        "log --subject dist/app.zip",
        "show 27",
        "show 30",
        "lineage dist/app.zip",
        "lineage dist/rc.zip",
        "receipt 12",
        "trust show",
        "identity list",
        "policy check policy.yaml",
        "gate dist/app.zip --to prod",
        "gate dist/rc.zip --to staging",
        "verify --trust pin.txt",
        "show 4711",
        "gate sha256:00000000 --to prod",
    ] {
        for line in [format!("attestry {line}"), format!("attestry {line} {json}")] {
            let (local, remote) = both(&server.place, &away, &line);
            assert_eq!(local, remote, "$ {line}");
            count += usize::from(!local.1.is_empty());
        }
    }
    assert!(count > 28, "{count}");
}

/// The whole release, by people who have a server's address and their own keys.
#[test]
fn a_release_goes_through_a_server() {
    let server = Running::over(story::team());
    let away = away(&server);
    for (line, code) in story::release().into_iter().flat_map(|it| it.lines) {
        away.expect(code, &line);
    }
    story::pack(&away);
    std::fs::copy(server.place.file("ledger/pin.txt"), away.file("pin.txt")).unwrap();
    let pack = away.run("attestry verify pack.zip --trust pin.txt --json");
    assert_eq!(pack.code, 3, "a deployment without a grant: {pack:?}");
    let here = server.place.run("attestry log --json");
    assert_eq!(here, away.expect(0, "attestry log --json"));
    assert_eq!(away.run("attestry verify --trust pin.txt").code, 3);
    let receipts = std::fs::read_dir(away.file("dist")).unwrap().flatten();
    let receipts: Vec<_> = receipts
        .map(|it| it.path().display().to_string())
        .filter(|path| path.ends_with(".receipt"))
        .collect();
    assert!(receipts.len() > 10, "{receipts:?}");
    for receipt in receipts {
        away.expect(0, &format!("attestry verify {receipt} --trust pin.txt"));
    }
}

#[test]
fn what_only_the_folder_can_do_says_so() {
    let server = Running::over(story::team());
    let away = away(&server);
    for line in ["move --to other", "serve --listen 127.0.0.1:0", "token list"] {
        let outcome = away.run(&format!("attestry {line}"));
        assert_eq!(outcome.code, 2, "{line}: {outcome:?}");
        assert!(outcome.stderr.contains("not against its server"), "{line}: {outcome:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_6_and_one_that_is_not_ours_is_told() {
    let mut place = Place::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.set("ATTESTRY_LEDGER", &format!("http://{closed}"));
    assert_eq!(place.run("attestry status").code, 6);
    place.set("ATTESTRY_LEDGER", "http://ledger.acme.example");
    let plain = place.run("attestry status");
    assert_eq!(plain.code, 2, "{plain:?}");
    place.set("ATTESTRY_TOKEN", "");
    assert_eq!(place.run("attestry status").code, 2);
}

/// Another ledger at the same address is not the one that this machine knows.
#[test]
fn a_server_with_another_pin_is_refused() {
    let server = Running::over(story::team());
    let away = away(&server);
    let met = away.expect(0, "attestry status");
    assert!(met.stderr.contains("for the first time"), "{met:?}");
    assert!(!away.expect(0, "attestry status").stderr.contains("for the first time"));
    let other = Place::new();
    other.expect(0, "attestry init --origin ledger.acme.example");
    let folder = away.file("state/servers");
    let known = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    std::fs::copy(other.file("ledger/pin.txt"), &known).unwrap();
    let refused = away.run("attestry status");
    assert_eq!(refused.code, 7, "{refused:?}");
    std::fs::remove_file(&known).unwrap();
    // The same by a pin that was got by another road.
    let mut away = away;
    let pin = other.file("ledger/pin.txt").display().to_string();
    away.set("ATTESTRY_PIN", &pin);
    assert_eq!(away.run("attestry status").code, 7);
    assert!(!known.exists());
}

/// A server that takes back what it has published is found by whoever has seen it.
#[test]
fn a_log_that_was_taken_back_is_7() {
    let server = Running::over(story::released());
    let away = away(&server);
    away.expect(0, "attestry status");
    let older = story::team();
    // The younger ledger has the same keys: it is the same one, earlier.
    let server = server.stop();
    for file in ["ledger.db", "checkpoint"] {
        std::fs::copy(older.file("ledger").join(file), server.file("ledger").join(file)).unwrap();
    }
    for beside in ["ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(server.file("ledger").join(beside));
    }
    std::fs::remove_dir_all(server.file("state")).unwrap();
    let again = Running::over(server);
    let mut away = away;
    away.set("ATTESTRY_LEDGER", &format!("http://{}", again.address));
    let found = away.run("attestry status");
    assert_eq!(found.code, 7, "{found:?}");
}

/// A machine whose identity may emit and nothing else: what it needs of the server is little enough.
#[test]
fn a_machine_that_may_only_submit_records() {
    let server = Running::with(story::team(), ledger::http::Settings::default());
    let mut away = away(&server);
    let scope = Scope { roles: ["emitter".to_owned()].into(), ..Scope::default() };
    away.set("ATTESTRY_TOKEN", &token(&server, "ci", scope));
    let recorded = story::release().into_iter().filter(|it| it.name.starts_with("record"));
    let recorded: Vec<(String, u8)> = recorded.flat_map(|it| it.lines).collect();
    assert_eq!(recorded.len(), 14, "{recorded:?}");
    for (line, code) in recorded {
        away.expect(code, &line);
    }
    let full = format!("sha256:{}", verifier::merkle::sha256(&[b"elsewhere"]));
    let line = "attestry record deployment --to staging --result succeeded --key ci.pem --subject";
    // It is logged, and answered with 3: nothing has granted it.
    away.expect(3, &format!("{line} {full}"));
    let refused = away.run(&format!("{line} {}", &full[..15]));
    assert_eq!(refused.code, 4, "{refused:?}");
    for said in ["ci has no role auditor", "the digest in full"] {
        assert!(refused.stderr.contains(said), "{said}: {refused:?}");
    }
    for (line, missing) in [
        ("attestry log", "role auditor"),
        ("attestry status", ""),
        ("attestry promote dist/app.zip --to staging --reason no --key mia.pem", "role"),
    ] {
        let refused = away.run(line);
        assert_eq!(refused.code, 4, "$ {line}: {refused:?}");
        assert!(refused.stderr.contains(missing), "$ {line}: {refused:?}");
    }
    // What it has logged is whole; the deployment that nothing granted is told.
    let place = server.stop();
    let verified = place.run("attestry verify --trust ledger/pin.txt");
    assert_eq!(verified.code, 3, "{verified:?}");
}
