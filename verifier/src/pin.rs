//! Pins: what an auditor must get by another road than the evidence.

use schemas::id::{Hash, Origin, Time};

use crate::checkpoint::VerifiedCheckpoint;
use crate::cosignature::quorum::{Quorum, QuorumError, parse_quorum};
use crate::note::{KeyAlgorithm, Vkey, VkeyError};

/// Why a pin is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    #[error("a pin of {found} bytes, the limit is {PIN_BYTES_MAX}")]
    TooLong { found: usize },
    #[error("the pin is not UTF-8 text with a line end")]
    NotText,
    #[error("line {line} of the pin is not {expected:?}")]
    Line { line: usize, expected: &'static str },
    #[error("line {line} of the pin holds a bad key")]
    Key { line: usize, source: VkeyError },
    #[error("line {line} of the pin holds no log key: Ed25519, named by its origin")]
    NotALog { line: usize },
    #[error("the witness policy of the pin is refused")]
    Quorum(#[from] QuorumError),
}

/// What a log is recognised by: its key, its first entry and the witnesses to ask for.
///
/// Whoever can change an auditor's pin can show that auditor another log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    log: Vkey,
    genesis: Option<Hash>,
    quorum: Option<Quorum>,
}

impl Pin {
    /// Pins a log by its key and the leaf hash of its entry 0, as `attestry init` prints it.
    pub fn new(log: Vkey, genesis: Hash) -> Result<Pin, PinError> {
        Ok(Pin { log: check_log(log, LOG_LINE_AT)?, genesis: Some(genesis), quorum: None })
    }

    pub fn log(&self) -> &Vkey {
        &self.log
    }

    /// The leaf hash of entry 0, without which the roots are those the log key claims.
    pub fn genesis(&self) -> Option<&Hash> {
        self.genesis.as_ref()
    }

    /// The witnesses to ask for; nothing where nobody has spoken of them.
    pub fn quorum(&self) -> Option<&Quorum> {
        self.quorum.as_ref()
    }

    /// By when the witnesses that are asked for had all seen a checkpoint, and so whatever it
    /// covers; nothing where too few of them have cosigned it.
    pub fn existed_by(&self, checkpoint: &VerifiedCheckpoint) -> Option<Time> {
        let witnessed = self.quorum.as_ref()?.evaluate(checkpoint.note());
        let secs = witnessed.met_at_secs.filter(|secs| *secs <= SECS_MAX)?;
        Some(Time(i64::try_from(secs).ok()? * 1000))
    }

    /// Asks for these witnesses, and no more for those that the pin's own lines name.
    pub fn with_quorum(self, quorum: Quorum) -> Pin {
        Pin { quorum: Some(quorum), ..self }
    }
}

/// Longest accepted pin, in bytes.
pub const PIN_BYTES_MAX: usize = 65_536;

/// The last second that a time can be written of.
const SECS_MAX: u64 = 253_402_300_799;

const HEADER: &str = "attestry/pin/v1\n";
const LOG_LINE: &str = "log VKEY";
const LOG_LINE_AT: usize = 2;
const GENESIS_LINE: &str = "genesis HASH";
const GENESIS_LINE_AT: usize = 3;
const POLICY_AT: usize = 4;

/// Reads a pin file, or a bare verifier key with or without a line end.
pub fn parse_pin(bytes: &[u8]) -> Result<Pin, PinError> {
    if bytes.len() > PIN_BYTES_MAX {
        return Err(PinError::TooLong { found: bytes.len() });
    }
    let text = str::from_utf8(bytes).map_err(|_| PinError::NotText)?;
    let Some(body) = text.strip_prefix(HEADER) else {
        let log = parse_log(text.strip_suffix('\n').unwrap_or(text), 1)?;
        return Ok(Pin { log, genesis: None, quorum: None });
    };
    let mut lines = body.strip_suffix('\n').ok_or(PinError::NotText)?.split('\n');
    let log = lines.next().and_then(|line| line.strip_prefix("log "));
    let log = log.ok_or(PinError::Line { line: LOG_LINE_AT, expected: LOG_LINE })?;
    let log = parse_log(log, LOG_LINE_AT)?;
    let genesis = lines.next().and_then(|line| line.strip_prefix("genesis ")?.parse().ok());
    let genesis =
        genesis.ok_or(PinError::Line { line: GENESIS_LINE_AT, expected: GENESIS_LINE })?;
    let mut policy = (POLICY_AT..).zip(lines).peekable();
    let quorum = match policy.peek() {
        Some(_) => Some(parse_quorum(&log, policy)?),
        None => None,
    };
    Ok(Pin { log, genesis: Some(genesis), quorum })
}

fn parse_log(text: &str, line: usize) -> Result<Vkey, PinError> {
    check_log(text.parse().map_err(|source| PinError::Key { line, source })?, line)
}

fn check_log(log: Vkey, line: usize) -> Result<Vkey, PinError> {
    let names_origin = log.name().as_str().parse::<Origin>().is_ok();
    let is_log = log.algorithm() == KeyAlgorithm::Ed25519 && names_origin;
    if is_log { Ok(log) } else { Err(PinError::NotALog { line }) }
}

/// Writes a pin file; the line of a bare verifier key where no genesis is pinned.
pub fn format_pin(pin: &Pin) -> String {
    let Pin { log, genesis, quorum } = pin;
    let Some(genesis) = genesis else {
        return format!("{log}\n");
    };
    let policy = quorum.as_ref().map(Quorum::to_string).unwrap_or_default();
    format!("{HEADER}log {log}\ngenesis {genesis}\n{policy}")
}

#[cfg(test)]
mod tests {
    use crate::signature::SigningKey;

    use super::*;
    use crate::checkpoint::log_vkey;
    use crate::note::KeyName;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).unwrap()
    }

    fn log() -> Vkey {
        log_vkey(&"log.example".parse().unwrap(), key(1).ed25519())
    }

    fn vkey(name: &str, algorithm: KeyAlgorithm, seed: u8) -> Vkey {
        Vkey::of(name.parse::<KeyName>().unwrap(), algorithm, key(seed).ed25519())
    }

    #[test]
    fn what_init_prints_is_read_back() {
        let pin = Pin::new(log(), Hash([0xab; 32])).unwrap();
        let hex = "ab".repeat(32);
        let text = format!("attestry/pin/v1\nlog {}\ngenesis {hex}\n", log());
        assert_eq!(format_pin(&pin), text);
        assert_eq!(parse_pin(text.as_bytes()), Ok(pin.clone()));
        assert_eq!((pin.log(), pin.genesis()), (&log(), Some(&Hash([0xab; 32]))));
        assert_eq!(pin.quorum(), None);
    }

    #[test]
    fn policy_lines_may_follow() {
        let witness = vkey("w.example", KeyAlgorithm::CosignatureV1, 2);
        let pin = format_pin(&Pin::new(log(), Hash::default()).unwrap());
        let text = format!("{pin}witness w {witness} https://w.example/\ngroup g 1 w\nquorum g\n");
        let read = parse_pin(text.as_bytes()).unwrap();
        assert_eq!(format_pin(&read), text);
        assert_eq!(read.quorum().unwrap().witnesses().count(), 1);
        let none = format!("{pin}quorum none\n");
        assert_eq!(format_pin(&parse_pin(none.as_bytes()).unwrap()), none);
        let second = format!("{pin}log {}\nquorum none\n", log());
        let refused = Err(PinError::Quorum(QuorumError::Line { line: 4 }));
        assert_eq!(parse_pin(second.as_bytes()), refused);
    }

    #[test]
    fn a_bare_key_pins_no_genesis() {
        let text = format!("{}\n", log());
        let pin = parse_pin(text.as_bytes()).unwrap();
        assert_eq!(parse_pin(text.trim_end().as_bytes()), Ok(pin.clone()));
        assert_eq!((pin.log(), pin.genesis(), pin.quorum()), (&log(), None, None));
        assert_eq!(format_pin(&pin), text);
    }

    #[test]
    fn pins_have_one_spelling() {
        let good = format_pin(&Pin::new(log(), Hash([0xab; 32])).unwrap());
        let witness = vkey("log.example", KeyAlgorithm::CosignatureV1, 1);
        let foreign = vkey("l\u{f3}g.example", KeyAlgorithm::Ed25519, 1);
        let bad = [
            String::new(),
            "\n".to_owned(),
            "attestry/pin/v1\n".to_owned(),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            format!(" {good}"),
            good.replace("v1", "v2"),
            good.replace('\n', "\r\n"),
            good.replace("log ", "log  "),
            good.replace("genesis ", "genesis\t"),
            good.replace("abab", "ABAB"),
            good.replace("genesis abab", "genesis "),
            good.replace("log.", "lag."),
            good.replace(&log().to_string(), &witness.to_string()),
            good.replace(&log().to_string(), &foreign.to_string()),
            good.lines().take(2).map(|line| format!("{line}\n")).collect(),
            witness.to_string(),
            foreign.to_string(),
            format!("{}\n\n", log()),
            format!("{}\n{}\n", log(), log()),
        ];
        for text in bad {
            assert!(parse_pin(text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(parse_pin(b"\xff"), Err(PinError::NotText));
        let found = PIN_BYTES_MAX + 1;
        assert_eq!(parse_pin(&vec![b'a'; found]), Err(PinError::TooLong { found }));
        assert_eq!(Pin::new(witness, Hash::default()), Err(PinError::NotALog { line: 2 }));
    }
}
