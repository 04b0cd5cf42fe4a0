//! `licenses`: every component of the bill of materials has an admitted licence.

use schemas::policy::{Licenses, UnknownLicence};

use super::Answer;
use super::sbom::{elsewhere, newest};
use crate::policy::Context;
use crate::policy::spdx::{self, Licences};
use crate::projection::Missing;
use crate::projection::slice::{BillFacts, Covers, LicenceUse};

/// Most licences that a reason names.
const SHOWN_MAX: usize = 3;

pub fn evaluate(gate: &Licenses, context: &Context) -> Result<Answer, Missing> {
    let bill = match newest(gate.max_age.as_ref(), context)? {
        Ok(bill) => bill,
        Err(answer) => return Ok(answer),
    };
    let answer = match &bill.facts.bill {
        None => elsewhere(),
        Some(facts) if facts.covers == Covers::Other => {
            Answer::fail("the bill of materials names the digest of another artifact")
                .next("record the bill of materials of this artifact")
        }
        Some(facts) => judge(gate, facts),
    };
    Ok(answer.on([bill.entry]))
}

fn judge(gate: &Licenses, facts: &BillFacts) -> Answer {
    if facts.components == 0 {
        return Answer::indeterminate("the bill of materials lists no component")
            .next("record one that lists every component");
    }
    let licences = Licences::of(&gate.allow, &gate.deny);
    let (mut refused, mut untold): (Vec<String>, Vec<String>) = Default::default();
    for LicenceUse { licence, components, example } in &facts.licences {
        let shown = || match example {
            Some(example) if *components == 1 => format!("{licence:?} of {example}"),
            Some(example) => format!("{licence:?} of {example} and {} more", components - 1),
            None => format!("{licence:?} of {components}"),
        };
        match spdx::parse(licence) {
            Some(expression) if licences.admit(&expression) => {}
            Some(_) => refused.push(shown()),
            None => untold.push(shown()),
        }
    }
    if facts.unlicensed > 0 {
        untold.push(format!("{} components without licence", facts.unlicensed));
    }
    let next = "replace the component, or have its licence admitted by the policy";
    if !refused.is_empty() {
        return Answer::fail(format!("not admitted: {}", first(&refused))).next(next);
    }
    match gate.unknown {
        _ if untold.is_empty() => {}
        Some(UnknownLicence::Allow) => {}
        Some(UnknownLicence::Deny) => {
            return Answer::fail(format!("no known licence: {}", first(&untold))).next(next);
        }
        None => {
            return Answer::indeterminate(format!("no known licence: {}", first(&untold)))
                .next("state their licences as SPDX expressions, and record it again");
        }
    }
    if facts.truncated {
        return Answer::indeterminate("the bill of materials names more licences than can be kept")
            .next("record one with fewer spellings of licences");
    }
    let passed = format!("{} components, {} licences", facts.components, facts.licences.len());
    match untold.is_empty() {
        true => Answer::pass(passed),
        false => Answer::pass(format!("{passed}; not known: {}", first(&untold))),
    }
}

fn first(list: &[String]) -> String {
    let more = list.len().saturating_sub(SHOWN_MAX);
    let shown = list[..list.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

#[cfg(test)]
pub(super) mod tests;
