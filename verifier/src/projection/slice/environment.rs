//! What is kept of one environment.

use std::collections::BTreeMap;

use schemas::id::{Digest, EntryIndex, Hash, IdentityName, Time};
use schemas::predicate::approval::{ApprovalOutcome, SigningMode};
use schemas::predicate::deployment::DeploymentResult;
use schemas::predicate::promotion_request::{Plans, RequestPath};
use serde::{Deserialize, Serialize};

use super::{
    ConfigurationsKept, Freezes, IncidentOpen, IncidentResolved, ObservedKept, RollbackKept,
    Signer, Waivers,
};
use crate::projection::promotion::Closed;

/// Most open requests of an environment.
pub const REQUESTS_MAX: usize = 256;
/// Most approvals of a request.
pub const APPROVALS_MAX: usize = 64;
/// Most reviews of an environment that are due; no emergency is granted beyond them.
pub const REVIEWS_MAX: usize = 64;
/// A request that nobody decides expires.
pub const REQUEST_MS_MAX: i64 = 30 * 86_400_000;

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
    /// Promotions whose requests are closed, in the order of closing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<Closed>,
    /// Emergencies that nobody has reviewed yet, by their requests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reviews_due: BTreeMap<EntryIndex, ReviewDue>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waivers: Waivers,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub freezes: Freezes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedKept>,
    #[serde(default, skip_serializing_if = "ConfigurationsKept::is_empty")]
    pub configurations: ConfigurationsKept,
    /// Open incidents by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub incidents: BTreeMap<String, IncidentOpen>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_resolved: Option<IncidentResolved>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rollback: Option<RollbackKept>,
}

impl EnvironmentSlice {
    /// What a request was about, where it is open or among the last that were closed.
    pub fn asked_about(&self, request: EntryIndex) -> Option<Vec<&Digest>> {
        if let Some(open) = self.requests.get(&request) {
            return Some(open.artifacts().collect());
        }
        let closed = self.closed.iter().find(|it| it.request() == request);
        closed.map(|it| it.artifacts().collect())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub statement: Hash,
    pub artifact: Digest,
    /// Further artifacts that stand or fall with it, in the order of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Digest>,
    pub requester: Signer,
    pub time: Time,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    #[serde(default, skip_serializing_if = "RequestPath::is_normal")]
    pub path: RequestPath,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans: Option<Plans>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<EntryIndex>,
    /// Where the policy of its time gives it less than [`REQUEST_MS_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalGiven>,
}

impl Request {
    /// From then on it is open no more.
    pub fn ends_at(&self) -> Time {
        let longest = self.time.plus_ms(REQUEST_MS_MAX);
        self.expires_at.map_or(longest, |expires| expires.min(longest))
    }

    pub fn is_expired(&self, at: Time) -> bool {
        at >= self.ends_at()
    }
}

/// An emergency that was granted, and that nobody has reviewed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewDue {
    pub statement: Hash,
    pub artifact: Digest,
    /// Further artifacts that stand or fall with it, in the order of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Digest>,
    /// The entry and time of the grant.
    pub granted: EntryIndex,
    pub granted_at: Time,
    pub due_at: Time,
    /// The roles that may review it; empty: any that approves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Who asked, and who approved: they do not review.
    pub involved: Vec<IdentityName>,
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
    /// Further artifacts that stand or fall with it, in the order of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Digest>,
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
    /// What was deployed before it and runs beside it: artifacts that were granted with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Beside>,
}

/// One of several artifacts that run together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    pub artifact: Digest,
    pub entry: EntryIndex,
    pub time: Time,
}

impl Running {
    /// Everything that runs: the newest deployment, then what runs beside it.
    pub fn all(&self) -> impl Iterator<Item = Beside> {
        let Running { artifact, entry, time, .. } = self.clone();
        [Beside { artifact, entry, time }].into_iter().chain(self.beside.clone())
    }

    pub fn holds(&self, artifact: &Digest) -> bool {
        self.artifact == *artifact || self.beside.iter().any(|it| it.artifact == *artifact)
    }

    /// The deployment at an entry is one of these.
    pub fn is_from(&self, entry: EntryIndex) -> bool {
        self.entry == entry || self.beside.iter().any(|it| it.entry == entry)
    }
}

macro_rules! about_artifacts {
    ($($name:ident)*) => { $(impl $name {
        /// Every artifact that it is about: one, or several that stand or fall together.
        pub fn artifacts(&self) -> impl Iterator<Item = &Digest> {
            std::iter::once(&self.artifact).chain(&self.with)
        }

        pub fn is_about(&self, artifact: &Digest) -> bool {
            self.artifacts().any(|it| it == artifact)
        }
    })* };
}

about_artifacts!(Request ReviewDue Granted);

impl Request {
    /// It is about these artifacts and no other, in whatever order.
    pub fn is_of(&self, artifacts: &[Digest]) -> bool {
        self.artifacts().count() == artifacts.len() && artifacts.iter().all(|it| self.is_about(it))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub artifact: Digest,
    pub entry: EntryIndex,
    pub result: DeploymentResult,
}
