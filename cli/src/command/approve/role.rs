//! In which role somebody signs, and what that means: from the gates, unless it is said.

use schemas::policy::{Approvals, Gate};
use schemas::trust::role;
use verifier::policy::{environment_rule, path};

use super::asked::Asked;
use super::{AnswerArgs, Signer};
use crate::exit::Exit;
use crate::failure::Failure;

/// The meaning where no gate asks for one.
const MEANING: &str = "release";

/// Chooses role and meaning.
pub fn choose(
    args: &AnswerArgs,
    asked: &Asked,
    signer: &Signer,
) -> Result<(String, String), Failure> {
    let gates = gates(asked);
    let role = match &args.role {
        Some(role) if role.is_empty() => return Err(crate::argument::empty("--role")),
        Some(role) => role.clone(),
        None => only_role(asked, signer)?,
    };
    let meaning = match &args.meaning {
        Some(meaning) if meaning.is_empty() => return Err(crate::argument::empty("--meaning")),
        Some(meaning) => meaning.clone(),
        None => meaning(&gates, &role)?,
    };
    Ok((role, meaning))
}

/// The approvals that the request's path asks for.
fn gates(asked: &Asked) -> Vec<&Approvals> {
    let rule = environment_rule(&asked.policy, &asked.environment);
    let rules = rule.and_then(|rule| path::gates(rule, asked.body.path));
    let gates = rules.into_iter().flatten().filter_map(|rule| match &rule.gate {
        Gate::Approvals(gate) => Some(gate),
        _ => None,
    });
    gates.collect()
}

/// The roles in which the answer is wanted.
fn wanted(asked: &Asked) -> Vec<&str> {
    let of_gates = || gates(asked).into_iter().flat_map(|gate| &gate.roles).collect();
    let roles: Vec<&String> =
        asked.due.as_ref().map_or_else(of_gates, |due| due.roles.iter().collect());
    roles.into_iter().map(String::as_str).collect()
}

/// The first role that is asked for.
pub fn asked_for(asked: &Asked) -> Option<String> {
    wanted(asked).first().map(|role| (*role).to_owned())
}

/// The one role that the signer has here and that is asked for.
fn only_role(asked: &Asked, signer: &Signer) -> Result<String, Failure> {
    let (Signer { trust, name }, environment) = (signer, &asked.environment);
    let (project, env) = (&environment.project, Some(&environment.name));
    let has = |role: &str| role::is_approval(role) && trust.has_role(name, role, project, env);
    let granted = trust.document.grants.iter().map(|grant| grant.role.as_str());
    let pick = |roles: &mut dyn Iterator<Item = &str>| {
        let mut found: Vec<String> = roles.filter(|role| has(role)).map(str::to_owned).collect();
        found.sort();
        found.dedup();
        found
    };
    let mut fitting = pick(&mut wanted(asked).into_iter());
    if fitting.is_empty() {
        // Nobody asks for it, but it is a signature all the same.
        fitting = pick(&mut granted.into_iter());
    }
    match fitting.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::new(
            Exit::NotAllowed,
            "role-missing",
            format!("{name} has no approval role for {environment}"),
        )
        .hint("attestry identity list shows who has one")),
        several => Err(Failure::usage(format!("{name} has more than one role here"))
            .hint(format!("choose one: --role {}", several.join(" or --role ")))),
    }
}

fn meaning(gates: &[&Approvals], role: &str) -> Result<String, Failure> {
    let fitting = gates.iter().filter(|gate| gate.roles.iter().any(|it| it == role));
    let mut meanings: Vec<&str> = fitting.filter_map(|gate| gate.meaning.as_deref()).collect();
    meanings.sort_unstable();
    meanings.dedup();
    match meanings.as_slice() {
        [] => Ok(MEANING.to_owned()),
        [one] => Ok((*one).to_owned()),
        several => Err(Failure::usage("the gates ask for more than one meaning")
            .hint(format!("choose one: --meaning {}", several.join(" or --meaning ")))),
    }
}
