//! `attestry log`: the entries, newest last.

mod list;

use clap::Args;
use schemas::id::{Digest, Environment, Project, Time};
use schemas::kind::EventKind;
use schemas::thread::ThreadId;
use serde_json::{Value, json};

use self::list::{List, Row};
use crate::argument::{ProjectArgs, parse_environment, parse_project, parse_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{History, HistoryArgs, Line};
use crate::io::Io;

/// List the entries of the log, newest last
#[derive(Debug, Args)]
#[command(before_help = example!("attestry log --env payments/prod --kind deployment --limit 10"))]
pub struct LogArgs {
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Only about this artifact or commit
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// Only about this environment
    #[arg(long = "env", alias = "environment", value_name = "ENV")]
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
    /// Only of this project
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
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
    let project = args.project.as_deref().map(parse_project).transpose()?;
    // What is wrong in itself is told before anything is opened.
    environment(args, None, io)?;
    let kind = args.kind.as_deref().map(parse_kind).transpose()?;
    let from = args.from.as_deref().map(parse_time).transpose()?;
    let to = args.to.as_deref().map(parse_time).transpose()?;
    if let (Some(from), Some(to)) = (from, to)
        && to <= from
    {
        return Err(Failure::usage("the period ends before it begins"));
    }
    let history = History::open(&args.history, io)?;
    let environment = environment(args, Some(&history), io)?;
    let subject = args.subject.as_deref().map(|text| history.subject(text, io)).transpose()?;
    let filter = Filter::new(kind, subject, environment, project, from, to);
    let mut list = List::new(io);
    let left_out = match args.limit {
        0 => all(&history, &filter, |line| list.push(Row::of(&line)))?,
        limit => {
            let (rows, left_out) = newest(&history, &filter, limit)?;
            rows.into_iter().rev().try_for_each(|row| list.push(row))?;
            left_out
        }
    };
    list.end(left_out)?;
    Ok(history.exit(io))
}

/// The environment that is meant; none yet where only the history can say whose it is.
///
/// ATTESTRY_PROJECT says where ENV belongs, and hides nothing: a list that lacks the entries of the
/// whole ledger must have been asked for.
fn environment(
    args: &LogArgs,
    history: Option<&History>,
    io: &Io,
) -> Result<Option<Environment>, Failure> {
    let Some(text) = args.environment.as_deref() else { return Ok(None) };
    let whole = text.contains('/');
    let named = ProjectArgs { project: args.project.clone() }.named(io)?;
    let named = named.filter(|_| args.project.is_some() || !whole);
    let project = match history {
        _ if whole || named.is_some() => named,
        Some(history) => history.only_project()?,
        None => return Ok(None),
    };
    parse_environment(text, project.as_ref()).map(Some)
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
        self.kind.is_none_or(|kind| kind == line.kind())
            && self.others.iter().all(|thread| line.entry.thread(thread).is_some())
            && self.from.is_none_or(|from| from <= time)
            && self.to.is_none_or(|to| time < to)
    }

    /// True where nothing before this line fits: times never go back.
    fn is_over(&self, line: &Line) -> bool {
        self.from.is_some_and(|from| line.entry.time < from)
    }

    /// True where the log is asked for as it is, or one thread of it.
    fn is_plain(&self) -> bool {
        self.kind.is_none() && self.others.is_empty() && self.from.is_none()
    }

    /// How many lines before one fit, where the log itself counts them: all of it, or one thread.
    fn before(&self, line: &Line) -> Option<u64> {
        match &self.thread {
            _ if !self.is_plain() => None,
            Some(thread) => line.entry.thread(thread).map(|it| it.position),
            None => Some(line.entry.index),
        }
    }
}

/// Entries read at once: a page is in memory whole, a log is not.
const PAGE: u64 = 256;

/// Entries that fit and are not shown, where that is known without reading all of them.
type LeftOut = Option<u64>;

/// Gives every line that fits, oldest first.
fn all(
    history: &History,
    filter: &Filter,
    mut take: impl FnMut(Line) -> Result<(), Failure>,
) -> Result<LeftOut, Failure> {
    let mut take = |lines: Vec<Line>| {
        lines.into_iter().filter(|line| filter.fits(line)).try_for_each(&mut take)
    };
    if let Some(thread) = &filter.thread {
        // Links lead back only: the way is remembered as indexes, and walked the other way.
        let (mut indexes, mut from) = (Vec::new(), None);
        loop {
            let (lines, next) = history.back(Some(thread), from, PAGE)?;
            indexes.extend(lines.iter().map(|line| line.entry.index));
            from = next;
            if from.is_none() {
                break;
            }
        }
        for index in indexes.into_iter().rev() {
            take(vec![history.line(index)?])?;
        }
        return Ok(Some(0));
    }
    let (mut next, size) = (0, history.size()?);
    while next < size {
        let (lines, after) = history.lines(next, size)?;
        take(lines)?;
        next = after;
    }
    Ok(Some(0))
}

/// The newest lines that fit, newest first.
fn newest(
    history: &History,
    filter: &Filter,
    limit: usize,
) -> Result<(Vec<Row>, LeftOut), Failure> {
    let (mut rows, mut left_out, mut from) = (Vec::new(), 0, None);
    // How many there are before the oldest that is shown, where that is counted in the log.
    let mut before = None;
    loop {
        let most = if filter.is_plain() { PAGE.min(limit as u64 + 1) } else { PAGE };
        let (lines, next) = history.back(filter.thread.as_ref(), from, most)?;
        let ended = lines.last().is_some_and(|line| filter.is_over(line));
        for line in lines.iter().filter(|line| filter.fits(line)) {
            if rows.len() < limit {
                rows.push(Row::of(line));
                before = filter.before(line);
            } else {
                left_out += 1;
            }
        }
        from = next.filter(|_| !ended);
        if from.is_none() {
            return Ok((rows, Some(left_out)));
        }
        // The rest would be read only to be counted.
        if left_out > 0 && !history.is_pack() {
            return Ok((rows, before));
        }
    }
}

pub fn to_json(line: &Line) -> Value {
    let entry = &line.entry;
    json!({
        "index": entry.index, "time": entry.time, "kind": line.kind().name(),
        "type": entry.predicate_type, "statement": entry.statement, "envelope": entry.envelope,
        "leaf": line.leaf, "signers": line.signers,
        "threads": entry.threads.iter().map(|it| it.thread.to_string()).collect::<Vec<_>>(),
    })
}
