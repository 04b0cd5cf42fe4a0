//! The in-toto Statement: who is spoken of (subjects), and what is said (predicate).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, DigestAlgorithm};

/// The DSSE payload type of everything that is recorded.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// `_type` of the statements we write.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";

/// `_type` of the older statements that we read.
pub const STATEMENT_V01: &str = "https://in-toto.io/Statement/v0.1";

/// Largest accepted envelope, in bytes; larger evidence is an attachment.
pub const ENVELOPE_BYTES_MAX: usize = 16 << 20;

/// Most subjects of one statement.
pub const SUBJECTS_MAX: usize = 2048;

/// Longest predicate type, in bytes (0x21 to 0x7E each).
pub const PREDICATE_TYPE_BYTES_MAX: usize = 255;

/// A statement as we write it; the body is one of the predicate types.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Statement<P> {
    #[serde(rename = "_type")]
    pub statement_type: String,
    pub subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    pub predicate: P,
}

impl<P> Statement<P> {
    pub fn new(subject: Vec<Subject>, predicate_type: &str, predicate: P) -> Statement<P> {
        Statement {
            statement_type: STATEMENT_V1.to_owned(),
            subject,
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }
}

/// One thing that a statement is about, by digest; the name decides nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub digest: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
}

/// What a build says of its subject beside the name; shown in lists, decides nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Annotations {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Subject {
    /// A subject known by one digest.
    pub fn of(digest: &Digest, name: Option<&str>) -> Subject {
        Subject {
            name: name.map(str::to_owned),
            digest: BTreeMap::from([(
                digest.algorithm().name().to_owned(),
                digest.hex().to_owned(),
            )]),
            annotations: None,
        }
    }

    /// The digests that open an artifact thread; members of other algorithms are passed over.
    ///
    /// `None` where a known algorithm has a value that is no digest of it.
    pub fn thread_digests(&self) -> Option<Vec<Digest>> {
        self.digest
            .iter()
            .filter_map(|(name, hex)| {
                let algorithm = DigestAlgorithm::from_name(name)?;
                Some(Digest::new(algorithm, hex).ok())
            })
            .collect()
    }

    pub fn version(&self) -> Option<&str> {
        self.annotations.as_ref()?.version.as_deref()
    }
}

/// in-toto's ResourceDescriptor, as far as we read it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

impl ResourceDescriptor {
    /// The git commit that this descriptor pins, if it pins one.
    ///
    /// SLSA v0.2 named commits `sha1`, which is a commit only where the address is one of git.
    pub fn commit(&self) -> Option<Digest> {
        let is_git = self.uri.as_deref().is_some_and(|uri| uri.starts_with("git+"));
        let sha1 = || self.digest.get("sha1").filter(|_| is_git);
        let hex = self.digest.get("gitCommit").or_else(sha1)?;
        Digest::new(DigestAlgorithm::GitCommit, hex).ok()
    }
}
