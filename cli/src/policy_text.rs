//! The policy file: strict YAML in, the document and the JSON to sign out.
//!
//! Everything that is wrong is listed at once, with its line. The JSON is the file as written, not
//! the document written again: what is signed is what was reviewed.

mod characters;
mod lint;
mod problem;
mod spelling;
pub mod template;
mod type_error;
mod wording;
pub(crate) mod yaml;

use std::collections::BTreeSet;
use std::mem;

use schemas::policy::{
    Approvals, EnvironmentRule, Excluded, Gate, GateRule, PolicyDocument, list_fields,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use verifier::policy::document::check_document;

pub use self::lint::lint;
use self::problem::problem;
pub use self::problem::{Problem, render};
use self::type_error::{TypeError, error_path, remove};
use self::wording::{example, plain_message, unknown_word};
use self::yaml::{Yaml, key_path};

/// Reads a policy that stands by itself, into the document and the JSON to canonicalise and sign.
pub fn parse_policy(text: &str) -> Result<(PolicyDocument, Value), Vec<Problem>> {
    let nothing = |name: &str| Err(format!("there is no template or file `{name}` here"));
    parse_policy_in(text, &nothing)
}

/// Reads a policy, with the templates and Rego files that it names, as `read` reads them.
///
/// The JSON reads back as an equal document. On failure every problem is listed, by line.
pub fn parse_policy_in(
    text: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<(PolicyDocument, Value), Vec<Problem>> {
    let mut yaml = yaml::read(text).map_err(sorted)?;
    let mut value = mem::take(&mut yaml.value);
    let lists = list_fields();
    let (problems, unread, elsewhere) = Default::default();
    let mut reading = Reading { yaml, problems, unread, elsewhere, lists };
    reading.include(&mut value, read);
    reading.refuse_positions("", "", &value);
    let whole = serde_path_to_error::deserialize::<_, PolicyDocument>(&value);
    match whole {
        Ok(document) => {
            reading.check(&document);
            if reading.problems.is_empty() {
                return Ok((document, value));
            }
        }
        Err(error) => {
            reading.read_pieces(value.clone());
            if reading.problems.is_empty() {
                reading.failed("", &value, &error);
            }
        }
    }
    Err(sorted(reading.problems))
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| (a.line, a.column, &a.message).cmp(&(b.line, b.column, &b.message)));
    problems.dedup();
    problems
}

/// Most unknown fields that are listed of one piece: each costs another reading of it.
const UNKNOWN_MAX: usize = 20;

/// What was read of one file, and what was wrong with it.
struct Reading {
    yaml: Yaml,
    problems: Vec<Problem>,
    /// Places that could not be read: nothing more is said about them.
    unread: Vec<String>,
    /// Places whose text stands elsewhere and could not be brought.
    elsewhere: Vec<String>,
    /// Fields whose values are lists.
    lists: BTreeSet<String>,
}

impl Reading {
    fn add(&mut self, path: &str, at_key: bool, message: String) {
        let (place, exact) = self.yaml.place(path);
        let spot = if at_key && exact { place.key } else { place.value };
        self.problems.push(problem(spot, path, message));
    }

    /// Puts in what stands elsewhere: the template that the policy extends, and Rego files.
    fn include(&mut self, value: &mut Value, read: &dyn Fn(&str) -> Result<String, String>) {
        if let Err((path, message)) = template::expand(value, read) {
            self.add(path, false, message);
            // Nothing more is said of what a template would have brought.
            self.unread.push(String::new());
            self.elsewhere.push(String::new());
        }
        let mut troubles = Vec::new();
        template::include_rego(value, "", read, &mut troubles);
        for (path, message) in troubles {
            self.add(&path, false, message);
            let above = path.strip_suffix(".file").unwrap_or(&path).to_owned();
            self.unread.push(above.clone());
            self.elsewhere.push(above);
        }
    }

    /// Refuses a list where a mapping belongs: the types would read its members as fields by
    /// position, so `soak: [staging, 24h]` would be a second spelling.
    fn refuse_positions(&mut self, path: &str, field: &str, value: &Value) {
        match value {
            Value::Array(_) if !self.lists.contains(field) && !is_named_list(path) => {
                let message = format!("a list does not belong here; {}", example(path));
                self.add(path, false, message);
                self.unread.push(path.to_owned());
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.refuse_positions(&format!("{path}[{index}]"), "", item);
                }
            }
            Value::Object(object) => {
                for (key, value) in object {
                    self.refuse_positions(&key_path(path, key), key, value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn check(&mut self, document: &PolicyDocument) {
        for complaint in check_document(document) {
            let hides = |unread: &String| is_within(&complaint.path, unread);
            if !self.unread.iter().any(hides) {
                self.add(&complaint.path, false, complaint.message);
            }
        }
    }

    /// Reads head, environments and gates one by one, because the reader of a whole document
    /// stops at its first error. Where a gate cannot be read, an empty one keeps its position.
    fn read_pieces(&mut self, mut value: Value) {
        let environments = take_list(&mut value, "environments");
        let document = self.piece::<PolicyDocument>("", value);
        let mut rules = Vec::new();
        let mut complete = true;
        for (index, mut environment) in environments.into_iter().enumerate() {
            let path = format!("environments[{index}]");
            let mut written = Vec::new();
            for way in WAYS {
                let place =
                    if way.is_empty() { Some(&mut environment) } else { environment.get_mut(way) };
                written.push(place.map(|place| take_list(place, "gates")).unwrap_or_default());
            }
            let rule = self.piece::<EnvironmentRule>(&path, environment);
            let mut read = Vec::new();
            for (way, gates) in WAYS.into_iter().zip(written) {
                read.push(self.gates(&key_path_of(&path, way), gates));
            }
            match rule {
                Some(rule) => rules.push(with_gates(rule, read)),
                None => complete = false,
            }
        }
        if let Some(document) = document.filter(|_| complete) {
            self.check(&PolicyDocument { environments: rules, ..document });
        }
    }

    fn gates(&mut self, environment: &str, gates: Vec<Value>) -> Vec<GateRule> {
        let mut rules = Vec::new();
        for (index, gate) in gates.into_iter().enumerate() {
            let path = format!("{environment}.gates[{index}]");
            rules.push(self.piece::<GateRule>(&path, gate).unwrap_or_else(|| {
                self.unread.push(path);
                unread_gate()
            }));
        }
        rules
    }

    /// Reads one piece. After an unknown field, which is likely a known one misspelt, only further
    /// unknown fields are listed: what else is missing may be just that.
    fn piece<T: DeserializeOwned>(&mut self, path: &str, mut value: Value) -> Option<T> {
        for round in 0..UNKNOWN_MAX {
            let error = match serde_path_to_error::deserialize::<_, T>(&value) {
                Ok(read) => return (round == 0).then_some(read),
                Err(error) => error,
            };
            let unknown = unknown_word(&error.inner().to_string()).is_some_and(|w| w.is_field);
            if round == 0 || unknown {
                self.failed(path, &value, &error);
            }
            if !unknown || !remove(&mut value, error.path()) {
                return None;
            }
        }
        None
    }

    /// Words an error of the type reader, unless something was said about that place already; that
    /// a field is unknown replaces what was said about its value.
    fn failed(&mut self, above: &str, value: &Value, error: &TypeError) {
        let path = error_path(above, value, error);
        // A document that is a list as a whole has no fields that could be wrong.
        let nowhere = self.unread.iter().any(String::is_empty) && !path.is_empty();
        if nowhere || self.elsewhere.iter().any(|it| is_within(&path, it)) {
            return;
        }
        let text = error.inner().to_string();
        let (at_key, message) = match unknown_word(&text) {
            Some(word) => (word.is_field, word.message()),
            None => (false, plain_message(&text, &path)),
        };
        if at_key {
            self.problems.retain(|known| !is_within(place_of(known), &path));
        }
        if !self.problems.iter().any(|known| place_of(known) == path) {
            self.add(&path, at_key, message);
        }
    }
}

/// Where an environment has lists of gates: its own, and those of the other ways into it.
const WAYS: [&str; 3] = ["", "emergency", "rollback"];

fn key_path_of(above: &str, way: &str) -> String {
    if way.is_empty() { above.to_owned() } else { key_path(above, way) }
}

/// Puts back the gates that were read one by one, in the order of [`WAYS`].
fn with_gates(mut rule: EnvironmentRule, read: Vec<Vec<GateRule>>) -> EnvironmentRule {
    let mut read = read.into_iter();
    rule.gates = read.next().unwrap_or_default();
    let (emergency, rollback) = (read.next().unwrap_or_default(), read.next().unwrap_or_default());
    if let Some(path) = &mut rule.emergency {
        path.gates = emergency;
    }
    if let Some(path) = &mut rule.rollback {
        path.gates = rollback;
    }
    rule
}

/// True for the lists that a policy names itself: groups of people, and calendars.
fn is_named_list(path: &str) -> bool {
    path.starts_with("groups.") || path.starts_with("calendars.")
}

fn place_of(problem: &Problem) -> &str {
    problem.path.as_deref().unwrap_or_default()
}

/// True for a path itself and for those below it.
fn is_within(path: &str, above: &str) -> bool {
    let below = path.strip_prefix(above);
    above.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn take_list(value: &mut Value, field: &str) -> Vec<Value> {
    let list = value.get_mut(field).and_then(Value::as_array_mut);
    list.map(mem::take).unwrap_or_default()
}

/// Stands for a gate that could not be read; its id is none that a policy could hold.
fn unread_gate() -> GateRule {
    // It may have been the second person of an emergency: nothing is said of what nobody read.
    let gate = Approvals { not: vec![Excluded::Requester], ..Approvals::default() };
    GateRule { id: "(unread)".to_owned(), ..GateRule::of(Gate::Approvals(gate)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: attestry/policy/v1\nproject: payments\n";

    /// `expected` lists line, column and a part of the message.
    fn refuse(text: &str, expected: &[(usize, usize, &str)]) {
        let found = parse_policy(text).unwrap_err();
        assert_eq!(found.len(), expected.len(), "{text}\n{found:#?}");
        for (problem, (line, column, part)) in found.iter().zip(expected) {
            assert_eq!((problem.line, problem.column), (*line, *column), "{text}\n{problem:?}");
            assert!(problem.message.contains(part), "{}", problem.message);
        }
    }

    /// A policy of one environment; its gates begin on line 6.
    fn gates(gates: &str) -> String {
        let lines: String = gates.lines().map(|line| format!("      {line}\n")).collect();
        format!("{HEAD}environments:\n  - name: prod\n    gates:\n{lines}")
    }

    #[test]
    fn the_template_is_a_policy() {
        for project in ["payments", "123", "true", "1.0", "a-b_c"] {
            let text = template::TEMPLATES[0].text.replace("{{project}}", project);
            let (document, value) = parse_policy(&text).unwrap_or_else(|p| panic!("{p:#?}"));
            assert_eq!(document.project.as_str(), project);
            assert_eq!(document.environments.len(), 2);
            assert_eq!(serde_json::from_value::<PolicyDocument>(value).unwrap(), document);
            let again = serde_json::to_value(&document).unwrap();
            assert_eq!(serde_json::from_value::<PolicyDocument>(again).unwrap(), document);
            assert!(text.lines().all(|line| line.len() <= 80));
        }
    }

    #[test]
    fn the_json_is_the_file_as_written() {
        let text = gates("- evidence: { kind: measurement, metric: a, min: 80, max: 83.40 }");
        let (document, value) = parse_policy(&text.replace('\n', "\r\n")).unwrap();
        let gate = r#"{"kind":"measurement","metric":"a","min":80,"max":"83.40"}"#;
        assert!(value.to_string().contains(gate), "{value}");
        assert_eq!(serde_json::from_value::<PolicyDocument>(value).unwrap(), document);
    }

    #[test]
    fn gates_are_read_one_by_one() {
        for (text, expected) in [
            ("- evidence: { kind: sbom, max_ages: 7d }", &[(6, 33, "did you mean `max_age`?")][..]),
            ("- sook: { in: a, for: 1h }", &[(6, 9, "`sook`; did you mean `soak`?")]),
            ("- weather: {}", &[(6, 9, "known: id, why, when")]),
            ("- größe: 1", &[(6, 9, "unknown field `größe`")]),
            ("- id: a", &[(6, 9, "a gate names one of")]),
            (
                "- evidence: { kind: sbom }\n  approvals: { count: 1, roles: [qa] }",
                &[(6, 9, "write them as two")],
            ),
            ("- soak", &[(6, 9, "expected a mapping, found string \"soak\"")]),
            ("- [soak]", &[(6, 9, "a list does not belong here")]),
            ("- soak: [a, 24h]", &[(6, 15, "`soak: { in: staging, for: 24h }`")]),
        ] {
            refuse(&gates(text), expected);
        }
    }

    #[test]
    fn fields_are_read_one_by_one() {
        for (text, expected) in [
            ("- evidence: { kind: tests }", &[(6, 27, "did you mean `test`?")][..]),
            ("- evidence: { kind: true }", &[(6, 27, "expected a word, found boolean `true`")]),
            ("- evidence: { result: passed }", &[(6, 19, "`kind` is missing")]),
            ("- evidence: { kin: sbom }", &[(6, 21, "did you mean `kind`?")]),
            ("- evidence: { kind: sbom, max_age: 7 }", &[(6, 42, "`max_age: 7d`")]),
            ("- evidence: { kind: sbom, max_age: 7w }", &[(6, 42, "write 30s, 15m, 24h or 7d")]),
            ("- evidence: { kind: sbom, max_age: }", &[(6, 40, "no value here")]),
            (
                "- evidence: { kind: measurement, metric: a, min: .5 }",
                &[(6, 56, "not a plain decimal number")],
            ),
            ("- evidence: { kind: measurement, metric: 5, min: 1e3 }", &[(6, 48, "a string")]),
            (
                "- evidence:\n    kind: test\n    sweets: [a]\n    resutl: passed",
                &[(8, 11, "`sweets`"), (9, 11, "`result`")],
            ),
        ] {
            refuse(&gates(text), expected);
        }
    }

    #[test]
    fn counts_and_lists_are_read_one_by_one() {
        for (text, expected) in [
            (
                "- vulnerabilities:\n    max:\n      critical: 0\n      hihg: 0",
                &[(9, 19, "did you mean `high`?")][..],
            ),
            (
                "- vulnerabilities:\n    max:\n      critical: 0\n      high: few",
                &[(9, 19, "expected a whole number")],
            ),
            ("- vulnerabilities: { max: [0] }", &[(6, 33, "`max: { critical: 0 }`")]),
            ("- approvals: { count: -1, roles: [qa] }", &[(6, 29, "a whole number")]),
            ("- approvals: { count: two, roles: qa }", &[(6, 29, "`count: 2`")]),
            ("- approvals: { count: 2, roles: [qa, [a]] }", &[(6, 44, "a list does not")]),
            ("- approvals: { count: 2, roles: [yes, 1] }", &[(6, 45, "expected a string")]),
        ] {
            refuse(&gates(text), expected);
        }
    }

    #[test]
    fn every_problem_is_listed_by_line() {
        let text = gates(
            "- evidence: { kind: test }\n- sook: {}\n- evidence: { kind: sbom, max_age: x }\n\
             - approvals: { count: 1, roles: [admin] }\n- approvals: { count: 1, roles: [qa] }",
        );
        refuse(
            &text.replace("v1", "v2"),
            &[
                (1, 13, "apiVersion: attestry/policy/v1"),
                (6, 19, "result: passed"),
                (7, 9, "soak"),
                (8, 42, "no duration"),
                (9, 40, "approves nothing"),
                (10, 9, "`id: approvals-2`"),
            ],
        );
    }

    #[test]
    fn heads_and_environments_are_checked() {
        let two = "environments:\n  - name: a\n    gates: []\n  - name: b\n    gates: []\n";
        for (text, expected) in [
            ("x".to_owned(), &[(1, 1, "expected a mapping, found string")][..]),
            ("null".to_owned(), &[(1, 1, "")]),
            ("[a, b, []]".to_owned(), &[(1, 1, "a list does not belong here")]),
            ("{}".to_owned(), &[(1, 1, "`apiVersion` is missing")]),
            (HEAD.to_owned() + "x: 1\n", &[(3, 1, "unknown field `x`")]),
            (HEAD.to_owned(), &[(1, 1, "`environments` is missing")]),
            (format!("{HEAD}environments: []\n"), &[(3, 15, "0 environments")]),
            (format!("{HEAD}environments: {{a: 1}}\n"), &[(3, 15, "expected a list")]),
            (format!("{HEAD}{two}extra: 1\n"), &[(8, 1, "unknown field `extra`")]),
            (format!("{HEAD}{two}    from: [c, a]\n"), &[(8, 12, "no environment is named `c`")]),
            (format!("{HEAD}{two}    form: [a]\n"), &[(8, 5, "did you mean `from`?")]),
            (format!("{HEAD}{two}    from: a\n"), &[(8, 11, "expected a list, found string")]),
            (two.replace("name: a", "name: A"), &[(1, 1, "`apiVersion`"), (2, 11, "\"A\"")]),
            (
                format!("{HEAD}{}", two.replace("[]", "")),
                &[(5, 10, "no value"), (7, 10, "no value")],
            ),
        ] {
            refuse(&text, expected);
        }
    }

    #[test]
    fn problems_are_shown_as_a_compiler_would() {
        let text = gates("- evidence: { kind: sbom, max_ages: 7d }");
        let problems = parse_policy(&text).unwrap_err();
        let expected = "\
policy.yaml:6:33: unknown field `max_ages`; did you mean `max_age`? (known:
    kind, suites, result, levels, metric, min, max, max_age, counts, quarantine,
    signed_by)
        - evidence: { kind: sbom, max_ages: 7d }
                                  ^
";
        assert_eq!(render(&problems, "policy.yaml", &text), expected);
    }

    /// Deletes and replaces each byte of the template: no input may panic, and what is
    /// accepted reads back the same.
    #[test]
    fn broken_templates_never_panic() {
        let text = template::TEMPLATES[0].text.replace("{{project}}", "payments");
        let new = ["", "\t", "[", "}", ":", "\n", "- ", "&a ", "'", "é", "#"];
        let mutants = (0..text.len()).flat_map(|at| {
            let (head, tail) = (&text[..at], &text[at + 1..]);
            [at, at + 3].map(|turn| format!("{head}{}{tail}", new[turn % new.len()]))
        });
        for mutant in mutants {
            match parse_policy(&mutant) {
                Ok((document, value)) => {
                    assert_eq!(serde_json::from_value::<PolicyDocument>(value).unwrap(), document);
                }
                Err(problems) => {
                    assert!(!problems.is_empty() && problems.is_sorted_by_key(|p| p.line));
                    render(&problems, "p", &mutant);
                }
            }
        }
    }
}
