//! The demo: one command, one release, two forgeries.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use harness::Place;

/// What the demo says, how long it took, and its folder.
fn played() -> &'static (String, Duration, Place) {
    static PLAYED: OnceLock<(String, Duration, Place)> = OnceLock::new();
    PLAYED.get_or_init(|| {
        let place = Place::new();
        let begun = Instant::now();
        let outcome = place.expect(0, "attestry demo --dir d");
        (outcome.stdout, begun.elapsed(), place)
    })
}

#[test]
fn the_demo_tells_its_story_in_time() {
    let (text, took, _) = played();
    assert!(took.as_secs() < 10, "{took:?}");
    for line in [
        "rehearsal",
        "CVE-",
        "P-15 denied as entry 16 by vulnerabilities",
        "alice does not count",
        "P-27 granted as entry 31",
        "the pack holds",
        "integrity broken [manifest-mismatch]",
        "integrity broken [proof-invalid]",
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
    let after = |line: &str| text.split_once(line).unwrap().1;
    for forged in ["$ attestry verify forged.zip", "$ attestry verify forged-better.zip"] {
        let answer = after(forged).split("\n$ ").next().unwrap();
        assert!(answer.contains("[exit 7]"), "{answer}");
        let (causes, follow) = answer.split_once("what may only follow").unwrap();
        assert!(causes.contains("proof-invalid ·") && follow.contains("head-unproven ·"));
    }
    assert_eq!(text.matches("[exit 7]").count(), 2);
    assert_eq!(text.matches("[exit 3]").count(), 1);
}

#[test]
fn no_line_of_the_demo_is_wider_than_a_terminal() {
    let (text, _, place) = played();
    let folder = place.path().display().to_string();
    let ours = |line: &&str| {
        let digest = line.split_whitespace().any(|word| word.len() >= 64);
        !(line.starts_with("$ ") || digest || line.contains(&folder))
    };
    let wide: Vec<&str> =
        text.lines().filter(ours).filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

#[test]
fn the_demo_leaves_what_it_says() {
    let place = Place::new();
    place.write("d/mine.txt", "mine");
    let refused = place.expect(2, "attestry demo --dir d");
    assert!(refused.stderr.contains("folder-not-empty"), "{}", refused.stderr);
    let json = place.expect(0, "attestry demo --dir e --json").stdout;
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(value.is_object());
    place.expect(0, "attestry verify e/auditor/payments-prod.zip --trust e/auditor/pin.txt");
    place.expect(7, "attestry verify e/auditor/forged.zip --trust e/auditor/pin.txt");
    place.expect(0, "attestry verify --ledger e/ledger --trust e/ledger/pin.txt");
}
