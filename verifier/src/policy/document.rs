//! The rules of a policy document that its types cannot say.
//!
//! `policy set` refuses a document with a complaint before anybody signs it, and the fold applies
//! the same rules to what was logged, so that a policy that slipped past one tool decides nothing.

mod analysis;
mod approvals;
mod canary;
mod configuration;
mod dependency;
mod evidence;
mod freeze;
mod labels;
mod licenses;
mod measurement;
mod migration;
mod paths;
mod provenance;
mod rego;
mod rehearsed;
mod rollback_ready;
mod sbom;
mod shared;
mod slo;
mod soak;
mod vulnerabilities;
mod window;
mod words;

use std::collections::BTreeSet;

use schemas::id::EnvironmentName;
use schemas::policy::{
    API_VERSION, ENVIRONMENTS_MAX, EnvironmentRule, GATES_MAX, Gate, GateRule, PolicyDocument,
};

/// One thing that is wrong with a policy document, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// Where, as in `environments[1].gates[0].soak.in`; empty for the document as a whole.
    pub path: String,
    pub message: String,
}

/// Lists everything that is wrong with a document; an empty list means that it may be signed.
pub fn check_document(document: &PolicyDocument) -> Vec<Complaint> {
    let mut complaints = Complaints::default();
    if document.api_version != API_VERSION {
        let message = format!("this is no version we know; write `apiVersion: {API_VERSION}`");
        complaints.add("apiVersion", message);
    }
    shared::check(document, &mut complaints);
    let count = document.environments.len();
    if !(1..=ENVIRONMENTS_MAX).contains(&count) {
        let message = format!("{count} environments; write 1 to {ENVIRONMENTS_MAX} of them");
        complaints.add("environments", message);
    }
    for index in 0..count.min(ENVIRONMENTS_MAX) {
        check_environment(document, index, &mut complaints);
    }
    complaints.0
}

/// True for a character that changes what a reader sees without being seen.
///
/// Direction marks could make a signed policy read differently from what it says; joiners stay
/// allowed because some scripts cannot be written without them.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What was found so far, in the order of the document.
#[derive(Default)]
struct Complaints(Vec<Complaint>);

impl Complaints {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Complaint { path: path.into(), message: message.into() });
    }
}

fn check_environment(document: &PolicyDocument, index: usize, complaints: &mut Complaints) {
    let environment = &document.environments[index];
    let at = format!("environments[{index}]");
    if document.environments[..index].iter().any(|other| other.name == environment.name) {
        let message = format!("a second environment named `{}`; rename one", environment.name);
        complaints.add(format!("{at}.name"), message);
    }
    check_from(document, index, complaints);
    paths::check(&at, environment, complaints);
    for (list, rules) in environment.gate_lists() {
        check_gates(document, index, &format!("{at}.{list}"), rules, complaints);
    }
}

fn check_gates(
    document: &PolicyDocument,
    environment: usize,
    at: &str,
    rules: &[GateRule],
    complaints: &mut Complaints,
) {
    if rules.len() > GATES_MAX {
        complaints.add(at, format!("{} gates; write at most {GATES_MAX}", rules.len()));
    }
    for (index, rule) in rules.iter().take(GATES_MAX).enumerate() {
        let at = format!("{at}[{index}]");
        labels::check(&at, rule, &rules[..index], complaints);
        let site = Site { document, environment, path: format!("{at}.{}", rule.gate.kind()) };
        check_gate(&rule.gate, &site, complaints);
    }
}

/// Where the parameters of a gate stand.
struct Site<'a> {
    document: &'a PolicyDocument,
    /// The position of the gate's environment.
    environment: usize,
    path: String,
}

impl Site<'_> {
    /// The path of a field of the gate.
    fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }
}

macro_rules! check_each {
    ($($variant:ident $module:ident $name:literal $asks:literal;)*) => {
        fn check_gate(gate: &Gate, site: &Site, complaints: &mut Complaints) {
            match gate { $(Gate::$variant(gate) => $module::check(gate, site, complaints),)* }
        }
    };
}

schemas::for_gates!(check_each);

fn check_from(document: &PolicyDocument, index: usize, complaints: &mut Complaints) {
    let mut seen = BTreeSet::new();
    for (position, name) in document.environments[index].from.iter().enumerate() {
        let at = format!("environments[{index}].from[{position}]");
        if !seen.insert(name) {
            complaints.add(at, format!("`{name}` stands here twice; write it once"));
        } else if let Some(message) = not_earlier(document, index, name) {
            complaints.add(at, message);
        }
    }
}

/// Says why a name is not that of an environment before the one at `index`.
///
/// Order is what keeps promotion free of circles: nothing can wait for something that waits for it.
fn not_earlier(document: &PolicyDocument, index: usize, name: &EnvironmentName) -> Option<String> {
    let (earlier, rest) = document.environments.split_at(index);
    if earlier.iter().any(|environment| environment.name == *name) {
        return None;
    }
    let own = &rest[0].name;
    if own == name {
        return Some(format!("`{name}` is this environment itself; {}", offer(earlier)));
    }
    if rest.iter().any(|environment| environment.name == *name) {
        return Some(format!("`{name}` stands later in the list; move it above `{own}`"));
    }
    Some(format!("no environment is named `{name}`; {}", offer(earlier)))
}

/// Says why a name is not that of an environment of the policy.
fn no_environment(document: &PolicyDocument, name: &EnvironmentName) -> Option<String> {
    document.environment(name).is_none().then(|| format!("no environment is named `{name}`"))
}

fn offer(earlier: &[EnvironmentRule]) -> String {
    const SHOWN_MAX: usize = 8;
    let names: Vec<&str> = earlier.iter().take(SHOWN_MAX).map(|e| e.name.as_str()).collect();
    if names.is_empty() {
        return "no environment stands before this one, so leave it out".to_owned();
    }
    let more = if earlier.len() > SHOWN_MAX { ", ..." } else { "" };
    format!("write one that stands before this one: {}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Complaints {
        /// Compares with pairs of what follows `above` in the path and a part of the message.
        pub(super) fn assert_below(&self, above: &str, expected: &[(&str, &str)]) {
            assert_eq!(self.0.len(), expected.len(), "{:#?}", self.0);
            for (complaint, (path, part)) in self.0.iter().zip(expected) {
                assert_eq!(complaint.path, format!("{above}{path}"));
                assert!(complaint.message.contains(part), "{}", complaint.message);
            }
        }
    }

    /// Checks one gate; `expected` pairs what follows its path with a part of the message.
    pub(super) fn check_one(gate: &str, expected: &[(&str, &str)]) {
        let rule: GateRule = serde_json::from_str(gate).unwrap();
        let environments = r#"[{"name":"staging","gates":[]},{"name":"prod","gates":[]}]"#;
        let text = format!(r#"{{{HEAD},"environments":{environments}}}"#);
        let document = serde_json::from_str(&text).unwrap();
        let path = format!("g.{}", rule.gate.kind());
        let mut complaints = Complaints::default();
        check_gate(
            &rule.gate,
            &Site { document: &document, environment: 1, path },
            &mut complaints,
        );
        complaints.assert_below(&format!("g.{}", rule.gate.kind()), expected);
    }

    const HEAD: &str = r#""apiVersion":"attestry/policy/v1","project":"payments""#;

    /// `expected` pairs a path with a part of its message.
    pub(super) fn check(environments: &str, expected: &[(&str, &str)]) {
        let text = format!(r#"{{{HEAD},"environments":{environments}}}"#);
        let document: PolicyDocument = serde_json::from_str(&text).unwrap();
        Complaints(check_document(&document)).assert_below("", expected);
    }

    #[test]
    fn environments_stand_in_order() {
        let a = r#"{"name":"a","gates":[]}"#;
        let many = |count: usize| {
            let list: Vec<String> =
                (0..count).map(|i| format!(r#"{{"name":"e{i}","gates":[]}}"#)).collect();
            format!("[{}]", list.join(","))
        };
        let b = |rest: &str| format!(r#"[{a},{{"name":"b",{rest}}},{{"name":"c","gates":[]}}]"#);
        let soak = |name: &str| b(&format!(r#""gates":[{{"soak":{{"in":"{name}","for":"1h"}}}}]"#));
        check(&format!("[{a}]"), &[]);
        check("[]", &[("environments", "1 to 64")]);
        check(&many(64), &[]);
        check(&many(65), &[("environments", "65 environments")]);
        check(&format!("[{a},{a}]"), &[("environments[1].name", "second environment")]);
        check(&b(r#""from":["a"],"gates":[]"#), &[]);
        check(&b(r#""from":["a","a"],"gates":[]"#), &[("environments[1].from[1]", "twice")]);
        check(&b(r#""from":["b"],"gates":[]"#), &[("environments[1].from[0]", "itself")]);
        check(&b(r#""from":["c"],"gates":[]"#), &[("environments[1].from[0]", "move it above")]);
        check(&b(r#""from":["x"],"gates":[]"#), &[("environments[1].from[0]", "this one: a")]);
        check(&soak("a"), &[]);
        check(&soak("b"), &[("environments[1].gates[0].soak.in", "itself")]);
        check(&soak("c"), &[("environments[1].gates[0].soak.in", "later")]);
        let first = r#"[{"name":"a","gates":[{"soak":{"in":"x","for":"1h"}}]}]"#;
        check(first, &[("environments[0].gates[0].soak.in", "leave it out")]);
    }

    #[test]
    fn the_version_is_exact() {
        let text = r#"{"apiVersion":"attestry/policy/v2","project":"p",
                       "environments":[{"name":"a","gates":[]}]}"#;
        let found = check_document(&serde_json::from_str(text).unwrap());
        assert_eq!(found.len(), 1);
        assert!(found[0].message.ends_with("`apiVersion: attestry/policy/v1`"));
    }
}
