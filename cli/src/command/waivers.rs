//! `attestry waivers`: what is waived, until when, and what runs by a waiver that has ended.

use clap::Args;
use serde_json::{Value, json};
use verifier::event::Body;
use verifier::owed::waivers::{Held, Row, Runs, RunsBy, running, waivers};
use verifier::policy::waiver::Standing;

use crate::argument::ScopeArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{History, HistoryArgs};
use crate::io::Io;
use crate::output::{WIDTH, columns, cut, minute, paragraph, plural, span};

/// List waivers: relied upon after their end, ending within 14 days, and open
#[derive(Debug, Args)]
#[command(
    before_help = example!("attestry waivers --project payments"),
    after_help = "A waiver is relied upon where what runs was granted with it.\n\nExit codes: 0 none is \
                  relied upon after its end, 3 one is, 8 what was granted with one could not be told."
)]
pub struct WaiversArgs {
    #[command(flatten)]
    pub project: ScopeArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
}

pub fn run(args: &WaiversArgs, io: &mut Io) -> Result<Exit, Failure> {
    let named = args.project.named(io)?;
    let history = History::open(&args.history, io)?;
    let projects = history.projects(named)?;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for runs in history.ask(|view| running(&view, &projects))? {
        match gates_of(&history, &runs)? {
            Some(gates) => known.push(RunsBy { runs, gates }),
            None => unknown.push(runs),
        }
    }
    let rows = history.ask(|view| waivers(&view, &projects, &known))?;
    let mut text = String::new();
    for (standing, title) in [
        (Standing::ExpiredRelied, "relied upon after its end"),
        (Standing::Expiring, "ends within 14 days"),
        (Standing::Open, "open"),
    ] {
        let of: Vec<&Row> = rows.iter().filter(|row| row.standing == standing).collect();
        if !of.is_empty() {
            text.push_str(&format!("{title}\n"));
            of.iter().for_each(|row| text.push_str(&block(&history, row)));
            text.push('\n');
        }
    }
    for runs in &unknown {
        let what = format!(
            "{} in {}: decision {} is not here, so what it rests on cannot be told",
            runs.artifact.line(),
            runs.environment,
            runs.decision
        );
        text.push_str(&paragraph(0, &what));
    }
    text.push_str(&conclusion(&rows));
    let list: Vec<Value> = rows.iter().map(to_json).collect();
    let untold: Vec<Value> = unknown.iter().map(runs_json).collect();
    io.answer(&text, &json!({ "size": history.size()?, "waivers": list, "untold": untold }))?;
    let relied = rows.iter().any(|row| row.standing == Standing::ExpiredRelied);
    let answer = match (relied, unknown.is_empty()) {
        (true, _) => Exit::No,
        (false, false) => Exit::Unknown,
        (false, true) => Exit::Done,
    };
    Ok(history.exit(io).worse(answer))
}

/// What the gates said when it was granted; none where that is not to be had.
fn gates_of(
    history: &History,
    runs: &Runs,
) -> Result<Option<Vec<schemas::report::GateVerdict>>, Failure> {
    let line = match history.line(runs.decision) {
        Ok(line) => line,
        // A pack may leave it out; a ledger has all of its entries.
        Err(failure) if history.is_pack() && failure.exit == Exit::NotFound => return Ok(None),
        Err(failure) => return Err(failure),
    };
    Ok(match line.event.map(|event| event.body) {
        Some(Body::Decision(decision)) => Some(decision.extension.gates),
        Some(_) | None => None,
    })
}

/// A waiver in a few lines: what, until when, by whom and why, and what runs by it.
fn block(history: &History, row: &Row) -> String {
    let place = match &row.environment {
        Some(name) => format!("{}/{name}", row.project),
        None => format!("{}, every environment", row.project),
    };
    let head = format!("  {}  {place}", row.gate);
    let (right, said) = match &row.waiver {
        Held::Kept(waiver) => {
            let end = waiver.expires_at;
            let ago = match row.standing {
                Standing::ExpiredRelied | Standing::Expired => {
                    format!("ended {} ago", span(history.now().since(end)))
                }
                Standing::Expiring | Standing::Open => format!("until {} UTC", minute(end)),
            };
            let scope = match (&waiver.artifact, &waiver.versions) {
                (Some(artifact), _) => format!(" of {}", artifact.short()),
                (None, Some(versions)) => format!(" of versions {versions}"),
                (None, None) => String::new(),
            };
            let (who, role) = (&waiver.signer.identity, &waiver.role);
            let reason = cut(&waiver.reason, 200);
            let said = format!("by {who} ({role}){scope}: \"{reason}\"");
            (format!("{ago}   entry {}", waiver.entry), said)
        }
        Held::Gone { said, until } => {
            let over = until.is_some_and(|until| until <= history.now());
            let right = if over { "ended" } else { "taken back" };
            (right.to_owned(), said.clone())
        }
    };
    let gap = WIDTH.saturating_sub(columns(&head) + columns(&right)).max(2);
    let mut text = format!("{head}{:gap$}{right}\n", "");
    text.push_str(&paragraph(4, &said));
    if let (Held::Kept(waiver), true) = (&row.waiver, row.review_due) {
        let due = format!("its review was due {} UTC", minute(waiver.review_at));
        text.push_str(&paragraph(4, &due));
    }
    for runs in &row.relied {
        let what = format!(
            "{} runs in {}, granted with it by entry {}",
            runs.artifact.line(),
            runs.environment.name,
            runs.decision
        );
        text.push_str(&paragraph(4, &what));
    }
    if row.standing == Standing::ExpiredRelied {
        text.push_str(&paragraph(4, "-> mend it and ask again: attestry promote"));
    }
    text
}

fn conclusion(rows: &[Row]) -> String {
    let of = |standing| rows.iter().filter(|row| row.standing == standing).count() as u64;
    let open = of(Standing::Open) + of(Standing::Expiring);
    let mut parts = vec![format!("{} in force", plural(open, "waiver", "waivers"))];
    for (number, what) in [
        (of(Standing::Expiring), "ending soon"),
        (of(Standing::ExpiredRelied), "relied upon after its end"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    parts.join(", ") + "\n"
}

fn runs_json(it: &Runs) -> Value {
    json!({
        "environment": it.environment,
        "artifact": {
            "name": it.artifact.name, "version": it.artifact.version, "digest": it.artifact.digest,
        },
        "decision": it.decision,
    })
}

fn to_json(row: &Row) -> Value {
    let mut object = json!({
        "project": row.project,
        "gate": row.gate,
        "standing": match row.standing {
            Standing::ExpiredRelied => "relied-after-end",
            Standing::Expiring => "ends-soon",
            Standing::Open => "open",
            Standing::Expired => "ended",
        },
        "reviewDue": row.review_due,
        "relied": row.relied.iter().map(runs_json).collect::<Vec<_>>(),
    });
    if let Some(environment) = &row.environment {
        object["environment"] = json!(environment);
    }
    match &row.waiver {
        Held::Kept(waiver) => {
            object["entry"] = json!(waiver.entry);
            object["identity"] = json!(waiver.signer.identity);
            object["role"] = json!(waiver.role);
            object["reason"] = json!(waiver.reason);
            object["expiresAt"] = json!(waiver.expires_at);
            object["reviewAt"] = json!(waiver.review_at);
            if let Some(artifact) = &waiver.artifact {
                object["artifact"] = json!(artifact);
            }
            if let Some(versions) = &waiver.versions {
                object["versions"] = json!(versions);
            }
        }
        Held::Gone { said, until } => {
            object["said"] = json!(said);
            if let Some(until) = until {
                object["expiresAt"] = json!(until);
            }
        }
    }
    object
}
