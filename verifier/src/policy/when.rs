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
#[expect(clippy::too_many_lines, reason = "one block for each condition")]
fn conditions(when: &When, changes: &[ChangeOf]) -> Vec<Held> {
    let mut held = Vec::new();
    let list = |words: &[String]| words.join(" or ");
    let mut ask = |written: bool, what: Question| {
        if written {
            held.push(some(changes, what));
        }
    };
    ask(
        !when.class.is_empty(),
        Question {
            fact: "class",
            no: format!("no class is {}", list(&when.class)),
            holds: &|it| Some(when.class.contains(it.class.as_ref()?)),
        },
    );
    ask(
        !when.class_not.is_empty(),
        Question {
            fact: "class",
            no: format!("every class is {}", list(&when.class_not)),
            holds: &|it| Some(!when.class_not.contains(it.class.as_ref()?)),
        },
    );
    ask(
        !when.paths.is_empty(),
        Question {
            fact: "paths",
            no: format!("no path fits {}", list(&when.paths)),
            holds: &|it| Some(it.paths.as_ref()?.iter().any(|path| fits_any(&when.paths, path))),
        },
    );
    ask(
        !when.paths_outside.is_empty(),
        Question {
            fact: "paths",
            no: format!("every path fits {}", list(&when.paths_outside)),
            holds: &|it| {
                // A change that touches nothing is no change that anybody can vouch for.
                let paths = it.paths.as_ref()?;
                Some(
                    paths.is_empty()
                        || paths.iter().any(|path| !fits_any(&when.paths_outside, path)),
                )
            },
        },
    );
    ask(
        !when.labels.is_empty(),
        Question {
            fact: "labels",
            no: format!("no label is {}", list(&when.labels)),
            holds: &|it| Some(it.labels.as_ref()?.iter().any(|label| when.labels.contains(label))),
        },
    );
    ask(
        !when.labels_not.is_empty(),
        Question {
            fact: "labels",
            no: format!("labelled {}", list(&when.labels_not)),
            holds: &|it| {
                Some(!it.labels.as_ref()?.iter().any(|label| when.labels_not.contains(label)))
            },
        },
    );
    ask(
        !when.owners.is_empty(),
        Question {
            fact: "owners",
            no: format!("no owner is {}", list(&when.owners)),
            holds: &|it| Some(it.owners.as_ref()?.iter().any(|owner| when.owners.contains(owner))),
        },
    );
    ask(
        !when.customer_impact.is_empty(),
        Question {
            fact: "customer impact",
            no: format!("no customer impact is {}", list(&when.customer_impact)),
            holds: &|it| Some(when.customer_impact.contains(it.customer_impact.as_ref()?)),
        },
    );
    let lines = |it: &Change| it.added?.checked_add(it.removed?);
    held.extend(when.lines_over.map(|max| over(changes, "lines", max, lines)));
    held.extend(when.files_over.map(|max| over(changes, "files", max, |it| it.files)));
    held
}

/// One condition about each change: it holds where it does for some of them.
struct Question<'a> {
    fact: &'static str,
    /// What is said where it holds for none.
    no: String,
    holds: &'a dyn Fn(&Change) -> Option<bool>,
}

fn some(changes: &[ChangeOf], question: Question) -> Held {
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
        None => Held::No(no),
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
