//! `attestry doctor`: every check that can be made to fail, is.

use std::os::unix::fs::PermissionsExt as _;

use harness::{Outcome, Place, story};
use serde_json::Value;

/// The checks that are not ok, each with its grade.
fn bad(outcome: &Outcome) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    checks
        .iter()
        .filter(|check| check["grade"] != "ok")
        // Whatever machine runs this has the disk that it has.
        .filter(|check| check["name"] != "disk")
        .inspect(|check| assert!(check["next"].is_string(), "{check} names no next step"))
        .map(|check| (text(&check["name"]), text(&check["grade"])))
        .collect()
}

fn check(place: &Place, code: u8, expected: &[(&str, &str)]) {
    let outcome = place.expect(code, "attestry doctor --json");
    let expected: Vec<(String, String)> =
        expected.iter().map(|(name, grade)| ((*name).to_owned(), (*grade).to_owned())).collect();
    assert_eq!(bad(&outcome), expected, "{}", outcome.stdout);
}

fn mode(place: &Place, name: &str, mode: u32) {
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(place.file(name), permissions).unwrap();
}

#[test]
fn a_healthy_ledger_has_nothing_to_say() {
    let place = story::released();
    check(&place, 0, &[]);
    let text = place.expect(0, "attestry doctor").stdout;
    assert!(text.contains("nothing failed"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80 || !line.contains(' ')), "{text}");
    let gone = place.expect(5, "attestry doctor --ledger nowhere");
    assert!(gone.stderr.contains("[no-ledger]"), "{}", gone.stderr);
}

#[test]
fn files_that_others_may_read_or_replace_are_named() {
    let place = story::team();
    for (name, loose, tight, found) in [
        ("ledger/keys/log.pem", 0o640, 0o600, "log-key"),
        ("ledger/keys/service.pem", 0o604, 0o600, "permissions"),
        ("ledger/ledger.db", 0o644, 0o600, "permissions"),
        ("ledger/keys", 0o777, 0o700, "permissions"),
        ("ledger", 0o775, 0o755, "permissions"),
    ] {
        mode(&place, name, loose);
        check(&place, 3, &[(found, "failed")]);
        mode(&place, name, tight);
        check(&place, 0, &[]);
    }
}

#[test]
fn keys_must_be_there_and_be_the_right_ones() {
    let place = story::team();
    place.expect(0, "attestry key generate other.pem");
    let (log, service) = (place.file("ledger/keys/log.pem"), place.file("ledger/keys/service.pem"));
    let kept = (std::fs::read(&log).unwrap(), std::fs::read(&service).unwrap());
    std::fs::copy(place.file("other.pem"), &log).unwrap();
    check(&place, 3, &[("log-key", "failed")]);
    std::fs::remove_file(&log).unwrap();
    check(&place, 3, &[("log-key", "failed")]);
    std::fs::write(&log, kept.0).unwrap();
    mode(&place, "ledger/keys/log.pem", 0o600);
    std::fs::copy(place.file("other.pem"), &service).unwrap();
    check(&place, 3, &[("service-key", "failed")]);
    std::fs::remove_file(&service).unwrap();
    check(&place, 3, &[("service-key", "failed")]);
    std::fs::write(&service, kept.1).unwrap();
    mode(&place, "ledger/keys/service.pem", 0o600);
    check(&place, 0, &[]);
}

#[test]
fn attachments_are_there_and_are_what_their_names_say() {
    let place = story::released();
    let folder = place.file("ledger/attachments/sha256");
    let one = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&one, "another report").unwrap();
    check(&place, 3, &[("attachments", "failed")]);
    std::fs::remove_dir_all(&folder).unwrap();
    check(&place, 3, &[("attachments", "failed")]);
}

#[test]
fn a_database_that_is_broken_or_gone_is_told_from_one_that_was_put_back() {
    let place = story::released();
    // An older copy of the ledger, beside a high-water file that knows better.
    let older = story::team();
    for name in ["ledger.db", "checkpoint"] {
        let name = format!("ledger/{name}");
        std::fs::copy(older.file(&name), place.file(&name)).unwrap();
    }
    check(&place, 7, &[("checkpoint", "broken")]);

    let place = story::released();
    std::fs::remove_file(place.file("ledger/ledger.db")).unwrap();
    std::fs::write(place.file("ledger/ledger.db"), "no database, but some text ".repeat(400))
        .unwrap();
    check(&place, 3, &[("permissions", "failed"), ("database", "failed")]);
    std::fs::remove_file(place.file("ledger/ledger.db")).unwrap();
    check(&place, 3, &[("database", "failed")]);
}

#[test]
fn pages_that_are_torn_are_found() {
    let place = story::released();
    place.tampered("pages of its database are torn");
    place.expect(0, "attestry log");
    let path = place.file("ledger/ledger.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // All inner bytes of the pages behind the schema's, their headers left alone.
    for page in bytes.chunks_mut(8192).skip(4) {
        page[100..2000].fill(0xA5);
    }
    std::fs::write(&path, bytes).unwrap();
    let outcome = place.expect(7, "attestry doctor --json");
    assert!(bad(&outcome).contains(&("pages".into(), "broken".into())), "{}", outcome.stdout);
}

#[test]
fn without_its_high_water_file_a_ledger_warns() {
    let mut place = story::team();
    place.set("ATTESTRY_STATE", "elsewhere");
    check(&place, 0, &[("high-water", "warning")]);
}

#[test]
fn tokens_that_end_soon_are_named() {
    let place = story::team();
    place.expect(0, "attestry token create --identity ci --expires 30d");
    check(&place, 0, &[]);
    place.expect(0, "attestry token create --identity mia --expires 2d");
    check(&place, 0, &[("tokens", "warning")]);
}

#[test]
fn a_postgresql_server_that_may_lose_commits_is_named() {
    let Some(server) = harness::postgres::own_server() else { return };
    let place = story::team();
    place.expect(0, &format!("attestry move --to {}", server.database()));
    check(&place, 0, &[]);
    server.restart_with("full_page_writes=off");
    check(&place, 3, &[("settings", "failed")]);
    server.restart_with("max_connections=25");
    check(&place, 0, &[("connections", "warning")]);
    server.restart_with("fsync=off");
    let outcome = place.expect(3, "attestry doctor --json");
    assert!(bad(&outcome).contains(&("settings".into(), "failed".into())), "{}", outcome.stdout);
    drop(server);
    let outcome = place.expect(3, "attestry doctor --json");
    assert!(bad(&outcome).iter().any(|(name, _)| name == "database"), "{}", outcome.stdout);
}
