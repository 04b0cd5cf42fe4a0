//! Who may call a server: what the grants of an identity allow, less what a token leaves out.
//!
//! Asked anew with every call, and of the trust document in force then: where an identity's grants
//! end, its tokens are worth nothing from that entry on.

use std::collections::BTreeSet;

use schemas::id::{Environment, IdentityName, Project};
use schemas::kind::EventKind;
use schemas::trust::{ALL_PROJECTS, Grant, role};

use crate::event::{Body, Event};
use crate::trust::Trust;

/// What a token leaves of what its identity may do. It only ever takes away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Of the identity's roles only these; empty: all of them.
    pub roles: BTreeSet<String>,
    /// Of the projects that its grants cover only these; empty: all of them.
    pub projects: BTreeSet<Project>,
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Needs any role.
    Enter,
    /// Needs the role `auditor`.
    Read,
    /// Needs any role but `auditor`. What was signed is judged by the rules of the log besides.
    Submit,
    /// Needs the role `admin`.
    Administer,
}

/// How much of a ledger a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Something that belongs to no project by itself: a role for any of them will do.
    Any,
    Environment(&'a Environment),
    Project(&'a Project),
    /// All projects, those too that do not exist yet.
    All,
}

/// Which role was missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{identity} has no {needed}")]
pub struct Denied {
    pub identity: IdentityName,
    /// As a reader needs it: a role, or which of them would do, and for what.
    pub needed: String,
}

/// The roles that an identity has within a reach, and within what a token leaves of them.
///
/// A grant that is limited to environments says nothing about the project as a whole: it counts
/// for one of its environments, or where any project will do.
pub fn roles<'a>(
    trust: &'a Trust,
    identity: &IdentityName,
    scope: &Scope,
    reach: Reach<'_>,
) -> BTreeSet<&'a str> {
    held(trust, identity, scope, reach).map(|grant| grant.role.as_str()).collect()
}

/// Whether an identity may do something, as far as its token lets it.
pub fn may(
    trust: &Trust,
    identity: &IdentityName,
    scope: &Scope,
    act: Act,
    reach: Reach<'_>,
) -> Result<(), Denied> {
    let fits = |grant: &Grant| match act {
        Act::Enter => true,
        Act::Read => grant.role == role::AUDITOR,
        Act::Submit => grant.role != role::AUDITOR,
        Act::Administer => grant.role == role::ADMIN,
    };
    let may = match (act, reach) {
        // An emitter for one environment submits for its project: the log's rules know which.
        (Act::Submit, Reach::Project(project)) => trust
            .grants_of(identity, project, None)
            .filter(|grant| is_left(grant, scope) && is_in_scope(project, scope))
            .any(fits),
        _ => held(trust, identity, scope, reach).any(fits),
    };
    match may {
        true => Ok(()),
        false => Err(denied(identity, scope, needed(act, reach))),
    }
}

/// What a call needs: `role auditor for project payments`.
pub fn needed(act: Act, reach: Reach<'_>) -> String {
    let role = match act {
        Act::Enter => "role",
        Act::Read => "role auditor",
        Act::Submit => "role besides auditor",
        Act::Administer => "role admin",
    };
    let place = match reach {
        Reach::Any => "any project".to_owned(),
        Reach::Environment(environment) => environment.to_string(),
        Reach::Project(project) => format!("project {project}"),
        Reach::All => "every project".to_owned(),
    };
    format!("{role} for {place}")
}

fn denied(identity: &IdentityName, scope: &Scope, needed: String) -> Denied {
    let narrowed = if *scope == Scope::default() { "" } else { " within what its token leaves" };
    Denied { identity: identity.clone(), needed: needed + narrowed }
}

/// The role under which an event of this kind is signed; none where any role will do.
pub fn role_for(event: &Event) -> Option<&str> {
    match event.kind {
        EventKind::Analysis
        | EventKind::Build
        | EventKind::Canary
        | EventKind::Deployment
        | EventKind::Measurement
        | EventKind::Migration
        | EventKind::Observation
        | EventKind::Other
        | EventKind::Rehearsal
        | EventKind::Review
        | EventKind::Rollback
        | EventKind::Sbom
        | EventKind::Test
        | EventKind::Vex
        | EventKind::Vulnerabilities => Some(role::EMITTER),
        EventKind::Configuration => match &event.body {
            Body::Configuration(body) => body.role.as_deref().or(Some(role::EMITTER)),
            _ => None,
        },
        EventKind::Waiver => match &event.body {
            Body::Waiver(body) => Some(&body.role),
            _ => None,
        },
        // A release manager or a policy admin; an admin where it is for every project.
        EventKind::Freeze => None,
        // Whoever has any role in the project.
        EventKind::Incident => None,
        EventKind::Approval => match &event.body {
            Body::Approval(body) => Some(&body.role),
            // It cannot be read, and the log refuses it.
            _ => None,
        },
        EventKind::Decision | EventKind::Export | EventKind::Heads => Some(role::SERVICE),
        EventKind::Note => None,
        EventKind::Policy => Some(role::POLICY_ADMIN),
        EventKind::PromotionRequest => Some(role::RELEASE_MANAGER),
        // Root keys sign it, which are nobody's: an admin brings it.
        EventKind::Trust => Some(role::ADMIN),
    }
}

/// Whether an identity may bring an event that somebody has signed, as far as its token lets it.
///
/// Who brings an event need not be who signed it, so any role will do for a token that leaves all of
/// them. One that is narrowed to roles carries what those roles sign, and one that is narrowed to
/// projects carries nothing for others.
pub fn may_bring(
    trust: &Trust,
    identity: &IdentityName,
    scope: &Scope,
    event: &Event,
    filed: Option<&Project>,
) -> Result<(), Denied> {
    let project = if event.is_project_free() { None } else { event.project().or(filed) };
    let reach = project.map_or(Reach::All, Reach::Project);
    if !scope.projects.is_empty() {
        may(trust, identity, scope, Act::Submit, reach)?;
    }
    let Some(role) = role_for(event).filter(|_| !scope.roles.is_empty()) else { return Ok(()) };
    let has = match project {
        Some(project) => {
            // A grant for one environment counts: the log's rules know which.
            let theirs = trust.grants_of(identity, project, None);
            theirs.filter(|it| is_left(it, scope)).any(|it| it.role == role)
        }
        None => trust.all_grants_of(identity).any(|it| is_left(it, scope) && it.role == role),
    };
    if has {
        return Ok(());
    }
    let place = project.map_or_else(|| "the ledger".to_owned(), |it| format!("project {it}"));
    Err(denied(identity, scope, format!("role {role} for {place}")))
}

fn held<'a>(
    trust: &'a Trust,
    identity: &IdentityName,
    scope: &Scope,
    reach: Reach<'_>,
) -> impl Iterator<Item = &'a Grant> {
    let theirs = trust.all_grants_of(identity);
    theirs.filter(move |grant| is_left(grant, scope) && covers(grant, scope, reach))
}

fn is_left(grant: &Grant, scope: &Scope) -> bool {
    scope.roles.is_empty() || scope.roles.contains(&grant.role)
}

fn is_in_scope(project: &Project, scope: &Scope) -> bool {
    scope.projects.is_empty() || scope.projects.contains(project)
}

fn covers(grant: &Grant, scope: &Scope, reach: Reach<'_>) -> bool {
    let everywhere = grant.projects.iter().any(|name| name == ALL_PROJECTS);
    let names = |project: &Project| {
        everywhere || grant.projects.iter().any(|name| name == project.as_str())
    };
    let whole = grant.environments.is_empty();
    match reach {
        Reach::Any => scope.projects.is_empty() || scope.projects.iter().any(names),
        Reach::Environment(environment) => {
            let listed = whole || grant.environments.contains(&environment.name);
            names(&environment.project) && is_in_scope(&environment.project, scope) && listed
        }
        Reach::Project(project) => names(project) && is_in_scope(project, scope) && whole,
        Reach::All => everywhere && scope.projects.is_empty() && whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::body::FULL_POLICY;
    use crate::fixture::cast::{document, grant};
    use crate::fixture::{PROJECT, World, project};

    /// The fixture's cast, and besides: `wide` reads everything, `prod` one environment, `gone` has
    /// lost its grants.
    fn trust() -> Trust {
        let mut document = document();
        for name in ["wide", "prod", "gone"] {
            document.identities.push(crate::fixture::cast::identity(name, &[name], &[]));
        }
        document.grants.push(grant("wide", role::AUDITOR, &[], ALL_PROJECTS));
        document.grants.push(grant("wide", role::ADMIN, &[], ALL_PROJECTS));
        for role in [role::AUDITOR, role::RELEASE_MANAGER] {
            let mut grant = grant("prod", role, &[], PROJECT);
            grant.environments = vec!["prod".parse().unwrap()];
            document.grants.push(grant);
        }
        Trust::of(document).unwrap()
    }

    fn scope(roles: &[&str], projects: &[&str]) -> Scope {
        Scope {
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            projects: projects.iter().map(|project| project.parse().unwrap()).collect(),
        }
    }

    fn check(identity: &str, scope: &Scope, act: Act, reach: &str, expected: bool) {
        let environment: Option<Environment> = reach.parse().ok();
        let project: Option<Project> = reach.parse().ok();
        let reach = match (reach, &environment, &project) {
            ("", ..) => Reach::Any,
            ("*", ..) => Reach::All,
            (_, Some(environment), _) => Reach::Environment(environment),
            (_, None, Some(project)) => Reach::Project(project),
            (_, None, None) => panic!("{reach}"),
        };
        let name = identity.parse().unwrap();
        let found = may(&trust(), &name, scope, act, reach);
        assert_eq!(found.is_ok(), expected, "{identity} {act:?} {reach:?}: {found:?}");
        if let Err(denied) = found {
            let expected = format!("{identity} has no {}", needed(act, reach));
            assert!(denied.to_string().starts_with(&expected), "{denied}");
        }
    }

    #[test]
    fn grants_decide_who_may_do_what_where() {
        let all = Scope::default();
        for (identity, act, reach, expected) in [
            ("nora", Act::Enter, "", true),
            ("ci", Act::Enter, "", true),
            ("gone", Act::Enter, "", false),
            ("nora", Act::Read, "", true),
            ("nora", Act::Read, PROJECT, true),
            ("nora", Act::Read, "shop", false),
            ("nora", Act::Read, "*", false),
            ("nora", Act::Submit, "", false),
            ("wide", Act::Read, "*", true),
            ("wide", Act::Read, "no-such-project", true),
            ("wide", Act::Administer, "*", true),
            ("adam", Act::Administer, "*", false),
            ("adam", Act::Read, PROJECT, false),
            ("ci", Act::Submit, PROJECT, true),
            ("ci", Act::Submit, "shop", false),
            ("ci", Act::Submit, "*", false),
            ("ci", Act::Read, "", false),
            ("prod", Act::Read, "", true),
            ("prod", Act::Read, "payments/prod", true),
            ("prod", Act::Read, "payments/staging", false),
            ("prod", Act::Read, "payments", false),
            ("prod", Act::Submit, "payments", true),
            ("gone", Act::Read, "", false),
            ("gone", Act::Submit, "", false),
            ("nobody", Act::Read, "", false),
            ("service", Act::Submit, "*", true),
        ] {
            check(identity, &all, act, reach, expected);
        }
    }

    #[test]
    fn a_scope_only_ever_takes_away() {
        for (identity, roles, projects, act, reach, expected) in [
            ("wide", &["auditor"][..], &[][..], Act::Read, "*", true),
            ("wide", &["auditor"], &[], Act::Administer, "*", false),
            ("wide", &["admin"], &[], Act::Read, "*", false),
            ("wide", &[], &[PROJECT], Act::Read, "*", false),
            ("wide", &[], &[PROJECT], Act::Read, PROJECT, true),
            ("wide", &[], &[PROJECT], Act::Read, "shop", false),
            ("wide", &[], &[PROJECT], Act::Read, "", true),
            ("wide", &[], &[PROJECT], Act::Administer, "*", false),
            // What the identity has not, no scope gives.
            ("ci", &["auditor"], &[], Act::Read, "", false),
            ("ci", &["auditor"], &[], Act::Submit, PROJECT, false),
            ("ci", &["admin"], &[], Act::Administer, "*", false),
            ("ci", &[], &["shop"], Act::Submit, "shop", false),
            ("ci", &[], &["shop"], Act::Submit, "", false),
            ("ci", &[], &["shop", PROJECT], Act::Submit, PROJECT, true),
            ("prod", &[], &[PROJECT], Act::Read, "payments/prod", true),
            ("prod", &[], &["shop"], Act::Read, "payments/prod", false),
        ] {
            check(identity, &scope(roles, projects), act, reach, expected);
        }
    }

    /// Of every identity, reach and scope: nothing that the whole identity has not.
    #[test]
    fn no_scope_gives_a_role() {
        let (trust, all) = (trust(), Scope::default());
        let [payments, shop]: [Project; 2] = [PROJECT, "shop"].map(|name| name.parse().unwrap());
        let prod: Environment = "payments/prod".parse().unwrap();
        let reaches = [
            Reach::Any,
            Reach::All,
            Reach::Project(&payments),
            Reach::Project(&shop),
            Reach::Environment(&prod),
        ];
        let mut narrower = 0;
        for identity in trust.document.identities.iter().map(|it| &it.name) {
            for reach in reaches {
                let whole = roles(&trust, identity, &all, reach);
                for role in [&[][..], &["auditor"], &["emitter", "admin"]] {
                    for project in [&[][..], &[PROJECT], &["shop", "other"]] {
                        let left = roles(&trust, identity, &scope(role, project), reach);
                        assert!(left.is_subset(&whole), "{identity} {reach:?}");
                        narrower += usize::from(left != whole);
                    }
                }
            }
        }
        assert!(narrower > 100, "{narrower}");
    }

    fn released() -> World {
        let mut world = World::new();
        world.policy("paul", FULL_POLICY).unwrap();
        world.release("app");
        world
    }

    /// An event of the fixture's log, of the given kind.
    fn event(world: &World, kind: EventKind) -> Event {
        let mut events = world.records.iter().filter_map(|it| it.envelope.as_deref());
        let event = events.find_map(|it| Event::read(it).ok().filter(|it| it.kind == kind));
        event.unwrap()
    }

    #[test]
    fn a_token_narrowed_to_roles_brings_what_those_sign() {
        use EventKind as K;
        let world = released();
        let trust = trust();
        let check = |identity: &str, roles: &[&str], kind, expected: &str| {
            let event = event(&world, kind);
            let name = identity.parse().unwrap();
            let found = may_bring(&trust, &name, &scope(roles, &[]), &event, Some(&project()));
            let found = found.map_or_else(|denied| denied.to_string(), |()| String::new());
            let rest = if expected.is_empty() { "" } else { " within what its token leaves" };
            assert_eq!(found, format!("{expected}{rest}"), "{identity} {roles:?} {kind:?}");
        };
        for kind in [K::Test, K::Build, K::Approval, K::Policy, K::Trust, K::Decision] {
            check("ci", &[], kind, "");
        }
        for kind in [K::Test, K::Build, K::Vulnerabilities, K::Deployment] {
            check("ci", &["emitter"], kind, "");
        }
        for (kind, role) in [
            (K::Approval, "release-approver for project payments"),
            (K::PromotionRequest, "release-manager for project payments"),
            (K::Policy, "policy-admin for project payments"),
            (K::Decision, "service for project payments"),
            (K::Trust, "admin for the ledger"),
        ] {
            check("ci", &["emitter"], kind, &format!("ci has no role {role}"));
        }
        // What the token leaves is nothing that the identity has not.
        let approver = "ci has no role release-approver for project payments";
        check("ci", &["release-approver"], K::Approval, approver);
        check("anna", &["release-approver"], K::Approval, "");
        check("mia", &["release-manager"], K::PromotionRequest, "");
        let approver = "mia has no role release-approver for project payments";
        check("mia", &["release-manager"], K::Approval, approver);
        check("mia", &["release-approver"], K::Approval, "");
        check("wide", &["admin"], K::Trust, "");
        check("service", &["service"], K::Decision, "");
        let emitter = "service has no role emitter for project payments";
        check("service", &["service"], K::Test, emitter);
    }

    #[test]
    fn a_token_narrowed_to_projects_brings_nothing_for_others() {
        let world = released();
        let (trust, test) = (trust(), event(&world, EventKind::Test));
        let (ci, shop) = ("ci".parse().unwrap(), "shop".parse().unwrap());
        let bring =
            |scope, filed: &Project| may_bring(&trust, &ci, &scope, &test, Some(filed)).is_ok();
        assert!(bring(scope(&[], &[PROJECT]), &project()));
        assert!(!bring(scope(&[], &["shop"]), &project()));
        assert!(!bring(scope(&["emitter"], &[PROJECT]), &shop));
        assert!(bring(scope(&["emitter"], &[PROJECT]), &project()));
    }
}
