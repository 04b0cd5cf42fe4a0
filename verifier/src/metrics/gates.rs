//! What each gate did, so that one that never stops anything, or only what is let in later, is seen.

use std::collections::BTreeMap;

use schemas::id::{Digest, EntryIndex, EnvironmentName};
use schemas::metrics::GateUse;
use schemas::report::{GateVerdict, Verdict};

use super::history::{Decision, History};
use super::statistic::statistic;
use super::{Scope, bounded};

#[derive(Default)]
struct Used {
    evaluations: u64,
    failures: u64,
    waived: u64,
    overturned: u64,
    waited: Vec<i64>,
    indexes: Vec<EntryIndex>,
}

pub fn measure(history: &History, scope: &Scope) -> Vec<GateUse> {
    let mut used: BTreeMap<(&EnvironmentName, &str, &str), Used> = BTreeMap::new();
    let admitted = admitted_last(history);
    for decision in history.decisions.iter().filter(|it| scope.has(&it.environment, it.at)) {
        for gate in &decision.gates {
            let key = (&decision.environment, gate.id.as_str(), gate.gate.as_str());
            used.entry(key).or_default().add(history, decision, gate, &admitted);
        }
    }
    let to_use = |((environment, id, gate), it): ((&EnvironmentName, &str, &str), Used)| GateUse {
        environment: environment.clone(),
        id: id.to_owned(),
        gate: gate.to_owned(),
        evaluations: it.evaluations,
        failures: it.failures,
        waived: it.waived,
        overturned: it.overturned,
        waited_ms: statistic(it.waited),
        indexes: bounded(it.indexes),
    };
    used.into_iter().map(to_use).collect()
}

type About<'a> = (&'a EnvironmentName, &'a Digest, &'a str);

/// The newest decision in which each gate admitted each artifact by itself.
fn admitted_last(history: &History) -> BTreeMap<About<'_>, EntryIndex> {
    let mut admitted = BTreeMap::new();
    for decision in &history.decisions {
        for gate in decision.gates.iter().filter(|gate| gate.verdict == Verdict::Pass) {
            for artifact in &decision.artifacts {
                let about = (&decision.environment, artifact, gate.id.as_str());
                admitted.insert(about, decision.at.index);
            }
        }
    }
    admitted
}

impl Used {
    fn add(
        &mut self,
        history: &History,
        decision: &Decision,
        gate: &GateVerdict,
        admitted: &BTreeMap<About<'_>, EntryIndex>,
    ) {
        self.evaluations += 1;
        self.indexes.push(decision.at.index);
        self.waived += u64::from(gate.verdict == Verdict::Waived);
        if gate.verdict == Verdict::Fail {
            self.failures += 1;
            let later = decision.artifacts.iter().all(|artifact| {
                let about = (&decision.environment, artifact, gate.id.as_str());
                admitted.get(&about).is_some_and(|index| *index > decision.at.index)
            });
            self.overturned += u64::from(later);
        }
        self.waited.extend(waited(history, decision, gate));
    }
}

/// How long a request waited for what a gate admits it on.
///
/// Of the entries that a gate names, those of its environment's promotions have a known time here;
/// evidence that came before the request kept nobody waiting.
fn waited(history: &History, decision: &Decision, gate: &GateVerdict) -> Option<i64> {
    let request = history.requests.get(&decision.request)?;
    if !gate.verdict.admits() {
        return None;
    }
    let newest = gate.entries.iter().copied().max().filter(|index| *index > request.at.index);
    let time = match newest {
        None => return Some(0),
        Some(index) => history.time_of(index)?,
    };
    Some(time.since(request.at.time).max(0))
}
