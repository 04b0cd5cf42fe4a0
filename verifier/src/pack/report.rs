//! What a person reads: README.txt and the report page.

mod signature;

use std::fmt::Write as _;

use schemas::report::Finding;

use super::bag::{FOLDER, Scope};
use super::derived::Material;
use super::population::{Row, result_name};
use super::shown::{Shown, entry_path};
use crate::event::Body;
use crate::trust::Trust;

/// Writes README.txt: what this is, how to check it, and what it does not prove.
pub fn readme(scope: &Scope, shown: &Shown, trust: Option<&Trust>) -> String {
    let mut text = format!(
        "Evidence pack of {environment}\n\
         {from} to {to} (UTC)\n\
         from the ledger {origin}, closed at {size} entries\n\n\
         1. WHAT THIS IS\n\n\
         Every deployment to {environment} in the period, with the evidence,\n\
         approvals and decisions behind it, as signed events of an append-only log. Open\n\
         data/report/index.html to read it, data/population.csv to work with it.\n\
         The pack is a BagIt bag (RFC 8493).\n\n\
         2. CHECKS WITH TOOLS THAT ARE NOT OURS\n\n\
         Run them in the folder {FOLDER}.\n\n\
         Every file is the one that was packed:\n\n\
         \x20   sha256sum --quiet -c tagmanifest-sha256.txt manifest-sha256.txt\n\n\
         prints nothing. The pack id is the SHA-256 of tagmanifest-sha256.txt:\n\n\
         \x20   sha256sum tagmanifest-sha256.txt\n\n",
        environment = scope.environment(),
        from = date(scope.from),
        to = date(scope.to),
        origin = scope.origin,
        size = scope.size,
    );
    text.push_str(&hash_check(shown));
    text.push_str(&signature::check(shown, trust));
    text.push_str(
        "3. THE WHOLE CHECK\n\n\
         \x20   attestry verify PACK.zip --trust pin.txt\n\n\
         checks everything here again from bytes: digests, signatures, who had which\n\
         role when, the chain of entries, every thread, the Merkle tree, the state that\n\
         the log had committed to, and every decision of the period, evaluated again.\n\
         It needs no network. Exit status 0: it holds. 3: it holds, with exceptions\n\
         that are listed. 7: integrity is broken. 8: something could not be told.\n\
         pin.txt must reach you by another road than this pack: the copy in data/ is for\n\
         comparison and proves nothing.\n\n\
         4. WHAT THIS DOES NOT PROVE\n\n\
         - That everything that happened was recorded. It proves that nothing that was\n\
         \x20 recorded about the threads shown here was changed, reordered or left out.\n\
         \x20 Compare data/population.csv with what your systems say was deployed.\n\
         - That what was recorded is true. A signature proves who said it, not that it\n\
         \x20 is so: a test report says what its tool said.\n\
         - When things happened, to the second. Times of entries are the ledger's word;\n\
         \x20 only their order is proven.\n\
         - That a key was in the hands of its owner. Who has which key is what the root\n\
         \x20 keys signed.\n\
         - That the log shown to you is the one shown to others, unless a witness\n\
         \x20 cosigned its checkpoints, or you compare data/checkpoint with theirs.\n",
    );
    text
}

/// The leaf hash of the last entry but one, walked by hand.
fn hash_check(shown: &Shown) -> String {
    let pair = shown.entries.iter().find_map(|(index, it)| {
        let next = shown.entries.get(&(index + 1))?;
        Some((*index, it.leaf, next.entry.index))
    });
    let Some((index, leaf, next)) = pair else {
        return String::new();
    };
    format!(
        "Each entry names the hash of the one before it. Entry {index}:\n\n\
         \x20   (printf '\\0'; cat {}) | sha256sum\n\n\
         prints {leaf}  -\n\
         and entry {next} names it as prev:\n\n\
         \x20   grep '^prev' {}\n\n",
        entry_path(index),
        entry_path(next)
    )
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;color:#1b1f24;margin:2.5rem auto;\
max-width:62rem;padding:0 1.5rem}h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.1rem;\
margin:2.2rem 0 .5rem;border-bottom:1px solid #d0d7de;padding-bottom:.25rem}table{border-collapse:\
collapse;width:100%;font-size:.87rem}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;\
border-bottom:1px solid #e4e8ec}th{background:#f5f7f9;font-weight:600}code{font:.85em ui-monospace,\
monospace;overflow-wrap:anywhere}.pass,.waived{color:#14612b}.fail,.bad{color:#a40e26}.waiting,\
.indeterminate{color:#7a4d00}.muted{color:#57606a}dl{display:grid;grid-template-columns:11rem 1fr;\
gap:.2rem 1rem}dt{color:#57606a}dd{margin:0}section{break-inside:avoid}@media print{body{margin:0;\
max-width:none;font-size:11px}h2{break-after:avoid}a{color:inherit;text-decoration:none}}";

/// Writes the report: one page, no scripts, nothing fetched.
pub fn html(material: &Material) -> String {
    let scope = material.scope;
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>Evidence: {environment}</title>\n<style>{STYLE}</style></head><body>\n\
         <h1>Deployments to {environment}</h1>\n\
         <p class=\"muted\">{from} to {to} (UTC), from the ledger <code>{origin}</code></p>\n",
        environment = escape(&scope.environment().to_string()),
        from = date(scope.from),
        to = date(scope.to),
        origin = escape(scope.origin.as_str()),
    );
    page.push_str(&summary(material));
    page.push_str(&exceptions(material.findings));
    page.push_str(&population(material.rows));
    for row in material.rows {
        page.push_str(&deployment(material, row));
    }
    page.push_str(
        "<h2>How to check this page</h2>\n<p>This page follows from the entries in this pack. \
         <code>attestry verify</code> makes it again and compares. README.txt shows checks that \
         need none of our tools, and what the pack does not prove.</p>\n</body></html>\n",
    );
    page
}

fn summary(material: &Material) -> String {
    let granted = material.rows.iter().filter(|row| row.exception.is_empty()).count();
    let failed = material
        .rows
        .iter()
        .filter(|row| row.result == schemas::predicate::deployment::DeploymentResult::Failed)
        .count();
    let policy = material.state.control().policies.get(&material.scope.project);
    let policy = policy.map_or("none".to_owned(), |policy| {
        format!("revision {}, entry {} ({})", policy.revision, policy.entry, policy.digest.short())
    });
    format!(
        "<dl><dt>Deployments</dt><dd>{} ({granted} without exception, {failed} failed)</dd>\n\
         <dt>Entries shown</dt><dd>{} of a log of {}</dd>\n\
         <dt>Policy in force</dt><dd>{}</dd></dl>\n",
        material.rows.len(),
        material.shown.entries.len(),
        material.scope.size,
        escape(&policy)
    )
}

fn exceptions(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "<h2>Exceptions</h2>\n<p>None.</p>\n".to_owned();
    }
    let mut text =
        "<h2>Exceptions</h2>\n<table><tr><th>Code</th><th>Entry</th><th>What</th></tr>\n"
            .to_owned();
    for finding in findings {
        let index = finding.index.map_or(String::new(), |index| index.to_string());
        let _ = writeln!(
            text,
            "<tr><td class=\"bad\">{}</td><td>{index}</td><td>{}: <code>{}</code></td></tr>",
            finding.code.name(),
            escape(finding.code.meaning()),
            escape(&finding.detail)
        );
    }
    text + "</table>\n"
}

fn population(rows: &[Row]) -> String {
    let mut text = "<h2>Population</h2>\n<table><tr><th>Entry</th><th>Time</th><th>Artifact</th>\
                    <th>Result</th><th>Decision</th><th>Approved by</th><th>Exception</th></tr>\n"
        .to_owned();
    for row in rows {
        let decision = row.decision.map_or("none".to_owned(), |index| format!("entry {index}"));
        let _ = writeln!(
            text,
            "<tr><td><a href=\"#d{0}\">{0}</a></td><td>{1}</td><td>{2} {3}<br><code>{4}</code></td>\
             <td>{5}</td><td>{6}</td><td>{7}</td><td class=\"bad\">{8}</td></tr>",
            row.deployment,
            date(row.time),
            escape(&row.name),
            escape(&row.version),
            row.artifact.short(),
            result_name(row.result),
            decision,
            escape(&row.approvers.join(", ")),
            escape(&row.exception),
        );
    }
    text + "</table>\n"
}

/// One deployment: its decision gate by gate, the approvals, and what is known of the artifact.
fn deployment(material: &Material, row: &Row) -> String {
    let mut text = format!(
        "<section><h2 id=\"d{}\">{} {}, entry {}</h2>\n<p><code>{}</code></p>\n",
        row.deployment,
        escape(&row.name),
        escape(&row.version),
        row.deployment,
        row.artifact
    );
    match row.decision {
        Some(index) => text.push_str(&decision(material, index)),
        None => text.push_str("<p class=\"bad\">No decision had admitted it.</p>\n"),
    }
    text.push_str(&approvals(material, row));
    text.push_str(&evidence(material, row));
    for (index, it) in material.shown.entries.range(..row.deployment).rev() {
        let Some(event) = &it.event else { continue };
        let about = event.digests().any(|digest| *digest == row.artifact);
        if matches!(event.body, Body::Decision(_)) && about && Some(*index) != row.decision {
            text.push_str(&decision(material, *index));
        }
    }
    text + "</section>\n"
}

/// A decision gate by gate, with the request that it answers.
fn decision(material: &Material, index: u64) -> String {
    let event = material.shown.entries.get(&index).and_then(|it| it.event.as_ref());
    let Some(Body::Decision(body)) = event.map(|event| &event.body) else {
        return String::new();
    };
    let said = &body.extension;
    let mut text = format!(
        "<p>P-{} to {} was {} at {} (entry {index}), under the policy of entry {}.{}</p>\n<table>\
         <tr><th>Gate</th><th>Verdict</th><th>Reason</th><th>Entries</th></tr>\n",
        said.request.index,
        said.environment,
        match said.outcome {
            schemas::predicate::decision::Outcome::Granted => "granted",
            schemas::predicate::decision::Outcome::Denied => "denied",
        },
        date(said.at),
        said.policy.index,
        request_reason(material, said.request.index),
    );
    for gate in &said.gates {
        let entries: Vec<String> = gate.entries.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td class=\"{verdict}\">{verdict}</td><td>{}</td><td>{}</td></tr>",
            escape(&gate.id),
            escape(&gate.reason),
            entries.join(", "),
            verdict = gate.verdict.name(),
        );
    }
    text + "</table>\n"
}

fn request_reason(material: &Material, index: u64) -> String {
    let event = material.shown.entries.get(&index).and_then(|it| it.event.as_ref());
    match event.map(|event| &event.body) {
        Some(Body::PromotionRequest(body)) => format!(" Asked for: {}.", escape(&body.reason)),
        _ => String::new(),
    }
}

fn approvals(material: &Material, row: &Row) -> String {
    let mut text = String::new();
    for index in &row.indexes {
        let Some(it) = material.shown.entries.get(index) else {
            continue;
        };
        let Some(Body::Approval(body)) = it.event.as_ref().map(|event| &event.body) else {
            continue;
        };
        let who: Vec<String> = it.signers.iter().map(ToString::to_string).collect();
        let key = it.keys.first().map(schemas::id::Hash::short).unwrap_or_default();
        let counted = match row.approvals.contains(index) {
            true => "",
            false => " <span class=\"waiting\">Does not count.</span>",
        };
        let _ = writeln!(
            text,
            "<p>Entry {index}: <strong>{}</strong> signed \u{201c}{}\u{201d} as {} ({}), key \
             <code>{key}</code>, having seen the log at {} entries.{counted}</p>",
            escape(&who.join(", ")),
            escape(&body.reason),
            escape(&body.role),
            escape(&body.meaning),
            body.seen.size
        );
    }
    text
}

/// What the log says of the artifact, in the state at the pack's end.
fn evidence(material: &Material, row: &Row) -> String {
    let slice = material.state.artifact(&row.artifact).ok().flatten();
    let Some(known) = slice.and_then(|slice| slice.projects.get(&material.scope.project)) else {
        return String::new();
    };
    let mut lines: Vec<(u64, String, String)> = Vec::new();
    if let Some(build) = &known.build {
        let sources: Vec<&str> = build.facts.sources.iter().map(|it| it.uri.as_str()).collect();
        let what = format!("by {} from {}", build.facts.builder, sources.join(", "));
        lines.push((build.entry, "build".into(), what));
    }
    for (suite, it) in &known.tests {
        lines.push((it.entry, format!("test {suite}"), counts(&it.facts.counts)));
    }
    for (suite, it) in &known.scans {
        let counts = it.facts.counts.iter().map(|(word, n)| (word.name().to_owned(), *n)).collect();
        lines.push((it.entry, format!("scan {suite}"), self::counts(&counts)));
    }
    for (suite, it) in &known.analyses {
        let levels = &it.facts.levels;
        let what =
            format!("{} errors, {} warnings, {} notes", levels.error, levels.warning, levels.note);
        lines.push((it.entry, format!("analysis {suite}"), what));
    }
    for (name, it) in &known.metrics {
        lines.push((it.entry, name.clone(), it.facts.value.to_string()));
    }
    if let Some(it) = &known.sbom {
        lines.push((it.entry, "bill of materials".into(), it.facts.predicate_type.clone()));
    }
    lines.sort();
    let mut text =
        "<table><tr><th>Evidence</th><th>What it says</th><th>Entry</th></tr>\n".to_owned();
    for (entry, kind, what) in lines {
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td>{}</td><td>{entry}</td></tr>",
            escape(kind.trim()),
            escape(&what)
        );
    }
    text + "</table>\n"
}

fn counts(counts: &std::collections::BTreeMap<String, u64>) -> String {
    match counts.is_empty() {
        true => "nothing found".to_owned(),
        false => {
            counts.iter().map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>().join(", ")
        }
    }
}

fn date(time: schemas::id::Time) -> String {
    let text = time.to_string();
    format!("{} {}", &text[..10], &text[11..19])
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Direction marks would let a name read as another one.
            c if crate::policy::document::is_hidden(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
