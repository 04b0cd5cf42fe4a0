//! Several artifacts that stand or fall together: every gate is asked for each of them, and says one
//! thing of all.

use std::collections::{BTreeMap, BTreeSet};

use schemas::id::Digest;
use schemas::report::{GateVerdict, Verdict};

use super::gate::{Answer, join};
use super::{Ask, Evaluation};
use crate::projection::{Missing, State};

/// One of the artifacts that are asked about together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Together<'a> {
    pub artifact: &'a Digest,
    pub all: &'a [Digest],
}

/// The artifacts of a question: those of its request, else the asked one with those given. None is
/// evaluated without the others of its request, whoever asks.
pub(super) fn artifacts(state: &State, ask: &Ask, with: &[Digest]) -> Result<Vec<Digest>, Missing> {
    if let Some(index) = ask.request {
        let request = state.environment(ask.environment)?.and_then(|it| it.requests.get(&index));
        if let Some(request) = request.filter(|request| request.is_about(ask.artifact)) {
            return Ok(request.artifacts().cloned().collect());
        }
    }
    let mut artifacts = vec![ask.artifact.clone()];
    for other in with {
        if !artifacts.contains(other) {
            artifacts.push(other.clone());
        }
    }
    Ok(artifacts)
}

/// Evaluates for each artifact, and joins what the gates say.
pub(super) fn evaluate_each(
    artifacts: &[Digest],
    evaluate: impl Fn(Together<'_>) -> Result<Evaluation, Missing>,
) -> Result<Evaluation, Missing> {
    let all = artifacts;
    let each = artifacts.iter().map(|artifact| evaluate(Together { artifact, all }));
    let mut each: Vec<Evaluation> = each.collect::<Result<_, _>>()?;
    match each.len() {
        1 => Ok(each.remove(0)),
        _ => Ok(joined(artifacts, each)),
    }
}

/// The same gates were asked for each, so they stand side by side.
fn joined(artifacts: &[Digest], each: Vec<Evaluation>) -> Evaluation {
    let mut together = Evaluation {
        gates: Vec::new(),
        reads: BTreeSet::new(),
        relied: Vec::new(),
        patient: BTreeSet::new(),
        // Proven of all, or not proven.
        level: each.iter().map(|it| it.level).min().flatten(),
        wanted: BTreeMap::new(),
    };
    let mut columns: Vec<std::vec::IntoIter<GateVerdict>> = Vec::new();
    for Evaluation { gates, reads, relied, patient, level: _, wanted } in each {
        // An approval is of all of them: whose it could be is the same of each that waits for one.
        together.wanted.extend(wanted);
        together.reads.extend(reads);
        together.relied.extend(relied);
        together.patient.extend(patient);
        columns.push(gates.into_iter());
    }
    together.relied.sort_unstable();
    together.relied.dedup();
    let names = names(artifacts);
    loop {
        let said: Vec<GateVerdict> = columns.iter_mut().filter_map(Iterator::next).collect();
        match said.first() {
            None => return together,
            Some(_) => together.gates.push(one_of(&names, said)),
        }
    }
}

/// What one gate says of all: the worst of what it says of each.
fn one_of(names: &[String], said: Vec<GateVerdict>) -> GateVerdict {
    let (id, kind) = (said[0].id.clone(), said[0].gate.clone());
    let same = said.windows(2).all(|pair| {
        let text = |it: &GateVerdict| (it.verdict, it.reason.clone(), it.next.clone(), it.until);
        text(&pair[0]) == text(&pair[1])
    });
    // A gate that was not asked for each of them has told of none.
    if said.len() != names.len() || said.iter().any(|it| it.id != id) {
        let reason = "it was not asked for every artifact".to_owned();
        return Answer::new(Verdict::Indeterminate, reason).named(&id, &kind);
    }
    let answers = said.into_iter().zip(names).map(|(it, name)| {
        let GateVerdict { verdict, reason, next, entries, until, .. } = it;
        let of = |text: String| match same {
            true => text,
            false => format!("{name}: {text}"),
        };
        Answer { verdict, reason: of(reason), next: next.map(of), entries, until }
    });
    let answers: Vec<Answer> = answers.collect();
    let answer = if same { once(answers) } else { join(answers) };
    answer.named(&id, &kind)
}

/// Every artifact's answer is the same one: it is said once.
fn once(mut answers: Vec<Answer>) -> Answer {
    let entries: Vec<_> = answers.iter().flat_map(|it| it.entries.clone()).collect();
    answers.remove(0).on(entries)
}

/// Short names that tell the artifacts apart.
fn names(artifacts: &[Digest]) -> Vec<String> {
    let short: BTreeSet<String> = artifacts.iter().map(Digest::short).collect();
    let name = |it: &Digest| match short.len() == artifacts.len() {
        true => it.short(),
        false => it.to_string(),
    };
    artifacts.iter().map(name).collect()
}

#[cfg(test)]
mod tests;
