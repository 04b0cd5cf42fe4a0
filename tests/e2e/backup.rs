//! Backup and restore: a copy that is whole, and an old copy that signs nothing.

use std::path::Path;
use std::process::Command;

use harness::postgres::name_of;
use harness::{Place, story};

/// Puts a folder in the place of another, as an operator restores one.
fn restore(place: &Place, from: &str, to: &str) {
    std::fs::remove_dir_all(place.file(to)).unwrap();
    let copied = Command::new("cp").arg("-a").arg(place.file(from)).arg(place.file(to)).status();
    assert!(copied.unwrap().success());
}

fn size(place: &Place) -> u64 {
    let outcome = place.expect(0, "attestry verify --trust ledger/pin.txt --json");
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    report["size"].as_u64().unwrap()
}

fn note(place: &Place, code: u8) -> harness::Outcome {
    place.expect(code, "attestry record note --text more --key ci.pem")
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_backup_is_a_ledger_that_goes_on() {
    let place = story::team();
    note(&place, 0);
    let before = size(&place);
    let made = place.expect(0, "attestry backup backup --with-keys");
    assert!(made.stdout.contains("verified"), "{}", made.stdout);
    assert_eq!(mode(&place.file("backup/ledger.db")), 0o600);
    assert_eq!(mode(&place.file("backup/keys")), 0o700);
    assert_eq!(mode(&place.file("backup/keys/log.pem")), 0o600);
    assert!(!place.file("backup.unfinished").exists());
    // The machine has burnt down with everything but the backup; nothing was logged since.
    restore(&place, "backup", "ledger");
    std::fs::remove_dir_all(place.file("state")).unwrap();
    place.expect(0, "attestry doctor");
    note(&place, 0);
    assert_eq!(size(&place), before + 1);
}

#[test]
fn keys_stay_where_they_are_unless_asked_for() {
    let place = story::released();
    let made = place.expect(0, "attestry backup backup --json");
    let said: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!((&said["keys"], said["size"].as_u64()), (&false.into(), Some(37)));
    let listed = |name: &str| std::fs::read_dir(place.file(name)).unwrap().count();
    assert_eq!(listed("backup/keys"), 0);
    assert_eq!(listed("backup/attachments/sha256"), listed("ledger/attachments/sha256"));
    assert_eq!(said["attachments"], listed("backup/attachments/sha256"));
    // It can be read and verified as it is; only signing needs the keys.
    place.expect(0, "attestry log --ledger backup");
    let line = "attestry record note --text x --key ci.pem --ledger backup";
    let refused = place.expect(4, line);
    assert!(refused.stderr.contains("[key-missing]"), "{}", refused.stderr);
}

#[test]
fn a_backup_that_cannot_be_whole_is_not_made() {
    let place = story::released();
    place.write("taken/file", "mine");
    place.expect(1, "attestry backup taken");
    assert_eq!(std::fs::read(place.file("taken/file")).unwrap(), b"mine");
    // An attachment that is not what its name says.
    let folder = place.file("ledger/attachments/sha256");
    let one = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&one, "another report").unwrap();
    place.expect(1, "attestry backup backup");
    assert!(!place.file("backup").exists() && !place.file("backup.unfinished").exists());
}

/// The oldest way to lose history: yesterday's copy is put back, and goes on from there.
#[test]
fn a_copy_from_before_the_last_checkpoint_signs_nothing() {
    let place = story::team();
    place.expect(0, "attestry backup yesterday --with-keys");
    let then = size(&place);
    note(&place, 0);
    place.expect(0, "attestry backup today --with-keys");
    note(&place, 0);
    let now = size(&place);
    let keep = place.path().join("damaged");
    std::fs::rename(place.file("ledger"), &keep).unwrap();
    std::fs::create_dir(place.file("ledger")).unwrap();
    for copy in ["yesterday", "today"] {
        restore(&place, copy, "ledger");
        let refused = note(&place, 7);
        assert!(refused.stderr.contains("[forked]"), "{}", refused.stderr);
        assert!(refused.stderr.contains(&format!("size {now}")), "{}", refused.stderr);
        // Nothing was written, and the doctor finds the same.
        let doctor = place.expect(7, "attestry doctor");
        assert!(doctor.stdout.contains("broken   checkpoint"), "{}", doctor.stdout);
        place.expect(7, "attestry promote dist/app.zip --to prod --reason x --key mia.pem");
    }
    // How far a copy reaches is found out without this machine's memory, which is left as it is.
    let mut aside = place.copy();
    aside.set("ATTESTRY_STATE", "nowhere");
    let checked =
        aside.expect(0, "attestry verify --trust yesterday/pin.txt --ledger yesterday --json");
    let report: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(report["size"], then);
    // The only copy that goes on is the one that has every published entry.
    std::fs::remove_dir_all(place.file("ledger")).unwrap();
    std::fs::rename(keep, place.file("ledger")).unwrap();
    note(&place, 0);
    assert_eq!(size(&place), now + 1);
}

#[test]
fn a_dump_of_postgresql_is_a_backup_and_an_old_one_signs_nothing() {
    let Some(server) = harness::postgres::server() else { return };
    let place = story::team();
    let first = server.database();
    place.expect(0, &format!("attestry move --to {first}"));
    note(&place, 0);
    let refused = place.expect(2, "attestry backup backup");
    assert!(refused.stderr.contains("pg_dump"), "{}", refused.stderr);
    let old = server.dump(name_of(&first));
    note(&place, 0);
    let whole = server.dump(name_of(&first));
    let now = size(&place);
    // Restored into another database, which the folder then names.
    let restored = |dump: &str| {
        let address = server.database();
        server.restore(name_of(&address), dump);
        place.write("ledger/database", format!("{address}\n"));
    };
    restored(&old);
    let refused = note(&place, 7);
    assert!(refused.stderr.contains("[forked]"), "{}", refused.stderr);
    place.expect(7, "attestry doctor");
    restored(&whole);
    assert_eq!(size(&place), now);
    place.expect(0, "attestry doctor");
    note(&place, 0);
    assert_eq!(size(&place), now + 1);
}
