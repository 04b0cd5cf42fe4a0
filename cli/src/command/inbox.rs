//! `attestry inbox`: what waits for whom, overdue first.

use clap::Args;
use schemas::id::{EntryIndex, Environment, IdentityName};
use schemas::predicate::decision::Outcome;
use serde_json::{Value, json};
use verifier::owed::inbox::{Item, Late, What, Whose, inbox};
use verifier::policy::supply;
use verifier::projection::slice::ControlSlice;
use verifier::view::Named;

use crate::argument::ScopeArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{History, HistoryArgs};
use crate::io::Io;
use crate::output::{WIDTH, columns, labelled, minute, plural, span};

/// List what waits for whom: gates of open requests, and reviews that are due
#[derive(Debug, Args)]
#[command(
    before_help = example!("attestry inbox --role security"),
    after_help = "What is overdue comes first. A gate is overdue where it has not admitted within the \
                  policy's `limit`; then it goes to the role in `escalate`.\n\nExit codes: 0 nothing \
                  waits, 3 something does."
)]
pub struct InboxArgs {
    /// Only what this role can supply, or has come to it overdue
    #[arg(long, value_name = "R", conflicts_with = "identity")]
    pub role: Option<String>,
    /// Only what this identity can supply
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,
    #[command(flatten)]
    pub project: ScopeArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
}

pub fn run(args: &InboxArgs, io: &mut Io) -> Result<Exit, Failure> {
    let named = args.project.named(io)?;
    let identity = args.identity.as_deref().map(parse_identity).transpose()?;
    let history = History::open(&args.history, io)?;
    let projects = history.projects(named)?;
    let control = history.control()?;
    let whose = match (&args.role, &identity) {
        (Some(role), _) => Whose::Role(known_role(role, &control)?),
        (None, Some(name)) => Whose::Identity(known_identity(name, &control)?),
        (None, None) => Whose::Everybody,
    };
    let items = history.ask(|view| inbox(&view, &projects, whose))?;
    let text = render(&history, &items);
    let list: Vec<Value> = items.iter().map(to_json).collect();
    io.answer(&text, &json!({ "size": history.size()?, "items": list }))?;
    let waits = if items.is_empty() { Exit::Done } else { Exit::No };
    Ok(history.exit(io).worse(waits))
}

fn parse_identity(text: &str) -> Result<IdentityName, Failure> {
    text.parse().map_err(|cause| Failure::usage(format!("--identity: {cause}")))
}

/// A role that nobody has and no policy names is a mistake in writing: nothing would ever wait for
/// it.
fn known_role<'a>(role: &'a str, control: &ControlSlice) -> Result<&'a str, Failure> {
    let grants = control.trust.iter().flat_map(|trust| &trust.document.grants);
    let rules = control.policies.values().flat_map(|policy| &policy.document.environments);
    let asked = control.policies.iter().flat_map(|(project, policy)| {
        policy.document.environments.iter().flat_map(move |rule| {
            let environment = Environment { project: project.clone(), name: rule.name.clone() };
            let gates = rule.gate_lists().flat_map(|(_, gates)| gates);
            gates.flat_map(move |gate| {
                let next = gate.labels.escalate.clone();
                supply::roles(&gate.gate, None, &environment).into_iter().chain(next)
            })
        })
    });
    let reviews = rules.filter_map(|rule| rule.emergency.as_ref());
    let mut reviewers = reviews.flat_map(|path| &path.review.roles);
    let known = grants.map(|grant| grant.role.clone()).chain(asked).any(|it| it == role)
        || reviewers.any(|it| it == role);
    match known {
        true => Ok(role),
        false => {
            let message = format!("nobody has the role {role}, and no policy names it");
            Err(Failure::not_found(message).hint("attestry trust show"))
        }
    }
}

fn known_identity<'a>(
    name: &'a IdentityName,
    control: &ControlSlice,
) -> Result<&'a IdentityName, Failure> {
    let mut known = control.trust.iter().flat_map(|trust| &trust.document.identities);
    match known.any(|identity| identity.name == *name) {
        true => Ok(name),
        false => {
            let message = format!("there is no identity {name}");
            Err(Failure::not_found(message).hint("attestry trust show"))
        }
    }
}

/// Requests one below the other, each with what it waits for.
fn render(history: &History, items: &[Item]) -> String {
    let mut text = String::new();
    let mut request: Option<EntryIndex> = None;
    let widest = items.iter().map(|it| columns(&label(it))).max().unwrap_or(0).min(24);
    for it in items {
        if request.replace(it.request) != Some(it.request) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&heading(history, it));
        }
        text.push_str(&block(history, it, widest));
    }
    if items.is_empty() {
        return "nothing waits\n".to_owned();
    }
    text + "\n" + &conclusion(items) + "\n"
}

fn heading(history: &History, it: &Item) -> String {
    let more = match it.with.len() {
        0 => String::new(),
        more => format!(" + {more}"),
    };
    let head = format!("P-{}  {}{more} -> {}", it.request, it.artifact.line(), it.environment);
    let ago = span(history.now().since(it.since));
    let asked = match &it.requester {
        Some(name) => format!("asked by {name} {ago} ago"),
        None => format!("granted {ago} ago"),
    };
    let gap = WIDTH.saturating_sub(columns(&head) + columns(&asked));
    match gap {
        0 | 1 => format!("{head}\n       {asked}\n"),
        gap => format!("{head}{:gap$}{asked}\n", ""),
    }
}

fn label(it: &Item) -> String {
    match &it.what {
        What::Gate(gate) => gate.id.clone(),
        What::Decision(_) => "decision".to_owned(),
        What::Review { .. } => "review".to_owned(),
        What::Unknown => "gates".to_owned(),
    }
}

fn block(history: &History, it: &Item, width: usize) -> String {
    let mut text = String::new();
    let mut label = label(it);
    let mut line = |said: &str| {
        text.push_str(&labelled(2, &label, width + 1, said));
        label.clear();
    };
    if let Some(late) = &it.late {
        line(&overdue(history, late));
    }
    match &it.what {
        What::Gate(gate) => {
            line(&format!("{}: {}", gate.verdict.name(), gate.reason));
            if let Some(next) = &gate.next {
                line(&format!("-> {next}"));
            }
        }
        What::Decision(Outcome::Granted) => line("may be granted -> attestry evaluate"),
        What::Decision(Outcome::Denied) => line("a gate fails -> attestry evaluate"),
        What::Review { granted, due } => {
            line(&format!("of the emergency granted by entry {granted}, due {} UTC", minute(*due)));
            line(&format!(
                "-> attestry approve P-{} --meaning post-hoc-review --reason R",
                it.request
            ));
        }
        What::Unknown => line("cannot be told from this pack"),
    }
    if !it.people.is_empty() {
        let names: Vec<&str> = it.people.iter().map(IdentityName::as_str).collect();
        let roles = match it.roles.is_empty() {
            true => String::new(),
            false => format!(" ({})", it.roles.join(" or ")),
        };
        line(&format!("by {}{roles}", names.join(", ")));
    } else if !it.roles.is_empty() {
        line(&format!("by nobody who is {}", it.roles.join(" or ")));
    }
    text
}

fn overdue(history: &History, late: &Late) -> String {
    let ago = span(history.now().since(late.since));
    let next = match (&late.role, late.people.as_slice()) {
        (None, _) => String::new(),
        (Some(role), []) => format!("; next in line: {role}, which nobody is"),
        (Some(role), people) => {
            let names: Vec<&str> = people.iter().map(IdentityName::as_str).collect();
            format!("; next in line: {} ({role})", names.join(", "))
        }
    };
    format!("overdue for {ago}{next}")
}

fn conclusion(items: &[Item]) -> String {
    let reviews = items.iter().filter(|it| matches!(it.what, What::Review { .. })).count() as u64;
    let waiting = items.len() as u64 - reviews;
    let late = items.iter().filter(|it| it.late.is_some()).count() as u64;
    let mut parts = Vec::new();
    if waiting > 0 {
        let mut requests: Vec<EntryIndex> = items
            .iter()
            .filter(|it| !matches!(it.what, What::Review { .. }))
            .map(|it| it.request)
            .collect();
        requests.dedup();
        let of = plural(requests.len() as u64, "request", "requests");
        parts.push(match waiting {
            1 => format!("1 thing of {of} waits"),
            more => format!("{more} things of {of} wait"),
        });
    }
    if reviews > 0 {
        parts.push(match reviews {
            1 => "1 review is due".to_owned(),
            more => format!("{more} reviews are due"),
        });
    }
    if late > 0 {
        parts.push(format!("{late} overdue"));
    }
    parts.join(", ")
}

fn to_json(it: &Item) -> Value {
    let mut object = json!({
        "request": format!("P-{}", it.request),
        "environment": it.environment,
        "artifact": named(&it.artifact),
        "with": it.with.iter().map(named).collect::<Vec<_>>(),
        "since": it.since,
        "roles": it.roles,
        "people": it.people,
    });
    let mut put = |name: &str, value: Value| object[name] = value;
    if let Some(requester) = &it.requester {
        put("requester", json!(requester));
    }
    match &it.what {
        What::Gate(gate) => {
            put("what", json!("gate"));
            put("gate", json!(gate));
        }
        What::Decision(outcome) => {
            put("what", json!("decision"));
            put("outcome", json!(outcome));
        }
        What::Review { granted, due } => {
            put("what", json!("review"));
            put("granted", json!(granted));
            put("due", json!(due));
        }
        What::Unknown => put("what", json!("unknown")),
    }
    if let Some(late) = &it.late {
        let mut overdue = json!({ "since": late.since, "people": late.people });
        if let Some(role) = &late.role {
            overdue["role"] = json!(role);
        }
        put("overdue", overdue);
    }
    object
}

fn named(it: &Named) -> Value {
    json!({ "name": it.name, "version": it.version, "digest": it.digest })
}
