//! What an auditor does with a file and no ledger.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use harness::{Outcome, Place, story, words};
use serde_json::Value;

/// A place with `pack.zip`, `pin.txt` and nothing else of the ledger that made them.
fn auditor() -> (Place, Place) {
    let home = story::released();
    story::pack(&home);
    let away = Place::new();
    for (from, to) in [
        ("pack.zip", "pack.zip"),
        ("ledger/pin.txt", "pin.txt"),
        ("ledger/checkpoint", "checkpoint"),
        ("dist/app.zip", "app.zip"),
    ] {
        std::fs::copy(home.file(from), away.file(to)).unwrap();
    }
    (home, away)
}

#[test]
fn a_pack_answers_as_the_ledger_does() {
    let (home, away) = auditor();
    let app = "sha256:160b7f97";
    for line in [
        format!("attestry lineage {app}"),
        "attestry show 10 --raw".to_owned(),
        "attestry show 29".to_owned(),
        "attestry log --env payments/prod".to_owned(),
        format!("attestry log --subject {app} --limit 3"),
        "attestry trust show".to_owned(),
    ] {
        let here = home.expect(0, &line).stdout;
        let there = away.expect(0, &format!("{line} --pack pack.zip --trust pin.txt")).stdout;
        // The ledger has grown by the export since.
        let same = |text: &str| {
            let lines: Vec<String> = text
                .lines()
                // Each names its own way to the proof of an entry.
                .filter(|line| !line.contains("export") && !line.starts_with("proof "))
                .map(|line| {
                    line.replace(" of 39", "").replace(" of 38", "").trim_start().to_owned()
                })
                .collect();
            lines.join("\n")
        };
        assert_eq!(same(&here), same(&there), "$ {line}");
    }
    let status = away.expect(0, "attestry status --pack pack.zip --trust pin.txt");
    assert!(status.stdout.contains("deployed without grant"), "{}", status.stdout);
    away.expect(5, "attestry show 999 --pack pack.zip --trust pin.txt");
    away.expect(5, "attestry lineage sha256:01234567 --pack pack.zip --trust pin.txt");
}

#[test]
fn a_pack_verifies_as_a_zip_and_as_a_folder_and_with_a_bare_key() {
    let (_, away) = auditor();
    let zip: Value = serde_json::from_str(
        &away.expect(3, "attestry verify pack.zip --trust pin.txt --json").stdout,
    )
    .unwrap();
    assert_eq!(zip["pinned"], Value::from(true));
    assert_eq!(zip["findings"].as_array().unwrap().len(), 1);
    let files =
        cli::pack_file::read(&away.file("pack.zip"), &cli::pack_file::Limits::PACK).unwrap();
    for (path, bytes) in &files {
        away.write(&format!("unzipped/attestry-pack/{path}"), bytes);
    }
    away.expect(3, "attestry verify unzipped --trust pin.txt");
    away.expect(3, "attestry verify unzipped/attestry-pack --trust pin.txt");
    away.write("unzipped/attestry-pack/data/population.csv", "nothing\n");
    away.expect(7, "attestry verify unzipped --trust pin.txt");
    let pin = std::fs::read_to_string(away.file("pin.txt")).unwrap();
    let vkey = pin.lines().nth(1).unwrap().strip_prefix("log ").unwrap();
    let bare = away.expect(3, &format!("attestry verify pack.zip --trust {vkey}"));
    assert!(
        bare.stdout.contains("not pinned, as claimed by the holder of the log key"),
        "{}",
        bare.stdout
    );
    assert!(bare.stdout.contains("roots-not-pinned"), "{}", bare.stdout);
}

#[test]
fn broken_containers_are_told_and_never_written_out() {
    let (_, away) = auditor();
    let pack = std::fs::read(away.file("pack.zip")).unwrap();
    let renamed = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let mut bytes = pack.clone();
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from.as_bytes()) {
                bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            }
        }
        bytes
    };
    for (name, bytes) in [
        ("cut in the middle", pack[..pack.len() / 2].to_vec()),
        ("cut at the end", pack[..pack.len() - 1].to_vec()),
        ("empty", Vec::new()),
        ("no zip", b"this is no zip file".to_vec()),
        ("something before it", [b"#!/bin/sh\n".to_vec(), pack.clone()].concat()),
        ("a path that climbs out", renamed("attestry-pack/bagit.txt", "attestry-pack/../ag.txt")),
        ("a path from the root", renamed("attestry-pack/bagit.txt", "/tmp/attestry/bagit.txt")),
        ("a name twice", renamed("attestry-pack/bag-info.txt", "attestry-pack/README.txt\0\0")),
    ] {
        away.write("broken.zip", bytes);
        let verified = away.run("attestry verify broken.zip --trust pin.txt");
        assert_eq!(verified.code, 7, "{name}: {}{}", verified.stdout, verified.stderr);
        assert!(verified.stdout.contains("pack-malformed"), "{name}: {}", verified.stdout);
        for line in ["status", "log", "trust show", "show 0"] {
            away.expect(7, &format!("attestry {line} --pack broken.zip --trust pin.txt"));
        }
    }
    assert!(!away.file("ag.txt").exists());
    away.expect(5, "attestry verify gone.zip --trust pin.txt");
    away.expect(2, "attestry verify \"\" --trust pin.txt");
    away.expect(2, "attestry verify pack.zip");
    away.expect(2, "attestry verify pack.zip --trust \"\"");
    away.expect(5, "attestry verify pack.zip --trust gone.txt");
    away.write("bad.pin", "attestry/pin/v1\nlog nothing\n");
    away.expect(2, "attestry verify pack.zip --trust bad.pin");
    away.expect(2, "attestry status --trust pin.txt");
}

#[test]
fn a_changed_pack_is_still_read_with_a_warning() {
    let (_, away) = auditor();
    let mut files =
        cli::pack_file::read(&away.file("pack.zip"), &cli::pack_file::Limits::PACK).unwrap();
    files.get_mut("data/population.csv").unwrap()[3] ^= 1;
    let file = std::fs::File::create(away.file("changed.zip")).unwrap();
    cli::pack_file::write(&files, file).unwrap();
    let log = away.expect(7, "attestry log --pack changed.zip --trust pin.txt");
    assert!(
        log.stdout.contains("deployment") && log.stderr.contains("this pack is broken"),
        "{}",
        log.stderr
    );
}

#[test]
fn a_kept_checkpoint_must_be_extended() {
    let (home, away) = auditor();
    // Kept by the auditor at an earlier size: the ledger proves the way, a pack may not have it.
    let receipt = home.expect(0, "attestry receipt 3").stdout;
    let kept = receipt.split_once("\n\n").unwrap().1;
    home.write("kept", kept);
    home.expect(0, "attestry record note --text \"one more\" --key ci.pem");
    home.expect(3, "attestry verify --trust ledger/pin.txt --checkpoint kept");
    let unknown =
        away.run("attestry verify pack.zip --trust pin.txt --checkpoint checkpoint --json");
    let json: Value = serde_json::from_str(&unknown.stdout).unwrap();
    let classes = json["findings"].to_string();
    assert!(unknown.code == 3 || unknown.code == 8, "{classes}");
    // Another ledger's checkpoint is not signed by this log.
    home.expect(0, "attestry init --origin ledger.acme.example --dir second --root-out second.pem");
    std::fs::copy(home.file("second/checkpoint"), away.file("other")).unwrap();
    away.expect(7, "attestry verify pack.zip --trust pin.txt --checkpoint other");
    home.expect(7, "attestry verify --trust second/pin.txt");
    away.expect(2, "attestry verify pack.zip --trust pin.txt --checkpoint \"\"");
}

#[test]
fn periods_end_after_they_begin() {
    let (home, away) = auditor();
    let pack = "attestry pack create --environment payments/prod --for A --reason R -o p.zip";
    home.expect(2, &format!("{pack} --from 2026-02-01 --to 2026-01-01"));
    home.expect(2, &format!("{pack} --from 2026-02-01 --to 2026-02-01"));
    home.expect(2, &format!("{pack} --from yesterday --to 2026-01-01"));
    home.expect(2, &format!("{pack} --from 2026-01-01"));
    assert!(!home.file("p.zip").exists());
    home.expect(2, "attestry log --from 2026-02-01 --to 2026-01-01");
    away.expect(
        2,
        "attestry log --from 2026-02-01 --to 2026-01-01 --pack pack.zip --trust pin.txt",
    );
    let period = story::period();
    home.expect(
        3,
        &format!(
            "attestry pack create --environment payments/qa {period} --for A --reason R -o p.zip"
        ),
    );
    home.expect(
        3,
        &format!(
            "attestry pack create --environment paymints/prod {period} --for A --reason R -o p.zip"
        ),
    );
    home.expect(2, &format!("attestry pack create --environment payments/prod {period} --for \"\" --reason R -o p.zip"));
    assert!(!home.file("p.zip").exists());
    // Nothing happened then: a pack that says so.
    home.expect(0, &format!("{pack} --from 2020-01-01 --to 2020-02-01"));
    home.expect(0, "attestry verify p.zip --trust ledger/pin.txt");
}

#[test]
fn the_same_period_gives_the_same_bytes_but_for_the_heads() {
    let home = story::released();
    story::pack(&home);
    let files =
        cli::pack_file::read(&home.file("pack.zip"), &cli::pack_file::Limits::PACK).unwrap();
    let mut again = std::io::Cursor::new(Vec::new());
    cli::pack_file::write(&files, &mut again).unwrap();
    assert_eq!(again.into_inner(), std::fs::read(home.file("pack.zip")).unwrap());
    let csv = String::from_utf8(files["data/population.csv"].clone()).unwrap();
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!(rows.len(), 3, "{csv}");
    assert!(rows[1].contains(",27,31,bob carol,,"), "{csv}");
    assert!(rows[2].contains("deployed-without-grant"), "{csv}");
}

/// The offline verifier as `tests/run` has built it, or a loud skip.
fn offline_binary() -> Option<PathBuf> {
    let binary = std::env::var_os("ATTESTRY_OFFLINE").map(PathBuf::from);
    if binary.is_none() {
        // Not `eprintln`, which the test runner would swallow.
        let note = b"SKIPPED: no offline build (tests/run makes it; ATTESTRY_OFFLINE names it)\n";
        let _ = std::io::stderr().write_all(note);
    }
    binary
}

/// Runs the offline verifier with nothing in its environment.
fn offline(binary: &PathBuf, place: &Place, line: &str) -> Outcome {
    let mut command = Command::new(binary);
    command.current_dir(place.path()).env_clear().args(&words(line)[1..]);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = u8::try_from(output.status.code().unwrap()).unwrap();
    Outcome { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Two builds of one tool: whatever the offline one can do, it says in the same words.
#[test]
fn the_offline_build_answers_as_the_whole_one() {
    let Some(binary) = offline_binary() else { return };
    let (home, away) = auditor();
    home.expect(0, "attestry receipt 10 -o ten.receipt");
    std::fs::copy(home.file("ten.receipt"), away.file("ten.receipt")).unwrap();
    std::fs::copy(home.file("policy.yaml"), away.file("policy.yaml")).unwrap();
    std::fs::copy(home.file("broken.yaml"), away.file("broken.yaml")).unwrap();
    let pack = "--pack pack.zip --trust pin.txt";
    for (line, code) in [
        ("attestry verify pack.zip --trust pin.txt".to_owned(), 3),
        ("attestry verify pack.zip --trust pin.txt --json".to_owned(), 3),
        ("attestry verify ten.receipt --trust pin.txt".to_owned(), 0),
        ("attestry verify app.zip --trust pin.txt".to_owned(), 7),
        ("attestry verify pack.zip".to_owned(), 2),
        ("attestry policy check policy.yaml".to_owned(), 0),
        ("attestry policy check broken.yaml".to_owned(), 3),
        (format!("attestry trust show {pack}"), 0),
        (format!("attestry show 29 {pack}"), 0),
        (format!("attestry show 999 {pack}"), 5),
        (format!("attestry log --limit 0 {pack}"), 0),
        (format!("attestry log --kind deployment --json {pack}"), 0),
        (format!("attestry lineage sha256:160b7f97 {pack}"), 0),
        (format!("attestry lineage app.zip --json {pack}"), 0),
        (format!("attestry status {pack}"), 0),
        ("attestry --version".to_owned(), 0),
    ] {
        let whole = away.expect(code, &line);
        assert_eq!(offline(&binary, &away, &line), whole, "$ {line}");
    }
}

#[test]
fn what_the_offline_build_has_not_it_says_where_it_is() {
    let Some(binary) = offline_binary() else { return };
    let away = Place::new();
    let whole = away.expect(0, "attestry --help").stdout;
    let help = offline(&binary, &away, "attestry --help").stdout;
    let commands = whole.split("Commands:\n").nth(1).unwrap().lines();
    let commands = commands.take_while(|line| !line.is_empty());
    let names = commands.filter(|line| !line.starts_with("   "));
    let mut missing = 0;
    for name in names.filter_map(|line| line.split_whitespace().next()) {
        let listed = help.lines().any(|line| line.starts_with(&format!("  {name} ")));
        let answer = offline(&binary, &away, &format!("attestry {name} x --key k"));
        let elsewhere = answer.stderr.contains("offline-build");
        assert_ne!(listed, elsewhere, "{name}: {}", answer.stderr);
        if elsewhere {
            missing += 1;
            assert_eq!(answer.code, 2, "{name}");
            assert!(answer.stderr.contains("hint: the whole tool has it"), "{}", answer.stderr);
        }
    }
    assert!(missing >= 12, "{missing} in {whole}");
    for line in ["nonsense", "policy nonsense"] {
        let answer = offline(&binary, &away, &format!("attestry {line}"));
        assert_eq!(answer.code, 2, "{line}");
        assert!(answer.stderr.contains("unrecognized subcommand"), "{line}: {}", answer.stderr);
    }
    for line in ["policy set p.yaml", "policy new", "status", "log", "verify --trust pin.txt"] {
        away.write("pin.txt", std::fs::read(auditor().1.file("pin.txt")).unwrap());
        let answer = offline(&binary, &away, &format!("attestry {line}"));
        assert_eq!(answer.code, 2, "{line}");
        assert!(answer.stderr.contains("[offline-build]"), "{line}: {}", answer.stderr);
        assert!(answer.stderr.contains("hint:"), "{line}: {}", answer.stderr);
    }
    // Its examples work with it.
    for name in ["", "verify", "status", "log", "show", "lineage", "trust show"] {
        let help = offline(&binary, &away, &format!("attestry {name} --help")).stdout;
        let example = help.split("\n\n").next().unwrap();
        assert!(example.contains("pack.zip --trust pin.txt"), "{name}: {help}");
        assert!(!help.contains("--ledger") && !help.contains("ATTESTRY_LEDGER"), "{name}: {help}");
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    }
}
