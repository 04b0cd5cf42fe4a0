//! Whose open requests an event may touch: which environments have gates that read another project.

use std::collections::BTreeMap;

use schemas::id::{Environment, Project};
use schemas::policy::{EnvironmentRule, Gate};

use crate::projection::slice::PolicyInForce;

/// The environments of other projects whose gates read something of this one, in order.
///
/// By whichever way a request asks: an emergency's own gates may read it, too. What is logged in the
/// project is read nowhere else beside its own environments.
pub fn readers<'a>(
    policies: &'a BTreeMap<Project, PolicyInForce>,
    project: &'a Project,
) -> impl Iterator<Item = Environment> + 'a {
    let others = policies.iter().filter(move |(name, _)| *name != project);
    others.flat_map(move |(name, policy)| {
        let rules = policy.document.environments.iter().filter(move |rule| reads(rule, project));
        rules.map(move |rule| Environment { project: name.clone(), name: rule.name.clone() })
    })
}

fn reads(rule: &EnvironmentRule, project: &Project) -> bool {
    let mut gates = rule.gate_lists().flat_map(|(_, gates)| gates);
    gates.any(|rule| other_project(&rule.gate) == Some(project))
}

/// The other project that a gate reads; every gate but one keeps to its own.
fn other_project(gate: &Gate) -> Option<&Project> {
    match gate {
        Gate::Dependency(gate) => Some(&gate.project),
        Gate::Provenance(_)
        | Gate::Evidence(_)
        | Gate::Measurement(_)
        | Gate::Vulnerabilities(_)
        | Gate::Analysis(_)
        | Gate::Sbom(_)
        | Gate::Licenses(_)
        | Gate::Soak(_)
        | Gate::Canary(_)
        | Gate::Slo(_)
        | Gate::Freeze(_)
        | Gate::Configuration(_)
        | Gate::Migration(_)
        | Gate::RollbackReady(_)
        | Gate::Window(_)
        | Gate::Approvals(_)
        | Gate::Rego(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::body::policy_json;

    fn policies(all: &[(&str, String)]) -> BTreeMap<Project, PolicyInForce> {
        let policy = |json: &str| PolicyInForce {
            entry: 1,
            statement: schemas::id::Hash([1; 32]),
            digest: schemas::id::Hash([2; 32]),
            revision: 1,
            document: serde_json::from_str(json).unwrap(),
        };
        all.iter().map(|(name, json)| (name.parse().unwrap(), policy(json))).collect()
    }

    #[test]
    fn those_whose_gates_name_the_project_read_it() {
        let dependency = |on: &str| format!(r#"[{{"dependency":{{"project":"{on}"}}}}]"#);
        let emergency = r#"[],"emergency":{"review":{"within":"1d","roles":[]},"gates":
            [{"dependency":{"project":"accounts","in":"live"}}]}"#;
        let all = policies(&[
            ("accounts", policy_json("[]", &dependency("accounts"))),
            ("checkout", policy_json("[]", &dependency("accounts"))),
            ("ledger", policy_json(&dependency("checkout"), "[]")),
            ("search", policy_json(&dependency("accounts"), &dependency("accounts"))),
            ("shop", policy_json("[]", emergency)),
        ]);
        let check = |project: &str, expected: &[&str]| {
            let found: Vec<String> =
                readers(&all, &project.parse().unwrap()).map(|it| it.to_string()).collect();
            assert_eq!(found, expected, "{project}");
        };
        // Its own requests are touched by everything, so they are not among them.
        check("accounts", &["checkout/prod", "search/staging", "search/prod", "shop/prod"]);
        check("checkout", &["ledger/staging"]);
        check("shop", &[]);
        check("nobody", &[]);
    }
}
