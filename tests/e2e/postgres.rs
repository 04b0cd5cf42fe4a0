//! A ledger on PostgreSQL through the command line, and a log that moves there and back.

use std::path::Path;
use std::process::Command;

use harness::postgres::{name_of, own_server, server};
use harness::{Place, story};

/// The answer of a verification, which must not depend on the database.
fn verified(place: &Place) -> String {
    place.expect(3, "attestry verify --trust ledger/pin.txt --json").stdout
}

#[test]
fn a_ledger_begins_on_postgresql() {
    let Some(server) = server() else { return };
    let place = Place::new();
    let address = server.database();
    let line = format!("attestry init --origin ledger.acme.example --database {address}");
    place.expect(0, &line);
    assert!(!place.file("ledger/ledger.db").exists());
    place.expect(0, "attestry verify --trust ledger/pin.txt");
    place.expect(0, "attestry key generate ci.pem");
    place.expect(
        0,
        "attestry identity add ci --pub ci.pem.pub --role emitter --kind note --project payments \
         --key attestry-root.pem",
    );
    place.expect(0, "attestry record note --text hello --project payments --key ci.pem");
    place.expect(0, "attestry log");
    assert_eq!(server.sql(name_of(&address), "SELECT size FROM head"), "3");

    // A second ledger does not get in beside it, and leaves nothing behind.
    let taken = place.expect(2, &format!("{line} --dir second --root-out second.pem"));
    assert!(taken.stderr.contains("[database-not-empty]"), "{}", taken.stderr);
    assert!(!place.file("second").exists() && !place.file("second.pem").exists());
}

#[test]
fn a_password_is_kept_nowhere_and_shown_to_nobody() {
    let Some(server) = server() else { return };
    let place = Place::new();
    let address = server.database().replace("postgres@", "postgres:pa55word@");
    let line = format!("attestry init --origin ledger.acme.example --database {address}");
    let made = place.expect(0, &line);
    assert!(!format!("{made:?}").contains("pa55word"));
    let named = std::fs::read_to_string(place.file("ledger/database")).unwrap();
    assert!(named.starts_with("postgres://postgres@localhost/"), "{named}");
    assert!(!named.contains("pa55word"), "{named}");
    let wrong = line
        .replace("localhost/", "localhost/missing")
        .replace("--database", "--dir b --root-out b.pem --database");
    let refused = place.expect(6, &wrong);
    assert!(!format!("{refused:?}").contains("pa55word"), "{}", refused.stderr);
}

#[test]
fn a_log_moves_there_and_back() {
    let Some(server) = server() else { return };
    let place = story::released();
    let address = server.database();
    let (before, pin) = (verified(&place), place.file("ledger/pin.txt"));
    let pin_before = std::fs::read(&pin).unwrap();
    let checkpoint = std::fs::read(place.file("ledger/checkpoint")).unwrap();
    place.write("kept", &checkpoint);
    let log = place.expect(0, "attestry log").stdout;

    let moved = place.expect(0, &format!("attestry move --to {address}"));
    assert!(moved.stdout.starts_with("moved "), "{}", moved.stdout);
    assert_eq!(verified(&place), before);
    assert_eq!(std::fs::read(&pin).unwrap(), pin_before);
    assert_eq!(place.expect(0, "attestry log").stdout, log);
    assert_eq!(std::fs::read(place.file("ledger/checkpoint")).unwrap(), checkpoint);
    place.expect(0, "attestry record note --text there --key ci.pem");
    place.expect(3, "attestry verify --trust ledger/pin.txt --checkpoint kept");
    let again = place.expect(2, &format!("attestry move --to {address}"));
    assert!(again.stderr.contains("[move-nowhere]"), "{}", again.stderr);

    // Somebody goes on with the old file, because their folder names no database.
    let mut old = place.copy();
    std::fs::remove_file(old.file("ledger/database")).unwrap();
    old.set("ATTESTRY_STATE", old.file("other-state").to_str().unwrap());
    std::fs::write(old.file("ledger/checkpoint"), &checkpoint).unwrap();
    let refused = old.expect(3, "attestry record note --text lost --key ci.pem");
    let told = refused.stderr.replace("\n  ", " ");
    assert!(told.contains("the log has moved to postgres://") && told.contains("[log-sealed]"));
    old.expect(3, "attestry verify --trust ledger/pin.txt");

    // Back, into the folder where the old file still is.
    let occupied = place.expect(2, "attestry move --to ledger");
    assert!(occupied.stderr.contains("[database-not-empty]"), "{}", occupied.stderr);
    assert!(occupied.stderr.contains("hint: "), "{}", occupied.stderr);
    place.expect(0, "attestry record note --text \"still there\" --key ci.pem");
    std::fs::remove_file(place.file("ledger/ledger.db")).unwrap();
    place.expect(0, "attestry move --to ledger");
    assert!(!place.file("ledger/database").exists());
    place.expect(0, "attestry record note --text back --key ci.pem");
    place.expect(3, "attestry verify --trust ledger/pin.txt --checkpoint kept");
    let checkpoints = "SELECT count(*) > 5 FROM checkpoint";
    assert_eq!(server.sql(name_of(&address), checkpoints), "t");
}

/// The move dies in between; the same command goes on, another gives it up.
#[test]
fn a_move_that_was_broken_off_goes_on_or_is_given_up() {
    let Some(server) = server() else { return };
    let place = story::released();
    // The copy is as far as the log was before its newest entries.
    let early = place.copy();
    for text in ["one more", "and another"] {
        place.expect(0, &format!("attestry record note --text \"{text}\" --key ci.pem"));
    }
    let address = server.database();
    let database = name_of(&address);
    early.expect(0, &format!("attestry move --to {address}"));
    let unfinished =
        "UPDATE head SET seal = 'moving-here'; DELETE FROM thread; DELETE FROM statement";
    server.sql(database, unfinished);

    // Another log does not continue it.
    let other = Place::new();
    other.expect(0, "attestry init --origin ledger.acme.example");
    let refused = other.expect(2, &format!("attestry move --to {address}"));
    assert!(refused.stderr.contains("[database-not-empty]"), "{}", refused.stderr);

    let before = verified(&place);
    place.expect(0, &format!("attestry move --to {address}"));
    assert_eq!(verified(&place), before);
    assert_eq!(server.sql(database, "SELECT seal IS NULL FROM head"), "t");
    place.expect(0, "attestry record test reports/unit.xml --subject dist/app.zip --key ci.pem");
    verified(&place);

    // It died after the last step but one: the new database is open, and the folder names the old.
    let place = story::released();
    let address = server.database();
    place.expect(0, &format!("attestry move --to {address}"));
    std::fs::remove_file(place.file("ledger/database")).unwrap();
    let sealed = place.expect(3, "attestry record note --text lost --key ci.pem");
    assert!(sealed.stderr.contains("[log-sealed]"), "{}", sealed.stderr);
    let stays = place.expect(3, "attestry move --cancel");
    assert!(stays.stderr.contains("[log-sealed]"), "{}", stays.stderr);
    place.expect(0, &format!("attestry move --to {address}"));
    place.expect(0, "attestry record note --text there --key ci.pem");

    let other = story::released();
    let full = server.database();
    server.sql(name_of(&full), "CREATE TABLE entry (theirs INT)");
    other.expect(2, &format!("attestry move --to {full}"));
    other.expect(0, "attestry move --cancel");
    other.expect(0, "attestry record note --text stays --key ci.pem");
}

/// Runs OpenSSL in a folder.
fn openssl(folder: &Path, line: &str) {
    let output =
        Command::new("openssl").current_dir(folder).args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and what it says of a server called localhost: `NAME.pem`, `tls.pem`, `tls.key`.
fn authority(folder: &Path, name: &str) {
    const EC: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let ca = format!("-keyout {name}.key -out {name}.pem -subj /CN={name} -days 2");
    openssl(folder, &format!("req -x509 {EC} {ca} -addext keyUsage=critical,keyCertSign"));
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(folder, &format!("req {EC} -keyout tls.key -out tls.csr -subj /CN=database"));
    let sign = format!("x509 -req -in tls.csr -CA {name}.pem -CAkey {name}.key -CAcreateserial");
    openssl(folder, &format!("{sign} -days 2 -extfile names -out tls.pem"));
}

/// The handshake with a real server: its certificate is checked against the authority that the
/// address names, and so is its name.
#[test]
fn a_database_beyond_a_socket_is_proven_by_its_certificate() {
    let Some(server) = own_server() else { return };
    let place = Place::new();
    authority(place.path(), "stranger");
    authority(place.path(), "ours");
    let database = name_of(&server.database()).to_owned();
    let (certificate, key) = (place.file("tls.pem"), place.file("tls.key"));
    let port = server.restart_with_tls(&certificate, &key);
    let init = |host: &str, options: &str| {
        let _ = std::fs::remove_dir_all(place.file("ledger"));
        let address = format!("postgres://postgres@{host}:{port}/{database}?{options}");
        let line = "attestry init --origin ledger.acme.example --root-out root.pem --database";
        place.run(&format!("{line} {address}"))
    };
    let ours = format!("sslrootcert={}", place.file("ours.pem").display());
    let strangers = format!("sslrootcert={}", place.file("stranger.pem").display());
    for (host, options, why) in [
        ("localhost", format!("sslmode=verify-full&{strangers}"), "certificate"),
        ("127.0.0.1", format!("sslmode=verify-full&{ours}"), "certificate"),
        ("localhost", "sslmode=verify-full".to_owned(), "certificate"),
        ("localhost", "sslmode=disable".to_owned(), "no encryption"),
    ] {
        let refused = init(host, &options);
        assert!(refused.code != 0 && refused.stderr.contains(why), "{options}: {refused:?}");
    }
    let made = init("localhost", &format!("sslmode=verify-full&{ours}"));
    assert_eq!(made.code, 0, "{made:?}");
    place.expect(0, "attestry key generate ci.pem");
    place.expect(
        0,
        "attestry identity add ci --pub ci.pem.pub --role emitter --kind note --project payments \
         --key root.pem",
    );
    place.expect(0, "attestry record note --text encrypted --project payments --key ci.pem");
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}
