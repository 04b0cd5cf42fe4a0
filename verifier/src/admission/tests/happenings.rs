//! Canaries, configurations, observations, incidents, rehearsals and statements of what does not
//! matter: what is refused.

use schemas::id::Digest;
use schemas::predicate::canary::{self, Canary, CanaryVerdict};
use schemas::predicate::configuration::{Configuration, ConfigurationState, SecretVersion};
use schemas::predicate::deployment::{self, DeploymentResult};
use schemas::predicate::incident::{self, Cause, Incident, IncidentStatus};
use schemas::predicate::migration;
use schemas::predicate::observation::{self, Observation};
use schemas::predicate::promotion_request;
use schemas::predicate::rehearsal::{RehearsalOf, RehearsalResult};
use schemas::predicate::rollback::{self, Rollback};
use schemas::predicate::vex::VexStatus;
use schemas::report::Code;

use super::{Logged, app, refused, refused_in, world};
use crate::fixture::cast::{APPROVER, SECURITY};
use crate::fixture::{HOUR, MINUTE, World, artifact, commit, environment, project};
use crate::projection::slice::{ArtifactInProject, EnvironmentSlice};
use IncidentStatus::{Detected, Opened, Resolved};

fn here(world: &World) -> EnvironmentSlice {
    let state = &world.sequence.state;
    state.environment(&environment("prod")).unwrap().cloned().unwrap_or_default()
}

fn of(world: &World, artifact: &Digest) -> ArtifactInProject {
    let slice = world.sequence.state.artifact(artifact).unwrap();
    slice.unwrap().projects[&project()].clone()
}

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn canary(change: impl FnOnce(&mut Canary)) -> impl FnOnce(&mut World) -> Logged {
    |w| {
        let mut body = w.canary_body("prod", CanaryVerdict::Passed);
        change(&mut body);
        w.record("ci", &app(), canary::TYPE, &body)
    }
}

#[test]
fn a_canary_ends_unless_it_runs() {
    use Code::{PredicateInvalid, RoleMissing, SubjectInvalid};
    refused(PredicateInvalid, canary(|it| it.finished_at = None));
    refused(PredicateInvalid, canary(|it| it.verdict = CanaryVerdict::Running));
    refused(PredicateInvalid, canary(|it| it.finished_at = Some(it.started_at.plus_ms(-1))));
    refused(PredicateInvalid, canary(|it| it.finished_at = Some(it.started_at.plus_ms(2 * HOUR))));
    refused(RoleMissing, |w| {
        let body = w.canary_body("prod", CanaryVerdict::Passed);
        w.record("bot", &app(), canary::TYPE, &body)
    });
    refused(SubjectInvalid, |w| {
        let body = w.canary_body("prod", CanaryVerdict::Passed);
        w.record("ci", &commit("app"), canary::TYPE, &body)
    });
    refused(SubjectInvalid, |w| {
        let body = w.canary_body("prod", CanaryVerdict::Passed);
        w.record_of_itself("ci", canary::TYPE, &body)
    });
    let mut world = world();
    let passed = world.canary(&app(), "prod", CanaryVerdict::Passed).unwrap();
    let runs = world.canary(&app(), "prod", CanaryVerdict::Running).unwrap();
    let known = &of(&world, &app()).canaries[&"prod".parse().unwrap()];
    assert_eq!(known.newest.entry, runs);
    assert_eq!(known.last_final.as_ref().map(|it| it.entry), Some(passed));
}

/// Deployments, rollbacks and canaries name no promotion that is not theirs: of another
/// environment or artifact, of none, or still to come.
#[test]
fn what_names_a_promotion_belongs_to_it() {
    let mut world = World::with_gates("[]", "[]");
    let (before, other) = (artifact("before"), artifact("other"));
    let ours = world.request(&app(), "prod").unwrap();
    let staged = world.request(&app(), "staging").unwrap();
    let decision = world.decide(ours).unwrap();
    world.decide(staged).unwrap();
    let earlier = world.request(&before, "prod").unwrap();
    world.decide(earlier).unwrap();
    world.deploy(&before, "prod").unwrap();
    let kinds: [fn(&mut World, &Digest, u64) -> Logged; 3] = [
        |w, of, promotion| {
            let mut body = w.deployment_body("prod", DeploymentResult::Succeeded);
            body.promotion = Some(promotion);
            w.record("ci", of, deployment::TYPE, &body)
        },
        |w, of, promotion| {
            let mut body = w.rollback_body("prod", &artifact("before"));
            body.promotion = Some(promotion);
            w.record("ci", of, rollback::TYPE, &body)
        },
        |w, of, promotion| {
            let mut body = w.canary_body("prod", CanaryVerdict::Passed);
            body.promotion = Some(promotion);
            w.record("ci", of, canary::TYPE, &body)
        },
    ];
    for record in kinds {
        for promotion in [staged, decision, 0, 99] {
            refused_in(&mut world, Code::RequestUnknown, |w| record(w, &app(), promotion));
        }
        refused_in(&mut world, Code::RequestMismatch, |w| record(w, &other, ours));
    }
    for record in [kinds[2], kinds[1], kinds[0]] {
        record(&mut world, &app(), ours).unwrap();
    }
    assert_eq!(world.verify().findings, []);
}

/// The last promotions of an environment are remembered, and of each artifact the newest.
#[test]
fn an_old_promotion_is_remembered_with_its_artifact() {
    let mut world = World::with_gates("[]", "[]");
    let (first, other) = (world.request(&app(), "prod").unwrap(), artifact("other"));
    world.decide(first).unwrap();
    let second = world.request(&other, "prod").unwrap();
    world.decide(second).unwrap();
    for nth in 0..crate::projection::promotion::CLOSED_MAX {
        let request = world.request(&artifact(&format!("later {nth}")), "prod").unwrap();
        world.decide(request).unwrap();
    }
    let third = world.request(&other, "prod").unwrap();
    world.decide(third).unwrap();
    let deploy = |w: &mut World, of: &Digest, promotion| {
        let mut body = w.deployment_body("prod", DeploymentResult::Succeeded);
        body.promotion = Some(promotion);
        w.record("ci", of, deployment::TYPE, &body)
    };
    deploy(&mut world, &app(), first).unwrap();
    refused_in(&mut world, Code::RequestUnknown, |w| deploy(w, &other, second));
    refused_in(&mut world, Code::RequestUnknown, |w| deploy(w, &other, first));
    deploy(&mut world, &other, third).unwrap();
    assert_eq!(world.verify().findings, []);
}

fn configured(
    by: &'static str,
    role: Option<&'static str>,
    change: impl FnOnce(&mut Configuration),
) -> impl FnOnce(&mut World) -> Logged {
    move |w| {
        let mut body = w.configuration_body("prod", "new", role);
        change(&mut body);
        w.configure(by, &body)
    }
}

#[test]
fn a_configuration_is_approved_by_a_role_and_applied_by_an_emitter() {
    use Code::{AdminApproves, PredicateInvalid, RoleMissing};
    refused(RoleMissing, configured("mia", None, |_| {}));
    refused(RoleMissing, configured("ci", Some(SECURITY), |_| {}));
    refused(RoleMissing, configured("mia", Some("release-manager"), |_| {}));
    refused(AdminApproves, configured("adam", Some(APPROVER), |_| {}));
    refused(PredicateInvalid, configured("ci", None, |it| it.role = Some(SECURITY.to_owned())));
    refused(PredicateInvalid, configured("sara", Some(SECURITY), |it| it.role = None));
    refused(PredicateInvalid, configured("ci", None, |it| it.digest = commit("x")));
    refused(PredicateInvalid, configured("ci", None, |it| it.shape = Some(commit("x"))));
    refused(PredicateInvalid, configured("ci", None, |it| it.reason = Some(String::new())));
    let secret = |name: &str, version: &str| SecretVersion {
        name: name.to_owned(),
        version: version.to_owned(),
    };
    for secrets in [
        vec![secret("a", "1"), secret("a", "2")],
        vec![secret("", "1")],
        vec![secret("a", "")],
        vec![secret(&text(201), "1")],
        (0..257).map(|number| secret(&number.to_string(), "1")).collect(),
    ] {
        refused(PredicateInvalid, configured("ci", None, |it| it.secrets = secrets));
    }
    refused(Code::SubjectInvalid, |w| {
        let body = w.configuration_body("prod", "new", None);
        w.record("ci", &app(), schemas::predicate::configuration::TYPE, &body)
    });
    let takes_back = |it: &mut Configuration| it.state = ConfigurationState::Withdrawn;
    refused(Code::NothingWithdrawn, configured("sara", Some(SECURITY), takes_back));
    let mut world = world();
    configured("sara", Some(SECURITY), |_| {})(&mut world).unwrap();
    let newer = configured("sara", Some(SECURITY), |_| {})(&mut world).unwrap();
    configured("ben", Some(APPROVER), |_| {})(&mut world).unwrap();
    let applied = configured("ci", None, |_| {})(&mut world).unwrap();
    let kept = here(&world).configurations;
    let roles: Vec<_> = kept.approved.iter().map(|it| it.role.as_deref().unwrap()).collect();
    assert_eq!(roles, [SECURITY, APPROVER], "a second approval by the same person is the same");
    assert_eq!((kept.approved[0].entry, kept.applied.unwrap().entry), (newer, applied));
    configured("sara", Some(SECURITY), takes_back)(&mut world).unwrap();
    assert_eq!(here(&world).configurations.approved.len(), 1);
    for number in 0..70 {
        let body = world.configuration_body("prod", &number.to_string(), Some(SECURITY));
        world.configure("sara", &body).unwrap();
    }
    let kept = here(&world).configurations.approved;
    assert_eq!(
        (kept.len(), kept.last().unwrap().digest.clone()),
        (64, artifact("configuration 69"))
    );
}

fn observed(change: impl FnOnce(&mut Observation)) -> impl FnOnce(&mut World) -> Logged {
    |w| {
        let mut body = w.observation_body("prod", &[&app(), &artifact("other")]);
        change(&mut body);
        w.record_of_itself("ci", observation::TYPE, &body)
    }
}

#[test]
fn an_observation_names_everything_once() {
    use Code::PredicateInvalid;
    refused(PredicateInvalid, observed(|it| it.artifacts[1] = it.artifacts[0].clone()));
    refused(PredicateInvalid, observed(|it| it.artifacts[0].instances = 0));
    refused(PredicateInvalid, observed(|it| it.artifacts[0].digest = commit("app")));
    refused(PredicateInvalid, observed(|it| it.artifacts[0].tag = Some(text(201))));
    refused(PredicateInvalid, observed(|it| it.artifacts[0].name = Some(String::new())));
    refused(PredicateInvalid, observed(|it| it.source = "kube ctl".to_owned()));
    refused(PredicateInvalid, observed(|it| it.taken_at = it.taken_at.plus_ms(6 * MINUTE)));
    refused(
        PredicateInvalid,
        observed(|it| {
            let one = it.artifacts[0].clone();
            let digest = |number: usize| artifact(&number.to_string());
            let many = (0..1025)
                .map(|number| observation::Observed { digest: digest(number), ..one.clone() });
            it.artifacts = many.collect();
        }),
    );
    refused(Code::RoleMissing, |w| {
        let body = w.observation_body("prod", &[]);
        w.record_of_itself("bot", observation::TYPE, &body)
    });
    refused(Code::SubjectInvalid, |w| {
        let body = w.observation_body("prod", &[]);
        w.record("ci", &app(), observation::TYPE, &body)
    });
    let mut world = world();
    let newest = observed(|_| {})(&mut world).unwrap();
    // One that was taken earlier and arrives late takes nothing from it.
    observed(|it| it.taken_at = it.taken_at.plus_ms(-HOUR))(&mut world).unwrap();
    let kept = here(&world).observed.unwrap();
    assert_eq!((kept.entry, kept.artifacts.len()), (newest, 2));
    let emptied = world.observe("prod", &[]).unwrap();
    assert_eq!(here(&world).observed.map(|it| (it.entry, it.artifacts)), Some((emptied, vec![])));
}

fn disturbed(change: impl FnOnce(&mut Incident)) -> impl FnOnce(&mut World) -> Logged {
    |w| {
        let mut body = w.incident_body("prod", "INC-1", Opened);
        change(&mut body);
        w.record_of_itself("ci", incident::TYPE, &body)
    }
}

#[test]
fn an_incident_opens_before_it_is_resolved() {
    use Code::{IncidentMismatch, PredicateInvalid};
    refused(PredicateInvalid, disturbed(|it| it.id = String::new()));
    refused(PredicateInvalid, disturbed(|it| it.id = text(129)));
    refused(PredicateInvalid, disturbed(|it| it.summary = text(4097)));
    refused(PredicateInvalid, disturbed(|it| it.at = it.at.plus_ms(6 * MINUTE)));
    refused(IncidentMismatch, disturbed(|it| it.status = Resolved));
    refused(Code::RoleMissing, |w| {
        let body = w.incident_body("prod", "INC-1", Opened);
        w.record_of_itself("stranger", incident::TYPE, &body)
    });
    refused(Code::SubjectInvalid, |w| {
        let body = w.incident_body("prod", "INC-1", Opened);
        w.record("ci", &app(), incident::TYPE, &body)
    });
    let mut world = world();
    for number in 0..crate::projection::slice::INCIDENTS_MAX {
        world.incident("prod", &number.to_string(), Detected).unwrap();
    }
    refused_in(&mut world, PredicateInvalid, disturbed(|_| {}));
    world.incident("prod", "7", Resolved).unwrap();
    // Whoever has any role may say that something is wrong.
    let body = world.incident_body("prod", "INC-1", Opened);
    world.record_of_itself("anna", incident::TYPE, &body).unwrap();
    let slice = here(&world);
    assert!(slice.incidents.contains_key("INC-1") && !slice.incidents.contains_key("7"));
    assert_eq!(slice.last_resolved.unwrap().id, "7");
}

/// The artifact that is blamed is the subject, from then on to the end.
#[test]
fn an_incident_stays_attributed() {
    use Code::IncidentMismatch;
    let about = |w: &mut World, of: &Digest, status, cause: Option<Cause>| {
        let mut body = w.incident_body("prod", "INC-1", status);
        body.cause = cause;
        w.record("ci", of, incident::TYPE, &body)
    };
    let blamed = |of: &Digest| Some(Cause::Artifact(of.clone()));
    let other = artifact("other");
    refused(IncidentMismatch, |w| about(w, &app(), Opened, blamed(&other)));
    refused(Code::SubjectInvalid, disturbed(|it| it.cause = Some(Cause::Artifact(app()))));
    let mut world = world();
    world.incident("prod", "INC-1", Opened).unwrap();
    let first = about(&mut world, &app(), Detected, blamed(&app())).unwrap();
    refused_in(&mut world, IncidentMismatch, |w| about(w, &other, Detected, blamed(&other)));
    refused_in(&mut world, Code::SubjectInvalid, |w| w.incident("prod", "INC-1", Resolved));
    let attributed = of(&world, &app()).incidents[&"prod".parse().unwrap()].clone();
    assert_eq!(attributed.open["INC-1"], first);
    let last = about(&mut world, &app(), Resolved, None).unwrap();
    let attributed = of(&world, &app()).incidents[&"prod".parse().unwrap()].clone();
    assert!(attributed.open.is_empty());
    assert_eq!(attributed.newest.unwrap().entry, last);
    assert_eq!(here(&world).last_resolved.unwrap().artifact, Some(app()));
}

#[test]
fn a_cause_is_something_that_happened_to_the_artifact() {
    let mut world = World::with_gates("[]", "[]");
    let other = artifact("other");
    let request = world.request(&app(), "prod").unwrap();
    let decision = world.decide(request).unwrap();
    let deployment = world.deploy(&app(), "prod").unwrap();
    let staged = world.request(&app(), "staging").unwrap();
    world.decide(staged).unwrap();
    let elsewhere = world.deploy(&app(), "staging").unwrap();
    let caused = |w: &mut World, of: &Digest, id: &str, cause: Cause| {
        let mut body = w.incident_body("prod", id, Opened);
        body.cause = Some(cause);
        w.record("ci", of, incident::TYPE, &body)
    };
    use Code::{IncidentMismatch, RequestMismatch, RequestUnknown};
    for (code, of, cause) in [
        (IncidentMismatch, &other, Cause::Deployment(deployment)),
        (RequestMismatch, &other, Cause::Promotion(request)),
        (IncidentMismatch, &app(), Cause::Deployment(decision)),
        (IncidentMismatch, &app(), Cause::Deployment(elsewhere)),
        (RequestUnknown, &app(), Cause::Promotion(decision)),
        (RequestUnknown, &app(), Cause::Promotion(staged)),
    ] {
        refused_in(&mut world, code, |w| caused(w, of, "X", cause.clone()));
    }
    caused(&mut world, &app(), "1", Cause::Deployment(deployment)).unwrap();
    caused(&mut world, &app(), "2", Cause::Promotion(request)).unwrap();
    // What has been replaced is still remembered as the artifact's own.
    world.deploy(&other, "prod").unwrap();
    world.deploy(&artifact("third"), "prod").unwrap();
    caused(&mut world, &app(), "3", Cause::Deployment(deployment)).unwrap();
    let open = &of(&world, &app()).incidents[&"prod".parse().unwrap()].open;
    assert_eq!(open.keys().collect::<Vec<_>>(), ["1", "2", "3"]);
}

fn rolled_back(change: impl FnOnce(&mut Rollback)) -> impl FnOnce(&mut World) -> Logged {
    |w| {
        w.deploy(&app(), "prod").unwrap();
        let mut body = w.rollback_body("prod", &app());
        change(&mut body);
        w.record("ci", &artifact("before"), rollback::TYPE, &body)
    }
}

#[test]
fn a_rollback_has_a_reason_and_leaves_what_runs() {
    let attempt = |code: Code, change: fn(&mut Rollback)| {
        let mut world = world();
        world.deploy(&app(), "prod").unwrap();
        let mut body = world.rollback_body("prod", &app());
        change(&mut body);
        let kind = rollback::TYPE;
        let result = world.record("ci", &artifact("before"), kind, &body);
        let Err(super::Refusal::Rule(finding)) = result else { panic!("{result:?}") };
        assert_eq!(finding.code, code, "{finding:?}");
    };
    attempt(Code::PredicateInvalid, |it| it.reason = String::new());
    attempt(Code::PredicateInvalid, |it| it.reason = "x".repeat(4097));
    attempt(Code::PredicateInvalid, |it| it.from = commit("app"));
    attempt(Code::PredicateInvalid, |it| it.from = artifact("before"));
    attempt(Code::PredicateInvalid, |it| it.incident = Some(1000));
    attempt(Code::IllegalMove, |it| it.from = artifact("other"));
    attempt(Code::IllegalMove, |it| it.environment = "staging".parse().unwrap());
    refused(Code::RoleMissing, |w| {
        let body = w.rollback_body("prod", &app());
        w.record("bot", &artifact("before"), rollback::TYPE, &body)
    });
    let mut world = world();
    let entry = rolled_back(|_| {})(&mut world).unwrap();
    let slice = here(&world);
    assert_eq!(slice.deployed.unwrap().artifact, artifact("before"));
    assert_eq!(slice.previous.unwrap().artifact, app());
    assert_eq!(slice.last_rollback.unwrap().entry, entry);
    let place = &of(&world, &artifact("before")).places[&"prod".parse().unwrap()];
    assert_eq!(place.deployed.as_ref().unwrap().entry, entry);
}

#[test]
fn rehearsals_and_migrations_are_about_artifacts() {
    use RehearsalOf::{Migration, Rollback};
    let mut world = world();
    let (passed, failed) = (RehearsalResult::Passed, RehearsalResult::Failed);
    world.rehearse(&app(), "staging", Migration, failed).unwrap();
    let newest = world.rehearse(&app(), "staging", Migration, passed).unwrap();
    let other = world.rehearse(&app(), "staging", Rollback, failed).unwrap();
    let kept = of(&world, &app()).rehearsals[&"staging".parse().unwrap()].clone();
    assert_eq!((kept[&Migration].entry, kept[&Rollback].entry), (newest, other));
    let migrates = world.migration(&app(), true).unwrap();
    assert_eq!(of(&world, &app()).migration.unwrap().entry, migrates);
    refused_in(&mut world, Code::SubjectInvalid, |w| {
        w.rehearse(&commit("app"), "staging", Migration, RehearsalResult::Passed)
    });
    for change in
        [(|it| it.migrations = Some(commit("x"))) as fn(&mut migration::Migration), |it| {
            it.rollback_plan = Some(commit("x"))
        }]
    {
        refused_in(&mut world, Code::PredicateInvalid, |w| {
            let mut body = w.migration_body(true);
            change(&mut body);
            w.record("ci", &app(), migration::TYPE, &body)
        });
    }
    refused_in(&mut world, Code::RoleMissing, |w| {
        let body = w.migration_body(true);
        w.record("bot", &app(), migration::TYPE, &body)
    });
}

#[test]
fn statements_about_so_many_vulnerabilities_are_kept() {
    let mut world = world();
    let names: Vec<String> = (0..1025).map(|number| format!("CVE-{number}")).collect();
    let said = |names: &[String]| -> Vec<(String, VexStatus)> {
        names.iter().map(|name| (name.clone(), VexStatus::NotAffected)).collect()
    };
    let log = |w: &mut World, names: &[String]| {
        let said = said(names);
        let said: Vec<(&str, VexStatus)> = said.iter().map(|it| (it.0.as_str(), it.1)).collect();
        w.vex(&app(), &said)
    };
    refused_in(&mut world, Code::SubjectInvalid, |w| log(w, &names));
    log(&mut world, &names[..1024]).unwrap();
    refused_in(&mut world, Code::SubjectInvalid, |w| log(w, &names[1024..]));
    let again = log(&mut world, &names[..1]).unwrap();
    let kept = of(&world, &app()).vex;
    assert_eq!((kept.len(), kept["CVE-0"].entry), (1024, again));
    // Many statements about one vulnerability.
    let same = vec![names[0].clone(); 17];
    refused_in(&mut world, Code::SubjectInvalid, |w| log(w, &same));
}

#[test]
fn a_request_names_an_earlier_incident() {
    let mut world = world();
    let size = world.size();
    refused_in(&mut world, Code::PredicateInvalid, |w| {
        let mut body = w.request_body("prod");
        body.incident = Some(size);
        w.record("mia", &app(), promotion_request::TYPE, &body)
    });
}
