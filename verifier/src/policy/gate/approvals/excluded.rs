//! Whose answer does not count: authors, committers, the requester, implementers.

use std::collections::BTreeSet;

use schemas::id::IdentityName;
use schemas::policy::{Approvals, Excluded};

use crate::policy::Context;
use crate::policy::gate::{Answer, commits, newest_build};
use crate::projection::Missing;
use crate::projection::slice::{Evidence, Request, ReviewFacts};

/// People who do not count, with why.
pub type People = Vec<(IdentityName, String)>;

/// The identities that do not count, with why; or an answer where they cannot be told.
///
/// Without a request nobody has asked. An approval is of everything that is asked for together:
/// whoever does not count for one of the artifacts counts for none.
pub fn people(
    gate: &Approvals,
    request: Option<&Request>,
    context: &Context,
) -> Result<Result<People, Answer>, Missing> {
    let mut excluded = Vec::new();
    for who in &gate.not {
        if *who == Excluded::Requester {
            let requester = request.map(|request| request.requester.identity.clone());
            excluded.extend(requester.map(|name| (name, "asked for it".to_owned())));
            continue;
        }
        for artifact in context.all {
            match behind(*who, &context.about(artifact))? {
                Ok(found) => excluded.extend(found),
                Err(answer) => return Ok(Err(answer)),
            }
        }
    }
    Ok(Ok(excluded))
}

/// Those behind one artifact.
fn behind(who: Excluded, context: &Context) -> Result<Result<People, Answer>, Missing> {
    match who {
        // Who asked is no matter of the artifact.
        Excluded::Requester => Ok(Ok(People::new())),
        Excluded::Author => reviewed(context, "author", "wrote", |it| Some(&it.facts.authors)),
        Excluded::Committer => {
            reviewed(context, "committer", "committed", |it| it.facts.committers.as_ref())
        }
        Excluded::Implementer => implementers(context),
    }
}

/// The people behind every source commit of the newest build, as their reviews name them.
fn reviewed(
    context: &Context,
    word: &str,
    did: &str,
    names: impl Fn(&Evidence<ReviewFacts>) -> Option<&Vec<String>>,
) -> Result<Result<People, Answer>, Missing> {
    let (_, commits) = match commits(context)? {
        Ok(found) => found,
        Err(answer) => {
            let reason = format!("{}, so the {word} is unknown", answer.reason);
            return Ok(Err(Answer { reason, ..answer }));
        }
    };
    let mut found = BTreeSet::new();
    for digest in commits {
        let commit = digest.short();
        let review = context.artifact(digest)?.and_then(|known| known.review.as_ref());
        let next = format!("record the review: attestry record review --subject {digest}");
        let Some(review) = review.filter(|it| context.counts(it.entry, &it.signers)) else {
            let reason = format!("no review of {commit} is recorded, so its {word} is unknown");
            return Ok(Err(Answer::waiting(reason).next(next)));
        };
        let Some(names) = names(review) else {
            let reason = format!("the review of {commit} names no {word}");
            return Ok(Err(Answer::indeterminate(reason).next(next).on([review.entry])));
        };
        for name in names {
            let Some(identity) = context.trust.by_alias(name) else {
                let reason = format!("{word} {name} of {commit} is no known identity");
                let next =
                    format!("give an identity this alias: attestry identity add --alias {name}");
                return Ok(Err(Answer::indeterminate(reason).next(next).on([review.entry])));
            };
            found.insert((identity.clone(), format!("{did} {commit}")));
        }
    }
    Ok(Ok(found.into_iter().collect()))
}

/// Whoever signed the newest build, or a deployment of it.
fn implementers(context: &Context) -> Result<Result<People, Answer>, Missing> {
    let build = match newest_build(context)? {
        Ok(build) => build,
        Err(answer) => {
            let reason = format!("{}, so the implementer is unknown", answer.reason);
            return Ok(Err(Answer { reason, ..answer }));
        }
    };
    let built = build.signers.iter().map(|it| (it.identity.clone(), "built it".to_owned()));
    let places = context.asked()?.into_iter().flat_map(|known| &known.places);
    let deployed = places.filter_map(|(name, place)| {
        let deployed = place.deployed.as_ref()?;
        // A key that was taken away since is nobody's who could approve.
        let identity = context.trust.identity(&deployed.key, deployed.entry)?;
        Some((identity.clone(), format!("deployed it to {name}")))
    });
    Ok(Ok(built.chain(deployed).collect()))
}
