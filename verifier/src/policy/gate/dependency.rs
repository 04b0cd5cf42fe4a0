//! `dependency`: what another project has in an environment, by decision and deployment there.

use schemas::id::{Digest, Environment};
use schemas::policy::Dependency;

use super::{Answer, join};
use crate::policy::Context;
use crate::policy::version::Range;
use crate::projection::Missing;
use crate::projection::slice::{Beside, Running};

/// The one gate that reads another project's threads: what runs there, and whether it was granted.
pub fn evaluate(gate: &Dependency, context: &Context) -> Result<Answer, Missing> {
    let name = gate.environment.as_ref().unwrap_or(&context.ask.environment.name);
    let place = Environment { project: gate.project.clone(), name: name.clone() };
    let wanted = match (&gate.artifact, &gate.versions) {
        (Some(artifact), _) => artifact.short(),
        (None, Some(range)) => range.clone(),
        (None, None) => "anything".to_owned(),
    };
    let next = format!("have {wanted} promoted and deployed to {place}");
    let Some(running) = context.other_environment(&place)?.and_then(|it| it.deployed.as_ref())
    else {
        return Ok(Answer::waiting(format!("nothing is deployed in {place}")).next(next));
    };
    let answers = running.all().filter(|it| is_asked(gate, running, &it.artifact));
    let answers = answers.map(|it| of_one(gate, &it, &place, &wanted, context));
    Ok(join(answers.collect::<Result<_, _>>()?))
}

/// Of several that run together the artifact that the policy names; where it names none, each must do.
fn is_asked(gate: &Dependency, running: &Running, artifact: &Digest) -> bool {
    let named = gate.artifact.as_ref().filter(|named| running.holds(named));
    named.is_none_or(|named| named == artifact)
}

fn of_one(
    gate: &Dependency,
    running: &Beside,
    place: &Environment,
    wanted: &str,
    context: &Context,
) -> Result<Answer, Missing> {
    let name = &place.name;
    let next = format!("have {wanted} promoted and deployed to {place}");
    let known = context.artifact_of(&gate.project, &running.artifact)?;
    let deployed = known.and_then(|known| known.places.get(name)?.deployed.as_ref());
    let deployed = deployed.filter(|it| it.entry == running.entry);
    let version = known.and_then(|known| known.version.as_deref());
    let shown = format!(
        "{} {} in {place}",
        version.unwrap_or("an unknown version"),
        running.artifact.short()
    );
    let sound = deployed.is_some_and(|it| context.counts_key(it.entry, it.key));
    if !sound {
        return Ok(Answer::waiting(format!("{shown}, deployed by a key that is compromised"))
            .next("record the deployment again")
            .on([running.entry]));
    }
    if !deployed.is_some_and(|it| it.granted) {
        return Ok(Answer::waiting(format!("{shown}, which nothing has granted there"))
            .next(next)
            .on([running.entry]));
    }
    let same = gate.artifact.as_ref().is_none_or(|artifact| *artifact == running.artifact);
    let fits = match &gate.versions {
        None => true,
        Some(range) => match range.parse::<Range>() {
            Ok(range) => version.is_some_and(|version| range.holds_text(version)),
            Err(_) => {
                return Ok(Answer::indeterminate("the policy's range of versions is none")
                    .next("write a range such as `>=2.1.0, <3.0.0`"));
            }
        },
    };
    let answer = match same && fits {
        true => Answer::pass(shown),
        false => Answer::waiting(format!("{shown}, policy asks for {wanted}")).next(next),
    };
    Ok(answer.on([running.entry]))
}

#[cfg(test)]
pub(super) mod tests;
