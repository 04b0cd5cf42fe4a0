//! Witness policy files, as c2sp.org/tlog-policy has them: comments, free spaces, lines of logs.

use super::{Quorum, QuorumError, parse_quorum};
use crate::note::Vkey;

/// Longest accepted policy file, in bytes.
pub const POLICY_BYTES_MAX: usize = 65_536;

/// Why a policy file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFileError {
    #[error("a policy of {found} bytes, the limit is {POLICY_BYTES_MAX}")]
    TooLong { found: usize },
    #[error("the policy is not UTF-8 text free of control characters")]
    NotText,
    #[error("line {line} holds no log key")]
    Log { line: usize },
    #[error("the policy is about other logs than {log}")]
    OtherLogs { log: String },
    #[error("line {line} is a second quorum line")]
    SecondQuorum { line: usize },
    #[error(transparent)]
    Quorum(#[from] QuorumError),
}

/// Reads the policy file of a log: which witnesses there are, and which of them suffice.
///
/// Where it names logs, this one must be among them.
pub fn parse_policy_file(log: &Vkey, bytes: &[u8]) -> Result<Quorum, PolicyFileError> {
    if bytes.len() > POLICY_BYTES_MAX {
        return Err(PolicyFileError::TooLong { found: bytes.len() });
    }
    let text = str::from_utf8(bytes).map_err(|_| PolicyFileError::NotText)?;
    if text.bytes().any(|byte| (byte < 0x20 && !b"\t\n".contains(&byte)) || byte == 0x7f) {
        return Err(PolicyFileError::NotText);
    }
    let (mut lines, mut quorum, mut names_logs, mut names_this) = (Vec::new(), None, false, false);
    for (line, text) in (1..).zip(text.split('\n')) {
        let words: Vec<&str> = text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            ["log", key] | ["log", key, _] => {
                let key: Vkey = key.parse().map_err(|_| PolicyFileError::Log { line })?;
                names_logs = true;
                names_this |= key == *log;
            }
            ["quorum", ..] if quorum.is_some() => {
                return Err(PolicyFileError::SecondQuorum { line });
            }
            ["quorum", ..] => {
                quorum = Some((line, words.join(" ")));
                // It refers to earlier lines only: those up to here must be a policy of their own.
                read(log, &lines, quorum.as_ref())?;
            }
            words => lines.push((line, words.join(" "))),
        }
    }
    if names_logs && !names_this {
        return Err(PolicyFileError::OtherLogs { log: log.to_string() });
    }
    read(log, &lines, quorum.as_ref())
}

fn read(
    log: &Vkey,
    lines: &[(usize, String)],
    quorum: Option<&(usize, String)>,
) -> Result<Quorum, PolicyFileError> {
    let all = lines.iter().chain(quorum).map(|(line, text)| (*line, text.as_str()));
    Ok(parse_quorum(log, all)?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NESTED, fill, log, witness};
    use super::*;

    fn read(text: &str) -> Result<Quorum, PolicyFileError> {
        parse_policy_file(&log(), fill(text).as_bytes())
    }

    #[test]
    fn files_are_free_where_the_specification_is() {
        let strict = read(NESTED).unwrap();
        let indented: String = NESTED.lines().map(|line| format!("\t {line} \n\n")).collect();
        for same in [
            NESTED.trim_end().to_owned(),
            format!("# a comment\n\n{NESTED}  # another\n"),
            indented.replace(' ', "  "),
            format!("log {}\n{NESTED}", log()),
            format!("{NESTED}log {} https://log.example/ \n", log()),
        ] {
            assert_eq!(read(&same), Ok(strict.clone()), "{same}");
        }
        let (before, after) = ("witness a $1\nquorum a\n", "witness b $2\n");
        assert_eq!(read(&format!("{before}{after}")).unwrap().witnesses().count(), 2);
        assert_eq!(read("quorum none\n").unwrap().witnesses().count(), 0);
    }

    #[test]
    fn bad_files_are_refused() {
        let check = |text: &str, expected: PolicyFileError| {
            assert_eq!(read(text), Err(expected), "{text}");
        };
        check("", QuorumError::NoQuorum.into());
        check("witness a $1\n", QuorumError::NoQuorum.into());
        let (line, name) = (1, "a".to_owned());
        check("quorum a\nwitness a $1\n", QuorumError::Undefined { line, name }.into());
        check("quorum none\nquorum none\n", PolicyFileError::SecondQuorum { line: 2 });
        check("\n\nwitness\n", QuorumError::Line { line: 3 }.into());
        check("\n\nwitness\nquorum none\n", QuorumError::Line { line: 3 }.into());
        check("quorum none\r\n", PolicyFileError::NotText);
        check("log nobody\nquorum none\n", PolicyFileError::Log { line: 1 });
        let other = witness(3).to_string();
        let others = format!("log {other}\nquorum none\n");
        check(&others, PolicyFileError::OtherLogs { log: log().to_string() });
        let found = POLICY_BYTES_MAX + 1;
        check(&"#".repeat(found), PolicyFileError::TooLong { found });
        assert_eq!(parse_policy_file(&log(), b"\xff"), Err(PolicyFileError::NotText));
    }
}
