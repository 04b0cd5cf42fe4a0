//! The exit codes, once: the enum, and which of them an error or a set of findings asks for.

use schemas::report::{Class, Code, Finding};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or it holds.
    Done,
    Unexpected,
    /// Wrong usage.
    Usage,
    /// The answer is no: a gate fails or waits, a rule is broken, a claim does not hold.
    No,
    /// Not allowed.
    NotAllowed,
    NotFound,
    /// The server is away and nothing was spooled.
    Unreachable,
    /// Hash, chain, proof, log signature or bytes: somebody must be woken.
    Integrity,
    /// Could not tell.
    Unknown,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Unexpected => 1,
            Exit::Usage => 2,
            Exit::No => 3,
            Exit::NotAllowed => 4,
            Exit::NotFound => 5,
            Exit::Unreachable => 6,
            Exit::Integrity => 7,
            Exit::Unknown => 8,
        }
    }

    pub fn of_class(class: Class) -> Exit {
        match class {
            Class::Note => Exit::Done,
            Class::Rule => Exit::No,
            Class::Integrity => Exit::Integrity,
            Class::Unknown => Exit::Unknown,
        }
    }

    /// The exit of a list of findings: 7 before 3 before 8.
    pub fn of_findings<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Exit {
        findings
            .into_iter()
            .map(|finding| Exit::of_class(finding.class))
            .fold(Exit::Done, Exit::worse)
    }

    /// The one of two answers that must be heard: 7 before 3 before 8 before 0.
    pub fn worse(self, other: Exit) -> Exit {
        if other.weight() > self.weight() { other } else { self }
    }

    fn weight(self) -> u8 {
        match self {
            Exit::Integrity => 4,
            Exit::No => 3,
            Exit::Unknown => 2,
            Exit::Done => 0,
            Exit::Unexpected
            | Exit::Usage
            | Exit::NotAllowed
            | Exit::NotFound
            | Exit::Unreachable => 1,
        }
    }

    /// The exit of something that was submitted and refused: a signature outside its role is
    /// "not allowed" then, and a broken rule only where it is found in a log.
    pub fn of_refusal(finding: &Finding) -> Exit {
        match finding.code {
            Code::RoleMissing
            | Code::SignatureInvalid
            | Code::SignatureExtra
            | Code::ThresholdMissed
            | Code::AdminApproves => Exit::NotAllowed,
            // Bytes that nobody has logged break nothing: they are only refused.
            _ if finding.class == Class::Integrity => Exit::No,
            _ => Exit::of_class(finding.class),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(codes: &[Code], expected: Exit) {
        let findings: Vec<Finding> =
            codes.iter().map(|code| Finding::new(*code, None, "")).collect();
        assert_eq!(Exit::of_findings(&findings), expected, "{codes:?}");
    }

    #[test]
    fn integrity_before_rule_before_unknown() {
        check(&[], Exit::Done);
        check(&[Code::RootsNotPinned], Exit::Done);
        check(&[Code::RulesUnknown], Exit::Unknown);
        check(&[Code::RulesUnknown, Code::RoleMissing], Exit::No);
        check(&[Code::ThreadGap, Code::RoleMissing, Code::RulesUnknown], Exit::Integrity);
        check(&[Code::RoleMissing, Code::RootsNotPinned, Code::ThreadGap], Exit::Integrity);
    }

    #[test]
    fn a_signature_outside_its_role_is_not_allowed_when_submitted() {
        for (code, expected) in [
            (Code::RoleMissing, 4),
            (Code::ThresholdMissed, 4),
            (Code::UnknownProject, 3),
            (Code::EnvelopeMalformed, 3),
            (Code::RulesUnknown, 8),
        ] {
            assert_eq!(Exit::of_refusal(&Finding::new(code, None, "")).code(), expected);
        }
    }
}
