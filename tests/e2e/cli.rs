//! The command line as its users see it: kept texts, help, JSON, exit codes.

use harness::snapshot::{Transcript, check, folder};
use harness::story;

/// Digests of things that never change: artifacts and commits.
fn known() -> Vec<String> {
    let digest = |text: &str| verifier::merkle::sha256(&[text.as_bytes()]).to_string();
    vec![
        digest("payments 1.4.2-rc1\n"),
        digest("payments 1.4.2\n"),
        story::FIRST.to_owned(),
        story::MENDED.to_owned(),
    ]
}

#[test]
fn the_story_reads_as_it_is_kept() {
    let place = story::outset();
    let known = known();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut transcript = Transcript::new(&place);
    let mut stale = Vec::new();
    for chapter in story::beginning().into_iter().chain(story::release()) {
        for (line, code) in &chapter.lines {
            transcript.run(line, *code);
        }
        stale.extend(check(chapter.name, &transcript.take(&known)).err());
    }
    for (name, lines) in reading() {
        for (line, code) in lines {
            transcript.run(&line, code);
        }
        stale.extend(check(name, &transcript.take(&known)).err());
    }
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}

/// What is read when all of it has happened.
fn reading() -> Vec<(&'static str, Vec<(String, u8)>)> {
    let lines = |lines: &[(&str, u8)]| {
        let lines = lines
            .iter()
            .map(|(line, code)| (format!("attestry {line}"), *code));
        lines.collect::<Vec<_>>()
    };
    let period = story::period();
    let pack = format!(
        "attestry pack create --environment payments/prod {period} --for \"Example Audit LLP\" \
         --reason \"SOC 2 type II\" -o pack.zip"
    );
    vec![
        (
            "status",
            lines(&[("status", 0), ("status --project payments", 0)]),
        ),
        (
            "lineage",
            lines(&[("lineage dist/app.zip", 0), ("lineage dist/rc.zip", 0)]),
        ),
        (
            "log",
            lines(&[
                ("log", 0),
                ("log --env payments/prod --kind deployment", 0),
                ("log --limit 2", 0),
            ]),
        ),
        (
            "show",
            lines(&[
                ("show 10", 0),
                ("show P-27", 0),
                ("show 29 --raw", 0),
                ("show 99", 5),
            ]),
        ),
        (
            "receipt",
            lines(&[("receipt 10", 0), ("receipt 10 -o ten.receipt", 0)]),
        ),
        (
            "verify",
            lines(&[
                ("verify --trust ledger/pin.txt", 3),
                ("verify ten.receipt --trust ledger/pin.txt", 0),
                ("verify", 2),
            ]),
        ),
        ("trust", lines(&[("trust show", 0)])),
        ("pack", vec![(pack.clone(), 0), (pack, 2)]),
        (
            "verify-pack",
            lines(&[("verify pack.zip --trust ledger/pin.txt", 3)]),
        ),
        (
            "offline",
            lines(&[
                ("trust show --pack pack.zip", 0),
                ("status --pack pack.zip --trust ledger/pin.txt", 0),
                ("log --pack pack.zip --trust ledger/pin.txt", 0),
                (
                    "lineage dist/app.zip --pack pack.zip --trust ledger/pin.txt",
                    0,
                ),
                ("show 29 --pack pack.zip --trust ledger/pin.txt", 0),
            ]),
        ),
    ]
}

#[test]
fn every_kept_text_belongs_to_a_chapter() {
    let mut names: Vec<&str> = story::beginning()
        .iter()
        .chain(&story::release())
        .map(|chapter| chapter.name)
        .collect();
    names.extend(reading().iter().map(|(name, _)| *name));
    for file in std::fs::read_dir(folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let stem = name.strip_suffix(".txt").unwrap_or_default();
        assert!(names.contains(&stem), "{name} is kept for nothing");
    }
}
