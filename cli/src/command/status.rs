//! `attestry status`: what is where, since when, and what waits.

use clap::Args;
use schemas::id::Project;
use serde_json::{Value, json};
use verifier::status::{EnvironmentStatus, ProjectStatus, RequestStatus, RunningStatus, status};

use crate::argument::ScopeArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{History, HistoryArgs};
use crate::io::Io;
use crate::output::{cut, reviews, span, table};

/// Show what is deployed where, and which requests wait for what
#[derive(Debug, Args)]
#[command(before_help = example!("attestry status --project payments"))]
pub struct StatusArgs {
    #[command(flatten)]
    pub project: ScopeArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
}

pub fn run(args: &StatusArgs, io: &mut Io) -> Result<Exit, Failure> {
    let named = args.project.named(io)?;
    let history = History::open(&args.history, io)?;
    let projects = history.projects(named)?;
    let found = history.ask(|view| status(&view, &projects))?;
    let mut text = String::new();
    let mut items = Vec::new();
    for ProjectStatus { project, environments } in &found {
        let Some(environments) = environments else {
            text.push_str(&format!("{project}\n  no policy yet: attestry policy set FILE\n\n"));
            items.push(json!({ "project": project, "environments": [] }));
            continue;
        };
        let cells: Vec<Cell> = environments.iter().map(|it| cell(&history, it)).collect();
        text.push_str(&render(project, &cells));
        text.push_str(&due(environments));
        let environments: Vec<Value> = environments.iter().map(to_json).collect();
        items.push(json!({ "project": project, "environments": environments }));
    }
    if projects.is_empty() {
        text.push_str("no project yet: a grant names the first one (attestry identity add)\n");
    }
    let size = history.size()?;
    io.answer(text.trim_end(), &json!({ "size": size, "projects": items }))?;
    Ok(history.exit(io))
}

/// The reviews that are due, below the environments.
fn due(environments: &[EnvironmentStatus]) -> String {
    let each = environments.iter().map(|it| reviews::render(&it.environment, &it.reviews));
    let text: String = each.collect();
    if text.is_empty() { text } else { format!("{text}\n") }
}

/// One environment of a project, as it is printed.
struct Cell {
    name: String,
    running: String,
    since: String,
    state: String,
    /// What runs there was granted by nobody, which an open request does not hide.
    ungranted: bool,
    /// Empty where nobody has ever looked.
    drift: String,
}

/// Nothing had granted what runs there.
const UNGRANTED: &str = "deployed without grant";

fn cell(history: &History, it: &EnvironmentStatus) -> Cell {
    let granted = it.running.as_ref().is_none_or(|running| running.granted);
    let state = match (it.requests.last(), granted) {
        (Some(RequestStatus { request, path, state, .. }), _) => {
            let by = match path.is_normal() {
                true => String::new(),
                false => format!(" ({})", path.name()),
            };
            let more = match it.requests.len() {
                1 => String::new(),
                more => format!("; {} more open", more - 1),
            };
            format!("P-{request}{by} {state}{}{more}", late(&it.requests))
        }
        (None, false) => UNGRANTED.to_owned(),
        (None, true) if !it.known => "not in this pack".to_owned(),
        (None, true) => it.running.as_ref().map_or("-", |_| "ok").to_owned(),
    };
    let (running, since) = match &it.running {
        Some(running) => (short(running), span(history.now().since(running.since))),
        None if !it.known => ("?".to_owned(), String::new()),
        None => ("-".to_owned(), String::new()),
    };
    let ungranted = !granted && !it.requests.is_empty();
    let (name, drift) = (it.environment.to_string(), drifted(history, it));
    Cell { name, running, since, state, ungranted, drift }
}

/// Says which requests have waited for too long, whichever is shown.
fn late(requests: &[RequestStatus]) -> String {
    let late = |it: &&RequestStatus| !it.overdue.is_empty();
    let names: Vec<String> = match requests {
        [only] => only.overdue.iter().map(|it| it.gate.clone()).collect(),
        many => many.iter().filter(late).map(|it| format!("P-{}", it.request)).collect(),
    };
    match names.is_empty() {
        true => String::new(),
        false => format!(" (overdue: {})", names.join(", ")),
    }
}

/// `none (observed 4 min ago)`
fn drifted(history: &History, it: &EnvironmentStatus) -> String {
    let Some(look) = &it.drift.look else { return String::new() };
    let ago = span(history.now().since(look.taken_at));
    match it.drift.differences.len() {
        0 => format!("none ({ago} ago)"),
        1 => format!("1 difference ({ago} ago)"),
        more => format!("{more} differences ({ago} ago)"),
    }
}

fn to_json(it: &EnvironmentStatus) -> Value {
    json!({
        "environment": it.environment,
        "known": it.known,
        "running": it.running.as_ref().map(|running| json!({
            "artifact": {
                "name": running.name, "version": running.version, "digest": running.artifact,
            },
            "beside": running.beside, "since": running.since, "entry": running.entry,
            "granted": running.granted,
        })),
        "requests": it.requests.iter().map(|it| json!({
            "request": format!("P-{}", it.request), "artifact": it.artifact,
            "artifacts": std::iter::once(&it.artifact).chain(&it.with).collect::<Vec<_>>(),
            "path": it.path, "state": it.state,
            "overdue": it.overdue.iter().map(|it| &it.gate).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "reviews": reviews::to_json(&it.reviews),
        "drift": it.drift.look.as_ref().map(|look| json!({
            "takenAt": look.taken_at,
            "differences": it.drift.differences.iter().map(|it| it.kind.name()).collect::<Vec<_>>(),
        })),
    })
}

/// `1.4.2 9f2c41d0`; the name where no version is known; and how many run beside it.
fn short(running: &RunningStatus) -> String {
    let word = running.version.as_deref().or(running.name.as_deref()).unwrap_or_default();
    let beside = match running.beside.len() {
        0 => String::new(),
        more => format!(" +{more}"),
    };
    format!("{word} {}{beside}", &running.artifact.hex()[..8]).trim_start().to_owned()
}

/// Environments side by side where they fit, else below one another.
fn render(project: &Project, cells: &[Cell]) -> String {
    let line = |first: &str, pick: &dyn Fn(&Cell) -> &str| {
        let mut row = vec![first.to_owned()];
        row.extend(cells.iter().map(|cell| pick(cell).to_owned()));
        row
    };
    let mut lines = vec![
        line("", &|cell| &cell.name),
        line(project.as_str(), &|cell| &cell.running),
        line("", &|cell| &cell.since),
        line("", &|cell| &cell.state),
    ];
    if cells.iter().any(|cell| cell.ungranted) {
        lines.push(line("", &|cell| if cell.ungranted { UNGRANTED } else { "" }));
    }
    // Where nobody looks there is nothing to say, and `attestry drift` says that.
    if cells.iter().any(|cell| !cell.drift.is_empty()) {
        let drift = |cell: &Cell| match cell.drift.is_empty() {
            true => "not observed".to_owned(),
            false => cell.drift.clone(),
        };
        lines.push([String::from("drift")].into_iter().chain(cells.iter().map(drift)).collect());
    }
    let wide = table(&lines);
    if wide.lines().all(|line| crate::output::columns(line) <= crate::output::WIDTH) {
        return format!("{wide}\n");
    }
    let rows = |it: &Cell| {
        let name = format!("  {}", it.name);
        let mut rows = vec![vec![name, it.running.clone(), it.since.clone(), cut(&it.state, 40)]];
        let mut below =
            |said: String| rows.push(vec![String::new(), String::new(), String::new(), said]);
        if it.ungranted {
            below(UNGRANTED.to_owned());
        }
        if !it.drift.is_empty() {
            let drift = format!("drift: {}", it.drift);
            below(drift);
        }
        rows
    };
    let rows: Vec<Vec<String>> = cells.iter().flat_map(rows).collect();
    format!("{project}\n{}\n", table(&rows))
}
