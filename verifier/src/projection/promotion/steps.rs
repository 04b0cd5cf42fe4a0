//! The moves that a promotion has made, in words.

use super::{Closed, Promotion, Step};

/// A move: what became of the promotion, and by which event.
pub type Move = (&'static str, Step);

impl Closed {
    /// Its moves, first to last; of one that expired none, since no event ended it.
    pub fn moves(&self) -> Vec<Move> {
        let made = |moves: &[(&'static str, Option<Step>)]| {
            moves.iter().filter_map(|(word, step)| Some((*word, (*step)?))).collect()
        };
        match self {
            Closed::Expired(_) => Vec::new(),
            Closed::Granted(it) => {
                let mut moves: Vec<Move> = vec![("granted", it.by.granted)];
                // Of several artifacts some are deployed, and not all.
                moves.extend(it.by.parts.iter().map(|part| ("deployed in part", part.deployed)));
                moves
            }
            Closed::Denied(it) => made(&[("denied", Some(it.by.denied))]),
            Closed::Withdrawn(it) => made(&[("withdrawn", Some(it.by.withdrawn))]),
            Closed::Deployed(it) => {
                made(&[("granted", Some(it.by.granted)), ("deployed", Some(it.by.deployed))])
            }
            Closed::Verified(it) => made(&[
                ("granted", Some(it.by.granted)),
                ("deployed", Some(it.by.deployed)),
                ("verified", Some(it.by.verified)),
            ]),
            Closed::RolledBack(it) => made(&[
                ("granted", Some(it.by.granted)),
                ("deployed", Some(it.by.deployed)),
                ("verified", it.by.verified),
                ("rolled back", Some(it.by.rolled_back)),
            ]),
            Closed::Superseded(it) => made(&[
                ("granted", Some(it.by.granted)),
                ("deployed", it.by.deployed),
                ("verified", it.by.verified),
                ("superseded", Some(it.by.superseded)),
            ]),
        }
    }

    /// The review of an emergency after the fact, where somebody has signed one.
    pub fn reviewed(&self) -> Option<Step> {
        fn of<S>(it: &Promotion<S>) -> Option<Step> {
            it.reviewed
        }
        match self {
            Closed::Granted(it) => of(it),
            Closed::Denied(it) => of(it),
            Closed::Expired(it) => of(it),
            Closed::Withdrawn(it) => of(it),
            Closed::Deployed(it) => of(it),
            Closed::Verified(it) => of(it),
            Closed::RolledBack(it) => of(it),
            Closed::Superseded(it) => of(it),
        }
    }
}
