//! What may be written and is probably not meant.

use schemas::policy::{EnvironmentRule, PolicyDocument};

use super::problem::{Problem, problem};
use super::{sorted, yaml};

/// Warns of what a policy that holds does not guard.
pub fn lint(text: &str, document: &PolicyDocument) -> Vec<Problem> {
    let Ok(yaml) = yaml::read(text) else {
        return Vec::new();
    };
    let open = document.environments.iter().enumerate().filter(|(_, rule)| rule.gates.is_empty());
    let warnings = open.map(|(index, rule)| {
        let path = format!("environments[{index}].gates");
        problem(yaml.place(&path).0.value, &path, ungated(rule))
    });
    sorted(warnings.collect())
}

fn ungated(rule: &EnvironmentRule) -> String {
    let from: Vec<&str> = rule.from.iter().map(|name| name.as_str()).collect();
    let admits = match from.as_slice() {
        [] => "every artifact".to_owned(),
        from => format!("whatever {} has granted", from.join(" or ")),
    };
    format!("warning: {} has no gates, so it admits {admits}", rule.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_text::parse_policy;

    #[test]
    fn environments_without_gates_are_named() {
        let text = "apiVersion: attestry/policy/v1\nproject: payments\nenvironments:\n  \
                    - name: dev\n    gates: []\n  - name: staging\n    gates:\n      \
                    - soak: { in: dev, for: 1h }\n  - name: prod\n    from: [dev, staging]\n    \
                    gates: []\n";
        let (document, _) = parse_policy(text).unwrap();
        let found: Vec<(usize, String)> =
            lint(text, &document).into_iter().map(|it| (it.line, it.message)).collect();
        let expected = [
            (5, "warning: dev has no gates, so it admits every artifact".to_owned()),
            (
                11,
                "warning: prod has no gates, so it admits whatever dev or staging has granted"
                    .to_owned(),
            ),
        ];
        assert_eq!(found, expected);
    }
}
