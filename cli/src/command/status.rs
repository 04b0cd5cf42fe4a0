//! `attestry status`: what is where, since when, and what waits.

use clap::Args;
use schemas::id::Project;
use serde_json::{Value, json};
use verifier::status::{
    EnvironmentStatus, ProjectStatus, RequestStatus, RunningStatus, projects, status,
};

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
    let known = projects(&history.control()?);
    if let Some(named) = named.as_ref().filter(|named| !known.contains(named)) {
        let names: Vec<&str> = known.iter().map(Project::as_str).collect();
        return Err(Failure::new(
            Exit::No,
            "unknown-project",
            format!("there is no project {named}"),
        )
        .hint(format!("there are: {}", names.join(", "))));
    }
    let projects = named.map_or(known, |named| vec![named]);
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
}

fn cell(history: &History, it: &EnvironmentStatus) -> Cell {
    let granted = it.running.as_ref().is_none_or(|running| running.granted);
    let state = match (it.requests.last(), granted) {
        (Some(RequestStatus { request, path, state, .. }), _) => {
            let by = match path.is_normal() {
                true => String::new(),
                false => format!(" ({})", path.name()),
            };
            match it.requests.len() {
                1 => format!("P-{request}{by} {state}"),
                more => format!("P-{request}{by} {state}; {} more open", more - 1),
            }
        }
        (None, false) => "deployed without grant".to_owned(),
        (None, true) if !it.known => "not in this pack".to_owned(),
        (None, true) => it.running.as_ref().map_or("-", |_| "ok").to_owned(),
    };
    let (running, since) = match &it.running {
        Some(running) => (short(running), span(history.now().since(running.since))),
        None if !it.known => ("?".to_owned(), String::new()),
        None => ("-".to_owned(), String::new()),
    };
    Cell { name: it.environment.to_string(), running, since, state }
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
            "request": format!("P-{}", it.request), "artifact": it.artifact, "path": it.path,
            "artifacts": std::iter::once(&it.artifact).chain(&it.with).collect::<Vec<_>>(),
            "state": it.state,
        })).collect::<Vec<_>>(),
        "reviews": reviews::to_json(&it.reviews),
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
    let wide = table(&[
        line("", &|cell| &cell.name),
        line(project.as_str(), &|cell| &cell.running),
        line("", &|cell| &cell.since),
        line("", &|cell| &cell.state),
    ]);
    if wide.lines().all(|line| crate::output::columns(line) <= crate::output::WIDTH) {
        return format!("{wide}\n");
    }
    let rows: Vec<Vec<String>> = cells
        .iter()
        .map(|it| {
            vec![format!("  {}", it.name), it.running.clone(), it.since.clone(), cut(&it.state, 40)]
        })
        .collect();
    format!("{project}\n{}\n", table(&rows))
}
