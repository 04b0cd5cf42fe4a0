//! The slices of state: one for each artifact and environment, and one for control.
//!
//! A slice is what gates and lists need of a thread, never the thread itself: it is bounded
//! whatever the thread's length. Its canonical JSON is hashed into heads events, so what is
//! serialised here is a promise.

use std::collections::BTreeMap;

use schemas::id::{Digest, EntryIndex, EnvironmentName, Hash, IdentityName, KeyId, Project, Time};
use schemas::policy::{PolicyDocument, SbomFormat, SeverityWord};
use schemas::predicate::analysis::Levels;
use schemas::predicate::approval::{ApprovalOutcome, SigningMode};
use schemas::predicate::decision::Outcome;
use schemas::predicate::deployment::DeploymentResult;
use schemas::predicate::measurement::Metric;
use schemas::predicate::report::Binding;
use schemas::predicate::review::{Change, ReviewOutcome};
use schemas::predicate::test::TestResult;
use schemas::trust::TrustDocument;
use serde::{Deserialize, Serialize};

/// Most suites, metrics and dependencies that a slice keeps for one artifact and project.
pub const SUITES_MAX: usize = 256;
pub const METRICS_MAX: usize = 1024;
/// Most environments in which an artifact was deployed.
pub const PLACES_MAX: usize = 256;
pub const DEPENDENCIES_MAX: usize = 256;
/// Most vulnerabilities that a slice names; the counts are whole.
pub const NAMED_MAX: usize = 32;
/// Most spellings of licences that a slice keeps of a bill of materials.
pub const LICENCES_MAX: usize = 256;
/// Most failed tests that a slice names.
pub const FAILED_MAX: usize = 64;
/// Most open requests of an environment.
pub const REQUESTS_MAX: usize = 256;
/// Most approvals of a request.
pub const APPROVALS_MAX: usize = 64;
/// A request that nobody decides expires.
pub const REQUEST_MS_MAX: i64 = 30 * 86_400_000;

/// Who signed: the identity at that entry, and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    pub identity: IdentityName,
    pub key: KeyId,
    /// The entry of the repeat that brought this signature, where it came after the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<EntryIndex>,
}

impl Signer {
    /// The entry that logged this signature under a statement first logged at `entry`.
    pub fn signed_at(&self, entry: EntryIndex) -> EntryIndex {
        self.repeat.unwrap_or(entry)
    }
}

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
    /// The worst of them by name.
    pub worst: Vec<NamedVulnerability>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedVulnerability {
    pub severity: SeverityWord,
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
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

/// What a bill of materials says by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillFacts {
    pub format: SbomFormat,
    /// Whose SHA-256 it names as what it is about.
    pub covers: Covers,
    pub components: u64,
    /// Components that state no licence.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlicensed: u64,
    /// Each spelling of a licence once, in order.
    pub licences: Vec<LicenceUse>,
    /// There were more spellings than a slice keeps, or longer ones.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
}

/// Whether a document names the artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covers {
    /// It names this artifact's SHA-256.
    Named,
    /// It names others only.
    Other,
    /// It names none.
    Unnamed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceUse {
    pub licence: String,
    pub components: u64,
    /// The first component that has it, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
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

/// What the log says of one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentSlice {
    /// Open requests by entry index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<EntryIndex, Request>,
    /// The newest grant. A later denial of the same artifact leaves it as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Granted>,
    /// The newest deployment that succeeded, and the one of another artifact before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed: Option<Running>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Running>,
    /// The newest deployment event, whatever its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<Attempt>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub statement: Hash,
    pub artifact: Digest,
    pub requester: Signer,
    pub time: Time,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalGiven>,
}

impl Request {
    pub fn is_expired(&self, at: Time) -> bool {
        at.since(self.time) >= REQUEST_MS_MAX
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalGiven {
    pub entry: EntryIndex,
    pub time: Time,
    pub statement: Hash,
    pub signer: Signer,
    pub outcome: ApprovalOutcome,
    pub role: String,
    pub meaning: String,
    pub reason: String,
    /// Statement digest of the policy that the approver saw.
    pub policy: Hash,
    pub expires_at: Time,
    pub signing_mode: SigningMode,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    pub artifact: Digest,
    pub entry: EntryIndex,
    pub request: EntryIndex,
    pub time: Time,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub artifact: Digest,
    pub entry: EntryIndex,
    pub time: Time,
    /// When another artifact took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub artifact: Digest,
    pub entry: EntryIndex,
    pub result: DeploymentResult,
}

/// What changes the rules for everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlSlice {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustInForce>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<Project, PolicyInForce>,
    /// The newest heads event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<EntryIndex>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustInForce {
    pub entry: EntryIndex,
    pub statement: Hash,
    pub document: TrustDocument,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInForce {
    pub entry: EntryIndex,
    pub statement: Hash,
    /// SHA-256 of the document's canonical JSON.
    pub digest: Hash,
    /// 1 for the project's first policy.
    pub revision: u64,
    pub document: PolicyDocument,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
