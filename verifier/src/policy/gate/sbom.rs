//! `sbom`: a bill of materials exists and covers the artifact.

use schemas::policy::Sbom;

use super::{Answer, staleness, unreadable};
use crate::policy::Context;
use crate::projection::Missing;
use crate::projection::slice::{BillFacts, Covers, Evidence, SbomFacts};

/// What people call it.
const WHAT: &str = "bill of materials";

pub fn evaluate(gate: &Sbom, context: &Context) -> Result<Answer, Missing> {
    let bill = match newest(gate.max_age.as_ref(), context)? {
        Ok(bill) => bill,
        Err(answer) => return Ok(answer),
    };
    Ok(judge(gate, &bill.facts).on([bill.entry]))
}

/// The newest bill of materials, or the answer of every gate that needs one.
pub fn newest<'a>(
    max_age: Option<&schemas::policy::Duration>,
    context: &Context<'a>,
) -> Result<Result<&'a Evidence<SbomFacts>, Answer>, Missing> {
    let found = context.asked()?.and_then(|known| known.sbom.as_ref());
    if let Some(answer) = unreadable("sbom", found.map_or(0, |it| it.entry), context)? {
        return Ok(Err(answer));
    }
    let Some(bill) = found else {
        let next = "record it: attestry record sbom";
        return Ok(Err(Answer::waiting(format!("no {WHAT} is recorded")).next(next)));
    };
    Ok(match staleness(bill, WHAT, max_age, context) {
        Some(answer) => Err(answer),
        None => Ok(bill),
    })
}

/// The answer where a bill of materials is only named by digest, so that no gate can read it.
pub fn elsewhere() -> Answer {
    Answer::indeterminate(format!("the {WHAT} is an attachment, which no gate reads"))
        .next("record a document that fits into an envelope")
}

fn judge(gate: &Sbom, facts: &SbomFacts) -> Answer {
    let asks = gate.names_artifact || gate.min_components.is_some() || !gate.formats.is_empty();
    let Some(BillFacts { format, covers, components, .. }) = &facts.bill else {
        return match asks {
            true => elsewhere(),
            false => Answer::pass(format!("{} recorded", facts.predicate_type)),
        };
    };
    if !gate.formats.is_empty() && !gate.formats.contains(format) {
        let words: Vec<&str> = gate.formats.iter().map(|it| it.name()).collect();
        let reason = format!("it is {}, policy asks for {}", format.name(), words.join(" or "));
        return Answer::fail(reason).next("record one in a format that the policy lists");
    }
    if let Some(min) = gate.min_components.filter(|min| components < min) {
        let reason = format!("{components} components, policy asks for {min}");
        return Answer::fail(reason).next("record one that lists every component");
    }
    let again = "have the tool write the artifact's SHA-256 into it, and record it again";
    match covers {
        Covers::Other => Answer::fail("it names the digest of another artifact").next(again),
        Covers::Unnamed if gate.names_artifact => {
            Answer::waiting("it names no digest of an artifact").next(again)
        }
        Covers::Unnamed => {
            Answer::pass(format!("{components} components, names no digest of an artifact"))
        }
        Covers::Named => Answer::pass(format!("{components} components, names the artifact")),
    }
}

#[cfg(test)]
pub(super) mod tests;
