//! A naive model of fold and gates, and random histories that both must tell alike.
//!
//! The model keeps nothing but the list of what happened, and finds every answer by scanning it.

mod happenings;
mod history;
mod partial;

use std::collections::{BTreeMap, BTreeSet};

use schemas::id::{Digest, EntryIndex, Time};
use schemas::predicate::approval::ApprovalOutcome;
use schemas::predicate::canary::CanaryVerdict;
use schemas::predicate::decision::Outcome;
use schemas::predicate::review::ReviewOutcome;
use schemas::predicate::test::TestResult;
use schemas::report::Verdict::{self, Fail, Indeterminate, Pass, Waiting};

use crate::fixture::body::BUILDER;
use crate::fixture::{DAY, HOUR};

/// Something that was logged, in the words of who did it.
#[derive(Debug, Clone)]
struct Fact {
    entry: EntryIndex,
    time: Time,
    /// The name of the key that signed.
    key: String,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Build {
        of: Digest,
        builder: &'static str,
        commits: Vec<Digest>,
    },
    Test {
        of: Digest,
        suite: &'static str,
        result: TestResult,
    },
    Scan {
        of: Digest,
        suite: &'static str,
        words: Vec<&'static str>,
        finished: Time,
    },
    Coverage {
        of: Digest,
        value: u64,
    },
    Review {
        of: Digest,
        author: &'static str,
        outcome: ReviewOutcome,
    },
    /// A test, scan or build that nobody can read.
    Unreadable {
        of: Digest,
        kind: &'static str,
    },
    Request {
        of: Digest,
        to: &'static str,
    },
    Approval {
        request: EntryIndex,
        person: &'static str,
        role: &'static str,
        outcome: ApprovalOutcome,
    },
    Withdrawal {
        approval: EntryIndex,
    },
    Decision {
        request: EntryIndex,
        of: Digest,
        to: &'static str,
        outcome: Outcome,
    },
    Deployment {
        of: Digest,
        to: &'static str,
    },
    Canary {
        of: Digest,
        to: &'static str,
        verdict: CanaryVerdict,
    },
    Rollback {
        of: Digest,
        to: &'static str,
        from: Digest,
    },
    Observation {
        to: &'static str,
        seen: Vec<Digest>,
        taken: Time,
    },
    Incident {
        to: &'static str,
        id: &'static str,
        /// What it is attributed to by then.
        of: Option<Digest>,
        resolved: bool,
    },
    /// A waiver or a freeze, of an environment or of the project.
    Exception {
        to: Option<&'static str>,
        freeze: bool,
        end: Time,
    },
    /// The exception of this entry.
    TakenBack(EntryIndex),
    Configuration {
        to: &'static str,
        name: &'static str,
        approved: bool,
    },
    Migration {
        of: Digest,
    },
    Rehearsal {
        of: Digest,
        to: &'static str,
    },
    Vex {
        of: Digest,
        name: &'static str,
    },
    /// A request is taken back.
    Withdrawn {
        request: EntryIndex,
    },
    Policy,
    /// `ben` has his role, or has lost it.
    Grant(bool),
    /// This key is compromised from this entry on.
    Compromise(String, EntryIndex),
}

#[derive(Debug, Default)]
struct Model {
    facts: Vec<Fact>,
}

impl Model {
    fn newest<'a>(&'a self, is: impl Fn(&'a What) -> bool) -> Option<&'a Fact> {
        self.facts.iter().rev().find(|fact| is(&fact.what))
    }

    fn tainted(&self, fact: &Fact) -> bool {
        self.facts.iter().any(|it| match &it.what {
            What::Compromise(key, from) => *key == fact.key && *from <= fact.entry,
            _ => false,
        })
    }

    fn build(&self, artifact: &Digest) -> Option<&Fact> {
        self.newest(|it| matches!(it, What::Build { of, .. } if of == artifact))
    }

    fn test(&self, artifact: &Digest, name: &str) -> Option<&Fact> {
        self.newest(
            |it| matches!(it, What::Test { of, suite, .. } if of == artifact && *suite == name),
        )
    }

    fn scans(&self, artifact: &Digest) -> BTreeMap<&'static str, &Fact> {
        let mut scans = BTreeMap::new();
        for fact in &self.facts {
            match &fact.what {
                What::Scan { of, suite, .. } if of == artifact => {
                    scans.insert(*suite, fact);
                }
                _ => {}
            }
        }
        scans
    }

    fn review(&self, commit: &Digest) -> Option<&Fact> {
        self.newest(|it| matches!(it, What::Review { of, .. } if of == commit))
    }

    fn coverage(&self, artifact: &Digest) -> Option<&Fact> {
        self.newest(|it| matches!(it, What::Coverage { of, .. } if of == artifact))
    }

    fn deployments(&self, to_: &str) -> impl Iterator<Item = (&Fact, &Digest)> {
        self.facts.iter().rev().filter_map(move |fact| match &fact.what {
            What::Deployment { of, to } | What::Rollback { of, to, .. } if *to == to_ => {
                Some((fact, of))
            }
            _ => None,
        })
    }

    fn unreadable_after(&self, artifact: &Digest, name: &str, entry: EntryIndex) -> bool {
        self.facts.iter().any(|fact| match &fact.what {
            What::Unreadable { of, kind } => of == artifact && *kind == name && fact.entry > entry,
            _ => false,
        })
    }

    /// Requests that are neither decided nor withdrawn nor 30 days old when the environment's slice last moved.
    fn open(&self, to_: &str, at: Time) -> Vec<(EntryIndex, &Digest)> {
        let decided = |index: EntryIndex| {
            let is = |it: &What| match it {
                What::Decision { request, .. } | What::Withdrawn { request } => *request == index,
                _ => false,
            };
            self.newest(is).is_some()
        };
        let open = |fact: &'_ Fact| fact.time.plus_ms(30 * DAY) > at && !decided(fact.entry);
        self.facts
            .iter()
            .filter(|fact| open(fact))
            .filter_map(|fact| match &fact.what {
                What::Request { of, to } if *to == to_ => Some((fact.entry, of)),
                _ => None,
            })
            .collect()
    }

    fn approvals(&self, of: EntryIndex) -> Vec<&Fact> {
        let withdrawn = |entry: EntryIndex| {
            let is = |it: &What| matches!(it, What::Withdrawal { approval } if *approval == entry);
            self.newest(is).is_some()
        };
        let is = |fact: &&Fact| {
            matches!(&fact.what, What::Approval { request, .. } if *request == of)
                && !withdrawn(fact.entry)
        };
        self.facts.iter().filter(is).collect()
    }

    /// The newest grant of an environment.
    fn granted(&self, to_: &str) -> Option<&Digest> {
        self.facts.iter().rev().find_map(|fact| match &fact.what {
            What::Decision { of, to, outcome: Outcome::Granted, .. } if *to == to_ => Some(of),
            _ => None,
        })
    }

    /// The verdict of each gate of the environment, in order.
    fn verdicts(
        &self,
        artifact: &Digest,
        to: &str,
        request: Option<EntryIndex>,
        at: Time,
    ) -> Vec<Verdict> {
        match to {
            "staging" => vec![
                self.provenance(artifact),
                self.unit(artifact, at),
                self.covered(artifact),
                self.clean(artifact, at),
            ],
            _ => vec![
                self.staged(artifact),
                self.soaked(artifact, at),
                self.reviewed(artifact),
                self.approved(artifact, request, at),
            ],
        }
    }

    /// What every gate that needs the build says of a doubtful one.
    fn doubt(&self, artifact: &Digest) -> Result<&Fact, Verdict> {
        let build = self.build(artifact);
        if self.unreadable_after(artifact, "build", build.map_or(0, |it| it.entry)) {
            return Err(Indeterminate);
        }
        build.filter(|it| !self.tainted(it)).ok_or(Waiting)
    }

    fn provenance(&self, artifact: &Digest) -> Verdict {
        match self.doubt(artifact).map(|fact| &fact.what) {
            Err(verdict) => verdict,
            Ok(What::Build { builder, commits, .. }) => {
                verdict(*builder == BUILDER && !commits.is_empty())
            }
            Ok(_) => unreachable!("a build"),
        }
    }

    fn unit(&self, artifact: &Digest, at: Time) -> Verdict {
        let test = self.test(artifact, "unit");
        if self.unreadable_after(artifact, "test", test.map_or(0, |it| it.entry)) {
            return Indeterminate;
        }
        match test {
            Some(it) if !self.tainted(it) && at.since(it.time) <= 7 * DAY => {
                verdict(matches!(it.what, What::Test { result: TestResult::Passed, .. }))
            }
            _ => Waiting,
        }
    }

    fn covered(&self, artifact: &Digest) -> Verdict {
        match self.coverage(artifact) {
            Some(it) if !self.tainted(it) => {
                verdict(matches!(it.what, What::Coverage { value, .. } if value >= 80))
            }
            _ => Waiting,
        }
    }

    fn clean(&self, artifact: &Digest, at: Time) -> Verdict {
        let scans = self.scans(artifact);
        let oldest = scans.values().map(|it| it.entry).min().unwrap_or(0);
        if self.unreadable_after(artifact, "vulnerabilities", oldest) {
            return Indeterminate;
        }
        let each = scans.values().map(|scan| match &scan.what {
            What::Scan { words, finished, .. } => {
                let old = at.since(*finished.min(&scan.time)) > DAY;
                if old || self.tainted(scan) {
                    Waiting
                } else if words.contains(&"critical") || words.contains(&"high") {
                    Fail
                } else if words.contains(&"odd") {
                    Indeterminate
                } else {
                    Pass
                }
            }
            _ => unreachable!("a scan"),
        });
        worst(each).unwrap_or(Waiting)
    }

    fn staged(&self, artifact: &Digest) -> Verdict {
        let newest = self
            .newest(|it| matches!(it, What::Decision { of, to: "staging", .. } if of == artifact));
        match newest.map(|it| &it.what) {
            Some(What::Decision { outcome: Outcome::Granted, .. }) => Pass,
            _ => Waiting,
        }
    }

    fn soaked(&self, artifact: &Digest, at: Time) -> Verdict {
        let newest: Vec<_> = self.deployments("staging").collect();
        let Some(ours) = newest.iter().position(|(_, of)| *of == artifact) else {
            return Waiting;
        };
        // What stands behind it is of one other artifact, or nobody can tell when it was replaced.
        let (others, fact) = (&newest[..ours], newest[ours].0);
        let one = others.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let end = others.last().map_or(at, |(fact, _)| fact.time);
        let blamed = self.newest(
            |it| matches!(it, What::Incident { to: "staging", of: Some(of), .. } if of == artifact),
        );
        let since = blamed.map_or(fact.time, |it| it.time.max(fact.time));
        let open = self.incidents("staging").into_values().any(|of| of.as_ref() == Some(artifact));
        let enough = end.since(since) >= DAY;
        if one && !open && !self.tainted(fact) && enough { Pass } else { Waiting }
    }

    fn commits(&self, artifact: &Digest) -> Result<BTreeSet<&Digest>, Verdict> {
        match &self.doubt(artifact)?.what {
            What::Build { commits, .. } if !commits.is_empty() => Ok(commits.iter().collect()),
            _ => Err(Indeterminate),
        }
    }

    fn reviewed(&self, artifact: &Digest) -> Verdict {
        let commits = match self.commits(artifact) {
            Ok(commits) => commits,
            Err(verdict) => return verdict,
        };
        let each = commits.into_iter().map(|commit| match self.review(commit) {
            Some(it) if !self.tainted(it) => match it.what {
                // Every review of these histories is by `ben`.
                What::Review { outcome: ReviewOutcome::Approved, author, .. } => match author {
                    "alexcodes" => Pass,
                    "ben@acme.example" => Waiting,
                    _ => Indeterminate,
                },
                What::Review { outcome: ReviewOutcome::ChangesRequested, .. } => Fail,
                _ => Waiting,
            },
            _ => Waiting,
        });
        worst(each).unwrap_or(Indeterminate)
    }

    fn approved(&self, artifact: &Digest, request: Option<EntryIndex>, at: Time) -> Verdict {
        let open = self.open("prod", at);
        let Some(request) = request.filter(|it| open.contains(&(*it, artifact))) else {
            return Waiting;
        };
        let mut excluded = BTreeSet::from(["mia"]);
        match self.authors(artifact) {
            Ok(authors) => excluded.extend(authors),
            Err(verdict) => return verdict,
        }
        let policy = self.newest(|it| matches!(it, What::Policy)).map_or(0, |it| it.entry);
        let ben = !matches!(
            self.newest(|it| matches!(it, What::Grant(_))).map(|it| &it.what),
            Some(What::Grant(false))
        );
        let mut people = BTreeSet::new();
        for it in self.approvals(request) {
            let What::Approval { person, role, outcome, .. } = &it.what else {
                unreachable!("an approval")
            };
            let holds = (ben || *person != "ben") && !self.tainted(it);
            let recent = at.since(it.time) <= 72 * HOUR;
            match outcome {
                ApprovalOutcome::Rejected if holds && recent => return Fail,
                ApprovalOutcome::Granted if holds && recent => {}
                _ => continue,
            }
            let fresh = it.entry > policy;
            if fresh && !excluded.contains(person) && !role.is_empty() {
                people.insert(*person);
            }
        }
        if people.len() >= 2 { Pass } else { Waiting }
    }

    /// The authors of every commit, by identity.
    fn authors(&self, artifact: &Digest) -> Result<BTreeSet<&'static str>, Verdict> {
        let mut authors = BTreeSet::new();
        for commit in self.commits(artifact)? {
            match self.review(commit).filter(|it| !self.tainted(it)).map(|it| &it.what) {
                Some(What::Review { author: "alexcodes", .. }) => authors.insert("alex"),
                Some(What::Review { author: "ben@acme.example", .. }) => authors.insert("ben"),
                Some(_) => return Err(Indeterminate),
                None => return Err(Waiting),
            };
        }
        Ok(authors)
    }
}

fn verdict(holds: bool) -> Verdict {
    if holds { Pass } else { Fail }
}

fn worst(verdicts: impl Iterator<Item = Verdict>) -> Option<Verdict> {
    let order = [Fail, Indeterminate, Waiting, Pass];
    let all: Vec<Verdict> = verdicts.collect();
    order.into_iter().find(|it| all.contains(it))
}
