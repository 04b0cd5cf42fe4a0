//! Test runs: the result, the counts, and failures that the policy has quarantined by name.

use schemas::id::Time;
use schemas::policy::{CountBound, Evidence as Gate, QuarantinedTest};
use schemas::predicate::test::TestResult;

use super::Answer;
use super::evidence::unbound;
use crate::projection::slice::{Evidence, TestFacts};

/// Most tests that a reason names.
const SHOWN_MAX: usize = 3;

pub fn judge(gate: &Gate, evidence: &Evidence<TestFacts>, at: Time) -> Answer {
    let facts = &evidence.facts;
    let count = |name: &str| facts.counts.get(name).copied().unwrap_or(0);
    let counts =
        format!("{} passed, {} failed{}", count("passed"), count("failed"), unbound(evidence));
    let failing = count("failed") + count("errors");
    let mend = "mend what fails and record the tests again";
    let answer = match facts.result {
        TestResult::Warned => {
            let reason = format!("{counts}, with warnings");
            Answer::fail(reason).next("mend what warns and record the tests again")
        }
        TestResult::Passed if failing == 0 => Answer::pass(counts),
        TestResult::Passed | TestResult::Failed => match quarantine(gate, facts, failing, at) {
            Ok(names) => Answer::pass(format!("{counts}; quarantined: {names}")),
            Err(Some(why)) => Answer::fail(format!("{counts}; {why}")).next(mend),
            // Whoever says both has not looked: the evidence says no.
            Err(None) if facts.result == TestResult::Passed => {
                Answer::fail(format!("{counts}, and yet it says passed")).next(mend)
            }
            Err(None) => Answer::fail(counts).next(mend),
        },
    };
    match bounds(gate, facts) {
        Some(wrong) if answer.verdict.admits() => wrong,
        Some(_) | None => answer,
    }
}

/// The names of the failures where each is quarantined today; else why one is not, where the
/// policy quarantines any.
fn quarantine(
    gate: &Gate,
    facts: &TestFacts,
    failing: u64,
    at: Time,
) -> Result<String, Option<String>> {
    if gate.quarantine.is_empty() {
        return Err(None);
    }
    // A failure that is not named may be any test.
    if facts.failed.is_empty() || (facts.failed.len() as u64) < failing {
        return Err(Some("not every failed test is named".to_owned()));
    }
    let mut names = Vec::new();
    for name in &facts.failed {
        let Some(held) = gate.quarantine.iter().find(|it| it.test == *name) else {
            return Err(Some(format!("{name} is not quarantined")));
        };
        if at >= end_of(held) {
            return Err(Some(format!("the quarantine of {name} ended {}", held.until)));
        }
        names.push(format!("{name} until {}", held.until));
    }
    let more = names.len().saturating_sub(SHOWN_MAX);
    names.truncate(SHOWN_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Ok(format!("{}{more}", names.join(", ")))
}

/// The day of its end begins by UTC. A day that is none has ended.
fn end_of(held: &QuarantinedTest) -> Time {
    Time::parse(format!("{}T00:00:00.000Z", held.until).as_bytes()).unwrap_or(Time(i64::MIN))
}

/// The first count that is not within its bound.
fn bounds(gate: &Gate, facts: &TestFacts) -> Option<Answer> {
    let again = "record a run that counts it";
    for (name, CountBound { min, max }) in &gate.counts {
        let Some(found) = facts.counts.get(name).copied() else {
            let reason = format!("the report does not count {name}");
            return Some(Answer::indeterminate(reason).next(again));
        };
        if let Some(min) = min.filter(|min| found < *min) {
            let reason = format!("{found} {name}, policy asks for {min}");
            return Some(Answer::fail(reason).next("run all tests and record them again"));
        }
        if let Some(max) = max.filter(|max| found > *max) {
            let reason = format!("{found} {name}, policy allows {max}");
            return Some(Answer::fail(reason).next("mend them and record the tests again"));
        }
    }
    None
}

#[cfg(test)]
mod tests;
