//! The lines of a witness policy: one spelling, read and written.

use std::fmt;

use super::{Definition, Quorum, Threshold, Witness};
use crate::checkpoint::parse_integer;
use crate::note::{KeyAlgorithm, KeyName, Vkey, VkeyError};

/// Why policy lines are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    #[error("line {line} is not a policy line in its place")]
    Line { line: usize },
    #[error("line {line} holds a bad key")]
    Key { line: usize, source: VkeyError },
    #[error("line {line} holds a key that is not a witness key")]
    NotAWitness { line: usize },
    #[error("line {line} repeats the public key of the log or of an earlier witness")]
    RepeatedKey { line: usize },
    #[error("line {line} gives {name:?} a second meaning, or a name that cannot be one")]
    Name { line: usize, name: String },
    #[error("line {line} refers to {name:?}, which no earlier line defines")]
    Undefined { line: usize, name: String },
    #[error("line {line} makes {name} a group member for the second time")]
    RepeatedMember { line: usize, name: KeyName },
    #[error("line {line} has a threshold outside 1 to {members}")]
    Threshold { line: usize, members: usize },
    #[error("more than {DEFINITIONS_MAX} witnesses and groups")]
    TooManyDefinitions,
    #[error("the witness policy does not end in a quorum line")]
    NoQuorum,
}

/// Most witnesses and groups: 32 of each, as c2sp.org/tlog-policy recommends to support.
pub const DEFINITIONS_MAX: usize = 64;

/// Reads numbered policy lines: definitions of witnesses and groups, then the quorum.
///
/// Off-spec: lines have one spelling. There are no comments, empty lines or repeated spaces, the
/// quorum line is the last, and the log is known already.
pub fn parse_quorum<'t>(
    log: &Vkey,
    lines: impl Iterator<Item = (usize, &'t str)>,
) -> Result<Quorum, QuorumError> {
    let mut policy = PolicyReader { log, definitions: Vec::new(), members: Vec::new() };
    let mut lines = lines.peekable();
    while let Some((line, text)) = lines.next() {
        match text.split(' ').collect::<Vec<&str>>().as_slice() {
            ["witness", name, key] => policy.add_witness(line, name, key, None)?,
            ["witness", name, key, url] => policy.add_witness(line, name, key, Some(url))?,
            ["group", name, threshold, members @ ..] => {
                policy.add_group(line, name, threshold, members)?;
            }
            ["quorum", name] if lines.peek().is_none() => {
                let required = if *name == NONE { None } else { Some(policy.find(line, name)?) };
                return Ok(Quorum { definitions: policy.definitions, required });
            }
            _ => return Err(QuorumError::Line { line }),
        }
    }
    Err(QuorumError::NoQuorum)
}

/// The quorum that asks for nobody; no witness or group can have this name.
const NONE: &str = "none";

struct PolicyReader<'t> {
    log: &'t Vkey,
    definitions: Vec<Definition>,
    /// Who is in a group already; nobody counts in two ways.
    members: Vec<usize>,
}

impl PolicyReader<'_> {
    fn add_witness(
        &mut self,
        line: usize,
        name: &str,
        key: &str,
        url: Option<&str>,
    ) -> Result<(), QuorumError> {
        let name = self.new_name(line, name)?;
        let key: Vkey = key.parse().map_err(|source| QuorumError::Key { line, source })?;
        if key.algorithm() != KeyAlgorithm::CosignatureV1 {
            return Err(QuorumError::NotAWitness { line });
        }
        if self.knows_key(&key) {
            return Err(QuorumError::RepeatedKey { line });
        }
        if !url.is_none_or(is_url) {
            return Err(QuorumError::Line { line });
        }
        let url = url.map(str::to_owned);
        self.definitions.push(Definition::Witness(Box::new(Witness { name, key, url })));
        Ok(())
    }

    /// One public key stands for one party, whatever names and algorithms it goes under.
    fn knows_key(&self, key: &Vkey) -> bool {
        let mut witnesses = self.definitions.iter().filter_map(Definition::witness);
        self.log.public_key() == key.public_key()
            || witnesses.any(|witness| witness.key.public_key() == key.public_key())
    }

    fn add_group(
        &mut self,
        line: usize,
        name: &str,
        threshold: &str,
        names: &[&str],
    ) -> Result<(), QuorumError> {
        let name = self.new_name(line, name)?;
        let threshold = parse_threshold(threshold, names.len())
            .ok_or(QuorumError::Threshold { line, members: names.len() })?;
        let first = self.members.len();
        for member in names {
            let member = self.find(line, member)?;
            if self.members.contains(&member) {
                let name = self.definitions[member].name().clone();
                return Err(QuorumError::RepeatedMember { line, name });
            }
            self.members.push(member);
        }
        let members = self.members[first..].to_vec();
        self.definitions.push(Definition::Group { name, threshold, members });
        Ok(())
    }

    fn new_name(&self, line: usize, text: &str) -> Result<KeyName, QuorumError> {
        if self.definitions.len() == DEFINITIONS_MAX {
            return Err(QuorumError::TooManyDefinitions);
        }
        let taken = text == NONE || self.find(line, text).is_ok();
        let name = text.parse().ok().filter(|_| !taken);
        name.ok_or_else(|| QuorumError::Name { line, name: excerpt(text) })
    }

    fn find(&self, line: usize, name: &str) -> Result<usize, QuorumError> {
        let mut definitions = self.definitions.iter();
        let found = definitions.position(|definition| definition.name().as_str() == name);
        found.ok_or_else(|| QuorumError::Undefined { line, name: excerpt(name) })
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

/// URLs are kept, not understood: printable, without spaces.
fn is_url(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn parse_threshold(text: &str, members: usize) -> Option<Threshold> {
    let threshold = match text {
        "any" => Threshold::Any,
        "all" => Threshold::All,
        count => Threshold::AtLeast(usize::try_from(parse_integer(count)?).ok()?),
    };
    (1..=members).contains(&threshold.least(members)).then_some(threshold)
}

/// Writes the policy lines that [`parse_quorum`] read.
impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_of = |at: &usize| self.definitions[*at].name().as_str();
        for definition in &self.definitions {
            match definition {
                Definition::Witness(witness) => {
                    write!(f, "witness {} {}", witness.name, witness.key)?;
                    witness.url.iter().try_for_each(|url| write!(f, " {url}"))?;
                }
                Definition::Group { name, threshold, members } => {
                    write!(f, "group {name} {threshold}")?;
                    members.iter().try_for_each(|member| write!(f, " {}", name_of(member)))?;
                }
            }
            writeln!(f)?;
        }
        writeln!(f, "quorum {}", self.required.as_ref().map_or(NONE, name_of))
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Threshold::Any => f.write_str("any"),
            Threshold::All => f.write_str("all"),
            Threshold::AtLeast(count) => write!(f, "{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NESTED, fill, key, name, read, witness};
    use super::*;

    #[test]
    fn policies_have_one_spelling() {
        for good in [NESTED, "quorum none\n", "witness \u{e9} $1\nquorum \u{e9}\n"] {
            assert_eq!(read(good).unwrap().to_string(), fill(good));
        }
    }

    /// Checks what is said of lines between the definition of `w` and `quorum w`.
    fn check_refused(lines: &str, expected: &str) {
        let policy = format!("witness w $1\n{lines}quorum w\n");
        assert_eq!(read(&policy).unwrap_err().to_string(), expected, "{policy}");
    }

    #[test]
    fn lines_have_one_shape() {
        for lines in [
            "b\n",
            "\n",
            "# b\n",
            "witness b\n",
            " witness b $2\n",
            "witness b $2 \n",
            "witness b\t$2\n",
            "witness b $2 u v\n",
            "witness b $2 \u{e9}\n",
            "group g\n",
            "quorum\n",
            "quorum w\n",
            "quorum none\n",
            "log $2\n",
        ] {
            check_refused(lines, "line 2 is not a policy line in its place");
        }
    }

    #[test]
    fn names_and_groups_have_one_meaning() {
        let meaning = |name: &str| {
            format!("line 2 gives {name:?} a second meaning, or a name that cannot be one")
        };
        let undefined =
            |name: &str| format!("line 2 refers to {name:?}, which no earlier line defines");
        let threshold = |members: u8| format!("line 2 has a threshold outside 1 to {members}");
        for (lines, expected) in [
            ("witness w $2\n", meaning("w")),
            ("witness none $2\n", meaning("none")),
            ("witness b+ $2\n", meaning("b+")),
            ("witness  b $2\n", meaning("")),
            ("group w any w\n", meaning("w")),
            ("group g any b\n", undefined("b")),
            ("group b any b\n", undefined("b")),
            ("group g any none\n", undefined("none")),
            ("group g any \n", undefined("")),
            ("group g 0 w\n", threshold(1)),
            ("group g 2 w\n", threshold(1)),
            ("group g 01 w\n", threshold(1)),
            ("group g most w\n", threshold(1)),
            ("group g any\n", threshold(0)),
            ("group g all\n", threshold(0)),
        ] {
            check_refused(lines, &expected);
        }
        check_refused("group g any w w\n", "line 2 makes w a group member for the second time");
        let twice = "group g any w\ngroup h any w\n";
        check_refused(twice, "line 3 makes w a group member for the second time");
        assert_eq!(read("witness w $1\n"), Err(QuorumError::NoQuorum));
        assert_eq!(read(""), Err(QuorumError::NoQuorum));
    }

    #[test]
    fn one_key_is_one_party() {
        let line = |algorithm, seed| {
            format!("witness b {}\n", Vkey::of(name(7), algorithm, key(seed).ed25519()))
        };
        let repeated = "line 2 repeats the public key of the log or of an earlier witness";
        check_refused(&line(KeyAlgorithm::CosignatureV1, 0), repeated);
        check_refused(&line(KeyAlgorithm::CosignatureV1, 1), repeated);
        let plain = "line 2 holds a key that is not a witness key";
        check_refused(&line(KeyAlgorithm::Ed25519, 2), plain);
        check_refused("witness b w2\n", "line 2 holds a bad key");
    }

    #[test]
    fn definitions_are_limited() {
        let policy = |count: u8| {
            let lines = (1..=count).map(|seed| format!("witness w{seed} {}\n", witness(seed)));
            read(&format!("{}quorum none\n", lines.collect::<String>()))
        };
        assert_eq!(policy(64).map(|quorum| quorum.witnesses().count()), Ok(64));
        assert_eq!(policy(65), Err(QuorumError::TooManyDefinitions));
    }
}
