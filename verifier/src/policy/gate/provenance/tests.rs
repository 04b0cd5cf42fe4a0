use schemas::predicate::build;
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};

use super::*;
use crate::fixture::body::{self, BUILDER, SOURCE};
use crate::fixture::{World, commit};
use crate::policy::gate::cases::{
    Row, Table, app, check, compromise, other, refused, source, unreadable, unseen, waived,
};

const GATE: &str = r#"{"provenance":{"builders":["https://github.com/actions/runner","local"],
    "source":"git+https://github.com/acme/payments"}}"#;

/// Records a build by this builder from one source.
fn build(world: &mut World, builder: &str, uri: &str) -> u64 {
    let body = body::build(builder, &[(uri, &source())]);
    world.record("ci", &app(), build::TYPE, &body).unwrap()
}

pub const TABLE: Table = Table {
    gate: r#"{"provenance":{"builders":["https://github.com/actions/runner"],
        "source":"git+https://github.com/acme/payments"},"waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(
        |w| vec![w.build(&app(), &source()).unwrap()],
        Pass,
        "https://github.com/actions/runner, git+https://github.com/acme/payments@",
    ),
    fail: Row::case(
        |w| vec![build(w, "evil", SOURCE)],
        Fail,
        "built by evil, which the policy does not list",
    ),
    waived: Row::case(
        |w| {
            let built = build(w, "evil", SOURCE);
            waived(w, "provenance", vec![built])
        },
        Waived,
        "\"not reachable\"; built by evil, which the policy does not list",
    ),
    waiting: Row::case(|_| vec![], Waiting, "no build is recorded"),
    indeterminate: Row::case(
        |w| {
            w.build(&app(), &source()).unwrap();
            vec![unreadable(w, build::TYPE)]
        },
        Indeterminate,
        "a newer build event cannot be read",
    ),
    another_artifact: Row::case(
        |w| unseen(w.build(&other(), &source()).unwrap()),
        Waiting,
        "no build is recorded",
    ),
    too_old: Row::No(
        "a build says what the bytes are made of, and that is as true years later: the gate knows no age",
    ),
    without_role: Row::case(
        |w| {
            let body = body::build(BUILDER, &[(SOURCE, &source())]);
            refused(w.record("bot", &app(), build::TYPE, &body))
        },
        Waiting,
        "no build is recorded",
    ),
};

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

/// A gate with further parameters.
fn gate(rest: &str) -> String {
    format!(r#"{{"provenance":{{"builders":["{BUILDER}"],"source":"{SOURCE}",{rest}}}}}"#)
}

#[test]
fn a_build_comes_from_a_listed_ref() {
    let refs = gate(r#""refs":["refs/heads/main","refs/tags/v*"]"#);
    for (at, verdict, reason) in [
        ("@refs/heads/main", Pass, "payments@"),
        ("@refs/tags/v1.2", Pass, "payments@"),
        ("@refs/tags/v1/evil", Fail, "built from refs/tags/v1/evil, policy asks for"),
        ("@refs/heads/main2", Fail, "policy asks for refs/heads/main or refs/tags/v*"),
        ("@", Fail, "built from "),
        ("", Indeterminate, "does not say from which branch"),
    ] {
        let uri = format!("{SOURCE}{at}");
        check(&refs, |w| vec![build(w, BUILDER, &uri)], verdict, reason);
    }
    let twice = |w: &mut World| {
        let (main, other) = (format!("{SOURCE}@refs/heads/main"), format!("{SOURCE}@refs/heads/x"));
        let body = body::build(BUILDER, &[(&other, &commit("lib")), (&main, &source())]);
        vec![w.record("ci", &app(), build::TYPE, &body).unwrap()]
    };
    check(&refs, twice, Pass, &source().short());
}

#[test]
fn a_builder_reaches_its_level() {
    let levels = |level: u8| gate(&format!(r#""levels":{{"{BUILDER}":2}},"level":{level}"#));
    check(&levels(2), |w| vec![build(w, BUILDER, SOURCE)], Pass, "payments@");
    check(
        &levels(3),
        |w| vec![build(w, BUILDER, SOURCE)],
        Fail,
        "build level 2, policy asks for 3",
    );
    let unknown = gate(r#""levels":{"local":3},"level":1"#);
    let unknown = unknown.replacen(BUILDER, &format!(r#"local","{BUILDER}"#), 1);
    check(&unknown, |w| vec![build(w, BUILDER, SOURCE)], Indeterminate, "no build level");
}

/// What is proven stands in the decision, and nothing that is not.
#[test]
fn a_decision_says_what_level_was_proven() {
    let levels = |gate: &str, verdict| {
        let mut world = World::with_gates(&format!("[{gate}]"), "[]");
        build(&mut world, BUILDER, SOURCE);
        let request = world.request(&app(), "staging").unwrap();
        let decision = world.decision(request).unwrap();
        assert_eq!(decision.predicate.extension.outcome, verdict);
        world.log(&decision, &["service"], None).unwrap();
        // Whoever claims a higher one is refused.
        let mut world = World::with_gates(&format!("[{gate}]"), "[]");
        build(&mut world, BUILDER, SOURCE);
        let request = world.request(&app(), "staging").unwrap();
        let mut forged = world.decision(request).unwrap();
        forged.predicate.verified_levels.push("SLSA_BUILD_LEVEL_4".to_owned());
        assert!(world.log(&forged, &["service"], None).is_err());
        decision.predicate.verified_levels
    };
    use schemas::predicate::decision::Outcome::{Denied, Granted};
    let proven = gate(&format!(r#""levels":{{"{BUILDER}":3}}"#));
    assert_eq!(levels(&proven, Granted), ["ATTESTRY_ADMITTED", "SLSA_BUILD_LEVEL_3"]);
    assert_eq!(levels(GATE, Granted), ["ATTESTRY_ADMITTED"]);
    let failing = gate(&format!(r#""levels":{{"{BUILDER}":1}},"level":2"#));
    assert_eq!(levels(&failing, Denied), ["FAILED"]);
}

#[test]
fn dependencies_are_pinned() {
    let unpinned = |w: &mut World| {
        let mut body = body::build(BUILDER, &[(SOURCE, &source())]);
        let loose = schemas::statement::ResourceDescriptor {
            uri: Some("pkg:npm/left-pad@1.0.0".to_owned()),
            ..Default::default()
        };
        body.build_definition.resolved_dependencies.push(loose);
        vec![w.record("ci", &app(), build::TYPE, &body).unwrap()]
    };
    check(&gate(r#""pinned":true"#), unpinned, Fail, "1 dependencies have no digest");
    check(&gate(r#""pinned":false"#), unpinned, Pass, "payments@");
    check(&gate(r#""pinned":true"#), |w| vec![build(w, BUILDER, SOURCE)], Pass, "payments@");
}

#[test]
fn the_commit_that_was_built_was_reviewed() {
    let gate = gate(r#""reviewed":true"#);
    let by = |author: &'static str| {
        move |w: &mut World| {
            let build = build(w, BUILDER, SOURCE);
            vec![build, w.review(&source(), author).unwrap()]
        }
    };
    check(&gate, by("alex@acme.example"), Pass, "approved by ben@acme.example");
    check(&gate, by("ben@acme.example"), Waiting, "approved by nobody but its author");
    check(&gate, by("who"), Indeterminate, "author who is no known identity");
    check(&gate, |w| vec![build(w, BUILDER, SOURCE)], Waiting, "no review of");
    let another = |w: &mut World| {
        w.review(&commit("other"), "alex@acme.example").unwrap();
        vec![build(w, BUILDER, SOURCE)]
    };
    check(&gate, another, Waiting, "no review of");
}
