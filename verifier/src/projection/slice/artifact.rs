//! What is kept of one artifact or commit.

use std::collections::BTreeMap;

use schemas::id::{Digest, EntryIndex, EnvironmentName, Hash, KeyId, Project, Time};
use schemas::policy::SeverityWord;
use schemas::predicate::analysis::Levels;
use schemas::predicate::canary::CanaryVerdict;
use schemas::predicate::decision::Outcome;
use schemas::predicate::measurement::Metric;
use schemas::predicate::rehearsal::{RehearsalOf, RehearsalResult};
use schemas::predicate::report::Binding;
use schemas::predicate::review::{Change, ReviewOutcome};
use schemas::predicate::test::TestResult;
use schemas::predicate::vex::VexStatus;
use serde::{Deserialize, Serialize};

use super::{BillFacts, Signer, is_false, is_zero};

/// Most suites, metrics and dependencies that a slice keeps for one artifact and project.
pub const SUITES_MAX: usize = 256;
pub const METRICS_MAX: usize = 1024;
/// Most environments in which an artifact was deployed.
pub const PLACES_MAX: usize = 256;
pub const DEPENDENCIES_MAX: usize = 256;
/// Most failed tests that a slice names.
pub const FAILED_MAX: usize = 64;
/// Most vulnerabilities that a slice names; the counts are whole.
pub const NAMED_MAX: usize = 128;
/// Most vulnerabilities of which statements are kept, statements of each, and parts of a statement.
pub const VEX_MAX: usize = 1024;
pub const VEX_STATEMENTS_MAX: usize = 16;
pub const VEX_PARTS_MAX: usize = 32;

/// One piece of evidence: where it stands, who signed it, and what a gate needs of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence<T> {
    pub entry: EntryIndex,
    pub time: Time,
    /// When the tool says that it finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_time: Option<Time>,
    pub statement: Hash,
    pub signers: Vec<Signer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    pub facts: T,
}

impl<T> Evidence<T> {
    /// The time from which its age counts: the earlier of the tool's and the entry's.
    pub fn since(&self) -> Time {
        self.tool_time.map_or(self.time, |tool| tool.min(self.time))
    }
}

/// What the log says of one artifact (or commit), by project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactSlice {
    pub projects: BTreeMap<Project, ArtifactInProject>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactInProject {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Evidence<BuildFacts>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tests: BTreeMap<String, Evidence<TestFacts>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scans: BTreeMap<String, Evidence<ScanFacts>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub analyses: BTreeMap<String, Evidence<AnalysisFacts>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, Evidence<Metric>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom: Option<Evidence<SbomFacts>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Evidence<ReviewFacts>>,
    /// The newest event of a kind that could not be read, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unreadable: BTreeMap<String, EntryIndex>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<EnvironmentName, Place>,
    /// What the newest document that names a vulnerability says of it, by the vulnerability.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vex: BTreeMap<String, Evidence<Vec<VexFacts>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Evidence<MigrationFacts>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rehearsals: BTreeMap<EnvironmentName, BTreeMap<RehearsalOf, Evidence<RehearsalResult>>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub canaries: BTreeMap<EnvironmentName, Canaries>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub incidents: BTreeMap<EnvironmentName, Attributed>,
}

/// What somebody says of one vulnerability of the artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VexFacts {
    pub status: VexStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    /// The parts that it is about; empty: the whole artifact.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationFacts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrations: Option<Digest>,
    pub reversible: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_plan: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
}

/// The canaries of an artifact in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canaries {
    pub newest: Evidence<CanaryFacts>,
    /// The newest one whose verdict is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_final: Option<Evidence<CanaryFacts>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryFacts {
    pub verdict: CanaryVerdict,
    pub started_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
}

/// The incidents of one environment that are attributed to an artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributed {
    /// The first event of each open one that attributes it, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub open: BTreeMap<String, EntryIndex>,
    /// The newest event that attributes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<AttributedEvent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributedEvent {
    pub id: String,
    pub entry: EntryIndex,
    pub time: Time,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildFacts {
    pub builder: String,
    /// The dependencies that pin a commit: the sources.
    pub sources: Vec<Source>,
    /// There were more sources than a slice keeps.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// How many dependencies are named without a digest.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unpinned: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub uri: String,
    pub commit: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestFacts {
    pub result: TestResult,
    pub counts: BTreeMap<String, u64>,
    /// The tests that failed, by name: none where there are more than a slice keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanFacts {
    pub scanner: String,
    pub counts: BTreeMap<SeverityWord, u64>,
    /// Words that are no severity we know, with their counts; the empty word: none was given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, u64>,
    /// Of `counts` the ones that a newer version of their package mends.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fixable: BTreeMap<SeverityWord, u64>,
    /// When the scanner's knowledge was last renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_at: Option<Time>,
    /// The worst of them by name.
    pub worst: Vec<NamedVulnerability>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedVulnerability {
    pub severity: SeverityWord,
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_in: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisFacts {
    pub levels: Levels,
    pub suppressed: u64,
    /// Of these the ones that an earlier run did not have, where the report compares with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Levels>,
    /// Secrets that were found, where somebody looked for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SbomFacts {
    pub predicate_type: String,
    /// What the document says; absent where the statement only names it by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bill: Option<BillFacts>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewFacts {
    pub authors: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committers: Option<Vec<String>>,
    pub reviewers: Vec<String>,
    pub outcome: ReviewOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// An artifact's standing in one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The newest decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
    /// The newest deployment that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed: Option<Deployed>,
}

impl Place {
    pub fn is_granted(&self) -> bool {
        self.decided.as_ref().is_some_and(|decided| decided.outcome == Outcome::Granted)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    pub entry: EntryIndex,
    pub time: Time,
    pub request: EntryIndex,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    pub entry: EntryIndex,
    pub time: Time,
    pub key: KeyId,
    /// The newest decision about it here had granted it when it was deployed.
    pub granted: bool,
}
