//! What the gates of a policy share: groups of people, and calendars.

use std::collections::BTreeSet;

use schemas::policy::{Gate, PolicyDocument, Window};
use serde_json::{Value, json};

use super::direction::Direction;
use super::effect::effect_of;
use super::{Changes, Effect, shown};

impl Changes {
    /// Which way other members go depends on the gates that ask for them.
    pub(super) fn named(&mut self, old: &PolicyDocument, new: &PolicyDocument) {
        let names: BTreeSet<&String> = old.groups.keys().chain(new.groups.keys()).collect();
        for name in names {
            let members =
                |it: &PolicyDocument| it.groups.get(name).map_or(Value::Null, |it| json!(it));
            let asked = gates(new).any(|gate| match gate {
                Gate::Approvals(gate) => gate.groups.contains(name),
                _ => false,
            });
            // More people who count let more through.
            let way = if asked { Direction::Allowance } else { Direction::Other };
            self.member("groups", name, way, &members(old), &members(new));
        }
        let names: BTreeSet<&String> = old.calendars.keys().chain(new.calendars.keys()).collect();
        for name in names {
            let days =
                |it: &PolicyDocument| it.calendars.get(name).map_or(Value::Null, |it| json!(it));
            let asked = |list: fn(&Window) -> &Vec<String>| {
                gates(new).any(|gate| matches!(gate, Gate::Window(it) if list(it).contains(name)))
            };
            let way = match (asked(|it| &it.not_on), asked(|it| &it.only_on)) {
                (true, false) => Direction::EachOf,
                (false, true) => Direction::Allowance,
                (true, true) | (false, false) => Direction::Other,
            };
            self.member("calendars", name, way, &days(old), &days(new));
        }
    }

    fn member(&mut self, place: &str, name: &str, way: Direction, old: &Value, new: &Value) {
        // The same members in another order are the same.
        let sorted = |list: &Value| -> BTreeSet<String> {
            list.as_array().into_iter().flatten().map(ToString::to_string).collect()
        };
        if old.is_null() == new.is_null() && sorted(old) == sorted(new) {
            return;
        }
        // A list that comes or goes does so with the gates that name it, which say the rest.
        let whole = old.is_null() || new.is_null();
        let effect = if whole { None } else { effect_of(way, old, new) };
        let what = format!("{name}: {} -> {}", shown(old), shown(new));
        self.add(effect.unwrap_or(Effect::Changed), place, what);
    }
}

/// Every gate of a policy, on every path.
fn gates(policy: &PolicyDocument) -> impl Iterator<Item = &Gate> {
    let lists = policy.environments.iter().flat_map(|rule| rule.gate_lists());
    lists.flat_map(|(_, rules)| rules).map(|rule| &rule.gate)
}
