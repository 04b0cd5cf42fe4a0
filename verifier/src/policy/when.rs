//! `when`: does a gate apply to the changes that the newest build is made from?
//!
//! The facts are those of the reviews of its commits. What nobody recorded counts as the
//! strictest, so a gate that cannot tell applies.

use schemas::id::EntryIndex;
use schemas::policy::When;
use schemas::predicate::review::Change;

use super::Context;
use super::gate::{Answer, commits};
use super::glob::fits;
use crate::projection::Missing;

/// Whether a gate applies, and what decided.
pub struct Applies {
    pub applies: bool,
    pub because: String,
    pub entries: Vec<EntryIndex>,
}

impl Applies {
    /// Adds what decided to the answer of a gate that applies.
    pub fn noted(&self, answer: Answer) -> Answer {
        let reason = format!("{}; it applies: {}", answer.reason, self.because);
        Answer { reason, ..answer }.on(self.entries.iter().copied())
    }
}

/// The change of one commit; absent where nobody can tell.
struct ChangeOf<'a> {
    commit: String,
    change: Option<&'a Change>,
}

/// What one condition says.
enum Held {
    Yes(String),
    Unknown(String),
    No(String),
}

pub fn applies(when: &When, context: &Context) -> Result<Applies, Missing> {
    let (build, commits) = match commits(context)? {
        Ok(found) => found,
        Err(answer) => {
            let because = format!("{}, so the change is unknown", answer.reason);
            return Ok(Applies { applies: true, because, entries: answer.entries });
        }
    };
    let mut entries = vec![build];
    let mut changes = Vec::new();
    for digest in commits {
        let known = context.artifact(digest)?;
        let review = known.and_then(|known| known.review.as_ref());
        let unread = known.and_then(|known| known.unreadable.get("review").copied());
        let review = review.filter(|it| unread.is_none_or(|unread| unread < it.entry));
        let review = review.filter(|it| context.counts(it.entry, &it.signers));
        entries.extend(review.map(|it| it.entry));
        let change = review.and_then(|it| it.facts.change.as_ref());
        changes.push(ChangeOf { commit: digest.short(), change });
    }
    let held = conditions(when, &changes);
    let no = held.iter().find_map(|it| match it {
        Held::No(text) => Some(text.clone()),
        Held::Yes(_) | Held::Unknown(_) => None,
    });
    if let Some(because) = no {
        return Ok(Applies { applies: false, because, entries });
    }
    let said: Vec<String> = held.into_iter().map(Held::text).collect();
    Ok(Applies { applies: true, because: said.join(", "), entries })
}

impl Held {
    fn text(self) -> String {
        match self {
            Held::Yes(text) | Held::Unknown(text) | Held::No(text) => text,
        }
    }
}

/// Every condition that is written, in the order of the policy's fields.
fn conditions(when: &When, changes: &[ChangeOf]) -> Vec<Held> {
    let ask = |list: &[String], fact, no: &str, holds: &dyn Fn(&Change) -> Option<bool>| {
        let no = format!("{no} {}", list.join(" or "));
        (!list.is_empty()).then(|| some(changes, &Question { fact, no, holds }))
    };
    let one = |list: &[String], fact: &Option<String>| Some(list.contains(fact.as_ref()?));
    let any = |list: &[String], facts: &Option<Vec<String>>| {
        Some(facts.as_ref()?.iter().any(|fact| list.contains(fact)))
    };
    let fit = |list: &[String], paths: &[String]| paths.iter().any(|path| fits_any(list, path));
    let lines = |it: &Change| it.added?.checked_add(it.removed?);
    let asked = [
        ask(&when.class, "class", "no class is", &|it| one(&when.class, &it.class)),
        ask(&when.class_not, "class", "every class is", &|it| {
            one(&when.class_not, &it.class).map(|listed| !listed)
        }),
        ask(&when.paths, "paths", "no path fits", &|it| Some(fit(&when.paths, it.paths.as_ref()?))),
        ask(&when.paths_outside, "paths", "every path fits", &|it| {
            Some(is_outside(&when.paths_outside, it.paths.as_ref()?))
        }),
        ask(&when.labels, "labels", "no label is", &|it| any(&when.labels, &it.labels)),
        ask(&when.labels_not, "labels", "labelled", &|it| {
            any(&when.labels_not, &it.labels).map(|listed| !listed)
        }),
        ask(&when.owners, "owners", "no owner is", &|it| any(&when.owners, &it.owners)),
        ask(&when.customer_impact, "customer impact", "no customer impact is", &|it| {
            one(&when.customer_impact, &it.customer_impact)
        }),
        when.lines_over.map(|max| over(changes, "lines", max, lines)),
        when.files_over.map(|max| over(changes, "files", max, |it| it.files)),
    ];
    asked.into_iter().flatten().collect()
}

/// A change that touches nothing is no change that anybody can vouch for.
fn is_outside(globs: &[String], paths: &[String]) -> bool {
    paths.is_empty() || paths.iter().any(|path| !fits_any(globs, path))
}

/// One condition about each change: it holds where it does for some of them.
struct Question<'a> {
    fact: &'static str,
    /// What is said where it holds for none.
    no: String,
    holds: &'a dyn Fn(&Change) -> Option<bool>,
}

fn some(changes: &[ChangeOf], question: &Question) -> Held {
    let Question { fact, no, holds } = question;
    let mut unknown = None;
    for ChangeOf { commit, change } in changes {
        match change.and_then(holds) {
            Some(true) => return Held::Yes(format!("{fact} of {commit}")),
            Some(false) => {}
            None => unknown = unknown.or(Some(commit)),
        }
    }
    match unknown {
        Some(commit) => Held::Unknown(format!("{fact} of {commit} unknown")),
        None => Held::No(no.clone()),
    }
}

/// A sum over all changes; one that is not known may be anything.
fn over(
    changes: &[ChangeOf],
    fact: &str,
    max: u64,
    count: impl Fn(&Change) -> Option<u64>,
) -> Held {
    let mut sum: u64 = 0;
    let mut unknown = None;
    for ChangeOf { commit, change } in changes {
        match change.and_then(&count) {
            Some(count) => sum = sum.saturating_add(count),
            None => unknown = unknown.or(Some(commit)),
        }
    }
    match unknown {
        _ if sum > max => Held::Yes(format!("{sum} {fact}, over {max}")),
        Some(commit) => Held::Unknown(format!("{fact} of {commit} unknown")),
        None => Held::No(format!("{sum} {fact}, not over {max}")),
    }
}

fn fits_any(globs: &[String], path: &str) -> bool {
    globs.iter().any(|glob| fits(glob, path))
}

#[cfg(test)]
mod tests;
