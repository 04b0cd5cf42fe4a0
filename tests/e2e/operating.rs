//! What operators copy from the documents is what the program takes. (The sessions of
//! docs/operating.md run with those of the other documents.)

use clap::Parser as _;
use harness::{Place, repository, story, words};

fn read(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap()
}

/// Asks the command line's own grammar.
fn check(line: &str) {
    let read = ::cli::command::Cli::try_parse_from(words(line));
    assert!(read.is_ok(), "$ {line}\n{}", read.unwrap_err());
}

#[test]
fn commands_that_no_session_runs_are_commands() {
    for (document, some) in [("operating", 7), ("spool", 3), ("witnesses", 4)] {
        let (mut checked, mut inside) = (0, false);
        for line in read(&format!("docs/{document}.md")).lines() {
            if line.starts_with("```") {
                inside = line == "```sh";
            } else if inside && line.starts_with("attestry ") {
                check(line);
                checked += 1;
            }
        }
        assert!(checked >= some, "{document}: {checked}");
    }
}

/// The id of a key, as the ledger writes it.
fn key_id(place: &Place, private: &str) -> String {
    let pem = std::fs::read_to_string(place.file(private)).unwrap();
    verifier::signature::SigningKey::from_pkcs8_pem(&pem).unwrap().public().key_id().to_string()
}

/// What the table of keys says, done in its order.
#[test]
fn keys_are_rotated_as_the_document_says() {
    let place = story::released();
    let expect = |code: u8, line: &str| place.expect(code, &format!("attestry {line}"));
    // An identity's: the new one beside the old one, then the old one's end.
    expect(0, "key generate ci2.pem");
    expect(0, "identity add ci --pub ci2.pem.pub --key attestry-root.pem");
    expect(0, "record note --text new --key ci2.pem");
    expect(0, "record note --text old --key ci.pem");
    let next = 40;
    assert!(expect(0, "log --limit 1 --json").stdout.contains(&format!("\"index\":{}", next - 1)));
    let old = key_id(&place, "ci.pem");
    expect(0, &format!("identity compromise {old} --from {next} --key attestry-root.pem"));
    let refused = place.run("attestry record note --text old --key ci.pem");
    assert_eq!(refused.code, 4, "{refused:?}");
    expect(0, "record note --text new --key ci2.pem");

    // The roots: signed by both, and from then on by the new ones alone.
    expect(0, "key generate root2.pem");
    let root = key_id(&place, "attestry-root.pem");
    let line = format!("trust roots --add root2.pem.pub --remove {root}");
    for alone in ["--key attestry-root.pem", "--key root2.pem"] {
        let refused = place.run(&format!("attestry {line} {alone}"));
        assert!([3, 4].contains(&refused.code), "{refused:?}");
    }
    expect(2, "trust roots --key attestry-root.pem");
    expect(5, "trust roots --remove 000000 --key attestry-root.pem");
    let said = expect(0, &format!("{line} --key attestry-root.pem --key root2.pem"));
    assert!(said.stdout.contains("1 of 1 root keys sign"), "{said:?}");
    let alias = "identity add ci --alias ci@acme.example";
    assert!([3, 4].contains(&place.run(&format!("attestry {alias} --key attestry-root.pem")).code));
    expect(0, &format!("{alias} --key root2.pem"));

    // The service's: decisions are signed with the new one.
    expect(0, "key generate service2.pem");
    expect(0, "identity add ledger --pub service2.pem.pub --key root2.pem");
    std::fs::rename(place.file("service2.pem"), place.file("ledger/keys/service.pem")).unwrap();
    expect(0, "promote dist/app.zip --to staging --reason rotated --key mia.pem");
    let decided = expect(0, "log --kind decision --limit 1 --json").stdout;
    let decided: serde_json::Value = serde_json::from_str(&decided).unwrap();
    let index = &decided["entries"][0]["index"];
    let shown = expect(0, &format!("show {index} --json")).stdout;
    assert!(shown.contains("granted") && index.as_u64() > Some(next), "{shown}");
    assert!(expect(0, "doctor").stdout.contains("ok       service-key"));
    // Everything before still holds; the story itself has a deployment without a grant.
    expect(3, "verify --trust ledger/pin.txt");
}

#[test]
fn the_systemd_unit_starts_what_there_is() {
    let unit = read("docs/operating/attestry.service");
    let starts: Vec<&str> = unit
        .lines()
        .filter(|line| line.starts_with("ExecStart"))
        .filter_map(|line| line.split_once("=/usr/local/bin/").map(|(_, line)| line))
        .collect();
    assert_eq!(starts.len(), 2, "{starts:?}");
    starts.into_iter().for_each(check);
    // Every other line is a section, a comment or a setting.
    for line in unit.lines().filter(|line| !line.is_empty()) {
        let known = line.starts_with(['#', '[']) || line.contains('=');
        assert!(known, "{line}");
    }
}

#[test]
fn the_container_starts_what_there_is() {
    let text = read("docs/operating/Containerfile");
    let list = text.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    let mut words: Vec<String> = serde_json::from_str(list).unwrap();
    words.insert(0, "attestry".to_owned());
    check(&words.join(" "));
    let rust = text.lines().find_map(|line| line.strip_prefix("FROM docker.io/library/rust:"));
    let oldest = read("Cargo.toml");
    let oldest = oldest.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap();
    assert!(rust.unwrap().starts_with(oldest.trim_end_matches('"')), "{rust:?}");
}
