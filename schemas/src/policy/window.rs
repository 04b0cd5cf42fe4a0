//! `window`: the times at which an artifact may enter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks whether now is a time at which an artifact may enter, on the wall clock of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Times of the week, such as `Mon-Thu 09:00-16:00, Fri 09:00-12:00`; the end is not in it.
    pub allow: String,
    /// A zone of the IANA database, such as `Europe/Berlin`; its data are part of the rules.
    pub zone: String,
    /// Never on a day of these calendars.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_on: Vec<String>,
    /// Only on a day of these calendars.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_on: Vec<String>,
}
