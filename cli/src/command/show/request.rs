//! How a promotion request stands, beside what was signed.

use schemas::id::{EntryIndex, Environment, Time};
use schemas::predicate::promotion_request::PromotionRequest;
use serde_json::{Value, json};
use verifier::event::Body;
use verifier::policy::Ask;
use verifier::projection::Missing;
use verifier::projection::promotion::Closed;
use verifier::status::{ReviewStatus, reviews};
use verifier::view::{View, state_of};

use crate::failure::Failure;
use crate::history::{History, Line};
use crate::output::{labelled, minute};

/// What the log knows of a request now.
struct Standing {
    state: String,
    review: Option<ReviewStatus>,
}

/// Lines for people and an object for machines; nothing where the entry is no request.
pub fn about(history: &History, line: &Line) -> Result<Option<(String, Value)>, Failure> {
    let Some(Body::PromotionRequest(body)) = line.event.as_ref().map(|event| &event.body) else {
        return Ok(None);
    };
    let index = line.entry.index;
    let standing = match &body.withdraws {
        Some(_) => None,
        None => Some(history.ask(|view| standing(&view, body, index))?),
    };
    let mut json = to_json(body);
    let review = standing.as_ref().and_then(|it| it.review.as_ref());
    let review = review.map(|it| json!({ "dueAt": it.due_at, "overdue": it.overdue }));
    json["state"] = json!(standing.as_ref().map(|it| &it.state));
    json["review"] = json!(review);
    Ok(Some((text(body, standing.as_ref()), json)))
}

fn standing(
    view: &View<'_>,
    body: &PromotionRequest,
    index: EntryIndex,
) -> Result<Standing, Missing> {
    let environment = Environment { project: body.project.clone(), name: body.to.clone() };
    let Some(slice) = view.environment(&environment)? else {
        return Ok(Standing { state: "cannot be told here".to_owned(), review: None });
    };
    let review = reviews(slice, view.at).into_iter().find(|it| it.request == index);
    let state = match slice.requests.get(&index).filter(|it| !it.is_expired(view.at)) {
        Some(request) => {
            let artifact = &request.artifact;
            let ask = Ask { environment: &environment, artifact, request: Some(index) };
            format!("open, {}", state_of(view.evaluate(&ask)?.as_ref()))
        }
        None => closed(slice.closed.iter().find(|it| it.request() == index)),
    };
    Ok(Standing { state, review })
}

/// Where a closed promotion stands; the oldest are not kept.
fn closed(closed: Option<&Closed>) -> String {
    let Some(closed) = closed else { return "not open any more".to_owned() };
    let mut moves = closed.moves();
    moves.extend(closed.reviewed().map(|step| ("reviewed", step)));
    match moves.is_empty() {
        true => closed.state().to_owned(),
        false => {
            let words = moves.iter().map(|(word, step)| format!("{word} as entry {}", step.entry));
            words.collect::<Vec<_>>().join(", ")
        }
    }
}

fn text(body: &PromotionRequest, standing: Option<&Standing>) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    rows.extend(body.withdraws.iter().map(|it| ("withdraws", format!("P-{}", it.index))));
    rows.extend(standing.map(|it| ("state", it.state.clone())));
    if !body.path.is_normal() {
        rows.push(("path", body.path.name().to_owned()));
    }
    rows.extend(body.incident.map(|entry| ("incident", format!("entry {entry}"))));
    let review = standing.and_then(|it| it.review.as_ref());
    rows.extend(review.map(|it| ("review", when(it.overdue, it.due_at))));
    let mut text: String = rows.iter().map(|(label, words)| labelled(0, label, 9, words)).collect();
    for (name, digest) in body.plans.iter().flat_map(|plans| plans.named()) {
        text.push_str(&format!("{name}\n  {digest}\n"));
    }
    text
}

fn when(overdue: bool, due_at: Time) -> String {
    let due = minute(due_at);
    if overdue { format!("OVERDUE since {due} UTC") } else { format!("due by {due} UTC") }
}

/// What a request asks for, as it was signed.
fn to_json(body: &PromotionRequest) -> Value {
    json!({
        "path": body.path, "incident": body.incident, "plans": body.plans,
        "withdraws": body.withdraws.as_ref().map(|it| format!("P-{}", it.index)),
    })
}
