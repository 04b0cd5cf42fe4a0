//! Which vulnerabilities do not matter, and why: OpenVEX v0.2.0 (older shapes are read).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const TYPE: &str = "https://openvex.dev/ns/v0.2.0";
pub const TYPE_UNVERSIONED: &str = "https://openvex.dev/ns";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vex {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    pub statements: Vec<VexStatement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VexStatement {
    pub vulnerability: VexVulnerability,
    /// Empty: the subjects of the statement that carries the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<VexProduct>,
    pub status: VexStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact_statement: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_statement: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}

/// Before v0.2.0 a vulnerability was its name alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum VexVulnerability {
    Name(String),
    Named {
        name: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        aliases: Vec<String>,
    },
}

impl VexVulnerability {
    /// Every name that it goes by.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (name, aliases) = match self {
            VexVulnerability::Name(name) => (name, &[][..]),
            VexVulnerability::Named { name, aliases } => (name, aliases.as_slice()),
        };
        [name.as_str()].into_iter().chain(aliases.iter().map(String::as_str))
    }
}

/// Before v0.2.0 a product was its identifier alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum VexProduct {
    Id(String),
    Component(VexComponent),
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VexComponent {
    #[serde(default, rename = "@id", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "VexIdentifiers::is_empty")]
    pub identifiers: VexIdentifiers,
    #[serde(default, skip_serializing_if = "VexHashes::is_empty")]
    pub hashes: VexHashes,
    /// The parts of the product that the statement is about; empty: all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subcomponents: Vec<VexProduct>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VexIdentifiers {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
}

impl VexIdentifiers {
    fn is_empty(&self) -> bool {
        self.purl.is_none()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VexHashes {
    #[serde(default, rename = "sha-256", skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl VexHashes {
    fn is_empty(&self) -> bool {
        self.sha256.is_none()
    }
}

impl VexProduct {
    /// The texts that may name it: `@id`, purl, and the digest by itself.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            VexProduct::Id(id) => [Some(id), None, None],
            VexProduct::Component(it) => {
                [it.id.as_ref(), it.identifiers.purl.as_ref(), it.hashes.sha256.as_ref()]
            }
        };
        names.into_iter().flatten().map(String::as_str)
    }

    pub fn subcomponents(&self) -> &[VexProduct] {
        match self {
            VexProduct::Id(_) => &[],
            VexProduct::Component(it) => &it.subcomponents,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VexStatus {
    NotAffected,
    Affected,
    Fixed,
    UnderInvestigation,
}

impl VexStatus {
    pub fn name(self) -> &'static str {
        match self {
            VexStatus::NotAffected => "not affected",
            VexStatus::Affected => "affected",
            VexStatus::Fixed => "fixed",
            VexStatus::UnderInvestigation => "under investigation",
        }
    }
}
