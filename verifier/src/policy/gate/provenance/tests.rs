use schemas::predicate::build;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting};

use super::*;
use crate::fixture::body::{self, BUILDER, SOURCE};
use crate::fixture::{World, commit};
use crate::policy::gate::cases::{app, check, compromise, other, source, unreadable};

const GATE: &str = r#"{"provenance":{"builders":["https://github.com/actions/runner","local"],
    "source":"git+https://github.com/acme/payments"}}"#;

/// Records a build by this builder from one source.
fn build(world: &mut World, builder: &str, uri: &str) -> u64 {
    let body = body::build(builder, &[(uri, &source())]);
    world.record("ci", &app(), build::TYPE, &body).unwrap()
}

#[test]
fn the_newest_build_decides() {
    check(GATE, |w| vec![w.build(&app(), &source()).unwrap()], Pass, "payments@");
    check(GATE, |_| vec![], Waiting, "no build is recorded");
    let about_another = |w: &mut World| {
        w.build(&other(), &source()).unwrap();
        vec![]
    };
    check(GATE, about_another, Waiting, "no build is recorded");
    let then_good = |w: &mut World| {
        build(w, "evil", SOURCE);
        vec![build(w, "local", SOURCE)]
    };
    check(GATE, then_good, Pass, "local, ");
    let then_bad = |w: &mut World| {
        build(w, "local", SOURCE);
        vec![build(w, "evil", SOURCE)]
    };
    check(GATE, then_bad, Fail, "built by evil");
}

#[test]
fn builders_are_listed_letter_for_letter() {
    for builder in [
        "",
        "https://github.com/actions/runner/",
        "https://github.com/actions/runner-evil",
        "https://github.com/actions/runne",
        "HTTPS://github.com/actions/runner",
        " local",
    ] {
        check(GATE, |w| vec![build(w, builder, SOURCE)], Fail, "does not list");
    }
    check(GATE, |w| vec![build(w, BUILDER, SOURCE)], Pass, BUILDER);
}

#[test]
fn the_source_is_no_mere_prefix() {
    for (uri, verdict) in [
        (SOURCE.to_owned(), Pass),
        (format!("{SOURCE}@refs/heads/main"), Pass),
        (format!("{SOURCE}-evil"), Fail),
        (format!("{SOURCE}/../evil"), Fail),
        (format!("{SOURCE}#main"), Fail),
        (format!("https://evil.example/{SOURCE}"), Fail),
    ] {
        let reason = if verdict == Pass { "payments@" } else { "built from" };
        check(GATE, |w| vec![build(w, "local", &uri)], verdict, reason);
    }
    let no_source = |w: &mut World| {
        let body = body::build("local", &[]);
        vec![w.record("ci", &app(), build::TYPE, &body).unwrap()]
    };
    check(GATE, no_source, Fail, "no source");
}

#[test]
fn one_of_several_sources_is_enough() {
    let several = |w: &mut World| {
        let sources = [("git+https://lib", &commit("lib")), (SOURCE, &source())];
        let body = body::build("local", &sources);
        vec![w.record("ci", &app(), build::TYPE, &body).unwrap()]
    };
    check(GATE, several, Pass, &source().short());
    let too_many = |w: &mut World| {
        let lib = commit("lib");
        let mut sources = vec![("git+https://lib", &lib); 256];
        let source = source();
        sources.push((SOURCE, &source));
        let body = body::build("local", &sources);
        vec![w.record("ci", &app(), build::TYPE, &body).unwrap()]
    };
    check(GATE, too_many, Indeterminate, "more sources than can be kept");
}

#[test]
fn older_provenance_is_read() {
    let old = |w: &mut World| {
        let material = serde_json::json!({"uri": SOURCE, "digest": {"sha1": source().hex()}});
        let body = serde_json::json!({"builder": {"id": "local"}, "materials": [material]});
        vec![w.record("ci", &app(), build::TYPE_V02, &body).unwrap()]
    };
    check(GATE, old, Pass, &source().short());
}

#[test]
fn an_unreadable_newer_build_cannot_be_told() {
    let newer = |w: &mut World| {
        w.build(&app(), &source()).unwrap();
        vec![unreadable(w, build::TYPE)]
    };
    check(GATE, newer, Indeterminate, "cannot be read");
    check(GATE, |w| vec![unreadable(w, build::TYPE)], Indeterminate, "cannot be read");
    let older = |w: &mut World| {
        unreadable(w, build::TYPE);
        vec![w.build(&app(), &source()).unwrap()]
    };
    check(GATE, older, Pass, "payments@");
}

#[test]
fn a_compromised_signer_does_not_count() {
    let from_then = |w: &mut World| {
        let entry = w.build(&app(), &source()).unwrap();
        compromise(w, "ci", entry);
        vec![entry]
    };
    check(GATE, from_then, Waiting, "compromised");
    let later = |w: &mut World| {
        let entry = w.build(&app(), &source()).unwrap();
        compromise(w, "ci", entry + 1);
        vec![entry]
    };
    check(GATE, later, Pass, "payments@");
}

#[test]
fn a_source_is_equal_up_to_the_at_sign() {
    let source = "git+https://github.com/acme/payments";
    for (uri, expected) in [
        ("git+https://github.com/acme/payments", true),
        ("git+https://github.com/acme/payments@refs/heads/main", true),
        ("git+https://github.com/acme/payments@4be1f0a", true),
        ("git+https://github.com/acme/payments-evil@4be1f0a", false),
        ("git+https://github.com/acme/payments/../evil@4be1f0a", false),
        ("git+https://github.com/acme/payment", false),
        ("https://github.com/acme/payments", false),
        ("", false),
    ] {
        assert_eq!(is_from(uri, source), expected, "{uri}");
    }
}
