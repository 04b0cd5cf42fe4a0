//! The words for what the types refuse, for somebody who has never seen the types.

use super::spelling::nearest;

/// A field or word that is none of the known ones.
pub struct UnknownWord<'a> {
    pub is_field: bool,
    pub found: &'a str,
    known: Vec<&'a str>,
}

/// Reads serde's ``unknown field `x`, expected one of `a`, `b` ``.
pub fn unknown_word(text: &str) -> Option<UnknownWord<'_>> {
    let (is_field, rest) = match text.strip_prefix("unknown field `") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("unknown variant `")?),
    };
    let (found, known) = rest.rsplit_once("`, expected ")?;
    let known = known.split('`').skip(1).step_by(2).collect();
    Some(UnknownWord { is_field, found, known })
}

impl UnknownWord<'_> {
    pub fn message(&self) -> String {
        let what = if self.is_field { "field" } else { "word" };
        let found = self.found;
        let suggestion = match nearest(found, &self.known) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "leave it out or write a known one".to_owned(),
        };
        format!("unknown {what} `{found}`; {suggestion} (known: {})", self.known.join(", "))
    }
}

/// Words an error of the type reader at a path.
pub fn plain_message(text: &str, path: &str) -> String {
    if let Some(missing) = text.strip_prefix("missing field `").and_then(|t| t.strip_suffix('`')) {
        let example = example(&format!("{path}.{missing}"));
        return format!("`{missing}` is missing; {example}");
    }
    let wrong = ["invalid type: ", "invalid value: "].iter().find_map(|p| text.strip_prefix(p));
    if let Some((found, expected)) = wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) {
        let (found, expected) = (plain_type(found), plain_type(expected));
        return format!("expected {expected}, found {found}; {}", example(path));
    }
    if text.contains("; write ") {
        return text.to_owned();
    }
    format!("{text}; {}", example(path))
}

fn plain_type(name: &str) -> &str {
    match name {
        "map" | "a map" => "a mapping",
        "sequence" | "a sequence" => "a list",
        "u32" | "u64" => "a whole number",
        "string or map" | "variant identifier" => "a word",
        _ if name.starts_with("struct ") => "a mapping",
        _ => name,
    }
}

/// Shows how the field at a path may look.
pub fn example(path: &str) -> String {
    let field = path.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '[' | ']'));
    let fits = |name: &str| {
        field.strip_suffix(name).is_some_and(|above| above.is_empty() || above.ends_with('.'))
    };
    match EXAMPLES.iter().find(|(name, _)| fits(name)) {
        Some((name, example)) => {
            let name = name.rsplit('.').next().unwrap_or(name);
            format!("write for example `{name}: {example}`")
        }
        None => "put text in quotes, and write numbers without".to_owned(),
    }
}

/// An example for each field, for those who wrote something else; the first that fits counts.
const EXAMPLES: &[(&str, &str)] = &[
    ("vulnerabilities.max", "{ critical: 0 }"),
    ("max", "95"),
    ("apiVersion", "attestry/policy/v1"),
    ("project", "payments"),
    ("environments", "[{ name: staging, gates: [] }]"),
    ("name", "staging"),
    ("from", "[staging]"),
    ("gates", "[{ soak: { in: staging, for: 24h } }]"),
    ("id", "unit-tests"),
    ("provenance", "{ builders: [...], source: ... }"),
    ("builders", "[\"https://github.com/actions/runner\"]"),
    ("source", "\"git+https://github.com/acme/payments\""),
    ("evidence", "{ kind: test, result: passed }"),
    ("kind", "test"),
    ("suites", "[unit]"),
    ("result", "passed"),
    ("levels", "{ error: 0 }"),
    ("metric", "coverage.line"),
    ("min", "80"),
    ("max_age", "7d"),
    ("vulnerabilities", "{ max: { critical: 0 } }"),
    ("soak", "{ in: staging, for: 24h }"),
    ("in", "staging"),
    ("for", "24h"),
    ("approvals", "{ count: 1, roles: [release-approver] }"),
    ("count", "2"),
    ("roles", "[release-approver]"),
    ("meaning", "release"),
    ("not", "[author]"),
    ("within", "72h"),
    ("why", "\"one sentence\""),
    ("when", "{ class: [high] }"),
    ("fails", "wait"),
    ("limit", "4h"),
    ("escalate", "release-manager"),
    ("waiver", "{ by: [risk-owner], max: 7d }"),
    ("by", "[risk-owner]"),
    ("expires", "14d"),
    ("emergency", "{ gates: [...], review: { within: 2d, roles: [release-approver] } }"),
    ("rollback", "{ gates: [] }"),
    ("review", "{ within: 2d, roles: [release-approver] }"),
    ("groups", "{ leads: [anna, ben] }"),
    ("calendars", "{ holidays: [\"2026-12-24\"] }"),
];
