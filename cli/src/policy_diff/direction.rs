//! Which way a changed field of a policy goes.

use serde_json::Value;
use verifier::decimal::Decimal;

use super::Effect;

/// Fields that ask for more where they are greater.
const LEAST: [&str; 10] = [
    "min",
    "min_samples",
    "min_components",
    "count",
    "each",
    "for",
    "level",
    "names_artifact",
    "pinned",
    "reviewed",
];

/// Fields that ask for more where they are smaller.
const MOST: [&str; 10] = [
    "max",
    "max_new",
    "max_secrets",
    "max_age",
    "max_increase_percent",
    "max_decrease_percent",
    "within",
    "lines_over",
    "files_over",
    "expires",
];

/// Lists of which one is enough: fewer are stricter. Where none is written, any will do.
const ONE_OF: [&str; 11] = [
    "from",
    "builders",
    "refs",
    "roles",
    "groups",
    "signing",
    "signed_by",
    "formats",
    "allow",
    "only_on",
    "by",
];

/// Lists of which each is asked for: more are stricter.
const EACH_OF: [&str; 3] = ["not", "deny", "not_on"];

/// What is there only to let something through: with it a policy is looser.
const RELIEF: [&str; 4] = ["waiver", "quarantine", "when", "unless"];

pub fn effect_of(path: &str, old: &Value, new: &Value) -> Effect {
    // The field itself, or the mapping that it is a member of: `max.critical` goes as `max` does.
    let mut names = path.rsplit('.').take(2);
    let field = names.next().unwrap_or(path);
    let above = names.next().unwrap_or_default();
    for name in [field, above] {
        if let Some(effect) = by_field(name, old, new) {
            return effect;
        }
    }
    Effect::Changed
}

fn by_field(name: &str, old: &Value, new: &Value) -> Option<Effect> {
    if LEAST.contains(&name) {
        return Some(amount(old, new, Effect::Stricter, Effect::Looser));
    }
    if MOST.contains(&name) {
        return Some(amount(old, new, Effect::Looser, Effect::Stricter));
    }
    if ONE_OF.contains(&name) {
        return Some(choice(old, new));
    }
    if EACH_OF.contains(&name) {
        return Some(opposite(choice_of(&words(old), &words(new))));
    }
    if RELIEF.contains(&name) {
        return Some(match (is_nothing(old), is_nothing(new)) {
            (true, _) => Effect::Looser,
            (_, true) => Effect::Stricter,
            (false, false) => Effect::Changed,
        });
    }
    match name {
        "fails" if is_nothing(old) => Some(Effect::Looser),
        "fails" if is_nothing(new) => Some(Effect::Stricter),
        "meaning" | "unit" if is_nothing(old) => Some(Effect::Stricter),
        "meaning" | "unit" if is_nothing(new) => Some(Effect::Looser),
        _ => None,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// A limit that was not there limits, whichever way it goes; else the greater one decides.
fn amount(old: &Value, new: &Value, greater: Effect, smaller: Effect) -> Effect {
    match (is_nothing(old), is_nothing(new)) {
        (true, false) => return Effect::Stricter,
        (false, true) => return Effect::Looser,
        (true, true) | (false, false) => {}
    }
    match number(old).zip(number(new)).map(|(old, new)| new.cmp(&old)) {
        Some(std::cmp::Ordering::Greater) => greater,
        Some(std::cmp::Ordering::Less) => smaller,
        Some(std::cmp::Ordering::Equal) | None => Effect::Changed,
    }
}

/// A number, or a length of time in milliseconds.
fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Bool(told) => Some(Decimal::from(u64::from(*told))),
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => {
            let time = text.parse::<schemas::policy::Duration>().ok();
            time.map(|time| Decimal::from(time.ms())).or_else(|| text.parse().ok())
        }
        _ => None,
    }
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(ToString::to_string).collect()
}

fn choice(old: &Value, new: &Value) -> Effect {
    match (is_nothing(old), is_nothing(new)) {
        (true, false) => Effect::Stricter,
        (false, true) => Effect::Looser,
        (true, true) | (false, false) => choice_of(&words(old), &words(new)),
    }
}

fn choice_of(old: &[String], new: &[String]) -> Effect {
    let within = |few: &[String], many: &[String]| few.iter().all(|word| many.contains(word));
    match (within(new, old), within(old, new)) {
        (true, false) => Effect::Stricter,
        (false, true) => Effect::Looser,
        (true, true) | (false, false) => Effect::Changed,
    }
}

fn opposite(effect: Effect) -> Effect {
    match effect {
        Effect::Stricter => Effect::Looser,
        Effect::Looser => Effect::Stricter,
        Effect::Changed => Effect::Changed,
    }
}
