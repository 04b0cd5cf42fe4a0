//! Evidence that says the opposite of another piece.

use serde_json::{Value, json};

use super::super::Members;
use super::super::events::Happening;

/// So much that no sensible limit admits it.
const MUCH: u64 = 1_000_000;

/// What would say no where a piece says yes, and the other way round; empty where neither is said.
///
/// Whether a number is too great or too small is the policy's to say, so one becomes two: nothing,
/// and far too much.
pub fn opposites(event: &Happening) -> Vec<Happening> {
    match event {
        Happening::Test(members) => vec![Happening::Test(test(members.clone()))],
        Happening::Scan(members) => {
            let found = members.get("found").and_then(Value::as_array);
            let nothing = found.is_none_or(Vec::is_empty);
            let found = if nothing { json!(["critical"]) } else { json!([]) };
            vec![Happening::Scan(with(members, "found", found))]
        }
        Happening::Review(members) => {
            let outcome = members.get("outcome").cloned().unwrap_or(json!("approved"));
            let other = word(&outcome).into_iter();
            other.map(|it| Happening::Review(with(members, "outcome", it))).collect()
        }
        Happening::Analysis(members) => {
            vec![Happening::Analysis(analysis(members.clone()))]
        }
        Happening::Measurement(members) => {
            let all = |number: u64| {
                let about = ["artifact", "by", "unit", "samples"];
                let other = members.iter().map(|(name, value)| match about.contains(&&**name) {
                    true => (name.clone(), value.clone()),
                    false => (name.clone(), json!(number)),
                });
                Happening::Measurement(other.collect())
            };
            [all(0), all(MUCH)].into_iter().filter(|it| it != event).collect()
        }
        Happening::Record(members) => {
            recorded(members).map(Happening::Record).into_iter().collect()
        }
        Happening::Build(_)
        | Happening::Wait(_)
        | Happening::Deployment(_)
        | Happening::Request(_)
        | Happening::Approval(_)
        | Happening::Decide(_) => Vec::new(),
    }
}

fn with(members: &Members, name: &str, value: Value) -> Members {
    let mut members = members.clone();
    members.insert(name.to_owned(), value);
    members
}

fn test(mut members: Members) -> Members {
    let failed = members.get("result").and_then(Value::as_str) == Some("failed");
    // What was counted and which have failed belonged to the other run.
    members.remove("counts");
    members.remove("failed");
    let result = if failed { "passed" } else { "failed" };
    members.insert("result".to_owned(), json!(result));
    members
}

/// Nothing found where something was, and far too much where nothing was.
fn analysis(mut members: Members) -> Members {
    let counts = |value: &Value| -> u64 {
        let levels = value.as_object().into_iter().flatten();
        levels.filter_map(|(_, count)| count.as_u64()).chain(value.as_u64()).sum()
    };
    let something = members.iter().filter(|(name, _)| is_count(name)).any(|(_, it)| counts(it) > 0);
    let much = if something { 0 } else { MUCH };
    members.insert("levels".to_owned(), json!({ "error": much }));
    for (name, value) in members.iter_mut().filter(|(name, _)| is_count(name)) {
        *value = if name == "secrets" { json!(much) } else { json!({ "error": much }) };
    }
    members
}

fn is_count(name: &str) -> bool {
    ["levels", "new", "secrets"].contains(&name)
}

/// The predicate with its verdict turned round, where it has one of those that our kinds have.
fn recorded(members: &Members) -> Option<Members> {
    let predicate = members.get("predicate")?.as_object()?;
    let turned = ["verdict", "result", "outcome", "reversible"]
        .into_iter()
        .find_map(|name| Some((name, word(predicate.get(name)?)?)));
    let (name, value) = turned?;
    Some(with(members, "predicate", Value::Object(with(predicate, name, value))))
}

/// The opposite of a word that says yes or no.
fn word(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Bool(told) => json!(!told),
        Value::String(text) => json!(match text.as_str() {
            "passed" => "failed",
            "failed" | "inconclusive" | "running" => "passed",
            "PASSED" | "WARNED" => "FAILED",
            "FAILED" => "PASSED",
            "approved" => "changes-requested",
            "changes-requested" | "commented" => "approved",
            _ => return None,
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: Value, expected: &[Value]) {
        let event: Happening = serde_json::from_value(event).unwrap();
        let expected: Vec<Happening> =
            expected.iter().map(|it| serde_json::from_value(it.clone()).unwrap()).collect();
        assert_eq!(opposites(&event), expected);
    }

    #[test]
    fn yes_becomes_no_and_no_becomes_yes() {
        let test = |members: Value| json!({ "test": members });
        check(test(json!({"suite": "a"})), &[test(json!({"suite": "a", "result": "failed"}))]);
        check(
            test(json!({"result": "failed", "failed": ["x"], "counts": {"failed": 1}})),
            &[test(json!({"result": "passed"}))],
        );
        let scan = |found: Value| json!({"scan": {"found": found}});
        check(json!({"scan": {}}), &[scan(json!(["critical"]))]);
        check(scan(json!(["low"])), &[scan(json!([]))]);
        check(
            json!({"review": {"commit": "c"}}),
            &[json!({"review": {"commit": "c", "outcome": "changes-requested"}})],
        );
        let analysis = |levels: Value, secrets: u64| json!({"analysis": {"levels": levels, "secrets": secrets}});
        check(analysis(json!({"note": 3}), 0), &[analysis(json!({"error": 0}), 0)]);
        check(analysis(json!({}), 0), &[analysis(json!({"error": MUCH}), MUCH)]);
        check(json!({"analysis": {}}), &[json!({"analysis": {"levels": {"error": MUCH}}})]);
        let measured = |value: u64| json!({"measurement": {"m": value, "samples": 5}});
        check(measured(9), &[measured(0), measured(MUCH)]);
        check(measured(0), &[measured(MUCH)]);
        let canary = |verdict: &str| json!({"record": {"kind": "canary", "predicate": {"verdict": verdict}}});
        check(canary("passed"), &[canary("failed")]);
        check(canary("running"), &[canary("passed")]);
    }

    #[test]
    fn what_says_neither_has_no_opposite() {
        for event in [
            json!({"build": {}}),
            json!({"wait": "1h"}),
            json!({"request": {"by": "mia"}}),
            json!({"record": {"kind": "sbom", "predicate": {"bomFormat": "CycloneDX"}}}),
            json!({"record": {"kind": "incident", "predicate": {"status": "opened"}}}),
            json!({"review": {"outcome": "unknown"}}),
        ] {
            check(event, &[]);
        }
    }
}
