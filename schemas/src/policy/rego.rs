//! `rego`: a rule in Rego over the documented input.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks a Rego rule. Its text is part of the policy that is signed and logged, so whoever has the
/// log has the rule; in a YAML file it may stand beside: `file: prod.rego`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rego {
    /// Where the text came from; decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A Rego module (v1).
    pub text: String,
    /// The rule, such as `data.release.allow`. Its value is true or false, or an object with
    /// `verdict` (`pass`, `fail`, `waiting`, `indeterminate`) and `reason`.
    pub rule: String,
}
