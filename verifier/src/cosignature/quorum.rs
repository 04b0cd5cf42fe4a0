//! Witness policies: which witnesses are known, and which sets of them suffice
//! (c2sp.org/tlog-policy).

mod file;
mod lines;

use super::{CosignatureError, verify_cosignature};
use crate::note::{KeyName, NoteError, SignedNote, Vkey};

pub use file::{POLICY_BYTES_MAX, PolicyFileError, parse_policy_file};
pub use lines::{DEFINITIONS_MAX, QuorumError, parse_quorum};

/// Which witnesses are known, and what set of them a checkpoint needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Each refers to earlier ones only, so one pass evaluates them and no cycle can be written.
    definitions: Vec<Definition>,
    /// The definition that must hold; nothing for `quorum none`.
    required: Option<usize>,
}

/// One line that gives a name its meaning; members are earlier lines, by position.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Definition {
    Witness(Box<Witness>),
    Group { name: KeyName, threshold: Threshold, members: Vec<usize> },
}

/// A witness that a policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name inside the policy; the name it signs under is its key's.
    pub name: KeyName,
    pub key: Vkey,
    /// Where a log asks it for cosignatures; nothing here reads it.
    pub url: Option<String>,
}

/// How many members of a group must have witnessed, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Threshold {
    Any,
    All,
    AtLeast(usize),
}

/// What the witnesses of a policy say about one note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed<'q> {
    pub is_met: bool,
    /// By when the quorum was there, in seconds since 1970: what it vouches for existed then.
    /// Nothing where it is missed or asks for nobody.
    pub met_at_secs: Option<u64>,
    /// Who cosigned, and when, in seconds since 1970.
    pub cosigned: Vec<(&'q Witness, u64)>,
    /// Whose line is there and does not verify. It counts for nothing, and somebody changed it.
    pub refused: Vec<(&'q Witness, CosignatureError)>,
}

impl Quorum {
    /// Returns the witnesses, in the order of their lines.
    pub fn witnesses(&self) -> impl Iterator<Item = &Witness> {
        self.definitions.iter().filter_map(Definition::witness)
    }

    /// Checks every cosignature of a known witness, and whether those that verify suffice.
    pub fn evaluate(&self, note: &SignedNote) -> Witnessed<'_> {
        let (cosigned, refused) = (Vec::new(), Vec::new());
        let mut witnessed = Witnessed { is_met: false, met_at_secs: None, cosigned, refused };
        let mut times: Vec<Option<u64>> = Vec::new();
        for definition in &self.definitions {
            times.push(match definition {
                Definition::Witness(witness) => witnessed.add(witness, note),
                Definition::Group { threshold, members, .. } => {
                    let mut of_members: Vec<u64> =
                        members.iter().filter_map(|member| times[*member]).collect();
                    of_members.sort_unstable();
                    of_members.get(threshold.least(members.len()) - 1).copied()
                }
            });
        }
        witnessed.met_at_secs = self.required.and_then(|required| times[required]);
        witnessed.is_met = self.required.is_none() || witnessed.met_at_secs.is_some();
        witnessed
    }
}

impl<'q> Witnessed<'q> {
    fn add(&mut self, witness: &'q Witness, note: &SignedNote) -> Option<u64> {
        match verify_cosignature(note, &witness.key) {
            Ok(time_secs) => {
                self.cosigned.push((witness, time_secs));
                return Some(time_secs);
            }
            Err(CosignatureError::Note(NoteError::NotSignedBy { .. })) => {}
            Err(error) => self.refused.push((witness, error)),
        }
        None
    }
}

impl Definition {
    fn name(&self) -> &KeyName {
        match self {
            Definition::Witness(witness) => &witness.name,
            Definition::Group { name, .. } => name,
        }
    }

    fn witness(&self) -> Option<&Witness> {
        match self {
            Definition::Witness(witness) => Some(witness),
            Definition::Group { .. } => None,
        }
    }
}

impl Threshold {
    fn least(self, members: usize) -> usize {
        match self {
            Threshold::Any => 1,
            Threshold::All => members,
            Threshold::AtLeast(count) => count,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::signature::SigningKey;

    use super::*;
    use crate::checkpoint::{Checkpoint, log_vkey, sign_checkpoint};
    use crate::cosignature::sign_cosignature;
    use crate::merkle::EMPTY_ROOT;
    use crate::note::KeyAlgorithm;

    pub fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).unwrap()
    }

    /// The vkey of witness `w1` to `w9`; 0 is the key of the log.
    pub fn witness(seed: u8) -> Vkey {
        Vkey::of(name(seed), KeyAlgorithm::CosignatureV1, key(seed).ed25519())
    }

    pub fn name(seed: u8) -> KeyName {
        format!("w{seed}.example").parse().unwrap()
    }

    pub fn log() -> Vkey {
        log_vkey(&"log.example".parse().unwrap(), key(0).ed25519())
    }

    /// Reads policy lines in which `$n` stands for the vkey of witness n.
    pub fn read(text: &str) -> Result<Quorum, QuorumError> {
        let text = fill(text);
        parse_quorum(&log(), (1..).zip(text.lines()))
    }

    pub fn fill(text: &str) -> String {
        (0..=9).fold(text.to_owned(), |text, seed| {
            text.replace(&format!("${seed}"), &witness(seed).to_string())
        })
    }

    fn note(seeds: &[u8]) -> SignedNote {
        let origin = "log.example".parse().unwrap();
        let mut note = sign_checkpoint(&Checkpoint { origin, size: 0, root: EMPTY_ROOT }, &key(0));
        for seed in seeds {
            let time_secs = 1000 + u64::from(*seed);
            let line = sign_cosignature(&note, name(*seed), &key(*seed), time_secs);
            note.add_signature(line).unwrap();
        }
        note
    }

    /// The example of the specification.
    pub const NESTED: &str = "witness X1 $1\nwitness X2 $2\nwitness X3 $3\ngroup X 2 X1 X2 X3\n\
        witness Y1 $4 https://y1.example/\nwitness Y2 $5\ngroup Y any Y1 Y2\n\
        group X-and-Y all X Y\nquorum X-and-Y\n";

    #[test]
    fn a_quorum_counts_as_it_is_written() {
        let check = |policy: &str, seeds: &[u8], expected: bool| {
            let quorum = read(policy).unwrap();
            let note = note(seeds);
            let witnessed = quorum.evaluate(&note);
            assert_eq!(witnessed.is_met, expected, "{policy} with {seeds:?}");
            assert!(witnessed.refused.is_empty());
            let known = |seed: &&u8| quorum.witnesses().any(|known| known.key == witness(**seed));
            let mut times: Vec<u64> = witnessed.cosigned.iter().map(|(_, time)| *time).collect();
            times.sort_unstable();
            let known: Vec<u64> =
                seeds.iter().filter(known).map(|seed| 1000 + u64::from(*seed)).collect();
            assert_eq!(times, known);
        };
        for (seeds, expected) in [
            (&[][..], false),
            (&[1, 2], false),
            (&[1, 4], false),
            (&[4, 5], false),
            (&[1, 3, 5], true),
            (&[2, 3, 4], true),
            (&[1, 2, 3, 4, 5, 6], true),
            (&[1, 2, 6], false),
        ] {
            check(NESTED, seeds, expected);
        }
        check("quorum none\n", &[], true);
        check("witness w $1\nquorum none\n", &[], true);
        check("witness w $1\nquorum w\n", &[2], false);
        check("witness w $1\nquorum w\n", &[1], true);
    }

    /// Witness n cosigned at 1000 + n.
    #[test]
    fn a_quorum_is_met_when_its_last_needed_witness_cosigned() {
        let check = |policy: &str, seeds: &[u8], expected: Option<u64>| {
            let quorum = read(policy).unwrap();
            assert_eq!(quorum.evaluate(&note(seeds)).met_at_secs, expected, "{policy} {seeds:?}");
        };
        check(NESTED, &[1, 2, 3, 4], Some(1004));
        check(NESTED, &[3, 2, 4, 5], Some(1004));
        check(NESTED, &[1, 3, 5], Some(1005));
        check(NESTED, &[1, 4, 5], None);
        let of_three = "witness a $1\nwitness b $2\nwitness c $3\ngroup g 2 a b c\nquorum g\n";
        check(of_three, &[3, 2, 1], Some(1002));
        check(of_three, &[3, 1], Some(1003));
        check("quorum none\n", &[1], None);
        check("witness w $7\nquorum w\n", &[7], Some(1007));
    }

    #[test]
    fn a_bad_cosignature_is_named_and_does_not_count() {
        let quorum = read("witness a $1\nwitness b $2\ngroup g any a b\nquorum g\n").unwrap();
        let mut note = note(&[2]);
        let other = SigningKey::from_seed(&[9; 32]).unwrap();
        let mut line = sign_cosignature(&note, name(1), &other, 5);
        line.key = witness(1).tag().clone();
        note.add_signature(line).unwrap();
        let witnessed = quorum.evaluate(&note);
        let bad = NoteError::BadSignature { key: witness(1).tag().clone() };
        let [(refused, error)] = witnessed.refused.as_slice() else { panic!("one is refused") };
        assert_eq!((refused.name.as_str(), error), ("a", &bad.into()));
        assert_eq!((witnessed.is_met, witnessed.cosigned.len()), (true, 1));
    }
}
