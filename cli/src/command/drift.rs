//! `attestry drift`: where what runs differs from what was granted.

use clap::Args;
use schemas::id::{Environment, Project};
use serde_json::{Value, json};
use verifier::drift::{Difference, Drift, DriftKind, Expected, Look, drift};
use verifier::projection::Missing;
use verifier::view::View;

use crate::argument::{ScopeArgs, parse_environment, parse_project, project_of_environment};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{History, HistoryArgs};
use crate::io::Io;
use crate::output::{WIDTH, columns, labelled, plural, span};

/// Compare the newest look at environments with what was granted there
#[derive(Debug, Args)]
#[command(
    before_help = example!("attestry drift prod"),
    after_help = "Looks are recorded by `attestry observe`.\n\nExit codes: 0 no difference, 3 there is \
                  one, 8 one could not be told."
)]
pub struct DriftArgs {
    /// Only this environment
    #[arg(value_name = "ENV")]
    pub environment: Option<String>,
    #[command(flatten)]
    pub project: ScopeArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
}

pub fn run(args: &DriftArgs, io: &mut Io) -> Result<Exit, Failure> {
    let named = match args.environment.as_deref().and_then(project_of_environment) {
        Some(project) => {
            // Named twice, it must be the same one.
            let other = args.project.project.as_deref().map(parse_project).transpose()?;
            parse_environment(args.environment.as_deref().unwrap_or_default(), other.as_ref())?;
            Some(project)
        }
        None => args.project.named(io)?,
    };
    let history = History::open(&args.history, io)?;
    let projects = history.projects(named)?;
    let environments = environments(args.environment.as_deref(), &projects, &history)?;
    let found = history.ask(|view| drifts(&view, &environments))?;
    let text = render(&history, &found);
    let list: Vec<Value> = found.iter().map(to_json).collect();
    io.answer(&text, &json!({ "size": history.size()?, "environments": list }))?;
    Ok(history.exit(io).worse(exit(&found)))
}

fn drifts(view: &View<'_>, environments: &[Environment]) -> Result<Vec<Drift>, Missing> {
    environments.iter().map(|it| drift(view, it)).collect()
}

/// The environments that are meant: the one that is named, else all that the policies name.
fn environments(
    text: Option<&str>,
    projects: &[Project],
    history: &History,
) -> Result<Vec<Environment>, Failure> {
    let control = history.control()?;
    let of = |project: &Project| {
        let policy = control.policies.get(project);
        let rules = policy.into_iter().flat_map(|policy| &policy.document.environments);
        let name = |name: &schemas::id::EnvironmentName| Environment {
            project: project.clone(),
            name: name.clone(),
        };
        rules.map(|rule| name(&rule.name)).collect::<Vec<_>>()
    };
    let all: Vec<Environment> = projects.iter().flat_map(of).collect();
    let Some(text) = text else { return Ok(all) };
    let only = match projects {
        [only] => Some(only),
        _ => None,
    };
    let wanted = parse_environment(text, only)?;
    if !all.contains(&wanted) {
        let names: Vec<String> = all.iter().map(Environment::to_string).collect();
        let message = format!("no policy has an environment {wanted}");
        return Err(Failure::new(Exit::No, "unknown-environment", message)
            .hint(format!("there are: {}", names.join(", "))));
    }
    Ok(vec![wanted])
}

/// 3 where something differs, 8 where only that cannot be told.
fn exit(found: &[Drift]) -> Exit {
    let kinds = found.iter().flat_map(|it| &it.differences).map(|it| it.kind);
    kinds.fold(Exit::Done, |exit, kind| {
        exit.worse(match kind {
            DriftKind::CannotBeTold => Exit::Unknown,
            DriftKind::UnapprovedDigest
            | DriftKind::RolledBackRuns
            | DriftKind::TagDrift
            | DriftKind::OlderThanGranted
            | DriftKind::GrantedNotRunning
            | DriftKind::NeverObserved
            | DriftKind::ObservedLongAgo => Exit::No,
        })
    })
}

fn render(history: &History, found: &[Drift]) -> String {
    let mut text = String::new();
    for it in found {
        let head = it.environment.to_string();
        let seen = match (&it.look, it.known) {
            (Some(look), _) => looked(history, look),
            (None, false) => "not in this pack".to_owned(),
            (None, true) if it.differences.is_empty() => "nothing granted yet".to_owned(),
            (None, true) => "never observed".to_owned(),
        };
        let gap = WIDTH.saturating_sub(columns(&head) + columns(&seen)).max(2);
        text.push_str(&format!("{head}{:gap$}{seen}\n", ""));
        for expected in it.expected.iter().filter(|_| !it.differences.is_empty()) {
            text.push_str(&labelled(2, "should run", 20, &should(expected)));
        }
        for difference in &it.differences {
            let said = said(history, it, difference);
            text.push_str(&labelled(2, difference.kind.name(), 20, &said));
        }
        if it.differences.is_empty() && it.look.is_some() {
            text.push_str("  none\n");
        }
        text.push('\n');
    }
    if found.is_empty() {
        return "no policy names an environment: attestry policy set FILE\n".to_owned();
    }
    let differ = found.iter().filter(|it| !it.differences.is_empty()).count() as u64;
    let of = plural(found.len() as u64, "environment", "environments");
    match differ {
        0 => text + &format!("no difference in {of}\n"),
        1 => text + &format!("1 of {of} differs\n"),
        more => text + &format!("{more} of {of} differ\n"),
    }
}

/// `observed 4 min ago: 3 instances of 1 artifact (kubernetes, entry 131)`.
fn looked(history: &History, look: &Look) -> String {
    let ago = span(history.now().since(look.taken_at));
    let instances = plural(look.instances, "instance", "instances");
    let artifacts = plural(look.artifacts, "artifact", "artifacts");
    format!("observed {ago} ago: {instances} of {artifacts} (entry {})", look.entry)
}

fn should(it: &Expected) -> String {
    let by = if it.rollback { "gone back to by" } else { "granted by" };
    format!("{}, {by} entry {}", it.artifact.line(), it.by.entry)
}

/// One difference in a sentence, with what to do.
fn said(history: &History, drift: &Drift, it: &Difference) -> String {
    let artifact = it.artifact.as_ref().map(|it| it.line()).unwrap_or_default();
    let runs = match &it.seen {
        Some(seen) => {
            let image = [seen.name.as_deref(), seen.tag.as_deref()];
            let image = image.into_iter().flatten().collect::<Vec<_>>().join(":");
            let image = if image.is_empty() { image } else { format!(" ({image})") };
            format!("{artifact}{image} runs, {}", plural(seen.instances, "instance", "instances"))
        }
        None => artifact.clone(),
    };
    let entry = it.entry.map_or(String::new(), |entry| format!("entry {entry}"));
    let environment = &drift.environment;
    match it.kind {
        DriftKind::UnapprovedDigest => format!("{runs}: no decision granted it here"),
        DriftKind::RolledBackRuns => format!("{runs}: {entry} went back from it"),
        DriftKind::OlderThanGranted => format!("{runs}: {entry} granted a newer one"),
        DriftKind::GrantedNotRunning => format!("{artifact} is not seen to run ({entry})"),
        DriftKind::TagDrift if it.entry.is_some() => {
            format!("{runs}: {entry} granted another digest as this version")
        }
        DriftKind::TagDrift => format!("{runs}: the same tag runs as another digest too"),
        DriftKind::NeverObserved => {
            format!("nobody has looked: attestry observe {environment} --file SNAPSHOT")
        }
        DriftKind::ObservedLongAgo => {
            let look = drift.look.as_ref().map(|look| span(history.now().since(look.taken_at)));
            format!("the newest look is {} old", look.unwrap_or_default())
        }
        DriftKind::CannotBeTold => {
            format!("{runs}: whether it was granted is not in this pack")
        }
    }
}

fn to_json(it: &Drift) -> Value {
    let named = |it: &verifier::view::Named| json!({ "name": it.name, "version": it.version, "digest": it.digest });
    let expected = |it: &Expected| {
        json!({
            "artifact": named(&it.artifact), "entry": it.by.entry, "since": it.by.time,
            "rollback": it.rollback,
        })
    };
    let difference = |it: &Difference| {
        let mut object = json!({ "code": it.kind.name() });
        if let Some(artifact) = &it.artifact {
            object["artifact"] = named(artifact);
        }
        if let Some(seen) = &it.seen {
            object["seen"] = json!(seen);
        }
        if let Some(entry) = it.entry {
            object["entry"] = json!(entry);
        }
        object
    };
    json!({
        "environment": it.environment,
        "known": it.known,
        "observed": it.look.as_ref().map(|look| json!({
            "entry": look.entry, "takenAt": look.taken_at, "source": look.source,
            "artifacts": look.artifacts, "instances": look.instances,
        })),
        "expected": it.expected.iter().map(expected).collect::<Vec<_>>(),
        "differences": it.differences.iter().map(difference).collect::<Vec<_>>(),
    })
}
