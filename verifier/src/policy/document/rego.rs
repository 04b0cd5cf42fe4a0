//! The parameters of the rego gate: a module that can be read, and calls only what it may.

use schemas::policy::Rego;

use super::words::name_trouble;
use super::{Complaints, Site};
use crate::policy::rego::{self, RegoError};

pub(super) fn check(gate: &Rego, site: &Site, complaints: &mut Complaints) {
    if let Some(message) = gate.file.as_deref().and_then(name_trouble) {
        complaints.add(site.at("file"), message);
    }
    let Err(cause) = rego::check(&gate.text, &gate.rule) else { return };
    let field = match &cause {
        RegoError::Rule(_) => "rule",
        _ if gate.file.is_some() => "file",
        _ => "text",
    };
    let builtins = matches!(cause, RegoError::Builtin(_));
    let hint = if builtins { "; docs/rego.md lists what it may call" } else { "" };
    complaints.add(site.at(field), format!("{cause}{hint}"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::policy::document::tests::check_one;

    #[test]
    fn a_module_is_read_before_it_is_signed() {
        let check = |text: &str, rule: &str, expected: &[(&str, &str)]| {
            let gate = json!({"rego": {"text": text, "rule": rule}}).to_string();
            check_one(&gate, expected);
        };
        let good = "package release\nimport rego.v1\ndefault allow := false\nallow if input.x\n";
        check(good, "data.release.allow", &[]);
        check(good, "release.allow", &[(".rule", "write it like data.release.allow")]);
        check("package release\nallow if {", "data.release.allow", &[(".text", "cannot be read")]);
        let random = good.replace("input.x", "rand.intn(\"a\", 2) == 1");
        check(&random, "data.release.allow", &[(".text", "calls rand.intn, which no rule may")]);
    }
}
