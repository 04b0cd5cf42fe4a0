//! The list of entries as it is printed.

use schemas::thread::ThreadId;
use serde_json::{Value, json};
use verifier::event::Body;

use super::{LeftOut, PAGE, to_json};
use crate::failure::Failure;
use crate::history::Line;
use crate::io::Io;
use crate::output::{WIDTH, count, cut, minute, plural, table_of, widen};

/// How the JSON object begins; written with its first item, so that a failure before it is an
/// object of its own.
const START: &str = "{\"entries\":[";

/// One line of the list, for people and for machines.
pub struct Row {
    cells: Vec<String>,
    json: Value,
}

impl Row {
    pub fn of(line: &Line) -> Row {
        let cells = vec![
            line.entry.index.to_string(),
            minute(line.entry.time),
            line.kind().name().to_owned(),
            cut(&about(line), 34),
            signers(line),
        ];
        Row { cells, json: to_json(line) }
    }
}

/// Who signed; root keys, which are nobody's, only by their number.
fn signers(line: &Line) -> String {
    let roots = line.signers.iter().filter(|name| name.starts_with("root ")).count();
    match roots {
        0 => line.signers.join(", "),
        some => plural(some as u64, "root key", "root keys"),
    }
}

/// The list as it is printed, a page at a time.
pub struct List<'a, 'b> {
    io: &'a mut Io<'b>,
    rows: Vec<Vec<String>>,
    widths: Vec<usize>,
    count: u64,
}

impl<'a, 'b> List<'a, 'b> {
    pub fn new(io: &'a mut Io<'b>) -> List<'a, 'b> {
        List { io, rows: Vec::new(), widths: Vec::new(), count: 0 }
    }

    pub fn push(&mut self, row: Row) -> Result<(), Failure> {
        let before = if self.count > 0 { "," } else { START };
        self.count += 1;
        if self.io.json {
            return self.io.raw(format!("{before}{}", row.json).as_bytes());
        }
        self.rows.push(row.cells);
        if self.rows.len() < PAGE as usize { Ok(()) } else { self.print() }
    }

    /// Columns never get narrower from page to page.
    fn print(&mut self) -> Result<(), Failure> {
        let rows = std::mem::take(&mut self.rows);
        widen(&mut self.widths, &rows);
        let list = table_of(&rows, &self.widths);
        let lines: Vec<String> = list.lines().map(|line| cut(line, WIDTH)).collect();
        self.io.say(&lines.join("\n"))
    }

    pub fn end(mut self, left_out: LeftOut) -> Result<(), Failure> {
        if self.io.json {
            let start = if self.count > 0 { "" } else { START };
            let end = format!("{start}],\"leftOut\":{}}}\n", json!(left_out));
            return self.io.raw(end.as_bytes());
        }
        self.print()?;
        match left_out {
            Some(0) if self.count == 0 => self.io.note("no entry is like that"),
            Some(0) => {}
            Some(1) => self.io.note("1 older entry is not shown: --limit 0 shows all"),
            Some(more) => {
                let more = count(more);
                self.io.note(&format!("{more} older entries are not shown: --limit 0 shows all"));
            }
            None => self.io.note("older entries are not shown: --limit 0 shows all"),
        }
        Ok(())
    }
}

/// How many artifacts an entry is about beside the one that is shown.
fn others(line: &Line) -> Option<String> {
    let all = line.event.as_ref()?.artifacts().count();
    (all > 1).then(|| format!("+{}", all - 1))
}

/// What a request asks for that is no promotion by the normal path.
fn unusual(line: &Line) -> Option<String> {
    let Some(Body::PromotionRequest(body)) = line.event.as_ref().map(|event| &event.body) else {
        return None;
    };
    match &body.withdraws {
        Some(withdrawn) => Some(format!("withdraws P-{}", withdrawn.index)),
        None => (!body.path.is_normal()).then(|| body.path.name().to_owned()),
    }
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
    let unusual = unusual(line);
    let short = |environment: &str| environment.rsplit('/').next().map(str::to_owned);
    let parts = match environment {
        // Shorter than the rest, so that the word fits.
        Some(it) if unusual.is_some() => vec![artifact, short(&it), unusual],
        // A document of the whole ledger: its digest names nothing that is deployed.
        _ if control => vec![project],
        Some(environment) => vec![artifact, others(line), Some(environment)],
        None if artifact.is_some() => vec![artifact, name.or(project)],
        None => vec![project],
    };
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
