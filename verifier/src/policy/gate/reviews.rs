//! Reviews: every source commit of the newest build has an approving one by somebody else.

use std::collections::BTreeSet;

use schemas::policy::Duration;
use schemas::predicate::review::ReviewOutcome;

use super::suites::missing;
use super::{Answer, commits, join, staleness};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{Evidence, ReviewFacts};

/// Joins what is said of the review of each commit.
pub fn reviewed(max_age: Option<&Duration>, context: &Context) -> Result<Answer, Missing> {
    each_review(max_age, context, |_| None)
}

/// As [`reviewed`], where something else than the review may speak first.
pub fn each_review(
    max_age: Option<&Duration>,
    context: &Context,
    objection: impl Fn(&Evidence<ReviewFacts>) -> Option<Answer>,
) -> Result<Answer, Missing> {
    let (build, commits) = match commits(context)? {
        Ok(found) => found,
        Err(answer) => return Ok(answer),
    };
    let mut answers = Vec::new();
    for commit in commits {
        let known = context.artifact(commit)?;
        let review = known.and_then(|known| known.review.as_ref());
        let what = format!("review of {}", commit.short());
        let unread = known.and_then(|known| known.unreadable.get("review").copied());
        if let Some(entry) = unread.filter(|it| review.is_none_or(|review| *it > review.entry)) {
            let reason = format!("a newer {what} cannot be read");
            let next = "record the review again";
            answers.push(Answer::indeterminate(reason).next(next).on([entry]));
            continue;
        }
        let Some(review) = review else {
            answers.push(missing("review", &what));
            continue;
        };
        let answer = staleness(review, &what, max_age, context).unwrap_or_else(|| {
            let objection = objection(review);
            objection.unwrap_or_else(|| judge(context, review)).on([review.entry])
        });
        answers.push(answer);
    }
    Ok(join(answers).on([build]))
}

fn judge(context: &Context, evidence: &Evidence<ReviewFacts>) -> Answer {
    match evidence.facts.outcome {
        ReviewOutcome::Approved => by_another(context, &evidence.facts),
        ReviewOutcome::ChangesRequested => {
            Answer::fail("the review asks for changes").next("make the changes, have it reviewed")
        }
        ReviewOutcome::Commented => {
            Answer::waiting("the review only comments").next("have the change approved")
        }
    }
}

/// Whoever approves a change has not written it; and who is who, only identities can tell.
fn by_another(context: &Context, review: &ReviewFacts) -> Answer {
    let mut authors = BTreeSet::new();
    for author in &review.authors {
        match context.trust.by_alias(author) {
            Some(identity) => authors.insert(identity),
            None => return nobody_known("author", author),
        };
    }
    let identity = |name: &&String| context.trust.by_alias(name);
    let is_another = |name: &&String| identity(name).is_some_and(|it| !authors.contains(it));
    let others: Vec<&str> =
        review.reviewers.iter().filter(is_another).map(String::as_str).collect();
    if !others.is_empty() {
        return Answer::pass(format!("approved by {}", others.join(", ")));
    }
    match review.reviewers.iter().find(|name| identity(name).is_none()) {
        Some(unknown) => nobody_known("reviewer", unknown),
        None => Answer::waiting("approved by nobody but its author")
            .next("have somebody else review it and record the review"),
    }
}

fn nobody_known(what: &str, name: &str) -> Answer {
    Answer::indeterminate(format!("{what} {name} is no known identity"))
        .next(format!("give an identity this alias: attestry identity add --alias {name}"))
}
