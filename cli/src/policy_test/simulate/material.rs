//! The events of a case, and how far each may move.

use schemas::kind::EventKind;

use super::super::events::Happening;
use super::Manner;
use super::draw::Random;
use super::flip::opposites;

/// What a piece is to the order of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Evidence: it comes when it comes.
    Evidence,
    /// Somebody asks or answers. Evidence may arrive after it.
    Word,
    /// What is decided, deployed or excepted, and time that passes. Evidence stays on its side:
    /// what was decided upon, and how old it is, would be another.
    Act,
}

/// Each piece once, in the order of the case; orders name them by their numbers.
#[derive(Debug)]
pub struct Material {
    pieces: Vec<Happening>,
    weights: Vec<Weight>,
}

impl Material {
    /// The events of a case; where evidence flaps, each with what says the opposite behind it, as
    /// far as that can be logged too.
    pub fn of(
        events: &[Happening],
        manner: Manner,
        plays: &dyn Fn(&[Happening]) -> bool,
    ) -> Material {
        let mut pieces = events.to_vec();
        let mut at = 0;
        while manner == Manner::Flapping && at < pieces.len() {
            let flaps = weight(&pieces[at]) == Weight::Evidence;
            let opposites = if flaps { opposites(&pieces[at]) } else { Vec::new() };
            for opposite in opposites {
                let mut more = pieces.clone();
                more.insert(at + 1, opposite);
                if plays(&more) {
                    (pieces, at) = (more, at + 1);
                }
            }
            at += 1;
        }
        let weights = pieces.iter().map(weight).collect();
        Material { pieces, weights }
    }

    pub fn event(&self, piece: usize) -> &Happening {
        &self.pieces[piece]
    }

    /// The order of the case itself.
    pub fn order(&self) -> Vec<usize> {
        (0..self.pieces.len()).collect()
    }

    /// Another order of the same evidence.
    pub fn draw(&self, manner: Manner, random: &mut Random) -> Vec<usize> {
        match manner {
            Manner::Reorder | Manner::Flapping => self.shuffled(random),
            Manner::Late => self.delayed(random),
            Manner::Duplicate => self.doubled(random),
        }
    }

    fn is_evidence(&self, piece: usize) -> bool {
        self.weights[piece] == Weight::Evidence
    }

    /// Evidence changes places with what stands beside it without anything else in between.
    fn shuffled(&self, random: &mut Random) -> Vec<usize> {
        let mut order = self.order();
        for stretch in
            order.chunk_by_mut(|one, next| self.is_evidence(*one) && self.is_evidence(*next))
        {
            random.shuffle(stretch);
        }
        order
    }

    /// Some evidence arrives later, though still before the next act.
    fn delayed(&self, random: &mut Random) -> Vec<usize> {
        let mut order = self.order();
        for piece in self.order() {
            if !self.is_evidence(piece) || random.coin() {
                continue;
            }
            let at = order.iter().position(|it| *it == piece).unwrap_or_default();
            let last = self.reach(&order, at);
            let later = at + random.below(last - at + 1);
            order[at..=later].rotate_left(1);
        }
        order
    }

    /// Some evidence is recorded a second time, before anything but evidence happens.
    fn doubled(&self, random: &mut Random) -> Vec<usize> {
        let mut order = self.order();
        for piece in self.order() {
            if !self.is_evidence(piece) || random.coin() {
                continue;
            }
            let at = order.iter().position(|it| *it == piece).unwrap_or_default();
            let behind = order[at..].iter().take_while(|it| self.is_evidence(**it)).count();
            order.insert(at + 1 + random.below(behind), piece);
        }
        order
    }

    /// The last place before the next act.
    fn reach(&self, order: &[usize], at: usize) -> usize {
        let free = order[at..].iter().take_while(|it| self.weights[**it] != Weight::Act).count();
        at + free.saturating_sub(1)
    }
}

fn weight(event: &Happening) -> Weight {
    match event {
        Happening::Build(_)
        | Happening::Review(_)
        | Happening::Test(_)
        | Happening::Scan(_)
        | Happening::Measurement(_)
        | Happening::Analysis(_) => Weight::Evidence,
        Happening::Request(_) | Happening::Approval(_) => Weight::Word,
        Happening::Wait(_) | Happening::Deployment(_) | Happening::Decide(_) => Weight::Act,
        Happening::Record(members) => {
            let kind = members.get("kind").and_then(|it| EventKind::from_name(it.as_str()?));
            kind.map_or(Weight::Act, weight_of)
        }
    }
}

fn weight_of(kind: EventKind) -> Weight {
    match kind {
        EventKind::Analysis
        | EventKind::Build
        | EventKind::Canary
        | EventKind::Configuration
        | EventKind::Incident
        | EventKind::Measurement
        | EventKind::Migration
        | EventKind::Note
        | EventKind::Observation
        | EventKind::Other
        | EventKind::Rehearsal
        | EventKind::Review
        | EventKind::Sbom
        | EventKind::Test
        | EventKind::Vex
        | EventKind::Vulnerabilities => Weight::Evidence,
        EventKind::Approval | EventKind::PromotionRequest => Weight::Word,
        EventKind::Decision
        | EventKind::Deployment
        | EventKind::Export
        | EventKind::Freeze
        | EventKind::Heads
        | EventKind::Policy
        | EventKind::Rollback
        | EventKind::Trust
        | EventKind::Waiver => Weight::Act,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// Every order that a few hundred draws give; `t` is evidence, `r` a request, `d` a deployment.
    fn drawn(case: &str, manner: Manner) -> BTreeSet<String> {
        let events: Vec<Happening> = case
            .chars()
            .map(|it| match it {
                'r' => json!({"request": {}}),
                'd' => json!({"deployment": {}}),
                name => json!({"test": {"suite": name.to_string()}}),
            })
            .map(|it| serde_json::from_value(it).unwrap())
            .collect();
        let (material, mut random) = (Material::of(&events, manner, &|_| true), Random::new(1));
        let shown = |order: Vec<usize>| -> String {
            let name = |piece: usize| match material.event(piece) {
                Happening::Request(_) => "r",
                Happening::Deployment(_) => "d",
                Happening::Test(it) if it.contains_key("result") => "!",
                Happening::Test(it) => it["suite"].as_str().unwrap(),
                _ => "?",
            };
            order.iter().map(|piece| name(*piece).to_owned()).collect()
        };
        (0..400).map(|_| shown(material.draw(manner, &mut random))).collect()
    }

    fn check(case: &str, manner: Manner, expected: &[&str]) {
        let expected: BTreeSet<String> = expected.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(drawn(case, manner), expected, "{case} {manner:?}");
    }

    #[test]
    fn only_evidence_moves_and_only_so_far() {
        check("abrc", Manner::Reorder, &["abrc", "barc"]);
        check("ad", Manner::Flapping, &["a!d", "!ad"]);
        check("ard", Manner::Late, &["ard", "rad"]);
        check("adr", Manner::Late, &["adr"]);
        check("arb", Manner::Late, &["arb", "rab", "rba"]);
        check(
            "abr",
            Manner::Duplicate,
            &["abr", "aabr", "abar", "abbr", "aabbr", "ababr", "abbar"],
        );
        check("dr", Manner::Duplicate, &["dr"]);
    }
}
