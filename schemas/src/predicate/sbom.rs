//! A bill of materials: the document itself as predicate, or a reference to an attachment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statement::ResourceDescriptor;

/// CycloneDX documents.
pub const TYPE: &str = "https://cyclonedx.org/bom";
/// SPDX documents.
pub const TYPE_SPDX: &str = "https://spdx.dev/Document";
/// A document too large for an envelope, named by digest.
pub const TYPE_REFERENCE: &str = "https://in-toto.io/attestation/reference/v0.1";

/// Media types that make a reference a bill of materials.
pub const MEDIA_TYPES: [&str; 2] = ["application/vnd.cyclonedx+json", "application/spdx+json"];

/// True for the predicate types of the documents, with or without a version behind them.
pub fn is_document_type(predicate_type: &str) -> bool {
    [TYPE, TYPE_SPDX].iter().any(|base| {
        predicate_type
            .strip_prefix(base)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("/v"))
    })
}

/// in-toto reference v0.1: who attests, and what is referred to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reference {
    pub attester: Attester,
    pub references: Vec<ResourceDescriptor>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attester {
    pub id: String,
}

impl Reference {
    pub fn is_sbom(&self) -> bool {
        self.references.iter().any(|reference| {
            reference.media_type.as_deref().is_some_and(|media| MEDIA_TYPES.contains(&media))
        })
    }
}
