//! `attestry log`: the entries, newest last.

use std::collections::VecDeque;

use clap::Args;
use schemas::id::{Digest, Environment, Project, Time};
use schemas::kind::EventKind;
use schemas::thread::ThreadId;
use serde_json::{Value, json};

use crate::argument::{ProjectArgs, parse_environment, parse_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{History, HistoryArgs, Line};
use crate::io::Io;
use crate::output::{WIDTH, cut, minute, table};

/// List the entries of the log, newest last
#[derive(Debug, Args)]
#[command(
    before_help = "Example:\n  attestry log --env payments/prod --kind deployment --limit 10"
)]
pub struct LogArgs {
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Only about this artifact or commit
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// Only about this environment
    #[arg(long = "env", value_name = "ENV")]
    pub environment: Option<String>,
    /// Not before this time, UTC
    #[arg(long, value_name = "T")]
    pub from: Option<String>,
    /// Before this time, UTC
    #[arg(long, value_name = "T")]
    pub to: Option<String>,
    /// Only the newest so many; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
}

/// What lines must be like.
struct Filter {
    kind: Option<EventKind>,
    thread: Option<ThreadId>,
    others: Vec<ThreadId>,
    from: Option<Time>,
    to: Option<Time>,
}

pub fn run(args: &LogArgs, io: &mut Io) -> Result<Exit, Failure> {
    let project = args.project.named(io)?;
    let environment = match args.environment.as_deref() {
        Some(text) => Some(parse_environment(text, project.as_ref())?),
        None => None,
    };
    let kind = args.kind.as_deref().map(parse_kind).transpose()?;
    let from = args.from.as_deref().map(parse_time).transpose()?;
    let to = args.to.as_deref().map(parse_time).transpose()?;
    if let (Some(from), Some(to)) = (from, to)
        && to <= from
    {
        return Err(Failure::usage("the period ends before it begins"));
    }
    let history = History::open(&args.history, io)?;
    let subject = args.subject.as_deref().map(|text| history.subject(text, io)).transpose()?;
    let filter = Filter::new(kind, subject, environment, project, from, to);
    let (lines, left_out) = collect(&history, &filter, args.limit)?;
    if io.json {
        let items: Vec<Value> = lines.iter().map(to_json).collect();
        io.answer("", &json!({ "entries": items, "leftOut": left_out }))?;
    } else {
        let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
        let list = table(&rows);
        let lines: Vec<String> = list.lines().map(|line| cut(line, WIDTH)).collect();
        io.say(&lines.join("\n"))?;
        if left_out > 0 {
            io.note(&format!("{left_out} older entries are not shown: --limit 0 shows all"));
        }
    }
    Ok(history.exit(io))
}

fn parse_kind(word: &str) -> Result<EventKind, Failure> {
    let name = match word {
        "scan" => "vulnerabilities",
        "coverage" => "measurement",
        other => other,
    };
    EventKind::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = schemas::kind::KINDS.iter().map(|line| line.name).collect();
        Failure::usage(format!("{word:?} is no kind")).hint(format!("one of: {}", names.join(", ")))
    })
}

impl Filter {
    /// The narrowest thread is walked; the others are asked of each of its entries.
    fn new(
        kind: Option<EventKind>,
        subject: Option<Digest>,
        environment: Option<Environment>,
        project: Option<Project>,
        from: Option<Time>,
        to: Option<Time>,
    ) -> Filter {
        let mut threads: Vec<ThreadId> = [
            subject.map(ThreadId::Artifact),
            environment.map(ThreadId::Environment),
            project.map(ThreadId::Project),
        ]
        .into_iter()
        .flatten()
        .collect();
        let thread = (!threads.is_empty()).then(|| threads.remove(0));
        Filter { kind, thread, others: threads, from, to }
    }

    fn fits(&self, line: &Line) -> bool {
        let time = line.entry.time;
        self.kind.is_none_or(|kind| kind == kind_of(line))
            && self.others.iter().all(|thread| line.entry.thread(thread).is_some())
            && self.from.is_none_or(|from| from <= time)
            && self.to.is_none_or(|to| time < to)
    }
}

pub fn kind_of(line: &Line) -> EventKind {
    match &line.event {
        Some(event) => event.kind,
        None => EventKind::of_type(&line.entry.predicate_type),
    }
}

/// The newest lines that fit, and how many older ones do not stand there.
fn collect(history: &History, filter: &Filter, limit: usize) -> Result<(Vec<Line>, u64), Failure> {
    let mut kept: VecDeque<Line> = VecDeque::new();
    let mut left_out = 0;
    let mut take = |lines: Vec<Line>| {
        for line in lines.into_iter().filter(|line| filter.fits(line)) {
            kept.push_back(line);
            if limit > 0 && kept.len() > limit {
                kept.pop_front();
                left_out += 1;
            }
        }
    };
    if let Some(thread) = &filter.thread {
        take(history.thread(thread)?);
    } else {
        let size = history.size()?;
        let mut next = 0;
        while next < size {
            let (lines, after) = history.lines(next, size)?;
            take(lines);
            next = after;
        }
    }
    Ok((kept.into(), left_out))
}

fn row(line: &Line) -> Vec<String> {
    vec![
        line.entry.index.to_string(),
        minute(line.entry.time),
        kind_of(line).name().to_owned(),
        cut(&about(line), 34),
        line.signers.join(", "),
    ]
}

/// What an entry is about: its artifact with its name or environment, or its project.
fn about(line: &Line) -> String {
    let name = line.event.as_ref().and_then(|event| event.subjects.first());
    let name = name.and_then(|subject| subject.name.clone());
    let (mut artifact, mut environment, mut project, mut control) = (None, None, None, false);
    for it in &line.entry.threads {
        match &it.thread {
            ThreadId::Artifact(digest) => {
                let hex = &digest.hex()[..8];
                artifact.get_or_insert(hex.to_owned());
            }
            ThreadId::Environment(it) => environment = Some(it.to_string()),
            ThreadId::Project(it) => project = Some(it.to_string()),
            ThreadId::Control => control = true,
        }
    }
    let parts = match environment {
        // A document of the whole ledger: its digest names nothing that is deployed.
        _ if control => vec![project],
        Some(environment) => vec![artifact, Some(environment)],
        None if artifact.is_some() => vec![artifact, name.or(project)],
        None => vec![project],
    };
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

pub fn to_json(line: &Line) -> Value {
    let entry = &line.entry;
    json!({
        "index": entry.index, "time": entry.time, "kind": kind_of(line).name(),
        "type": entry.predicate_type, "statement": entry.statement, "envelope": entry.envelope,
        "leaf": line.leaf, "signers": line.signers,
        "threads": entry.threads.iter().map(|it| it.thread.to_string()).collect::<Vec<_>>(),
    })
}
