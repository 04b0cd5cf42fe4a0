//! The log as it grows: streams that lose nothing and repeat nothing, and open requests that are
//! decided without anybody asking.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use harness::http::get;
use harness::{Place, story};
use ledger::http::Settings;
use schemas::id::Digest;
use schemas::predicate::EntryRef;
use schemas::predicate::approval::{self, Approval, ApprovalOutcome, SigningMode};
use schemas::statement::{Statement, Subject};
use serde_json::Value;
use verifier::entry::Entry;
use verifier::sign::sign_statement;
use verifier::signature::SigningKey;

use crate::serve::{Running, assert_problem, envelope, open, opened, origin};

/// The longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of one stream. It speaks HTTP/1.0, so that the answer comes without chunks.
struct Tail(BufReader<TcpStream>);

impl Tail {
    fn open(server: SocketAddr, query: &str, last: Option<u64>) -> Tail {
        let mut stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let last = last.map_or_else(String::new, |last| format!("Last-Event-ID: {last}\r\n"));
        write!(stream, "GET /api/v1/events/stream{query} HTTP/1.0\r\n{last}\r\n").unwrap();
        let mut tail = Tail(BufReader::new(stream));
        let status = tail.line().unwrap();
        assert!(status.contains(" 200 "), "{status}");
        let mut kind = String::new();
        while let Some(line) = tail.line().filter(|line| !line.is_empty()) {
            kind.push_str(line.strip_prefix("content-type: ").unwrap_or_default());
        }
        assert_eq!(kind, "text/event-stream");
        tail
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event: its id and its data; none at the end of the stream.
    fn next(&mut self) -> Option<(u64, Value)> {
        let (mut id, mut data) = (None, None);
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", number)) => id = Some(number.parse().unwrap()),
                Some(("data", json)) => data = Some(serde_json::from_str(json).unwrap()),
                _ if line.is_empty() && data.is_some() => return Some((id?, data?)),
                // A comment, or the end of one.
                _ => assert!(line.is_empty() || line.starts_with(':'), "{line}"),
            }
        }
    }
}

/// Asks again and again until it is so.
fn until(so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "waited in vain");
        std::thread::yield_now();
    }
}

/// Logs so many notes by so many callers at once, over HTTP.
fn append(servers: &[Running], callers: u64, each: u64) {
    let origin = origin(&servers[0].place);
    std::thread::scope(|scope| {
        for caller in 0..callers {
            let server = &servers[caller as usize % servers.len()];
            let origin = &origin;
            scope.spawn(move || {
                let key = server.key();
                for nth in 0..each {
                    let answer = server.submit(&envelope(origin, caller * each + nth, &key));
                    assert_eq!(answer.status, 201, "{}", answer.text());
                }
            });
        }
    });
}

/// Follows a log up to a size, and leaves and comes back after every so many events.
fn follow(server: SocketAddr, size: u64, leave_after: usize) -> Vec<(u64, Value)> {
    let mut seen: Vec<(u64, Value)> = Vec::new();
    while (seen.len() as u64) < size {
        let last = seen.last().map(|(index, _)| *index);
        let mut tail = Tail::open(server, "?after=-1", last);
        for _ in 0..leave_after {
            if (seen.len() as u64) < size {
                seen.push(tail.next().expect("the stream has no end"));
            }
        }
    }
    seen
}

#[test]
fn a_tail_that_comes_back_sees_each_index_once_while_many_append() {
    const CALLERS: u64 = 8;
    const EACH: u64 = 25;
    let servers = [Running::start()];
    let address = servers[0].address;
    let size = 8 + CALLERS * EACH;
    let seen = std::thread::scope(|scope| {
        let tails: Vec<_> = [7, 1000]
            .map(|leave| scope.spawn(move || follow(address, size, leave)))
            .into_iter()
            .collect();
        append(&servers, CALLERS, EACH);
        tails.into_iter().map(|tail| tail.join().unwrap()).collect::<Vec<_>>()
    });
    for seen in &seen {
        let indexes: Vec<u64> = seen.iter().map(|(index, _)| *index).collect();
        assert_eq!(indexes, (0..size).collect::<Vec<_>>());
    }
    for (index, data) in seen[0].iter().step_by(40) {
        assert_eq!(*data, get(address, &format!("/api/v1/events/{index}")).json());
    }
}

/// What another process appends is seen too: on one file, and on one PostgreSQL.
#[test]
fn a_tail_sees_what_others_append() {
    let server = Running::start();
    let mut tail = Tail::open(server.address, "", None);
    server.place.expect(0, "attestry policy set open.yaml --key mia.pem");
    assert_eq!(tail.next().unwrap().0, 8);

    let Some(database) = harness::postgres::server() else { return };
    let place = story::team();
    place.expect(0, &format!("attestry move --to {}", database.database()));
    let servers = [Running::over(place.copy()), Running::over(place.copy())];
    let addresses = servers.each_ref().map(|server| server.address);
    let size = 8 + 4 * 10;
    std::thread::scope(|scope| {
        let tails = addresses.map(|address| scope.spawn(move || follow(address, size, 9)));
        append(&servers, 4, 10);
        for tail in tails {
            let indexes: Vec<u64> =
                tail.join().unwrap().into_iter().map(|(index, _)| index).collect();
            assert_eq!(indexes, (0..size).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_tail_shows_what_was_asked_for_and_refuses_the_rest() {
    let server = Running::over(story::released());
    for (query, options) in [
        ("kind=promotion-request", "--kind promotion-request"),
        ("thread=environment:payments/staging", "--env payments/staging"),
        ("project=payments", "--project payments"),
        ("project=payments&kind=decision", "--project payments --kind decision"),
    ] {
        let line = format!("attestry log {options} --limit 0 --json");
        let listed: Value = serde_json::from_str(&server.place.expect(0, &line).stdout).unwrap();
        let listed = listed["entries"].as_array().unwrap();
        assert!(listed.len() > 2, "{query}");
        let mut tail = Tail::open(server.address, &format!("?after=-1&{query}"), None);
        for entry in listed {
            assert_eq!(tail.next().unwrap().0, entry["index"].as_u64().unwrap(), "{query}");
        }
    }
    let address = server.address;
    let stream = "/api/v1/events/stream";
    for (query, status, code) in [
        ("kind=decisions", 400, "request-malformed"),
        ("project=Payments", 400, "request-malformed"),
        ("thread=payments", 400, "request-malformed"),
        ("after=-2", 400, "request-malformed"),
        ("after=x", 400, "request-malformed"),
        ("from=1", 400, "request-malformed"),
        ("after=100000", 409, "ahead-of-log"),
    ] {
        assert_problem(&get(address, &format!("{stream}?{query}")), status, code);
    }
}

#[test]
fn streams_are_capped_and_end_with_the_server() {
    let server = Running::start();
    let address = server.address;
    let mut tails: Vec<Tail> =
        (0..ledger::http::stream::OPEN_MAX).map(|_| Tail::open(address, "", None)).collect();
    assert_problem(&get(address, "/api/v1/events/stream"), 503, "busy");
    // Who leaves makes room, as soon as the server has noticed.
    drop(tails.pop());
    until(|| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /api/v1/events/stream HTTP/1.0\r\n\r\n").unwrap();
        let mut status = String::new();
        BufReader::new(stream).read_line(&mut status).unwrap();
        status.contains(" 200 ")
    });
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < PATIENCE, "streams keep nobody from stopping");
    assert!(tails.pop().unwrap().next().is_none());
}

/// A policy with one environment for each way to be decided later.
const POLICY: &str = "apiVersion: attestry/policy/v1
project: payments
environments:
  - name: dev
    gates: []
  - name: soaked
    gates:
      - soak: { in: dev, for: 3s }
  - name: approved
    gates:
      - approvals: { count: 1, roles: [release-approver], meaning: release, within: 72h }
";

/// Entries 8 and on: a policy, and a request that waits for alice, P-9.
fn waiting_for_alice() -> Place {
    let place = story::team();
    place.write("later.yaml", POLICY);
    place.expect(0, "attestry policy set later.yaml --key mia.pem");
    place.expect(0, "attestry promote dist/app.zip --to approved --reason x --key mia.pem");
    place
}

fn approval(place: &Place) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (policy, request, artifact, seen, now, nonce) = runtime.block_on(async {
        let ledger = open(place.path()).await;
        let policies = ledger.control().await.unwrap().policies;
        let request = Entry::parse(&ledger.entry(9).await.unwrap().entry).unwrap();
        let artifact: Digest = request
            .threads
            .iter()
            .find_map(|line| match &line.thread {
                schemas::thread::ThreadId::Artifact(digest) => Some(digest.clone()),
                _ => None,
            })
            .unwrap();
        let policy = policies.values().next().unwrap().statement;
        let (seen, now) = (ledger.seen().await.unwrap(), ledger.now());
        let found = (policy, request, artifact, seen, now, ledger.nonce().unwrap());
        ledger.close().await;
        found
    });
    let body = Approval {
        ledger: origin(place).parse().unwrap(),
        project: "payments".parse().unwrap(),
        nonce,
        environment: "approved".parse().unwrap(),
        request: EntryRef { index: 9, statement: request.statement },
        policy,
        outcome: ApprovalOutcome::Granted,
        withdraws: None,
        meaning: "release".into(),
        role: "release-approver".into(),
        reason: "it works".into(),
        expires_at: schemas::id::Time(now.0 + 3_600_000),
        signing_mode: SigningMode::Key,
        card: None,
        seen,
    };
    let pem = std::fs::read_to_string(place.file("alice.pem")).unwrap();
    let key = SigningKey::from_pkcs8_pem(&pem).unwrap();
    let statement = Statement::new(vec![Subject::of(&artifact, None)], approval::TYPE, body);
    sign_statement(&statement, &[&key]).unwrap()
}

#[test]
fn an_approval_over_http_decides_without_waiting_for_the_timer() {
    let place = waiting_for_alice();
    let approval = approval(&place);
    let settings = Settings { evaluate_every: Duration::from_secs(3600), ..opened() };
    let server = Running::with(place, settings);
    let mut tail = Tail::open(server.address, "?kind=decision", None);
    let answer = server.submit(&approval);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(tail.next().unwrap().0, 11);
    let place = server.stop();
    assert!(place.expect(0, "attestry show 11").stdout.contains("granted"));
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn time_alone_decides_an_open_request() {
    let place = waiting_for_alice();
    place.expect(0, "attestry promote dist/app.zip --to dev --reason x --key mia.pem");
    place.expect(
        0,
        "attestry record deployment --subject dist/app.zip --to dev --result succeeded --key ci.pem",
    );
    place.expect(0, "attestry promote dist/app.zip --to soaked --reason x --key mia.pem");
    let settings = Settings { evaluate_every: Duration::from_secs(1), ..opened() };
    let server = Running::with(place, settings);
    let mut tail = Tail::open(server.address, "?thread=environment:payments/soaked&after=13", None);
    let (index, data) = tail.next().unwrap();
    assert_eq!(index, 14, "{data}");
    assert!(data["entry"].as_str().unwrap().contains("verification_summary"), "{data}");
    server.stop().expect(0, "attestry verify --trust ledger/pin.txt");
}
