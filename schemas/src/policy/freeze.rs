//! `freeze`: nothing is admitted for a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks whether a freeze of the environment, the project or every project is active.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Freeze {}
