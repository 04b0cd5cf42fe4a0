//! The log as a list: every filter, both orders, pages of every size, and what commands print of it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use harness::http::get;
use harness::{Place, story};
use serde_json::{Value, json};

use crate::serve::{Running, assert_problem};

fn read(server: SocketAddr, path: &str) -> Value {
    let answer = get(server, path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

fn printed(place: &Place, line: &str) -> Value {
    serde_json::from_str(&place.expect(0, line).stdout).unwrap()
}

/// All pages of a list, which must not be longer than asked for.
fn pages(server: SocketAddr, query: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = read(server, &format!("/api/v1/events?limit={limit}{query}{cursor}"));
        let found = page["items"].as_array().unwrap().clone();
        assert!(found.len() <= limit, "{query}: {page}");
        items.extend(found);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

fn texts(rows: &[Value], member: &str) -> BTreeSet<String> {
    rows.iter().map(|row| row[member].as_str().unwrap().to_owned()).collect()
}

fn lists<'a>(rows: &'a [Value], member: &'a str) -> BTreeSet<String> {
    let lists = rows.iter().flat_map(move |row| row[member].as_array().unwrap());
    lists.map(|it| it.as_str().unwrap().to_owned()).collect()
}

/// A part of a query, and what fits it.
type Part = (String, Box<dyn Fn(&Value) -> bool>);

/// Every filter with every value that occurs, and some that do not.
fn parts(rows: &[Value]) -> Vec<Vec<Part>> {
    let none = || -> Part { (String::new(), Box::new(|_| true)) };
    let mut kinds = vec![none()];
    for kind in texts(rows, "kind").into_iter().chain(["other".to_owned()]) {
        let query = format!("&kind={kind}");
        kinds.push((query, Box::new(move |row| row["kind"] == kind.as_str())));
    }
    let mut threads = vec![none()];
    let unknown = ["artifact sha256:", "environment payments/qa"].map(|text| match text {
        "artifact sha256:" => format!("{text}{}", "0".repeat(64)),
        text => text.to_owned(),
    });
    for thread in lists(rows, "threads").into_iter().chain(unknown) {
        let (kind, id) = thread.split_once(' ').unwrap();
        if kind == "control" {
            continue;
        }
        let query = format!("&{kind}={id}");
        let on = move |row: &Value| row["threads"].as_array().unwrap().contains(&json!(thread));
        threads.push((query, Box::new(on)));
    }
    let mut signers = vec![none()];
    for name in lists(rows, "signers").into_iter().chain(["nobody".to_owned()]) {
        if name.contains(' ') {
            continue;
        }
        let query = format!("&signer={name}");
        let by = move |row: &Value| row["signers"].as_array().unwrap().contains(&json!(name));
        signers.push((query, Box::new(by)));
    }
    let time = |index: usize| rows[index]["time"].as_str().unwrap().to_owned();
    let (early, late) = (time(9), time(27));
    let ranges: Vec<Part> = vec![
        none(),
        ("&from_index=9&to_index=27".into(), Box::new(|row| (9..27).contains(&index(row)))),
        ("&to_index=0".into(), Box::new(|_| false)),
        ("&as_of=20".into(), Box::new(|row| index(row) < 20)),
        (
            format!("&from={early}&to={late}"),
            Box::new(move |row| {
                let time = row["time"].as_str().unwrap();
                (early.as_str()..late.as_str()).contains(&time)
            }),
        ),
    ];
    vec![kinds, threads, signers, ranges]
}

fn index(row: &Value) -> u64 {
    row["index"].as_u64().unwrap()
}

#[test]
fn every_filter_finds_what_fits_and_nothing_else() {
    let server = Running::over(story::released());
    let rows = pages(server.address, "&order=oldest", 500);
    // What the command prints of the log, member for member.
    let log = printed(&server.place, "attestry log --limit 0 --json");
    assert_eq!(json!(rows), log["entries"]);
    let parts = parts(&rows);
    let mut compared = 0;
    let mut check = |chosen: &[&Part], limit: usize| {
        let query: String = chosen.iter().map(|(query, _)| query.as_str()).collect();
        let fits = |row: &&Value| chosen.iter().all(|it| it.1(row));
        let mut expected: Vec<Value> = rows.iter().filter(fits).cloned().collect();
        let oldest = pages(server.address, &format!("{query}&order=oldest"), limit);
        assert_eq!(oldest, expected, "{query} {limit}");
        expected.reverse();
        assert_eq!(pages(server.address, &query, limit), expected, "{query} {limit}");
        compared += expected.len();
    };
    // Each pair of filters, and pages of one, of three and of everything.
    for (nth, some) in parts.iter().enumerate() {
        for others in &parts[nth + 1..] {
            for (number, one) in some.iter().enumerate() {
                for (step, other) in others.iter().enumerate() {
                    check(&[one, other], [1, 3, 500][(number + step) % 3]);
                }
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

#[test]
fn a_list_stays_the_same_while_the_log_grows() {
    let server = Running::over(story::released());
    let promote = "attestry promote dist/app.zip --to prod --reason again --key mia.pem";
    for query in ["", "&order=oldest", "&project=payments", "&environment=payments/prod"] {
        let whole = read(server.address, &format!("/api/v1/events?limit=500{query}"));
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = read(server.address, &format!("/api/v1/events?limit=12{query}{cursor}"));
            assert_eq!(page["asOf"], whole["asOf"]);
            items.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
            server.place.expect(0, promote);
        }
        assert_eq!(json!(items), whole["items"], "{query}");
        assert!(items.len() > 9, "{query}");
        let foreign = format!("/api/v1/events?kind=test{query}{cursor}");
        assert_problem(&get(server.address, &foreign), 400, "cursor-invalid");
    }
}

#[test]
fn what_cannot_be_asked_for_is_refused() {
    let server = Running::over(story::team());
    for wrong in [
        "kind=tests",
        "project=Payments",
        "environment=prod",
        "artifact=sha256:ab",
        "signer=A%20B",
        "order=sideways",
        "from=yesterday",
        "from_index=9007199254740992",
        "from_index=-1",
        "limit=0",
        "thread=control:ledger",
    ] {
        let answer = get(server.address, &format!("/api/v1/events?{wrong}"));
        assert_problem(&answer, 400, "request-malformed");
    }
    let answer = get(server.address, "/api/v1/events?as_of=4711");
    assert_problem(&answer, 404, "not-found");
}

/// One request says what the command prints.
#[test]
fn status_and_lineage_are_what_the_commands_print() {
    let place = story::released();
    let again = "attestry promote dist/app.zip --to prod --reason again --key mia.pem";
    place.expect(0, again);
    place.expect(0, "attestry approve P-37 --reason \"my own work\" --key alice.pem");
    let server = Running::over(place);
    let (place, address) = (&server.place, server.address);
    for query in ["", "?project=payments"] {
        let project = if query.is_empty() { "" } else { "--project payments" };
        let status = read(address, &format!("/api/v1/status{query}"));
        assert_eq!(status, printed(place, &format!("attestry status {project} --json")));
        assert_eq!(status["projects"][0]["environments"][1]["requests"][0]["request"], "P-37");
        for file in ["dist/app.zip", "dist/rc.zip"] {
            let line = format!("attestry lineage {file} {project} --json");
            let lineage = printed(place, &line);
            let digest = lineage["artifact"].as_str().unwrap();
            let path = format!("/api/v1/artifacts/{digest}/lineage{query}");
            assert_eq!(read(address, &path), lineage, "{file}");
        }
    }
    let app = printed(place, "attestry lineage dist/app.zip --json").to_string();
    assert_eq!(app.matches("does not count: ").count(), 2, "decided once, and open once: {app}");
    assert_problem(&get(address, "/api/v1/status?project=other"), 404, "not-found");
    let unknown = format!("/api/v1/artifacts/sha256:{}/lineage", "0".repeat(64));
    assert_problem(&get(address, &unknown), 404, "not-found");
}
