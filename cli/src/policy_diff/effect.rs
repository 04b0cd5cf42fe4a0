//! What a changed value does, by the direction of its parameter.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use verifier::decimal::Decimal;
use verifier::policy::weekly::Weekly;

use super::Effect;
use super::direction::Direction;

/// The effect of a change; none where it decides nothing.
pub fn effect_of(direction: Direction, old: &Value, new: &Value) -> Option<Effect> {
    Some(match direction {
        Direction::Least => amount(old, new),
        Direction::Most => {
            let effect = amount(old, new);
            if is_nothing(old) || is_nothing(new) { effect } else { opposite(effect) }
        }
        Direction::Credit => opposite(amount(old, new)),
        Direction::OneOf => one_of(old, new),
        Direction::Condition => opposite(one_of(old, new)),
        Direction::EachOf => each_of(old, new),
        Direction::EachNamed if is_nothing(old) || is_nothing(new) => Effect::Changed,
        Direction::EachNamed => each_of(old, new),
        Direction::Allowance => opposite(each_of(old, new)),
        Direction::Asked => comes(old, new),
        Direction::Relief => opposite(comes(old, new)),
        Direction::Excused(name) => return excused(name, old, new),
        Direction::Ranked(words) => {
            let rank = |value: &Value| {
                let word = value.as_str().unwrap_or_default();
                words.iter().position(|it| *it == word)
            };
            ordered(rank(new).zip(rank(old)).map(|(new, old)| new.cmp(&old)))
        }
        Direction::Times => return times(old, new),
        Direction::Other => Effect::Changed,
        Direction::Nothing => return None,
    })
}

/// Nothing is written there, or what means the same.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// Greater is stricter.
fn ordered(order: Option<Ordering>) -> Effect {
    match order {
        Some(Ordering::Greater) => Effect::Stricter,
        Some(Ordering::Less) => Effect::Looser,
        Some(Ordering::Equal) | None => Effect::Changed,
    }
}

/// What comes is asked for, and what goes is not.
fn comes(old: &Value, new: &Value) -> Effect {
    match (is_nothing(old), is_nothing(new)) {
        (true, false) => Effect::Stricter,
        (false, true) => Effect::Looser,
        (true, true) | (false, false) => Effect::Changed,
    }
}

/// A limit that was not there limits, whichever way it goes; else the greater one decides.
fn amount(old: &Value, new: &Value) -> Effect {
    match comes(old, new) {
        Effect::Changed => ordered(number(new).zip(number(old)).map(|(new, old)| new.cmp(&old))),
        comes => comes,
    }
}

/// A number, or a length of time in milliseconds.
fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => {
            let time = text.parse::<schemas::policy::Duration>().ok();
            time.map(|time| Decimal::from(time.ms())).or_else(|| text.parse().ok())
        }
        _ => None,
    }
}

fn words(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(ToString::to_string).collect()
}

/// Of a list in which one is enough, fewer are stricter; none at all means any.
fn one_of(old: &Value, new: &Value) -> Effect {
    match comes(old, new) {
        Effect::Changed => opposite(each_of(old, new)),
        comes => comes,
    }
}

/// More words are stricter.
fn each_of(old: &Value, new: &Value) -> Effect {
    let (old, new) = (words(old), words(new));
    match (old.is_subset(&new), new.is_subset(&old)) {
        (true, false) => Effect::Stricter,
        (false, true) => Effect::Looser,
        (true, true) | (false, false) => Effect::Changed,
    }
}

/// What is let through by name until a day: more names and later days are looser. Why it is decides
/// nothing.
fn excused(name: &str, old: &Value, new: &Value) -> Option<Effect> {
    let until = |list: &Value| -> BTreeMap<String, String> {
        let text = |it: &Value, field: &str| it[field].as_str().unwrap_or_default().to_owned();
        let list = list.as_array().into_iter().flatten();
        list.map(|it| (text(it, name), text(it, "until"))).collect()
    };
    let (before, after) = (until(old), until(new));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    // A day that is not there is before every other.
    let effects: BTreeSet<Effect> = names
        .into_iter()
        .filter_map(|name| match before.get(name).cmp(&after.get(name)) {
            Ordering::Less => Some(Effect::Looser),
            Ordering::Greater => Some(Effect::Stricter),
            Ordering::Equal => None,
        })
        .collect();
    match effects.len() {
        0 => None,
        1 => effects.into_iter().next(),
        _ => Some(Effect::Changed),
    }
}

/// Fewer times are stricter; the same in other words decide nothing.
fn times(old: &Value, new: &Value) -> Option<Effect> {
    let read = |value: &Value| Weekly::parse(value.as_str().unwrap_or_default()).ok();
    let Some((old, new)) = read(old).zip(read(new)) else { return Some(Effect::Changed) };
    match (new.is_within(&old), old.is_within(&new)) {
        (true, true) => None,
        (true, false) => Some(Effect::Stricter),
        (false, true) => Some(Effect::Looser),
        (false, false) => Some(Effect::Changed),
    }
}

pub fn opposite(effect: Effect) -> Effect {
    match effect {
        Effect::Stricter => Effect::Looser,
        Effect::Looser => Effect::Stricter,
        Effect::Changed => Effect::Changed,
    }
}
