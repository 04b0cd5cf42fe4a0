//! Which way each parameter of a policy goes: one line for each that there is.

/// What more of a parameter, or less of it, does to what a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Asks for more where it is greater; absent: asks for nothing.
    Least,
    /// Asks for more where it is smaller; absent: asks for nothing.
    Most,
    /// A list of which one is enough: fewer are stricter. Absent: any will do.
    OneOf,
    /// A list of which each is asked for: more are stricter.
    EachOf,
    /// The same; but where none is named, what was recorded is asked for, whatever it is.
    EachNamed,
    /// Asks for something where it is there; which way another value goes depends on what is recorded.
    Asked,
    /// Lets something through where it is there, and nothing without.
    Relief,
    /// Lets more through where it is greater, and nothing without.
    Credit,
    /// Lets more through, the more words it has.
    Allowance,
    /// A list with a reason and a last day for each name in this field: lets those through.
    Excused(&'static str),
    /// Words from the loosest to the strictest; the empty one stands for none.
    Ranked(&'static [&'static str]),
    /// A condition under which a gate applies: without it the gate always does, and with more words
    /// to one more often.
    Condition,
    /// Times of the week at which something may happen.
    Times,
    /// Which way another value goes depends on what is recorded, or on what nobody can compare.
    Other,
    /// Decides nothing.
    Nothing,
}

use Direction::{
    Allowance, Asked, Condition, Credit, EachNamed, EachOf, Excused, Least, Most, Nothing, OneOf,
    Other, Ranked, Relief, Times,
};

/// The parameters of each gate and what stands beside them, by their paths in a rule; `*` is any name.
///
/// A test walks the schema of policies: whatever can be written has its line, and nothing else has.
#[rustfmt::skip]
pub const RULE: &[(&str, Direction)] = &[
    ("id", Nothing),
    ("why", Nothing),
    ("when", Relief),
    ("when.class", Condition),
    ("when.class_not", Allowance),
    ("when.paths", Condition),
    ("when.paths_outside", Allowance),
    ("when.labels", Condition),
    ("when.labels_not", Allowance),
    ("when.owners", Condition),
    ("when.lines_over", Credit),
    ("when.files_over", Credit),
    ("when.customer_impact", Condition),
    ("fails", Relief),
    // Whoever is told that a gate is late lets nothing through.
    ("limit", Other),
    ("escalate", Other),
    ("waiver", Relief),
    ("waiver.by", Allowance),
    ("waiver.max", Credit),

    ("provenance.builders", OneOf),
    ("provenance.source", Other),
    ("provenance.refs", OneOf),
    ("provenance.levels.*", Credit),
    ("provenance.level", Least),
    ("provenance.pinned", Least),
    ("provenance.reviewed", Least),

    ("evidence.kind", Other),
    ("evidence.suites", EachNamed),
    ("evidence.result", Asked),
    ("evidence.levels.*", Most),
    ("evidence.metric", Other),
    ("evidence.min", Least),
    ("evidence.max", Most),
    ("evidence.max_age", Most),
    ("evidence.counts.*.min", Least),
    ("evidence.counts.*.max", Most),
    ("evidence.quarantine", Excused("test")),
    ("evidence.signed_by", OneOf),

    ("measurement.metric", Other),
    ("measurement.min", Least),
    ("measurement.max", Most),
    ("measurement.max_increase_percent", Most),
    ("measurement.max_decrease_percent", Most),
    ("measurement.unit", Asked),
    ("measurement.min_samples", Least),
    ("measurement.max_age", Most),

    ("vulnerabilities.max.*", Most),
    ("vulnerabilities.fixable_only", Relief),
    ("vulnerabilities.allow", Excused("id")),
    ("vulnerabilities.vex", Relief),
    ("vulnerabilities.suites", EachNamed),
    ("vulnerabilities.scanners", OneOf),
    ("vulnerabilities.max_age", Most),
    ("vulnerabilities.max_database_age", Most),

    ("analysis.suites", EachNamed),
    ("analysis.max.*", Most),
    ("analysis.max_new.*", Most),
    ("analysis.max_secrets", Most),
    ("analysis.max_age", Most),

    ("sbom.names_artifact", Least),
    ("sbom.min_components", Least),
    ("sbom.formats", OneOf),
    ("sbom.max_age", Most),

    ("licenses.allow", OneOf),
    ("licenses.deny", EachOf),
    ("licenses.unknown", Ranked(&["allow", "", "deny"])),
    ("licenses.max_age", Most),

    ("soak.in", Other),
    ("soak.for", Least),

    ("canary.in", Other),
    ("canary.min_duration", Least),
    ("canary.min_samples", Least),
    ("canary.max_age", Most),

    ("slo.objective", Other),
    ("slo.min_budget_left", Least),
    ("slo.max_burn_rate", Most),
    ("slo.max_age", Most),

    ("configuration.roles", OneOf),
    ("configuration.parity", Asked),

    ("migration.rehearsed_in", Asked),
    ("migration.max_age", Most),
    ("migration.irreversible", Relief),

    ("rollback-ready.rehearsed_in", Asked),
    ("rollback-ready.max_age", Most),
    ("rollback-ready.seen_within", Most),
    ("rollback-ready.first", Relief),

    ("dependency.project", Other),
    ("dependency.in", Other),
    ("dependency.artifact", Asked),
    ("dependency.versions", Asked),

    ("window.allow", Times),
    ("window.zone", Other),
    ("window.not_on", EachOf),
    ("window.only_on", OneOf),

    ("approvals.count", Least),
    ("approvals.roles", OneOf),
    ("approvals.each.*", Least),
    ("approvals.groups", OneOf),
    ("approvals.meaning", Asked),
    ("approvals.not", EachOf),
    ("approvals.within", Most),
    ("approvals.signing", OneOf),

    ("rego.file", Nothing),
    ("rego.text", Other),
    ("rego.rule", Other),
];

/// What an environment says beside its gates.
#[rustfmt::skip]
pub const ENVIRONMENT: &[(&str, Direction)] = &[
    ("from", OneOf),
    ("expires", Most),
    ("emergency.review.within", Most),
    ("emergency.review.roles", OneOf),
];

/// The direction of a path, by its first line.
pub fn direction(table: &[(&str, Direction)], path: &[String]) -> Option<Direction> {
    let fits = |pattern: &str| {
        pattern.split('.').count() == path.len()
            && pattern.split('.').zip(path).all(|(part, name)| part == "*" || part == name)
    };
    table.iter().find(|(pattern, _)| fits(pattern)).map(|(_, direction)| *direction)
}
