//! Who may call a server: what the grants of an identity allow, less what a token leaves out.
//!
//! Asked anew with every call, and of the trust document in force then: where an identity's grants
//! end, its tokens are worth nothing from that entry on.

use std::collections::BTreeSet;

use schemas::id::{Environment, IdentityName, Project};
use schemas::trust::{ALL_PROJECTS, Grant, role};

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
#[error("{identity} has no {role} for {place}")]
pub struct Denied {
    pub identity: IdentityName,
    /// As a reader needs it: a role, or which of them would do.
    pub role: &'static str,
    pub place: String,
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
        false => Err(denied(identity, scope, act, reach)),
    }
}

fn denied(identity: &IdentityName, scope: &Scope, act: Act, reach: Reach<'_>) -> Denied {
    let role = match act {
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
    let narrowed = if *scope == Scope::default() { "" } else { " within what its token leaves" };
    Denied { identity: identity.clone(), role, place: place + narrowed }
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
    use crate::fixture::PROJECT;
    use crate::fixture::cast::{document, grant};

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
            let role = match act {
                Act::Read => "role auditor",
                Act::Submit => "role besides auditor",
                Act::Administer => "role admin",
            };
            assert!(denied.to_string().starts_with(&format!("{identity} has no {role} for ")));
        }
    }

    #[test]
    fn grants_decide_who_may_do_what_where() {
        let all = Scope::default();
        for (identity, act, reach, expected) in [
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
}
