//! `when`: the facts about a change by which a gate applies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a gate applies. Every condition that is written must hold for the changes that the newest
/// build is made from; a fact that nobody recorded counts as the strictest, so the gate applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// A change is of one of these classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class: Vec<String>,
    /// A change is of none of these classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_not: Vec<String>,
    /// A path that was touched fits one of these globs (`*` within a folder, `**` across folders).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// A path that was touched fits none of these globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths_outside: Vec<String>,
    /// A change has one of these labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// A change has none of these labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels_not: Vec<String>,
    /// One of these owns code that was touched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// More lines than this were added and removed, in all changes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_over: Option<u64>,
    /// More files than this were touched, in all changes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_over: Option<u64>,
    /// What customers notice of a change is one of these words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub customer_impact: Vec<String>,
}

impl When {
    /// The lists of words, by their names; globs are not among them.
    pub fn words(&self) -> [(&'static str, &[String]); 6] {
        [
            ("class", &self.class),
            ("class_not", &self.class_not),
            ("labels", &self.labels),
            ("labels_not", &self.labels_not),
            ("owners", &self.owners),
            ("customer_impact", &self.customer_impact),
        ]
    }

    pub fn globs(&self) -> [(&'static str, &[String]); 2] {
        [("paths", &self.paths), ("paths_outside", &self.paths_outside)]
    }

    /// True where nothing is written: then the gate always applies.
    pub fn is_empty(&self) -> bool {
        *self == When::default()
    }
}
