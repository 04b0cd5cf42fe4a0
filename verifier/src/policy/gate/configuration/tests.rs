use schemas::id::Digest;
use schemas::predicate::configuration::{Configuration, ConfigurationState, SecretVersion};
use schemas::predicate::promotion_request::{self, Plans};
use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};

use crate::fixture::cast::{APPROVER, SECURITY};
use crate::fixture::{World, artifact};
use crate::policy::gate::cases::{Row, Table, app, check, compromise, refused, unseen, waived};

const GATE: &str = r#"{"configuration":{"roles":["security"]},
    "waiver":{"by":["security"],"max":"30d"}}"#;
const PARITY: &str = r#"{"configuration":{"roles":["security"],"parity":"staging"}}"#;

fn log(
    world: &mut World,
    by: &str,
    to: &str,
    role: Option<&str>,
    change: impl FnOnce(&mut Configuration),
) -> u64 {
    let mut body = world.configuration_body(to, "new", role);
    change(&mut body);
    world.configure(by, &body).unwrap()
}

/// Applied in `prod`, and approved there by security.
fn sound(world: &mut World) -> Vec<u64> {
    log(world, "ci", "prod", None, |_| {});
    vec![log(world, "sara", "prod", Some(SECURITY), |_| {})]
}

/// What `staging` has, of this shape; gives the approval in `prod` and what is applied in `staging`.
fn staged(world: &mut World, shape: Option<Digest>) -> Vec<u64> {
    let mut entries = sound(world);
    entries.push(log(world, "ci", "staging", None, |it| {
        it.digest = artifact("what staging has");
        it.shape = shape;
    }));
    entries
}

pub const TABLE: Table = Table {
    gate: r#"{"configuration":{"roles":["security"],"parity":"staging"},
        "waiver":{"by":["security"],"max":"30d"}}"#,
    pass: Row::case(
        |w| staged(w, Some(artifact("the shape of configurations"))),
        Pass,
        "approved by sara, of the same shape as in staging",
    ),
    fail: Row::case(
        |w| staged(w, Some(artifact("odd"))),
        Fail,
        "approved by sara, of another shape than in staging",
    ),
    waived: Row::case(
        |w| {
            let entries = staged(w, Some(artifact("odd")));
            waived(w, "configuration", entries)
        },
        Waived,
        "of another shape than in staging",
    ),
    waiting: Row::case(|_| vec![], Waiting, "no configuration is named or applied"),
    indeterminate: Row::case(
        |w| staged(w, None),
        Indeterminate,
        "its shape or that in staging is not told",
    ),
    // A configuration is an environment's and no artifact's: what was approved is another one.
    another_artifact: Row::case(
        |w| {
            sound(w);
            unseen(log(w, "ci", "prod", None, |it| it.digest = artifact("another configuration")))
        },
        Waiting,
        "is not approved by security",
    ),
    too_old: Row::No(
        "an approval of a configuration holds until it is withdrawn or its signer has the role no more",
    ),
    without_role: Row::case(
        |w| {
            log(w, "ci", "prod", None, |_| {});
            let body = w.configuration_body("prod", "new", Some(SECURITY));
            refused(w.configure("anna", &body))
        },
        Waiting,
        "is not approved by security",
    ),
};

#[test]
fn what_is_applied_was_approved() {
    check(GATE, |_| vec![], Waiting, "no configuration is named or applied");
    check(GATE, sound, Pass, "approved by sara");
    let unapproved = |w: &mut World| {
        log(w, "ci", "prod", None, |_| {});
        vec![]
    };
    check(GATE, unapproved, Waiting, "is not approved by security");
    let other_role = |w: &mut World| {
        unapproved(w);
        log(w, "anna", "prod", Some(APPROVER), |_| {});
        vec![]
    };
    check(GATE, other_role, Waiting, "is not approved by security");
    let elsewhere = |w: &mut World| {
        unapproved(w);
        log(w, "sara", "staging", Some(SECURITY), |_| {});
        vec![]
    };
    check(GATE, elsewhere, Waiting, "is not approved by security");
    let another = |w: &mut World| {
        sound(w);
        log(w, "ci", "prod", None, |it| it.digest = artifact("another configuration"));
        vec![]
    };
    check(GATE, another, Waiting, "is not approved by security");
    let withdrawn = |w: &mut World| {
        sound(w);
        log(w, "sara", "prod", Some(SECURITY), |it| it.state = ConfigurationState::Withdrawn);
        vec![]
    };
    check(GATE, withdrawn, Waiting, "is not approved by security");
}

#[test]
fn a_request_may_name_what_shall_be_applied() {
    let names = |digest: Digest| {
        move |w: &mut World| {
            let entries = sound(w);
            log(w, "ci", "prod", None, |it| it.digest = artifact("what was applied before"));
            let mut body = w.request_body("prod");
            let plans = Plans {
                rollback: None,
                migration: None,
                release_notes: None,
                risk_assessment: None,
                configuration: Some(digest.clone()),
            };
            body.plans = Some(plans);
            w.record("mia", &app(), promotion_request::TYPE, &body).unwrap();
            entries
        }
    };
    check(GATE, names(artifact("configuration new")), Pass, "approved by sara");
    let unknown = |w: &mut World| names(artifact("nobody knows it"))(w).split_off(1);
    check(GATE, unknown, Waiting, "is not approved");
}

#[test]
fn an_approval_counts_while_its_signer_may_approve() {
    let ended = |w: &mut World| {
        sound(w);
        w.amend(|it| it.grants.retain(|grant| grant.identity.as_str() != "sara")).unwrap();
        vec![]
    };
    check(GATE, ended, Waiting, "is not approved");
    let tainted = |w: &mut World| {
        let entries = sound(w);
        compromise(w, "sara", entries[0]);
        vec![]
    };
    check(GATE, tainted, Waiting, "is not approved");
    let forged = |w: &mut World| {
        let entries = sound(w);
        compromise(w, "ci", entries[0] - 1);
        vec![]
    };
    check(GATE, forged, Waiting, "no configuration is named or applied");
}

#[test]
fn secrets_are_of_the_versions_that_were_approved() {
    let version = |version: &str| {
        let (name, version) = ("db".to_owned(), version.to_owned());
        vec![SecretVersion { name, version }]
    };
    let secrets = |applied: &'static str, approved: &'static str| {
        move |w: &mut World| {
            let applied = log(w, "ci", "prod", None, |it| it.secrets = version(applied));
            let approved =
                log(w, "sara", "prod", Some(SECURITY), |it| it.secrets = version(approved));
            vec![applied, approved]
        }
    };
    check(GATE, |w| secrets("7", "7")(w).split_off(1), Pass, "approved by sara");
    check(GATE, secrets("8", "7"), Fail, "with other versions of its secrets");
}

#[test]
fn parity_compares_shapes() {
    let staged = |shape: Option<Digest>| {
        move |w: &mut World| {
            let mut entries = sound(w);
            entries.push(log(w, "ci", "staging", None, |it| {
                it.digest = artifact("what staging has");
                it.shape = shape.clone();
            }));
            entries
        }
    };
    let same = Some(artifact("the shape of configurations"));
    check(PARITY, staged(same), Pass, "of the same shape as in staging");
    check(PARITY, staged(Some(artifact("odd"))), Fail, "of another shape than in staging");
    check(PARITY, staged(None), Indeterminate, "is not told");
    check(PARITY, sound, Waiting, "no configuration of staging is recorded");
}
