//! What time makes overdue stands in no entry: it is told all the same, once.

use serde_json::json;

use super::*;

/// In dev an approval is overdue after a second.
const HASTY_POLICY: &str = "apiVersion: attestry/policy/v1
project: payments
environments:
  - name: dev
    gates:
      - approvals: { count: 1, roles: [release-approver] }
        limit: 1s
        escalate: security
";

/// A server that looks at open requests all the time.
fn hasty() -> Settings {
    Settings { evaluate_every: Duration::from_millis(50), ..settings() }
}

/// A request that nobody approves, told of to a receiver; gives the request and what was told.
fn let_one_be_late(place: &Place, receiver: &Receiver) -> (String, Message) {
    promote(place, "dist/app.zip");
    loop {
        let told = receiver.next();
        if told.kind() == "promotion.overdue" {
            return (told.json()["data"]["request"].as_str().unwrap().to_owned(), told);
        }
    }
}

/// Approves, and reads what comes until that is told: it comes after whatever would be told again.
fn what_else_is_told(place: &Place, receiver: &Receiver, request: &str) -> Vec<Message> {
    place.expect(0, &format!("attestry approve {request} --reason x --key bob.pem"));
    let mut told = Vec::new();
    while told.last().is_none_or(|it: &Message| it.kind() != "promotion.granted") {
        told.push(receiver.next());
    }
    told
}

/// Also where a server looks again and again, or is started anew.
#[test]
fn what_is_overdue_is_told_once() {
    let receiver = Receiver::start([500]);
    let place = story::team();
    place.write("hasty.yaml", HASTY_POLICY);
    place.expect(0, "attestry policy set hasty.yaml --key mia.pem");
    let kinds = "--kind promotion-request --kind decision";
    place.expect(0, &format!("attestry webhook add {} {kinds}", receiver.url()));
    // Whoever wants only decisions is told nothing of it.
    let other = Receiver::start([]);
    place.expect(0, &format!("attestry webhook add {} --kind decision", other.url()));
    let server = Running::with(place, hasty());
    let (request, late) = let_one_be_late(&server.place, &receiver);
    let data = &late.json()["data"];
    assert_eq!((&data["gate"], &data["role"]), (&"approvals".into(), &"security".into()));
    assert_eq!(
        (&data["environment"], &data["project"]),
        (&"payments/dev".into(), &"payments".into())
    );
    let receipt = harness::http::get(server.address, data["receipt"].as_str().unwrap());
    assert!(receipt.text().starts_with("c2sp.org/tlog-proof@v1\n"), "{}", receipt.text());
    let server = Running::with(server.stop(), hasty());
    let rest = what_else_is_told(&server.place, &receiver, &request);
    assert_eq!(other.next().kind(), "promotion.granted");
    server.stop();
    assert_eq!(other.came.try_iter().count(), 0);
    // It may have come twice where its first attempt was refused, as itself.
    let again: Vec<&Message> = rest.iter().filter(|it| it.kind() == "promotion.overdue").collect();
    assert!(again.len() <= 1 && again.iter().all(|it| it.id == late.id), "{again:#?}");
}

#[test]
fn several_servers_tell_what_is_overdue_once() {
    let Some(database) = harness::postgres::server() else { return };
    let receiver = Receiver::start([]);
    let place = story::team();
    place.write("hasty.yaml", HASTY_POLICY);
    place.expect(0, "attestry policy set hasty.yaml --key mia.pem");
    place.expect(0, &format!("attestry move --to {}", database.database()));
    let kinds = "--kind promotion-request --kind decision";
    place.expect(0, &format!("attestry webhook add {} {kinds}", receiver.url()));
    let servers = [place.copy(), place.copy()].map(|place| Running::with(place, hasty()));
    let (request, _) = let_one_be_late(&place, &receiver);
    let rest = what_else_is_told(&place, &receiver, &request);
    for server in servers {
        server.stop();
    }
    let kinds: Vec<String> = rest.iter().map(Message::kind).collect();
    assert!(!kinds.contains(&"promotion.overdue".to_owned()), "{kinds:?}");
    let overdue = deliveries(&place);
    let overdue = overdue.iter().filter(|it| it["type"] == "promotion.overdue").count();
    assert_eq!(overdue, 1);
}

/// In prod one person lets an emergency through, and its review is due after a second.
const EMERGENCY_POLICY: &str = "apiVersion: attestry/policy/v1
project: payments
environments:
  - name: prod
    gates:
      - approvals: { count: 2, roles: [release-approver] }
    emergency:
      gates:
        - approvals: { count: 1, roles: [release-approver], not: [requester] }
      review: { within: 1s, roles: [security] }
";

fn next_review(receiver: &Receiver) -> Message {
    loop {
        let told = receiver.next();
        if told.kind() == REVIEW_NOTICE {
            return told;
        }
    }
}

/// Two artifacts that an emergency has let through, and that nobody reviews in time.
#[test]
fn a_review_that_nobody_signs_in_time_is_told_once() {
    let receiver = Receiver::start([500]);
    let place = story::team();
    place.write("emergency.yaml", EMERGENCY_POLICY);
    place.expect(0, "attestry policy set emergency.yaml --key mia.pem");
    place.expect(0, &format!("attestry webhook add {}", receiver.url()));
    // Whoever wants only decisions is told nothing of it.
    let other = Receiver::start([]);
    place.expect(0, &format!("attestry webhook add {} --kind decision", other.url()));
    let server = Running::with(place, hasty());
    server.place.expect(
        0,
        "attestry promote dist/app.zip --with dist/rc.zip --to prod --emergency --reason INC-42 \
         --key mia.pem",
    );
    let status = server.place.expect(0, "attestry status --json").stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    let open = &status["projects"][0]["environments"][0]["requests"][0];
    let request = open["request"].as_str().unwrap().to_owned();
    server.place.expect(0, &format!("attestry approve {request} --reason looked --key bob.pem"));
    let late = next_review(&receiver).json();
    let data = &late["data"];
    assert_eq!((&data["request"], &data["roles"]), (&open["request"], &json!(["security"])));
    assert_eq!(
        (&data["environment"], &data["kind"]),
        (&"payments/prod".into(), &"promotion-request".into())
    );
    assert_eq!((&data["artifact"], &data["artifacts"]), (&open["artifact"], &open["artifacts"]));
    assert_eq!((&data["gate"], &data["role"]), (&Value::Null, &Value::Null));
    // It says when it fell due, and the same artifacts as whoever asks is told.
    let path = format!("/api/v1/promotions/{request}");
    let review = harness::http::get(server.address, &path).json()["review"].clone();
    assert_eq!((&late["timestamp"], &Value::from(true)), (&review["dueAt"], &review["overdue"]));
    assert_eq!(data["artifacts"], review["artifacts"]);
    assert_eq!(review["artifacts"].as_array().unwrap().len(), 2);
    let receipt = harness::http::get(server.address, data["receipt"].as_str().unwrap());
    assert!(receipt.text().starts_with("c2sp.org/tlog-proof@v1\n"), "{}", receipt.text());
    // A server that is started anew looks again, and tells those alone who have not been told.
    let server = Running::with(server.stop(), hasty());
    let third = Receiver::start([]);
    server.place.expect(0, &format!("attestry webhook add {}", third.url()));
    let told = next_review(&third).json();
    assert_eq!(told, late);
    let review = format!("attestry approve {request} --meaning post-hoc-review --reason right");
    server.place.expect(0, &format!("{review} --key carol.pem"));
    for receiver in [&receiver, &third] {
        loop {
            let next = receiver.next();
            // Its first attempt may have been the one that was refused.
            assert!(next.kind() != REVIEW_NOTICE || next.json() == late, "{next:?}");
            if next.kind() == "emergency.reviewed" {
                break;
            }
        }
    }
    let told = deliveries(&server.place);
    let reviews = told.iter().filter(|it| it["type"] == REVIEW_NOTICE);
    let endpoints: Vec<u64> = reviews.map(|it| it["endpoint"].as_u64().unwrap()).collect();
    assert_eq!(endpoints, [3, 1], "the newest first, and each once");
    server.stop().expect(0, "attestry verify --trust ledger/pin.txt");
    assert!(other.came.try_iter().all(|it| it.kind() == "promotion.granted"));
}
