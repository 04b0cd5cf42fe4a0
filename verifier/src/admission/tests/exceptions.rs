//! Waivers and freezes: who sets them, what they say, and where they are kept.

use schemas::predicate::freeze::{Freeze, FreezeOutcome};
use schemas::predicate::waiver::{self, Waiver, WaiverOutcome};
use schemas::report::Code;
use schemas::thread::ThreadId;
use schemas::trust::{ALL_PROJECTS, role};

use super::{Logged, app, refused, refused_in, world};
use crate::entry::Entry;
use crate::fixture::cast::{APPROVER, grant};
use crate::fixture::{DAY, World, artifact, environment, project};
use crate::projection::slice::{FREEZES_MAX, WAIVERS_MAX};

fn waived(
    by: &'static str,
    to: Option<&'static str>,
    change: impl FnOnce(&mut Waiver),
) -> impl FnOnce(&mut World) -> Logged {
    move |w| {
        let mut body = w.waiver_body("vulnerabilities", to);
        change(&mut body);
        w.waive(by, &body)
    }
}

const PROD: Option<&str> = Some("prod");

#[test]
fn a_waiver_is_by_a_role_that_may_accept_the_risk() {
    use Code::{AdminApproves, PredicateInvalid, RoleMissing, SubjectInvalid};
    for who in ["mia", "anna", "ci", "nora", "service", "paul"] {
        refused(RoleMissing, waived(who, PROD, |_| {}));
    }
    refused(RoleMissing, waived("mia", PROD, |it| it.role = "release-manager".to_owned()));
    refused(AdminApproves, waived("adam", PROD, |it| it.role = APPROVER.to_owned()));
    refused(PredicateInvalid, waived("sara", PROD, |it| it.gate = String::new()));
    refused(PredicateInvalid, waived("sara", PROD, |it| it.gate = "A gate".to_owned()));
    refused(PredicateInvalid, waived("sara", PROD, |it| it.reason = String::new()));
    refused(PredicateInvalid, waived("sara", PROD, |it| it.reason = "x".repeat(4097)));
    refused(PredicateInvalid, waived("sara", PROD, |it| it.versions = Some("1.x".to_owned())));
    refused(
        PredicateInvalid,
        waived("sara", PROD, |it| {
            it.versions = Some(">=1.0.0".to_owned());
            it.artifact = Some(app());
        }),
    );
    refused(PredicateInvalid, waived("sara", PROD, |it| it.review_at = it.expires_at.plus_ms(1)));
    refused(
        PredicateInvalid,
        waived("sara", PROD, |it| {
            it.expires_at = it.expires_at.plus_ms(-7 * DAY);
            it.review_at = it.expires_at;
        }),
    );
    refused(SubjectInvalid, |w| {
        let body = w.waiver_body("vulnerabilities", PROD);
        w.record("sara", &app(), waiver::TYPE, &body)
    });
    refused(SubjectInvalid, |w| {
        let mut body = w.waiver_body("vulnerabilities", PROD);
        body.artifact = Some(app());
        w.record("sara", &artifact("other"), waiver::TYPE, &body)
    });
}

/// One that is for one environment stands there, any other on the control thread.
#[test]
fn a_waiver_is_kept_where_its_scope_is() {
    let mut world = world();
    let here = waived("sara", PROD, |it| it.artifact = Some(app()))(&mut world).unwrap();
    let everywhere = waived("sara", None, |_| {})(&mut world).unwrap();
    let threads = |entry: u64, world: &World| -> Vec<String> {
        let entry = Entry::parse(&world.records[entry as usize].entry).unwrap();
        entry.threads.iter().map(|line| line.thread.to_string()).collect()
    };
    let prod = ThreadId::Environment(environment("prod")).to_string();
    let of_project = ThreadId::Project(project()).to_string();
    let of_app = ThreadId::Artifact(app()).to_string();
    assert_eq!(threads(here, &world), [of_app, prod, of_project.clone()]);
    assert_eq!(threads(everywhere, &world), [ThreadId::Control.to_string(), of_project]);
    let state = &world.sequence.state;
    let slice = state.environment(&environment("prod")).unwrap().unwrap();
    let entries = |waivers: &crate::projection::slice::Waivers| -> Vec<u64> {
        waivers.values().map(|it| it.entry).collect()
    };
    assert_eq!(entries(&slice.waivers), [here]);
    assert_eq!(entries(&state.control().waivers[&project()]), [everywhere]);
    // Whoever may accept it for one environment may not for all of them.
    world
        .amend(|it| {
            for grant in it.grants.iter_mut().filter(|grant| grant.identity.as_str() == "sara") {
                grant.environments = vec!["prod".parse().unwrap()];
            }
        })
        .unwrap();
    waived("sara", PROD, |_| {})(&mut world).unwrap();
    refused_in(&mut world, Code::RoleMissing, waived("sara", None, |_| {}));
    refused_in(&mut world, Code::RoleMissing, waived("sara", Some("staging"), |_| {}));
    assert_eq!(world.verify().findings, []);
}

#[test]
fn a_waiver_is_taken_back_in_its_role_and_scope() {
    let mut world = world();
    let entry = waived("sara", PROD, |_| {})(&mut world).unwrap();
    let statement = world.statement_at(entry);
    let take_back = |by: &'static str, to, change: fn(&mut Waiver)| {
        waived(by, to, move |it: &mut Waiver| {
            (it.outcome, it.withdraws) = (WaiverOutcome::Withdrawn, Some(statement));
            change(it);
        })
    };
    let nothing = Code::NothingWithdrawn;
    refused_in(&mut world, nothing, take_back("sara", None, |_| {}));
    refused_in(&mut world, nothing, take_back("sara", Some("staging"), |_| {}));
    refused_in(&mut world, nothing, take_back("sara", PROD, |it| it.gate = "soak".to_owned()));
    refused_in(&mut world, nothing, take_back("ben", PROD, |it| it.role = APPROVER.to_owned()));
    refused_in(
        &mut world,
        Code::PredicateInvalid,
        take_back("sara", PROD, |it| it.withdraws = None),
    );
    refused_in(
        &mut world,
        Code::PredicateInvalid,
        take_back("sara", PROD, |it| {
            it.outcome = WaiverOutcome::Accepted;
        }),
    );
    take_back("sara", PROD, |_| {})(&mut world).unwrap();
    refused_in(&mut world, nothing, take_back("sara", PROD, |_| {}));
    let slice = world.sequence.state.environment(&environment("prod")).unwrap().unwrap();
    assert!(slice.waivers.is_empty());
}

#[test]
fn so_many_waivers_are_kept_until_90_days_after_their_end() {
    for to in [PROD, None] {
        let mut world = world();
        for _ in 0..WAIVERS_MAX {
            waived("sara", to, |_| {})(&mut world).unwrap();
        }
        refused_in(&mut world, Code::PredicateInvalid, waived("sara", to, |_| {}));
        world.wait(97 * DAY);
        waived("sara", to, |_| {})(&mut world).unwrap();
        let state = &world.sequence.state;
        let kept = match to {
            Some(_) => state.environment(&environment("prod")).unwrap().unwrap().waivers.len(),
            None => state.control().waivers[&project()].len(),
        };
        assert_eq!(kept, 1, "{to:?}");
    }
}

fn frozen(
    by: &'static str,
    environments: &'static [&'static str],
    change: impl FnOnce(&mut Freeze),
) -> impl FnOnce(&mut World) -> Logged {
    move |w| {
        let mut body = w.freeze_body(environments);
        change(&mut body);
        w.freeze(by, &body)
    }
}

#[test]
fn a_freeze_is_by_who_releases_or_sets_policies() {
    use Code::{PredicateInvalid, RoleMissing};
    for who in ["anna", "sara", "ci", "nora", "service", "adam"] {
        refused(RoleMissing, frozen(who, &["prod"], |_| {}));
    }
    for (who, environments) in
        [("mia", &["prod"][..]), ("paul", &[]), ("mia", &["prod", "staging"])]
    {
        frozen(who, environments, |_| {})(&mut world()).unwrap();
    }
    refused(PredicateInvalid, frozen("mia", &["prod", "prod"], |_| {}));
    refused(PredicateInvalid, frozen("mia", &[], |it| it.until = it.from));
    refused(PredicateInvalid, frozen("mia", &[], |it| it.reason = String::new()));
    refused(
        PredicateInvalid,
        frozen("mia", &[], |it| {
            it.from = it.from.plus_ms(-2 * DAY);
            it.until = it.until.plus_ms(-DAY);
        }),
    );
    refused(
        PredicateInvalid,
        frozen("mia", &[], |it| {
            it.environments = (0..65).map(|number| number.to_string().parse().unwrap()).collect();
        }),
    );
    refused(Code::SubjectInvalid, |w| {
        let body = w.freeze_body(&["prod"]);
        w.record("mia", &app(), schemas::predicate::freeze::TYPE, &body)
    });
    // A role for one environment freezes no other.
    let mut narrow = world();
    narrow
        .amend(|it| {
            for grant in it.grants.iter_mut().filter(|grant| grant.identity.as_str() == "mia") {
                grant.environments = vec!["prod".parse().unwrap()];
            }
        })
        .unwrap();
    frozen("mia", &["prod"], |_| {})(&mut narrow).unwrap();
    for others in [&[][..], &["staging"], &["prod", "staging"]] {
        refused_in(&mut narrow, RoleMissing, frozen("mia", others, |_| {}));
    }
}

/// Every project is frozen by an admin of every project, and of a project's admin it is none.
#[test]
fn a_freeze_of_every_project_belongs_to_none() {
    let everything = |it: &mut Freeze| it.project = None;
    for who in ["mia", "paul", "adam"] {
        refused(Code::RoleMissing, frozen(who, &[], everything));
    }
    let mut world = world();
    let all = grant("nora", role::ADMIN, &[], ALL_PROJECTS);
    world.amend(|it| it.grants.push(all)).unwrap();
    let entry = frozen("nora", &["prod"], everything)(&mut world).unwrap();
    let parsed = Entry::parse(&world.records[entry as usize].entry).unwrap();
    let threads: Vec<String> = parsed.threads.iter().map(|it| it.thread.to_string()).collect();
    assert_eq!(threads, [ThreadId::Control.to_string()], "it names no project to stand in");
    let kept = world.sequence.state.control().freezes.values().next().unwrap();
    assert!(kept.covers(&"shop".parse().unwrap(), &"prod".parse().unwrap()));
    assert!(!kept.covers(&project(), &"staging".parse().unwrap()));
    assert_eq!(world.verify().findings, []);
}

#[test]
fn a_freeze_is_lifted_in_its_scope() {
    for environments in [&["prod"][..], &[], &["prod", "staging"]] {
        let mut world = world();
        let entry = frozen("mia", environments, |_| {})(&mut world).unwrap();
        let statement = world.statement_at(entry);
        let lift = |by: &'static str, environments: &'static [&'static str]| {
            frozen(by, environments, move |it: &mut Freeze| {
                (it.outcome, it.lifts) = (FreezeOutcome::Lifted, Some(statement));
            })
        };
        refused_in(&mut world, Code::NothingWithdrawn, lift("mia", &["staging"]));
        refused_in(&mut world, Code::RoleMissing, lift("sara", environments));
        refused_in(
            &mut world,
            Code::PredicateInvalid,
            frozen("mia", environments, |it| {
                it.outcome = FreezeOutcome::Lifted;
            }),
        );
        refused_in(
            &mut world,
            Code::PredicateInvalid,
            frozen("mia", environments, move |it| {
                it.lifts = Some(statement);
            }),
        );
        lift("paul", environments)(&mut world).unwrap();
        refused_in(&mut world, Code::NothingWithdrawn, lift("paul", environments));
        let state = &world.sequence.state;
        let here = state.environment(&environment("prod")).unwrap();
        assert!(here.is_none_or(|it| it.freezes.is_empty()) && state.control().freezes.is_empty());
        assert_eq!(world.verify().findings, []);
    }
}

#[test]
fn so_many_freezes_are_kept_until_90_days_after_their_end() {
    for environments in [&["prod"][..], &[]] {
        let mut world = world();
        for _ in 0..FREEZES_MAX {
            frozen("mia", environments, |_| {})(&mut world).unwrap();
        }
        refused_in(&mut world, Code::PredicateInvalid, frozen("mia", environments, |_| {}));
        world.wait(91 * DAY);
        frozen("mia", environments, |_| {})(&mut world).unwrap();
    }
}
