//! From events to the facts that slices keep.

pub mod newer;
pub mod vex;

use std::collections::BTreeMap;

use schemas::id::{Digest, EnvironmentName, Time};
use schemas::policy::SeverityWord;
use schemas::predicate::analysis::Analysis;
use schemas::predicate::build::Build;
use schemas::predicate::migration::Migration;
use schemas::predicate::report::ReportNote;
use schemas::predicate::review::Review;
use schemas::predicate::test::Test;
use schemas::predicate::vex::Vex;
use schemas::predicate::vulnerabilities::{Vulnerabilities, Vulnerability};

use super::slice::{
    AnalysisFacts, ArtifactInProject, BuildFacts, DEPENDENCIES_MAX, FAILED_MAX, METRICS_MAX,
    MigrationFacts, NAMED_MAX, NamedVulnerability, PLACES_MAX, ReviewFacts, SUITES_MAX, ScanFacts,
    Source, TestFacts,
};
use crate::event::Body;
use crate::merkle;

/// The longest name of an artifact, suite or scanner that a slice keeps, in characters.
const NAME_CHARS_MAX: usize = 200;

/// True where the slice stays within its limits: only what is new to it takes room.
pub fn has_room(known: &ArtifactInProject, body: &Body, artifact: &Digest) -> bool {
    fn suite<T>(found: &BTreeMap<String, T>, report: Option<&ReportNote>) -> bool {
        found.len() < SUITES_MAX || found.contains_key(&suite_of(report))
    }
    fn place<T>(found: &BTreeMap<EnvironmentName, T>, name: &EnvironmentName) -> bool {
        found.len() < PLACES_MAX || found.contains_key(name)
    }
    match body {
        Body::Test(body) => suite(&known.tests, body.report.as_ref()),
        Body::Vulnerabilities(body) => suite(&known.scans, body.report.as_ref()),
        Body::Analysis(body) => suite(&known.analyses, Some(&body.report)),
        Body::Measurement(body) => {
            let new = body.metrics.iter().filter(|it| !known.metrics.contains_key(&it.name));
            known.metrics.len() + new.count() <= METRICS_MAX
        }
        Body::Vex(body) => vex::has_room(known, body, artifact),
        Body::Canary(body) => place(&known.canaries, &body.environment),
        Body::Rehearsal(body) => place(&known.rehearsals, &body.environment),
        Body::Incident(body) => place(&known.incidents, &body.environment),
        Body::Deployment(body) => place(&known.places, &body.environment),
        Body::Rollback(body) => place(&known.places, &body.environment),
        _ => true,
    }
}

/// The suite of a report: empty where none was given.
///
/// One that is too long keeps its beginning and its hash: two suites never become one, or a run of
/// the one would hide a run of the other.
pub fn suite_of(report: Option<&ReportNote>) -> String {
    suite_key(report.and_then(|report| report.suite.as_deref()).unwrap_or_default())
}

/// The name under which a suite of this name is kept.
pub fn suite_key(suite: &str) -> String {
    match bounded(suite) {
        whole if whole.len() == suite.len() => whole,
        cut => {
            format!(
                "{}…{}",
                first_chars(&cut, NAME_CHARS_MAX - 65),
                merkle::sha256(&[suite.as_bytes()])
            )
        }
    }
}

pub fn bounded(text: &str) -> String {
    first_chars(text, NAME_CHARS_MAX).to_owned()
}

fn first_chars(text: &str, max: usize) -> &str {
    // Most texts have no more bytes than that, so no more characters either.
    let long = text.len() > max;
    let end = long.then(|| text.char_indices().nth(max)).flatten();
    end.map_or(text, |(end, _)| &text[..end])
}

pub fn build_facts(build: &Build) -> BuildFacts {
    let mut sources: Vec<Source> = Vec::new();
    let mut truncated = false;
    for dependency in &build.build_definition.resolved_dependencies {
        if let (Some(uri), Some(commit)) = (&dependency.uri, dependency.commit()) {
            truncated |= sources.len() == DEPENDENCIES_MAX || uri.len() > 2048;
            if !truncated {
                sources.push(Source { uri: uri.clone(), commit });
            }
        }
    }
    let builder = first_chars(&build.run_details.builder.id, 2048).to_owned();
    let dependencies = build.build_definition.resolved_dependencies.iter();
    let unpinned = dependencies.filter(|it| it.digest.is_empty()).count() as u64;
    BuildFacts { builder, sources, truncated, unpinned }
}

pub fn build_time(build: &Build) -> Option<Time> {
    Time::parse_rfc3339(build.run_details.metadata.as_ref()?.finished_on.as_deref()?)
}

/// Counts as the report note gives them, else as the lists of names do.
pub fn test_facts(test: &Test) -> TestFacts {
    let listed = || {
        let lists = [
            ("passed", &test.passed_tests),
            ("warned", &test.warned_tests),
            ("failed", &test.failed_tests),
        ];
        lists.into_iter().map(|(name, list)| (name.to_owned(), list.len() as u64)).collect()
    };
    let counts = match &test.report {
        Some(report) if !report.counts.is_empty() => {
            report.counts.iter().take(32).map(|(name, n)| (bounded(name), *n)).collect()
        }
        _ => listed(),
    };
    TestFacts { result: test.result, counts, failed: failed_tests(test) }
}

/// All of the tests that failed, or none: a list with gaps would pass for a whole one.
fn failed_tests(test: &Test) -> Vec<String> {
    let fits = |name: &String| name.len() <= NAME_CHARS_MAX;
    let failed = &test.failed_tests;
    match failed.len() <= FAILED_MAX && failed.iter().all(fits) {
        true => failed.clone(),
        false => Vec::new(),
    }
}

pub fn scan_facts(scan: &Vulnerabilities) -> ScanFacts {
    let mut counts: BTreeMap<SeverityWord, u64> = BTreeMap::new();
    let mut unknown: BTreeMap<String, u64> = BTreeMap::new();
    let mut fixable: BTreeMap<SeverityWord, u64> = BTreeMap::new();
    let mut named: Vec<NamedVulnerability> = Vec::new();
    for vulnerability in &scan.scanner.result {
        match severity_of(vulnerability) {
            Ok(severity) => {
                *counts.entry(severity).or_default() += 1;
                let named_here = name(vulnerability, severity);
                if named_here.fixed_in.is_some() {
                    *fixable.entry(severity).or_default() += 1;
                }
                named.push(named_here);
            }
            Err(word) if unknown.len() < 32 || unknown.contains_key(&word) => {
                *unknown.entry(word).or_default() += 1;
            }
            Err(_) => *unknown.entry("other words".to_owned()).or_default() += 1,
        }
    }
    named.sort_by(|a, b| (a.severity, &a.id, &a.package).cmp(&(b.severity, &b.id, &b.package)));
    named.truncate(NAMED_MAX);
    let database = scan.scanner.db.as_ref().and_then(|db| db.last_update.as_deref());
    ScanFacts {
        scanner: bounded(&scan.scanner.uri),
        counts,
        unknown,
        fixable,
        database_at: database.and_then(Time::parse_rfc3339),
        worst: named,
    }
}

/// The worst of the scanner's own words; a number is a score and no word.
fn severity_of(vulnerability: &Vulnerability) -> Result<SeverityWord, String> {
    let is_score = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let scores = vulnerability.severity.iter().map(|it| it.score.as_str());
    let mut worst = None;
    for word in scores.filter(|text| !is_score(text)) {
        let severity =
            SeverityWord::from_scanner(word).ok_or_else(|| first_chars(word, 32).to_owned())?;
        worst = Some(worst.map_or(severity, |worst: SeverityWord| worst.min(severity)));
    }
    worst.ok_or_else(String::new)
}

fn name(vulnerability: &Vulnerability, severity: SeverityWord) -> NamedVulnerability {
    let annotation = vulnerability.annotations.iter().find(|it| it.package.is_some());
    let package = annotation.and_then(|annotation| {
        let package = annotation.package.as_deref()?;
        Some(match &annotation.version {
            Some(version) => bounded(&format!("{package} {version}")),
            None => bounded(package),
        })
    });
    let fixed = vulnerability.annotations.iter().find_map(|it| it.fixed_in.as_deref());
    let fixed_in = fixed.filter(|text| !text.is_empty()).map(bounded);
    NamedVulnerability { severity, id: bounded(&vulnerability.id), package, fixed_in }
}

/// What a gate needs of an analysis.
pub fn analysis_facts(body: &Analysis) -> AnalysisFacts {
    AnalysisFacts {
        levels: body.levels,
        suppressed: body.suppressed,
        new: body.new,
        secrets: body.secrets,
    }
}

pub fn review_facts(body: &Review) -> ReviewFacts {
    ReviewFacts {
        authors: body.authors.clone(),
        committers: body.committers.clone(),
        reviewers: body.reviewers.clone(),
        outcome: body.outcome,
        change: body.change.clone(),
    }
}

pub fn migration_facts(body: &Migration) -> MigrationFacts {
    MigrationFacts {
        migrations: body.migrations.clone(),
        reversible: body.reversible,
        rollback_plan: body.rollback_plan.clone(),
        destructive: body.destructive,
    }
}

pub fn scan_time(scan: &Vulnerabilities) -> Option<Time> {
    match scan.metadata.scan_finished_on.as_deref() {
        Some(text) => Time::parse_rfc3339(text),
        None => scan.report.as_ref()?.finished_at,
    }
}

pub fn vex_time(vex: &Vex) -> Option<Time> {
    Time::parse_rfc3339(vex.timestamp.as_deref()?)
}
