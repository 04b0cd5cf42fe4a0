//! What happens in environments beside promotions, logged, told to the model, and compared; and
//! the lives of promotions.

use schemas::predicate::canary::{self, CanaryVerdict};
use schemas::predicate::configuration;
use schemas::predicate::freeze::FreezeOutcome;
use schemas::predicate::incident::{self, Cause, IncidentStatus};
use schemas::predicate::rehearsal::{self, Rehearsal, RehearsalOf, RehearsalResult};
use schemas::predicate::vex::{self, Vex, VexStatement, VexStatus, VexVulnerability};
use schemas::predicate::waiver::WaiverOutcome;
use schemas::predicate::{migration, observation, rollback};

use super::history::{ENVIRONMENTS, History};
use super::*;
use crate::fixture::cast::SECURITY;
use crate::fixture::{environment, project};
use crate::projection::slice::{
    ArtifactInProject, ENDED_MS_KEPT, EnvironmentSlice, REQUEST_MS_MAX,
};

const VERDICTS: [CanaryVerdict; 3] =
    [CanaryVerdict::Passed, CanaryVerdict::Failed, CanaryVerdict::Running];
const PLACES: [Option<&str>; 3] = [Some("staging"), Some("prod"), None];

/// The naive reading: every promotion to one environment, with what has become of it.
#[derive(Default)]
struct Lives {
    lives: BTreeMap<EntryIndex, (&'static str, Digest)>,
    /// What was granted, in its order.
    grants: Vec<EntryIndex>,
    /// When what runs was deployed.
    deployed_at: BTreeMap<EntryIndex, Time>,
}

impl Lives {
    fn hear(&mut self, fact: &Fact, to_: &str) {
        match &fact.what {
            What::Request { of, to } if *to == to_ => {
                self.lives.insert(fact.entry, ("open", of.clone()));
            }
            What::Withdrawn { request } => {
                if let Some(life) = self.lives.get_mut(request) {
                    life.0 = "withdrawn";
                }
            }
            What::Decision { request, to, outcome, .. } if *to == to_ => {
                let granted = *outcome == Outcome::Granted;
                self.lives.get_mut(request).unwrap().0 = if granted { "granted" } else { "denied" };
                self.grants.extend(granted.then_some(*request));
            }
            What::Deployment { of, to } if *to == to_ => self.deployed(of, None, fact.time),
            What::Rollback { of, to, from } if *to == to_ => {
                self.deployed(of, Some(from), fact.time);
            }
            What::Observation { to, seen, taken } if *to == to_ => self.seen(seen, *taken),
            What::Canary { of, to, verdict: CanaryVerdict::Passed } if *to == to_ => {
                for (state, artifact) in self.lives.values_mut() {
                    // It ends when it is told, which is after every grant.
                    if *state == "deployed" && artifact == of {
                        *state = "verified";
                    }
                }
            }
            _ => {}
        }
    }

    /// The newest grant of what is deployed is its turn; what ran before it was left or replaced.
    fn deployed(&mut self, of: &Digest, left: Option<&Digest>, time: Time) {
        let granted = |it: &&EntryIndex| self.lives[*it] == ("granted", of.clone());
        let turn = self.grants.iter().rev().find(granted).copied();
        for (request, (state, artifact)) in &mut self.lives {
            match *state {
                "granted" if Some(*request) == turn => {
                    *state = "deployed";
                    self.deployed_at.insert(*request, time);
                }
                "granted" if turn.is_some_and(|turn| *request < turn) => *state = "superseded",
                "deployed" | "verified" if left == Some(artifact) => *state = "rolled back",
                "deployed" | "verified" if artifact != of || turn.is_some() => {
                    *state = "superseded";
                }
                _ => {}
            }
        }
    }

    fn seen(&mut self, seen: &[Digest], taken: Time) {
        for (request, (state, artifact)) in &mut self.lives {
            let since = self.deployed_at.get(request).is_some_and(|it| taken >= *it);
            if *state == "deployed" && seen.contains(artifact) && since {
                *state = "verified";
            }
        }
    }
}

impl Model {
    /// The state of every promotion to an environment, told from its beginning.
    fn lives(&self, to: &str, now: Time) -> BTreeMap<EntryIndex, (&'static str, Digest)> {
        let mut lives = Lives::default();
        for fact in &self.facts {
            lives.hear(fact, to);
        }
        let mut lives = lives.lives;
        for (request, life) in &mut lives {
            let asked = self.facts.iter().find(|fact| fact.entry == *request).unwrap();
            if life.0 == "open" && now.since(asked.time) >= REQUEST_MS_MAX {
                life.0 = "expired";
            }
        }
        lives
    }

    fn newest_entry(&self, is: impl Fn(&What) -> bool) -> Option<EntryIndex> {
        self.newest(is).map(|fact| fact.entry)
    }

    /// Waivers or freezes of a place that nobody took back and that ended less than 90 days ago.
    fn exceptions(&self, place: Option<&str>, freezes: bool, now: Time) -> BTreeSet<EntryIndex> {
        let taken_back = |entry: EntryIndex| {
            self.facts.iter().any(|it| matches!(it.what, What::TakenBack(it) if it == entry))
        };
        let kept = |fact: &&Fact| match &fact.what {
            What::Exception { to, freeze, end } => {
                *to == place && *freeze == freezes && now.since(*end) < ENDED_MS_KEPT
            }
            _ => false,
        };
        let kept = self.facts.iter().filter(kept).map(|fact| fact.entry);
        kept.filter(|entry| !taken_back(*entry)).collect()
    }

    /// Open incidents of an environment.
    pub(super) fn incidents(&self, to_: &str) -> BTreeMap<&'static str, Option<Digest>> {
        let mut open = BTreeMap::new();
        for fact in &self.facts {
            match &fact.what {
                What::Incident { to, id, of, resolved: false } if *to == to_ => {
                    let known: &mut Option<Digest> = open.entry(*id).or_default();
                    *known = of.clone().or(known.take());
                }
                What::Incident { to, id, resolved: true, .. } if *to == to_ => {
                    open.remove(id);
                }
                _ => {}
            }
        }
        open
    }
}

impl History {
    pub(super) fn happen(&mut self) {
        match self.seeded.below(10) {
            0 => self.watch_canary(),
            1 | 2 => self.observe(),
            3 => self.go_back(),
            4 => self.disturb(),
            5 => self.except(),
            6 => self.configure(),
            7 => self.declare(),
            8 => self.withdraw_one(),
            _ => self.say_unaffected(),
        }
    }

    fn place(&mut self) -> &'static str {
        ENVIRONMENTS[self.seeded.below(2)]
    }

    fn watch_canary(&mut self) {
        let (of, to) = (self.artifact(), self.place());
        let verdict = VERDICTS[self.seeded.below(3)];
        let body = self.world.canary_body(to, verdict);
        self.record(&of.clone(), canary::TYPE, &body, What::Canary { of, to, verdict });
    }

    fn observe(&mut self) {
        let to = self.place();
        let ago = [0, 0, HOUR][self.seeded.below(3)];
        let seen = vec![self.artifact()];
        let mut body = self.world.observation_body(to, &[&seen[0]]);
        body.taken_at = body.taken_at.plus_ms(-ago);
        let (ci, taken) = (self.ci.clone(), body.taken_at);
        let entry = self.world.record_of_itself(&ci, observation::TYPE, &body).unwrap();
        self.told(&ci, entry, What::Observation { to, seen, taken });
    }

    /// To an artifact, from what runs there.
    fn go_back(&mut self) {
        let (of, to) = (self.artifact(), self.place());
        let Some(from) = self.model.deployments(to).next().map(|(_, of)| of.clone()) else {
            return;
        };
        if from == of {
            return;
        }
        let body = self.world.rollback_body(to, &from);
        self.record(&of.clone(), rollback::TYPE, &body, What::Rollback { of, to, from });
    }

    /// An incident opens, is attributed, or is resolved.
    fn disturb(&mut self) {
        let (to, id) = (self.place(), ["INC-1", "INC-2"][self.seeded.below(2)]);
        let open = self.model.incidents(to).get(id).cloned();
        let resolved = open.is_some() && self.seeded.below(2) == 0;
        let known = open.flatten();
        let blamed = known.clone().or_else(|| (self.seeded.below(2) == 0).then(|| self.artifact()));
        let status = if resolved { IncidentStatus::Resolved } else { IncidentStatus::Detected };
        let mut body = self.world.incident_body(to, id, status);
        if known.is_none() {
            body.cause = blamed.clone().map(Cause::Artifact);
        }
        let ci = self.ci.clone();
        let entry = match &blamed {
            Some(of) => self.world.record(&ci, of, incident::TYPE, &body),
            None => self.world.record_of_itself(&ci, incident::TYPE, &body),
        };
        self.told(&ci, entry.unwrap(), What::Incident { to, id, of: blamed, resolved });
    }

    /// A waiver or a freeze is made or taken back.
    fn except(&mut self) {
        let (to, freeze) = (PLACES[self.seeded.below(3)], self.seeded.below(2) == 0);
        let made = self.model.exceptions(to, freeze, self.world.now.plus_ms(1000));
        let taken_back = made.first().copied().filter(|_| self.seeded.below(2) == 0);
        let statement = taken_back.map(|entry| self.world.statement_at(entry));
        let (entry, end, key) = if freeze {
            let mut body = self.world.freeze_body(to.as_slice());
            if statement.is_some() {
                (body.outcome, body.lifts) = (FreezeOutcome::Lifted, statement);
            }
            (self.world.freeze("mia", &body).unwrap(), body.until, "mia")
        } else {
            let mut body = self.world.waiver_body("review", to);
            if statement.is_some() {
                (body.outcome, body.withdraws) = (WaiverOutcome::Withdrawn, statement);
            }
            (self.world.waive("sara", &body).unwrap(), body.expires_at, "sara")
        };
        let what = taken_back.map_or(What::Exception { to, freeze, end }, What::TakenBack);
        self.told(key, entry, what);
    }

    fn configure(&mut self) {
        let (to, name) = (self.place(), ["a", "b", "c"][self.seeded.below(3)]);
        let approved = self.seeded.below(2) == 0;
        let key = if approved { "sara".to_owned() } else { self.ci.clone() };
        let body = self.world.configuration_body(to, name, approved.then_some(SECURITY));
        let entry = self.world.record_of_itself(&key, configuration::TYPE, &body).unwrap();
        self.told(&key, entry, What::Configuration { to, name, approved });
    }

    /// A migration, or the rehearsal of one.
    fn declare(&mut self) {
        let of = self.artifact();
        if self.seeded.below(2) == 0 {
            let body = self.world.migration_body(true);
            return self.record(&of.clone(), migration::TYPE, &body, What::Migration { of });
        }
        let to = self.place();
        let body = Rehearsal {
            ledger: self.world.origin().clone(),
            project: project(),
            nonce: self.world.nonce(),
            environment: to.parse().unwrap(),
            of: RehearsalOf::Migration,
            result: RehearsalResult::Passed,
            finished_at: None,
            report: None,
        };
        self.record(&of.clone(), rehearsal::TYPE, &body, What::Rehearsal { of, to });
    }

    fn withdraw_one(&mut self) {
        let to = self.place();
        if let Some((request, _)) = self.open(to) {
            let entry = self.world.withdraw("mia", request).unwrap();
            self.told("mia", entry, What::Withdrawn { request });
        }
    }

    fn say_unaffected(&mut self) {
        let (of, name) = (self.artifact(), ["CVE-1", "CVE-2"][self.seeded.below(2)]);
        let statement = VexStatement {
            vulnerability: VexVulnerability::Name(name.to_owned()),
            products: Vec::new(),
            status: VexStatus::NotAffected,
            justification: None,
            impact_statement: None,
            action_statement: None,
            timestamp: None,
        };
        let author = Some(format!("{:?}", self.world.nonce()));
        let body = Vex { author, timestamp: None, statements: vec![statement] };
        self.record(&of.clone(), vex::TYPE, &body, What::Vex { of, name });
    }

    pub(super) fn compare_happenings(&self) {
        for number in 0..super::history::ARTIFACTS {
            let digest = crate::fixture::artifact(&number.to_string());
            let slice = self.world.sequence.state.artifact(&digest).unwrap();
            let known = slice.and_then(|it| it.projects.get(&project()).cloned());
            self.compare_declared(&digest, &known.unwrap_or_default());
        }
        for to in ENVIRONMENTS {
            let slice = self.world.sequence.state.environment(&environment(to)).unwrap();
            let slice = slice.cloned().unwrap_or_default();
            self.compare_lives(to, &slice);
            self.compare_running(to, &slice);
        }
        let control = self.world.sequence.state.control();
        let waivers = control.waivers.get(&project()).into_iter().flatten();
        let waivers = waivers.filter(|it| !it.1.is_gone(self.world.now)).map(|it| it.1.entry);
        let freezes = control.freezes.values().filter(|it| !it.is_gone(self.world.now));
        let told = [waivers.collect(), freezes.map(|it| it.entry).collect::<BTreeSet<_>>()];
        assert_eq!(told, self.both(None));
    }

    fn both(&self, place: Option<&str>) -> [BTreeSet<EntryIndex>; 2] {
        [false, true].map(|freezes| self.model.exceptions(place, freezes, self.world.now))
    }

    fn compare_declared(&self, digest: &Digest, known: &ArtifactInProject) {
        let migration = |it: &What| matches!(it, What::Migration { of } if of == digest);
        let told = known.migration.as_ref().map(|it| it.entry);
        assert_eq!(told, self.model.newest_entry(migration));
        for name in ["CVE-1", "CVE-2"] {
            let is = |it: &What| matches!(it, What::Vex { of, name: said } if of == digest && *said == name);
            assert_eq!(known.vex.get(name).map(|it| it.entry), self.model.newest_entry(is));
        }
        for place in ENVIRONMENTS {
            let name = place.parse().unwrap();
            let canary = |is_final: bool| {
                self.model.newest_entry(|it| match it {
                    What::Canary { of, to, verdict } => {
                        of == digest && *to == place && (!is_final || verdict.is_final())
                    }
                    _ => false,
                })
            };
            let told = known.canaries.get(&name);
            assert_eq!(told.map(|it| it.newest.entry), canary(false));
            let told = told.and_then(|it| it.last_final.as_ref());
            assert_eq!(told.map(|it| it.entry), canary(true));
            let rehearsal = |it: &What| matches!(it, What::Rehearsal { of, to } if of == digest && *to == place);
            let told = known.rehearsals.get(&name).map(|it| it[&RehearsalOf::Migration].entry);
            assert_eq!(told, self.model.newest_entry(rehearsal));
            let blamed = self.model.incidents(place);
            let blamed = blamed.iter().filter(|(_, of)| of.as_ref() == Some(digest));
            let told = known.incidents.get(&name).into_iter().flat_map(|it| it.open.keys());
            assert!(told.eq(blamed.map(|(id, _)| *id)), "{place} {known:?}");
        }
    }

    fn compare_lives(&self, to: &str, slice: &EnvironmentSlice) {
        let now = self.world.now;
        let open = slice.requests.iter().map(|(index, it)| {
            let state = if it.is_expired(now) { "expired" } else { "open" };
            (*index, (state, it.artifact.clone()))
        });
        let closed = slice.closed.iter();
        let closed = closed.map(|it| (it.request(), (it.state(), it.artifact().clone())));
        let told: BTreeMap<_, _> = open.chain(closed).collect();
        assert_eq!(told, self.model.lives(to, now), "{to}");
    }

    fn compare_running(&self, place: &str, slice: &EnvironmentSlice) {
        let mut newest: Option<(Time, EntryIndex)> = None;
        for fact in &self.model.facts {
            match &fact.what {
                What::Observation { to, taken, .. }
                    if *to == place && newest.is_none_or(|it| *taken >= it.0) =>
                {
                    newest = Some((*taken, fact.entry));
                }
                _ => {}
            }
        }
        let told = slice.observed.as_ref().map(|it| (it.taken_at, it.entry));
        assert_eq!(told, newest);
        let is_applied = |it: &What| matches!(it, What::Configuration { to, approved: false, .. } if *to == place);
        let told = slice.configurations.applied.as_ref().map(|it| it.entry);
        assert_eq!(told, self.model.newest_entry(is_applied));
        let mut approved: Vec<EntryIndex> = ["a", "b", "c"]
            .iter()
            .filter_map(|name| {
                self.model.newest_entry(|it| {
                    matches!(it, What::Configuration { to, name: said, approved: true }
                        if *to == place && said == name)
                })
            })
            .collect();
        approved.sort_unstable();
        let told: Vec<EntryIndex> =
            slice.configurations.approved.iter().map(|it| it.entry).collect();
        assert_eq!(told, approved);
        let open = slice.incidents.iter().map(|(id, it)| (id.as_str(), it.artifact.clone()));
        assert!(open.eq(self.model.incidents(place)), "{:?}", slice.incidents);
        let now = self.world.now;
        let waivers = slice.waivers.values().filter(|it| !it.is_gone(now)).map(|it| it.entry);
        let freezes = slice.freezes.values().filter(|it| !it.is_gone(now)).map(|it| it.entry);
        let told: [BTreeSet<EntryIndex>; 2] = [waivers.collect(), freezes.collect()];
        assert_eq!(told, self.both(Some(place)));
        let is_rollback = |it: &What| matches!(it, What::Rollback { to, .. } if *to == place);
        let told = slice.last_rollback.as_ref().map(|it| it.entry);
        assert_eq!(told, self.model.newest_entry(is_rollback));
    }
}
