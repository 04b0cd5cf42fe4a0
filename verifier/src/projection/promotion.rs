//! The life of a promotion: its states, and the moves between them.
//!
//! ```text
//! open --- grant ----> granted --- deploy ---> deployed --- verify ---> verified
//!  |                      |                     |    |                   |    |
//!  |-- deny --> denied    `-- supersede --.     |    `---- roll back ----|----+--> rolled back
//!  |-- expire --> expired                 v     |                        |
//!  `-- withdraw --> withdrawn          superseded <----- supersede ------'
//! ```
//!
//! A promotion of several artifacts is deployed when all of them are, each by an event of its own, and
//! rolled back when one of them is left, also before the last came: then straight from granted.
//!
//! Each state is a type, and a move takes the state that it leaves: a move that is not drawn here
//! cannot be written down. `requested` and `waiting` are both open: whether somebody has asked the
//! gates is not in the log.

mod life;
mod steps;

pub use life::{Happening, close, companions, happen, review};

use schemas::id::{Digest, EntryIndex, Time};
use schemas::predicate::promotion_request::RequestPath;
use serde::{Deserialize, Serialize};

use super::slice::Request;

/// Most closed promotions of an environment; the oldest that cannot move any more leave first.
pub const CLOSED_MAX: usize = 64;

/// A promotion in one of its states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion<S> {
    /// The entry of the request, by which the promotion is named.
    pub request: EntryIndex,
    pub artifact: Digest,
    /// Further artifacts that stand or fall with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Digest>,
    #[serde(default, skip_serializing_if = "RequestPath::is_normal")]
    pub path: RequestPath,
    pub requested_at: Time,
    /// The review of an emergency after the fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed: Option<Step>,
    /// The events that brought it to its state.
    pub by: S,
}

/// The entry of an event that made a move, and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub entry: EntryIndex,
    pub time: Time,
}

/// Requested, or waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    pub granted: Step,
    /// Of several artifacts those that were deployed already and run: not all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// One of several artifacts, deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub artifact: Digest,
    pub deployed: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    pub denied: Step,
}

/// No event ended it; the time is when it was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    pub expired_at: Time,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    pub withdrawn: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    pub granted: Step,
    pub deployed: Step,
}

/// Seen to run after it was deployed, or a canary passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    pub granted: Step,
    pub deployed: Step,
    pub verified: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    pub granted: Step,
    pub deployed: Step,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Step>,
    pub rolled_back: Step,
}

/// Another artifact took its place, or was deployed before it ever was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    pub granted: Step,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed: Option<Step>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Step>,
    pub superseded: Step,
}

impl<S> Promotion<S> {
    fn to<T>(self, by: impl FnOnce(S) -> T) -> Promotion<T> {
        let Promotion { request, artifact, with, path, requested_at, reviewed, by: before } = self;
        Promotion { request, artifact, with, path, requested_at, reviewed, by: by(before) }
    }

    pub fn artifacts(&self) -> impl Iterator<Item = &Digest> {
        std::iter::once(&self.artifact).chain(&self.with)
    }

    pub fn is_about(&self, artifact: &Digest) -> bool {
        self.artifacts().any(|it| it == artifact)
    }
}

impl Promotion<Open> {
    /// The promotion that an open request asks for.
    pub fn of(index: EntryIndex, request: &Request) -> Promotion<Open> {
        Promotion {
            request: index,
            artifact: request.artifact.clone(),
            with: request.with.clone(),
            path: request.path,
            requested_at: request.time,
            reviewed: None,
            by: Open,
        }
    }

    pub fn grant(self, granted: Step) -> Promotion<Granted> {
        self.to(|Open| Granted { granted, parts: Vec::new() })
    }

    pub fn deny(self, denied: Step) -> Promotion<Denied> {
        self.to(|Open| Denied { denied })
    }

    pub fn expire(self, expired_at: Time) -> Promotion<Expired> {
        self.to(|Open| Expired { expired_at })
    }

    pub fn withdraw(self, withdrawn: Step) -> Promotion<Withdrawn> {
        self.to(|Open| Withdrawn { withdrawn })
    }
}

impl Promotion<Granted> {
    /// One of its artifacts is deployed. The promotion is when the last of them is.
    pub fn deploy(mut self, artifact: &Digest, deployed: Step) -> Closed {
        let parts = &mut self.by.parts;
        if !parts.iter().any(|part| part.artifact == *artifact) {
            parts.push(Part { artifact: artifact.clone(), deployed });
        }
        if self.artifacts().all(|it| self.by.parts.iter().any(|part| part.artifact == *it)) {
            Closed::Deployed(self.to(|Granted { granted, .. }| Deployed { granted, deployed }))
        } else {
            Closed::Granted(self)
        }
    }

    /// Something else was deployed in their place: what was deployed of it is to be again.
    pub fn displace(self) -> Promotion<Granted> {
        self.to(|Granted { granted, .. }| Granted { granted, parts: Vec::new() })
    }

    /// When one of several artifacts was deployed, where the others are not yet.
    pub fn part(&self, artifact: &Digest) -> Option<Step> {
        let part = self.by.parts.iter().find(|part| part.artifact == *artifact);
        part.map(|part| part.deployed)
    }

    /// One of several is left again before the others came: they fall together.
    pub fn roll_back(self, deployed: Step, rolled_back: Step) -> Promotion<RolledBack> {
        self.to(|Granted { granted, .. }| RolledBack {
            granted,
            deployed,
            verified: None,
            rolled_back,
        })
    }

    pub fn supersede(self, superseded: Step) -> Promotion<Superseded> {
        let (deployed, verified) = (None, None);
        self.to(|Granted { granted, .. }| Superseded { granted, deployed, verified, superseded })
    }
}

impl Promotion<Deployed> {
    pub fn verify(self, verified: Step) -> Promotion<Verified> {
        self.to(|Deployed { granted, deployed }| Verified { granted, deployed, verified })
    }

    pub fn roll_back(self, rolled_back: Step) -> Promotion<RolledBack> {
        self.to(|Deployed { granted, deployed }| RolledBack {
            granted,
            deployed,
            verified: None,
            rolled_back,
        })
    }

    pub fn supersede(self, superseded: Step) -> Promotion<Superseded> {
        self.to(|Deployed { granted, deployed }| Superseded {
            granted,
            deployed: Some(deployed),
            verified: None,
            superseded,
        })
    }
}

impl Promotion<Verified> {
    pub fn roll_back(self, rolled_back: Step) -> Promotion<RolledBack> {
        self.to(|Verified { granted, deployed, verified }| RolledBack {
            granted,
            deployed,
            verified: Some(verified),
            rolled_back,
        })
    }

    pub fn supersede(self, superseded: Step) -> Promotion<Superseded> {
        self.to(|Verified { granted, deployed, verified }| Superseded {
            granted,
            deployed: Some(deployed),
            verified: Some(verified),
            superseded,
        })
    }
}

/// A promotion whose request is closed, in whatever state it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Closed {
    Granted(Promotion<Granted>),
    Denied(Promotion<Denied>),
    Expired(Promotion<Expired>),
    Withdrawn(Promotion<Withdrawn>),
    Deployed(Promotion<Deployed>),
    Verified(Promotion<Verified>),
    RolledBack(Promotion<RolledBack>),
    Superseded(Promotion<Superseded>),
}

impl Closed {
    pub fn request(&self) -> EntryIndex {
        match self {
            Closed::Granted(it) => it.request,
            Closed::Denied(it) => it.request,
            Closed::Expired(it) => it.request,
            Closed::Withdrawn(it) => it.request,
            Closed::Deployed(it) => it.request,
            Closed::Verified(it) => it.request,
            Closed::RolledBack(it) => it.request,
            Closed::Superseded(it) => it.request,
        }
    }

    /// The first of its artifacts, mostly the only one, and those that go with it.
    fn about(&self) -> (&Digest, &[Digest]) {
        match self {
            Closed::Granted(it) => (&it.artifact, &it.with),
            Closed::Denied(it) => (&it.artifact, &it.with),
            Closed::Expired(it) => (&it.artifact, &it.with),
            Closed::Withdrawn(it) => (&it.artifact, &it.with),
            Closed::Deployed(it) => (&it.artifact, &it.with),
            Closed::Verified(it) => (&it.artifact, &it.with),
            Closed::RolledBack(it) => (&it.artifact, &it.with),
            Closed::Superseded(it) => (&it.artifact, &it.with),
        }
    }

    pub fn artifact(&self) -> &Digest {
        self.about().0
    }

    pub fn artifacts(&self) -> impl Iterator<Item = &Digest> {
        let (artifact, with) = self.about();
        std::iter::once(artifact).chain(with)
    }

    pub fn is_about(&self, artifact: &Digest) -> bool {
        self.artifacts().any(|it| it == artifact)
    }

    /// The decision that granted it, where one did.
    pub fn granted(&self) -> Option<Step> {
        match self {
            Closed::Granted(it) => Some(it.by.granted),
            Closed::Deployed(it) => Some(it.by.granted),
            Closed::Verified(it) => Some(it.by.granted),
            Closed::RolledBack(it) => Some(it.by.granted),
            Closed::Superseded(it) => Some(it.by.granted),
            Closed::Denied(_) | Closed::Expired(_) | Closed::Withdrawn(_) => None,
        }
    }

    /// The word for its state.
    pub fn state(&self) -> &'static str {
        match self {
            Closed::Granted(_) => "granted",
            Closed::Denied(_) => "denied",
            Closed::Expired(_) => "expired",
            Closed::Withdrawn(_) => "withdrawn",
            Closed::Deployed(_) => "deployed",
            Closed::Verified(_) => "verified",
            Closed::RolledBack(_) => "rolled back",
            Closed::Superseded(_) => "superseded",
        }
    }

    /// True where no move is left.
    pub fn is_over(&self) -> bool {
        match self {
            Closed::Granted(_) | Closed::Deployed(_) | Closed::Verified(_) => false,
            Closed::Denied(_)
            | Closed::Expired(_)
            | Closed::Withdrawn(_)
            | Closed::RolledBack(_)
            | Closed::Superseded(_) => true,
        }
    }
}

#[cfg(test)]
mod tests;
