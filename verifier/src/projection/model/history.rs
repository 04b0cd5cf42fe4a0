//! Random histories: every step is logged, told to the model, and then everything is compared.

use schemas::predicate::promotion_request::RequestPath;
use schemas::predicate::{approval, build, deployment, measurement, review, test, vulnerabilities};
use schemas::trust::Compromise;

use super::*;
use crate::fixture::body::{self, FULL_POLICY, SOURCE};
use crate::fixture::cast::{APPROVER, SECURITY, grant, key_text};
use crate::fixture::{SECOND, World, artifact, commit, environment, key_id, project};
use crate::policy::{Ask, evaluate_together};
use crate::seeded::Seeded;
use schemas::predicate::deployment::DeploymentResult;

pub(super) const ENVIRONMENTS: [&str; 2] = ["staging", "prod"];
pub(super) const ARTIFACTS: usize = 3;

pub(super) struct History {
    pub(super) world: World,
    pub(super) model: Model,
    pub(super) seeded: Seeded,
    /// The name of the emitter's key by now, and how often it was changed.
    pub(super) ci: String,
    rotations: usize,
}

#[test]
fn a_first_random_history_folds_as_the_model_says() {
    check(0x5eed_1001);
}

#[test]
fn a_second_random_history_folds_as_the_model_says() {
    check(0x5eed_1002);
}

#[test]
fn a_third_random_history_folds_as_the_model_says() {
    check(0x5eed_1003);
}

/// 220 steps, each of one or several events, everything compared after each.
fn check(seed: u64) {
    let mut history = History::new(seed);
    let mut told = [0; 3];
    for _ in 0..220 {
        let before = history.world.sequence.clone();
        history.step();
        history.compare();
        partial::compare(&before, &history.world);
    }
    for fact in &history.model.facts {
        match fact.what {
            What::Decision { outcome: Outcome::Granted, to: "prod", .. } => told[0] += 1,
            What::Decision { outcome: Outcome::Granted, .. } => told[1] += 1,
            What::Decision { .. } => told[2] += 1,
            _ => {}
        }
    }
    println!("grants in prod and staging, denials: {told:?}");
    assert!(told.iter().all(|count| *count > 0), "the history decides too little");
    let findings = history.world.verify().findings;
    let expected = [
        schemas::report::Code::DeployedWithoutGrant,
        schemas::report::Code::ReliedOnCompromisedKey,
    ];
    assert!(findings.iter().all(|it| expected.contains(&it.code)), "{findings:?}");
}

impl History {
    fn new(seed: u64) -> History {
        let mut history = History {
            world: World::new(),
            model: Model::default(),
            seeded: Seeded::new(seed),
            ci: "ci".to_owned(),
            rotations: 0,
        };
        history.policy();
        history
    }

    pub(super) fn told(&mut self, key: &str, entry: EntryIndex, what: What) {
        let (key, time) = (key.to_owned(), self.world.now);
        self.model.facts.push(Fact { entry, time, key, what });
    }

    pub(super) fn artifact(&mut self) -> Digest {
        artifact(&self.seeded.below(ARTIFACTS).to_string())
    }

    /// Records evidence by the emitter of the day.
    pub(super) fn record<P: serde::Serialize>(
        &mut self,
        of: &Digest,
        kind: &str,
        body: &P,
        what: What,
    ) {
        let ci = self.ci.clone();
        let entry = self.world.record(&ci, of, kind, body).unwrap();
        self.told(&ci, entry, what);
    }

    fn step(&mut self) {
        let waits = [0, 0, SECOND, HOUR, HOUR, 10 * HOUR, 26 * HOUR];
        let wait = waits[self.seeded.below(waits.len())];
        self.world.wait(wait);
        match self.seeded.below(100) {
            72..90 => self.happen(),
            90..95 => self.ready(),
            95..100 => self.finish(),
            60..66 => self.ready(),
            66..72 => self.finish(),
            0..6 => self.build(),
            6..14 => self.test(),
            14..22 => self.scan(),
            22..27 => self.coverage(),
            27..32 => self.review(),
            32 => self.unreadable(),
            33..38 => self.request(),
            38..46 => self.approve(),
            46..53 => self.decide(),
            53..57 => self.deploy(),
            57 => self.grant(),
            58 => self.rotate(),
            _ => match self.seeded.below(3) {
                0 => self.policy(),
                1 => self.world.wait(9 * DAY),
                _ => drop(self.world.heads().unwrap()),
            },
        }
    }

    /// Everything that `staging` asks for, and the question.
    fn ready(&mut self) {
        let of = self.artifact();
        self.build_of(&of, BUILDER, vec![commit("a")]);
        self.test_of(&of, "unit", TestResult::Passed);
        for suite in ["", "image"] {
            self.scan_of(&of, suite, vec!["low"], 0);
        }
        self.coverage_of(&of, 90);
        self.review_of(commit("a"), "alexcodes", ReviewOutcome::Approved);
        let request = self.request_of(&of, "staging");
        self.decide_one("staging", request, of.clone());
        if self.seeded.below(2) == 0 {
            self.deploy_of(&of, "staging", DeploymentResult::Succeeded);
            self.world.wait(25 * HOUR);
        }
    }

    /// The people that `prod` asks for, whether or not the artifact is ready.
    fn finish(&mut self) {
        let newest = self.model.newest(|it| matches!(it, What::Deployment { to: "staging", .. }));
        let Some(What::Deployment { of, .. }) = newest.map(|it| &it.what) else {
            return;
        };
        let of = of.clone();
        let request = self.request_of(&of, "prod");
        for (person, role) in [("anna", APPROVER), ("sara", SECURITY)] {
            let entry = self.world.approve(person, role, request).unwrap();
            let outcome = ApprovalOutcome::Granted;
            self.told(person, entry, What::Approval { request, person, role, outcome });
        }
        self.decide_one("prod", request, of);
    }

    fn build(&mut self) {
        let of = self.artifact();
        let builder = [BUILDER, BUILDER, BUILDER, "evil"][self.seeded.below(4)];
        let all = [commit("a"), commit("b")];
        let count = [1, 1, 1, 2, 0][self.seeded.below(5)];
        self.build_of(&of, builder, all[..count].to_vec());
    }

    fn build_of(&mut self, of: &Digest, builder: &'static str, commits: Vec<Digest>) {
        let sources: Vec<(&str, &Digest)> = commits.iter().map(|it| (SOURCE, it)).collect();
        let mut body = body::build(builder, &sources);
        self.world.own_run(&mut body);
        let what = What::Build { of: of.clone(), builder, commits };
        self.record(of, build::TYPE, &body, what);
    }

    fn test(&mut self) {
        let of = self.artifact();
        let suite = ["unit", "unit", "e2e"][self.seeded.below(3)];
        let results =
            [TestResult::Passed, TestResult::Passed, TestResult::Passed, TestResult::Failed];
        let result = results[self.seeded.below(4)];
        self.test_of(&of, suite, result);
    }

    fn test_of(&mut self, of: &Digest, suite: &'static str, result: TestResult) {
        let mut body = body::test(suite, result);
        self.world.own_report(&mut body.report);
        let what = What::Test { of: of.clone(), suite, result };
        self.record(of, test::TYPE, &body, what);
    }

    fn scan(&mut self) {
        let of = self.artifact();
        let suite = ["", "", "", "image"][self.seeded.below(4)];
        let words: Vec<&'static str> = match self.seeded.below(10) {
            0 => vec!["critical"],
            1 => vec!["odd", "low"],
            2 => vec!["odd", "high"],
            _ => vec!["low"],
        };
        let ahead = [0, 0, -HOUR, -30 * HOUR, 50 * HOUR][self.seeded.below(5)];
        self.scan_of(&of, suite, words, ahead);
    }

    fn scan_of(&mut self, of: &Digest, suite: &'static str, words: Vec<&'static str>, ahead: i64) {
        let finished = self.world.now.plus_ms(ahead);
        let mut body = body::scan(suite, &words, Some(finished));
        self.world.own_report(&mut body.report);
        let what = What::Scan { of: of.clone(), suite, words, finished };
        self.record(of, vulnerabilities::TYPE, &body, what);
    }

    fn coverage(&mut self) {
        let (of, value) = (self.artifact(), 75 + self.seeded.below(20) as u64);
        self.coverage_of(&of, value);
    }

    fn coverage_of(&mut self, of: &Digest, value: u64) {
        let metric = [("coverage.line", &*value.to_string())];
        let body = self.world.measurement_body(&metric);
        let what = What::Coverage { of: of.clone(), value };
        self.record(of, measurement::TYPE, &body, what);
    }

    fn review(&mut self) {
        let of = commit(["a", "b"][self.seeded.below(2)]);
        let authors = ["alexcodes", "alexcodes", "alexcodes", "ben@acme.example", "who"];
        let author = authors[self.seeded.below(5)];
        let outcome = match self.seeded.below(6) {
            0 => ReviewOutcome::ChangesRequested,
            1 => ReviewOutcome::Commented,
            _ => ReviewOutcome::Approved,
        };
        self.review_of(of, author, outcome);
    }

    fn review_of(&mut self, of: Digest, author: &'static str, outcome: ReviewOutcome) {
        let body = self.world.review_body(&[author], outcome);
        let what = What::Review { of: of.clone(), author, outcome };
        self.record(&of, review::TYPE, &body, what);
    }

    fn unreadable(&mut self) {
        let kinds = [
            ("test", test::TYPE),
            ("vulnerabilities", vulnerabilities::TYPE),
            ("build", build::TYPE),
        ];
        let (of, (kind, predicate_type)) = (self.artifact(), kinds[self.seeded.below(3)]);
        let what = What::Unreadable { of: of.clone(), kind };
        let body = [format!("{:?}", self.world.nonce())];
        self.record(&of, predicate_type, &body, what);
    }

    fn request(&mut self) {
        let (of, to) = (self.artifact(), ENVIRONMENTS[self.seeded.below(2)]);
        self.request_of(&of, to);
    }

    fn request_of(&mut self, of: &Digest, to: &'static str) -> EntryIndex {
        let entry = self.world.request(of, to).unwrap();
        let of = of.clone();
        self.told("mia", entry, What::Request { of, to });
        entry
    }

    /// One of the open requests of an environment.
    pub(super) fn open(&mut self, to: &str) -> Option<(EntryIndex, Digest)> {
        // The event that is about to be logged stands a second later.
        let at = self.world.now.plus_ms(SECOND);
        let open = self.model.open(to, at);
        if open.is_empty() {
            return None;
        }
        let (entry, of) = open[self.seeded.below(open.len())];
        Some((entry, of.clone()))
    }

    fn approve(&mut self) {
        let Some((request, of)) = self.open("prod") else {
            return;
        };
        let people = [
            ("anna", "anna", APPROVER),
            ("anna-2", "anna", APPROVER),
            ("ben", "ben", APPROVER),
            ("sara", "sara", SECURITY),
            ("sara", "sara", SECURITY),
            ("alex", "alex", APPROVER),
            ("mia", "mia", APPROVER),
        ];
        let (key, person, role) = people[self.seeded.below(people.len())];
        let mut body = self.world.approval_body(request, role);
        if self.seeded.below(12) == 0 {
            body.outcome = ApprovalOutcome::Rejected;
        }
        let given = self.model.approvals(request);
        let mine = given.iter().find(|it| it.key == key).map(|it| it.entry);
        let withdrawn = mine.filter(|_| self.seeded.below(4) == 0);
        if let Some(entry) = withdrawn {
            let (_, open) = self.world.open_request(request);
            let it = open.approvals.iter().find(|it| it.entry == entry).unwrap();
            (body.outcome, body.withdraws) = (ApprovalOutcome::Withdrawn, Some(it.statement));
        }
        let outcome = body.outcome;
        let logged = self.world.record(key, &of, approval::TYPE, &body);
        let entry = match logged {
            Ok(entry) => entry,
            // `ben` may have lost his role.
            Err(refusal) => return assert_eq!(person, "ben", "{refusal:?}"),
        };
        let what = match withdrawn {
            Some(approval) => What::Withdrawal { approval },
            None => What::Approval { request, person, role, outcome },
        };
        self.told(key, entry, what);
    }

    fn decide(&mut self) {
        let to = ENVIRONMENTS[self.seeded.below(2)];
        let Some((request, of)) = self.open(to) else {
            return;
        };
        self.decide_one(to, request, of);
    }

    /// Decides an open request where the model says that it is decided.
    fn decide_one(&mut self, to: &'static str, request: EntryIndex, of: Digest) {
        let verdicts = self.model.verdicts(&of, to, Some(request), self.world.now);
        let outcome = if verdicts.contains(&Fail) {
            Outcome::Denied
        } else if verdicts.iter().all(|it| *it == Pass) {
            Outcome::Granted
        } else {
            assert!(self.world.decision(request).is_err(), "{verdicts:?}");
            return;
        };
        let entry = self.world.decide(request).unwrap();
        self.told("service", entry, What::Decision { request, of, to, outcome });
    }

    fn deploy(&mut self) {
        let (of, to) = (self.artifact(), ENVIRONMENTS[self.seeded.below(2)]);
        let results =
            [DeploymentResult::Succeeded, DeploymentResult::Succeeded, DeploymentResult::Failed];
        let result = results[self.seeded.below(3)];
        self.deploy_of(&of, to, result);
    }

    fn deploy_of(&mut self, of: &Digest, to: &'static str, result: DeploymentResult) {
        let body = self.world.deployment_body(to, result);
        if result == DeploymentResult::Succeeded {
            let what = What::Deployment { of: of.clone(), to };
            self.record(of, deployment::TYPE, &body, what);
        } else {
            let ci = self.ci.clone();
            self.world.record(&ci, of, deployment::TYPE, &body).unwrap();
        }
    }

    fn policy(&mut self) {
        let entry = self.world.policy("paul", FULL_POLICY).unwrap();
        self.told("paul", entry, What::Policy);
    }

    fn grant(&mut self) {
        let holds = self.seeded.below(2) == 0;
        let entry = self.world.amend(|it| {
            it.grants.retain(|grant| grant.identity.as_str() != "ben");
            if holds {
                it.grants.push(grant("ben", APPROVER, &[], "payments"));
            }
        });
        self.told("root-1", entry.unwrap(), What::Grant(holds));
    }

    /// A new key for the emitter; now and then because the old one was stolen.
    fn rotate(&mut self) {
        self.rotations += 1;
        let next = format!("ci-{}", self.rotations);
        let size = self.world.size();
        let stolen =
            (self.seeded.below(2) == 0).then(|| size - size.min(self.seeded.below(12) as u64));
        let old = std::mem::replace(&mut self.ci, next.clone());
        let entry = self.world.amend(|it| {
            it.identities[0].keys = vec![key_text(&next)];
            if let Some(from) = stolen {
                it.compromises.push(Compromise { key: key_id(&old), from });
            }
        });
        if let Some(from) = stolen {
            self.told("root-1", entry.unwrap(), What::Compromise(old, from));
        }
    }

    fn compare(&self) {
        self.compare_happenings();
        for number in 0..ARTIFACTS {
            let artifact = artifact(&number.to_string());
            self.compare_artifact(&artifact);
            for to in ENVIRONMENTS {
                let open = self.model.open(to, self.world.now);
                let mine = open.iter().filter(|(_, of)| **of == artifact).map(|it| Some(it.0));
                for request in mine.rev().take(2).chain([None]) {
                    let told = self.world.evaluate(to, &artifact, request).gates;
                    let expected = self.model.verdicts(&artifact, to, request, self.world.now);
                    let verdicts: Vec<Verdict> = told.iter().map(|it| it.verdict).collect();
                    assert_eq!(verdicts, expected, "{to} {request:?} {told:#?}");
                    assert!(told.iter().all(|it| it.next.is_none() == it.verdict.admits()));
                }
            }
        }
        for to in ENVIRONMENTS {
            self.compare_environment(to);
            self.compare_together(to);
        }
    }

    /// Of several artifacts each gate says the worst of what it says of each.
    fn compare_together(&self, to: &str) {
        let all: Vec<Digest> = (0..ARTIFACTS).map(|number| artifact(&number.to_string())).collect();
        let ask = Ask { environment: &environment(to), artifact: &all[0], request: None };
        let (state, now) = (&self.world.sequence.state, self.world.now);
        let told = evaluate_together(state, &ask, &all[1..], RequestPath::Normal, now).unwrap();
        let each: Vec<Vec<Verdict>> =
            all.iter().map(|artifact| self.model.verdicts(artifact, to, None, now)).collect();
        let expected = (0..each[0].len()).map(|gate| worst(each.iter().map(|it| it[gate])));
        assert!(told.gates.iter().map(|it| Some(it.verdict)).eq(expected), "{to} {told:#?}");
        assert!(told.gates.iter().all(|it| it.next.is_none() == it.verdict.admits()));
    }

    fn compare_artifact(&self, artifact: &Digest) {
        let state = &self.world.sequence.state;
        let slice = state.artifact(artifact).unwrap();
        let known = slice.and_then(|it| it.projects.get(&project()).cloned()).unwrap_or_default();
        let entry = |fact: Option<&Fact>| fact.map(|it| it.entry);
        assert_eq!(known.build.map(|it| it.entry), entry(self.model.build(artifact)));
        for suite in ["unit", "e2e"] {
            let told = known.tests.get(suite).map(|it| it.entry);
            assert_eq!(told, entry(self.model.test(artifact, suite)));
        }
        let scans = self.model.scans(artifact);
        let scans = scans.iter().map(|(suite, it)| ((*suite).to_owned(), it.entry));
        let told = known.scans.iter().map(|(suite, it)| (suite.clone(), it.entry));
        assert!(told.eq(scans));
        let metric = known.metrics.get("coverage.line").map(|it| it.entry);
        assert_eq!(metric, entry(self.model.coverage(artifact)));
    }

    fn compare_environment(&self, to: &str) {
        let state = &self.world.sequence.state;
        let slice = state.environment(&environment(to)).unwrap().cloned().unwrap_or_default();
        // Expired requests leave the slice at its next event.
        let requests = slice.requests.iter().filter(|(_, it)| !it.is_expired(self.world.now));
        let requests: Vec<_> = requests.map(|(index, it)| (*index, &it.artifact)).collect();
        assert_eq!(requests, self.model.open(to, self.world.now));
        let granted = slice.granted.map(|it| it.artifact);
        assert_eq!(granted.as_ref(), self.model.granted(to));
        let newest = self.model.deployments(to).next().map(|(it, of)| (it.entry, of));
        let deployed = slice.deployed.as_ref().map(|it| (it.entry, &it.artifact));
        assert_eq!(deployed, newest);
        let mut others = self.model.deployments(to);
        let previous = others.find(|(_, of)| newest.is_some_and(|(_, now)| now != *of));
        let told = slice.previous.as_ref().map(|it| (it.entry, &it.artifact));
        assert_eq!(told, previous.map(|(it, of)| (it.entry, of)));
    }
}
