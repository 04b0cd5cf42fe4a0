//! Does a policy say the same whatever the order in which its evidence arrives?
//!
//! A case is played many times with the same evidence in other orders, drawn from a seed. Only
//! evidence moves: what people do (ask, approve, decide, deploy) and the time that passes stay where
//! they are, because their order is what they mean.

mod draw;
mod flip;
mod material;
mod shrink;

use std::collections::{BTreeMap, BTreeSet};

use schemas::policy::PolicyDocument;
use schemas::report::{GateVerdict, Verdict};

use self::draw::Random;
use self::material::Material;
use super::events::Happening;
use super::{Case, Fixture};

/// What is done to the order of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Evidence between two acts changes places
    Reorder,
    /// Each piece of evidence is joined by one that says the opposite
    Flapping,
    /// Evidence arrives after the request, or after an approval
    Late,
    /// Evidence is recorded twice
    Duplicate,
}

impl Manner {
    pub const ALL: [Manner; 4] =
        [Manner::Reorder, Manner::Flapping, Manner::Late, Manner::Duplicate];

    pub fn name(self) -> &'static str {
        match self {
            Manner::Reorder => "reorder",
            Manner::Flapping => "flapping",
            Manner::Late => "late",
            Manner::Duplicate => "duplicate",
        }
    }
}

/// How many orders are drawn, and from which seed.
#[derive(Debug, Clone, Copy)]
pub struct Draws {
    pub rounds: u32,
    pub seed: u64,
}

/// What became of a case in one manner.
#[derive(Debug)]
pub struct Simulated {
    pub manner: Manner,
    /// Different orders that were played, the first one among them.
    pub orders: usize,
    /// Orders of which a ledger would have refused an event.
    pub refused: usize,
    pub dependent: Vec<Dependent>,
}

/// A gate whose verdict depends on the order of the same evidence.
#[derive(Debug)]
pub struct Dependent {
    pub gate: String,
    /// The shortest two that show it.
    pub orders: [Order; 2],
}

/// Events as a fixture writes them, and what the gate says after them.
#[derive(Debug)]
pub struct Order {
    pub verdict: Verdict,
    pub reason: String,
    pub events: Vec<String>,
}

/// Plays a case in one manner; an error where its own order cannot be played.
pub fn simulate(
    fixture: &Fixture,
    policy: &PolicyDocument,
    case: &Case,
    manner: Manner,
    draws: Draws,
) -> Result<Simulated, String> {
    let plays =
        |events: &[Happening]| super::evaluate(fixture, policy, case, &mut events.iter()).is_ok();
    let material = Material::of(&case.events, manner, &plays);
    let play = Play { fixture, policy, case, material: &material };
    let first = material.order();
    let expected = play.verdicts(&first)?;
    let mut random = Random::new(draws.seed);
    let (mut seen, mut refused) = (BTreeSet::from([first.clone()]), 0);
    // The first order found for each gate in which it says something else.
    let mut found: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for _ in 0..draws.rounds {
        let order = material.draw(manner, &mut random);
        if !seen.insert(order.clone()) {
            continue;
        }
        match play.verdicts(&order) {
            Err(_) => refused += 1,
            Ok(verdicts) => {
                let other = |gate: &&GateVerdict| of(&expected, &gate.id) != Some(gate.verdict);
                for gate in verdicts.iter().filter(other) {
                    found.entry(gate.id.clone()).or_insert_with(|| order.clone());
                }
            }
        }
    }
    let dependent = found.into_iter().map(|(gate, other)| play.dependent(gate, &first, other));
    let dependent = dependent.collect::<Result<_, _>>()?;
    Ok(Simulated { manner, orders: seen.len() - refused, refused, dependent })
}

fn of(verdicts: &[GateVerdict], gate: &str) -> Option<Verdict> {
    verdicts.iter().find(|it| it.id == gate).map(|it| it.verdict)
}

/// A case that is played in one order after the other.
struct Play<'a> {
    fixture: &'a Fixture,
    policy: &'a PolicyDocument,
    case: &'a Case,
    material: &'a Material,
}

impl Play<'_> {
    fn verdicts(&self, order: &[usize]) -> Result<Vec<GateVerdict>, String> {
        let mut events = order.iter().map(|piece| self.material.event(*piece));
        let evaluation = super::evaluate(self.fixture, self.policy, self.case, &mut events)?;
        Ok(evaluation.gates)
    }

    /// The two shortest orders of the same evidence about which a gate says different things.
    fn dependent(
        &self,
        gate: String,
        first: &[usize],
        other: Vec<usize>,
    ) -> Result<Dependent, String> {
        let differ = |one: &[usize], other: &[usize]| {
            let said = |order| Some(of(&self.verdicts(order).ok()?, &gate));
            said(one).zip(said(other)).is_some_and(|(one, other)| one != other)
        };
        let (one, other) = shrink::shortest(first.to_vec(), other, &differ);
        let orders = [self.told(&gate, &one)?, self.told(&gate, &other)?];
        Ok(Dependent { gate, orders })
    }

    fn told(&self, gate: &str, order: &[usize]) -> Result<Order, String> {
        let said = self.verdicts(order)?.into_iter().find(|it| it.id == gate);
        let said = said.ok_or_else(|| format!("there is no gate {gate}"))?;
        let events = order.iter().map(|piece| self.material.event(*piece).to_string()).collect();
        Ok(Order { verdict: said.verdict, reason: said.reason, events })
    }
}

#[cfg(test)]
mod tests;
