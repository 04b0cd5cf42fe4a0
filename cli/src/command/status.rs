//! `attestry status`: what is where, since when, and what waits.

use clap::Args;
use schemas::id::{Environment, Project};
use schemas::policy::PolicyDocument;
use schemas::predicate::decision::Outcome;
use serde_json::{Value, json};
use verifier::policy::Ask;

use crate::argument::ScopeArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{History, HistoryArgs};
use crate::io::Io;
use crate::output::names::Called;
use crate::output::{cut, gates, span, table};

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
    let known = history.projects()?;
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
    let control = history.control()?;
    let mut text = String::new();
    let mut items = Vec::new();
    for project in &projects {
        let Some(policy) = control.policies.get(project) else {
            text.push_str(&format!("{project}\n  no policy yet: attestry policy set FILE\n\n"));
            items.push(json!({ "project": project, "environments": [] }));
            continue;
        };
        let cells = cells(&history, project, &policy.document)?;
        text.push_str(&render(project, &cells));
        let environments: Vec<&Value> = cells.iter().map(|cell| &cell.json).collect();
        items.push(json!({ "project": project, "environments": environments }));
    }
    if projects.is_empty() {
        text.push_str("no project yet: a grant names the first one (attestry identity add)\n");
    }
    let size = history.size()?;
    io.answer(text.trim_end(), &json!({ "size": size, "projects": items }))?;
    Ok(history.exit(io))
}

/// One environment of a project.
struct Cell {
    name: String,
    running: String,
    since: String,
    state: String,
    json: Value,
}

fn cells(
    history: &History,
    project: &Project,
    policy: &PolicyDocument,
) -> Result<Vec<Cell>, Failure> {
    let environments = policy
        .environments
        .iter()
        .map(|rule| Environment { project: project.clone(), name: rule.name.clone() });
    environments.map(|environment| cell(history, &environment)).collect()
}

fn cell(history: &History, environment: &Environment) -> Result<Cell, Failure> {
    let slice = history.environment(environment)?.unwrap_or_default();
    let mut running = None;
    if let Some(deployed) = &slice.deployed {
        let known = history.artifact(&deployed.artifact)?;
        let called = Called::of(&deployed.artifact, known.as_ref(), &environment.project);
        let place = known
            .as_ref()
            .and_then(|known| known.projects.get(&environment.project))
            .and_then(|known| known.places.get(&environment.name));
        // A denial in between takes nothing from the environment's newest grant.
        let newest = slice
            .granted
            .as_ref()
            .is_some_and(|it| it.artifact == deployed.artifact && it.entry < deployed.entry);
        let granted =
            newest || place.and_then(|it| it.deployed.as_ref()).is_some_and(|it| it.granted);
        running = Some((called, deployed, granted));
    }
    let mut requests = Vec::new();
    for (index, request) in &slice.requests {
        let ask = Ask { environment, artifact: &request.artifact, request: Some(*index) };
        let evaluation = history.evaluate(&ask)?;
        let state = match evaluation.as_ref().map(|it| (it.outcome(), &it.gates)) {
            None => "cannot be told".to_owned(),
            Some((Some(Outcome::Granted), _)) => "may be granted".to_owned(),
            Some((Some(Outcome::Denied), list)) => format!("fails {}", gates::open_names(list)),
            Some((None, list)) => format!("waits: {}", gates::open_names(list)),
        };
        requests.push((*index, request.artifact.clone(), state));
    }
    let granted = running.as_ref().is_none_or(|(_, _, granted)| *granted);
    let state = match (requests.last(), granted) {
        (Some((index, _, state)), _) => match requests.len() {
            1 => format!("P-{index} {state}"),
            more => format!("P-{index} {state}; {} more open", more - 1),
        },
        (None, false) => "deployed without grant".to_owned(),
        (None, true) if history.leaves_out(environment) => "not in this pack".to_owned(),
        (None, true) => running.as_ref().map_or("-", |_| "ok").to_owned(),
    };
    let json = json!({
        "environment": environment.name,
        "known": !history.leaves_out(environment),
        "running": running.as_ref().map(|(called, deployed, granted)| json!({
            "artifact": called.to_json(), "since": deployed.time, "entry": deployed.entry,
            "granted": granted,
        })),
        "requests": requests.iter().map(|(index, artifact, state)| json!({
            "request": format!("P-{index}"), "artifact": artifact, "state": state,
        })).collect::<Vec<_>>(),
    });
    let (shown, since) = match &running {
        Some((called, deployed, _)) => (short(called), span(history.now().since(deployed.time))),
        None if history.leaves_out(environment) => ("?".to_owned(), String::new()),
        None => ("-".to_owned(), String::new()),
    };
    Ok(Cell { name: environment.name.to_string(), running: shown, since, state, json })
}

/// `1.4.2 9f2c41d0`; the name where no version is known.
fn short(called: &Called) -> String {
    let word = called.version.as_deref().or(called.name.as_deref()).unwrap_or_default();
    format!("{word} {}", &called.digest.hex()[..8]).trim_start().to_owned()
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
