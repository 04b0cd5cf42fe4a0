//! Everything that is signed, in words, before it is.

use schemas::id::IdentityName;
use schemas::policy::Duration;
use schemas::predicate::approval::{Approval, ApprovalOutcome};
use verifier::card::Card;

use super::asked::Asked;
use crate::command::promote::plans;
use crate::output::names::{Called, ends};
use crate::output::{WIDTH, labelled, minute, wrap};

/// What somebody is about to sign: whoever touches a security key sees nothing else.
pub fn you_sign(
    asked: &Asked,
    name: &IdentityName,
    card: Option<&Card>,
    body: &Approval,
    lasts: &Duration,
) -> String {
    let evidence = body.seen.size.saturating_sub(1);
    let mut rows = vec![
        ("name", printed(name, card, body)),
        ("role", body.role.clone()),
        ("meaning", body.meaning.clone()),
        ("reason", body.reason.clone()),
        ("policy", format!("{}, evidence as of entry {evidence}", asked.policy.revision)),
        ("expires", format!("in {lasts}, {} UTC", minute(body.expires_at))),
        ("asked", asked.body.reason.clone()),
    ];
    rows.extend(asked.body.ticket.clone().map(|ticket| ("ticket", ticket)));
    rows.extend(unusual(asked).map(|path| ("path", path)));
    let mut lines = wrap(&format!("You sign: {}", sentence(asked, body)), WIDTH);
    for (label, text) in rows {
        lines.push(labelled(2, label, 8, &text).trim_end().to_owned());
    }
    let plans = plans::lines(asked.body.plans.as_ref());
    lines.extend(plans.lines().map(str::to_owned));
    // Whole, and on a line of its own: behind a label it is wider than 80 columns.
    lines.extend(asked.called.iter().map(|it| format!("  {}", it.digest)));
    lines.join("\n")
}

fn sentence(asked: &Asked, body: &Approval) -> String {
    let verb = match body.outcome {
        ApprovalOutcome::Granted => "approve",
        ApprovalOutcome::Rejected => "reject",
        ApprovalOutcome::Withdrawn => "withdraw",
    };
    let Asked { index, environment, called, .. } = asked;
    let title = |called: &Called| match called.title() {
        title if title.is_empty() => ends(&called.digest),
        title => format!("{title} ({})", ends(&called.digest)),
    };
    let title = called.iter().map(title).collect::<Vec<_>>().join(" and ");
    match &asked.due {
        None => format!(
            "I {verb} the {} of {title} to {environment}, as asked in P-{index}.",
            body.meaning
        ),
        Some(due) => format!(
            "I {verb}, after the fact, the emergency P-{index}: {title} to {environment}, granted \
             as entry {}.",
            due.granted
        ),
    }
}

/// Under which name: that of the person card, where it is at hand, with the identity's.
fn printed(name: &IdentityName, card: Option<&Card>, body: &Approval) -> String {
    let mode = body.signing_mode.name();
    match card {
        Some(card) => format!("{} ({name}), by {mode}", card.printed()),
        None => format!("{name}, by {mode}"),
    }
}

/// Another path than the normal one, and the incident that it answers.
fn unusual(asked: &Asked) -> Option<String> {
    let path = asked.body.path;
    let incident = asked.body.incident.map(|entry| format!("for the incident of entry {entry}"));
    match (path.is_normal(), incident) {
        (true, None) => None,
        (true, Some(incident)) => Some(incident),
        (false, None) => Some(path.name().to_owned()),
        (false, Some(incident)) => Some(format!("{}, {incident}", path.name())),
    }
}
